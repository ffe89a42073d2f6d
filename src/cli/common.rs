//! What every command shares: global flags, output, errors, signals.

use std::error::Error as _;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use serde::Serialize;

use crate::app;
use crate::cache::Profile;
use crate::client::{Client, Local, Of, Remote, ServerAddress};
use crate::config::media::MediaOptions;
use crate::config::{Flags, Settings};
use crate::error::{Error, Reason, Result};
use crate::frames::Frames;
use crate::printable::printable;
use crate::signals::{Ending, Signals};
use crate::stderr;
use crate::timeline::plan::FrameLayout;
use crate::timeline::request::check_id;

/// Flags of every command.
#[derive(Args, Debug, Clone)]
pub struct Global {
    /// Where frames are kept: a folder, or s3://bucket[/prefix] [default: ./framecache-data]
    #[arg(
        long,
        global = true,
        env = "FRAMECACHE_STORE",
        value_name = "DIR|s3://BUCKET",
        help_heading = "Store"
    )]
    pub store: Option<String>,
    /// URL of an S3 server other than AWS (MinIO, SeaweedFS, …)
    #[arg(
        long,
        global = true,
        env = "FRAMECACHE_ENDPOINT",
        value_name = "URL",
        help_heading = "Store"
    )]
    pub endpoint: Option<String>,
    /// First part of every key in the store [default: cache]
    #[arg(long, global = true, env = "FRAMECACHE_PREFIX", help_heading = "Store")]
    pub prefix: Option<String>,
    /// A framecache server to work on, instead of a store: HOST:PORT, https://HOST:PORT, unix:/path
    #[arg(
        long,
        global = true,
        env = "FRAMECACHE_SERVER",
        value_name = "HOST:PORT",
        help_heading = "Server"
    )]
    pub server: Option<String>,
    /// The server's token
    #[arg(
        long,
        global = true,
        env = "FRAMECACHE_TOKEN",
        hide_env_values = true,
        help_heading = "Server"
    )]
    pub token: Option<String>,
    /// PEM file of the authority that the server's certificate is from [default: the system's]
    #[arg(
        long,
        global = true,
        env = "FRAMECACHE_TLS_CA",
        value_name = "FILE",
        help_heading = "Server"
    )]
    pub tls_ca: Option<PathBuf>,
    /// A named set of extraction parameters; each keeps its own frames
    #[arg(
        long,
        global = true,
        env = "FRAMECACHE_PROFILE",
        default_value = "default",
        help_heading = "Store"
    )]
    pub profile: String,
    /// TOML file with settings
    #[arg(
        long,
        global = true,
        env = "FRAMECACHE_CONFIG",
        display_order = 900,
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// Threads that decode and encode [default: all cores]
    #[arg(
        long,
        global = true,
        env = "FRAMECACHE_WORKERS",
        display_order = 901,
        value_name = "N"
    )]
    pub workers: Option<usize>,
    #[command(flatten)]
    pub media: MediaOptions,
    /// Print JSON for programs; errors too, on stderr
    #[arg(long, global = true, display_order = 902)]
    pub json: bool,
    /// Say more on stderr: causes of errors, retries
    #[arg(long, short, global = true, display_order = 903)]
    pub verbose: bool,
    /// Say nothing on stderr but what failed
    #[arg(
        long,
        short,
        global = true,
        display_order = 904,
        conflicts_with = "verbose"
    )]
    pub quiet: bool,
}

/// How a command ended, apart from errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// Done, but a chunk or a frame failed.
    PartFailed,
    /// Damage was found and reported.
    Damaged,
    Interrupted,
    Terminated,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::PartFailed => 3,
            Exit::Damaged => 6,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        })
    }
}

/// How frames lie in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// An object a frame
    Frames,
    /// Tar archives of at most 32 MiB
    Packed,
}

impl From<Layout> for FrameLayout {
    fn from(layout: Layout) -> FrameLayout {
        match layout {
            Layout::Frames => FrameLayout::Frames,
            Layout::Packed => FrameLayout::Packed,
        }
    }
}

/// Settings, and what is built from them when it is needed.
pub struct Context {
    pub global: Global,
    pub settings: Settings,
    /// The server to work on, if it is not a store.
    pub server: Option<ServerAddress>,
}

impl Context {
    pub fn new(global: Global) -> Result<Self> {
        let flags = Flags {
            config: global.config.clone(),
            store: global.store.clone(),
            endpoint: global.endpoint.clone(),
            prefix: global.prefix.clone(),
            workers: global.workers,
            media: global.media,
        };
        let settings = Settings::resolve(flags, |name| std::env::var(name).ok())?;
        let server = chosen_server(&global)?;
        Ok(Context {
            global,
            settings,
            server,
        })
    }

    /// Whoever does the work: the server, or this process on a store.
    ///
    /// # Errors
    /// As [`Remote::connect`].
    pub async fn client(&self) -> Result<Box<dyn Client>> {
        Ok(match &self.server {
            Some(address) => Box::new(Remote::connect(address.clone()).await?),
            None => Box::new(Local::new(self.settings.clone())),
        })
    }

    /// The same for commands that only work on what is there: a store that is not is refused, not made.
    ///
    /// # Errors
    /// As [`Context::client`]; FIELD_INVALID for a timeline that is no id; STORE_NOT_FOUND.
    pub async fn client_of_what_is_there(&self, timeline: Option<&str>) -> Result<Box<dyn Client>> {
        timeline.map_or(Ok(()), |id| check_id("timeline", id))?;
        if self.server.is_none() {
            self.check_store_is_there()?;
        }
        self.client().await
    }

    /// # Errors
    /// STORE_NOT_FOUND for a folder that is not there; buckets are asked for when they are read.
    pub fn check_store_is_there(&self) -> Result<()> {
        let store = &self.settings.store;
        let is_gone = |e: std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
        if store.contains("://") || !std::fs::metadata(store).is_err_and(is_gone) {
            return Ok(());
        }
        let message = format!("there is no store here, store={store}");
        Err(Error::new(Reason::StoreNotFound, message)
            .hint("name another by --store; `framecache extract` and `framecache put` make one"))
    }

    /// The chosen profile of a timeline.
    pub fn of<'a>(&'a self, timeline: &'a str) -> Of<'a> {
        Of::new(timeline, &self.global.profile)
    }

    /// For commands that work on this machine and nowhere else.
    ///
    /// # Errors
    /// FIELD_INVALID where `--server` was given. FRAMECACHE_SERVER means other commands.
    pub fn refuse_server(&self, command: &str) -> Result<()> {
        if self.server.is_none() || is_set("FRAMECACHE_SERVER", self.global.server.as_deref()) {
            return Ok(());
        }
        let message = format!("`framecache {command}` works on this machine, not on a server");
        Err(Error::field(message).hint("run it where the store is, without --server"))
    }

    pub fn frames(&self) -> Result<Frames> {
        app::frames(&self.settings)
    }

    /// The chosen profile of a timeline.
    pub fn profile(&self, frames: &Frames, timeline: &str) -> Result<Profile> {
        frames.cache().profile(timeline, &self.global.profile)
    }

    pub fn json(&self) -> bool {
        self.global.json
    }
}

/// The server, unless a store was chosen over it: a flag over a variable.
fn chosen_server(global: &Global) -> Result<Option<ServerAddress>> {
    let Some(target) = global.server.clone().filter(|server| !server.is_empty()) else {
        return Ok(None);
    };
    let by_variable = is_set("FRAMECACHE_SERVER", Some(&target));
    if let Some(store) = &global.store {
        match (by_variable, is_set("FRAMECACHE_STORE", Some(store))) {
            (true, false) => return Ok(None),
            (false, true) => {}
            _ => {
                return Err(Error::field(format!(
                    "a store and a server are given at once, store={store} server={target}"
                ))
                .hint("choose one: a server has its own store"));
            }
        }
    }
    Ok(Some(ServerAddress {
        target,
        token: global.token.clone(),
        tls_ca: global.tls_ca.clone(),
    }))
}

/// Whether the variable holds just this.
fn is_set(variable: &str, value: Option<&str>) -> bool {
    value.is_some() && std::env::var(variable).ok().as_deref() == value
}

/// That the timeline is there, and has the profile if one is named.
///
/// # Errors
/// TIMELINE_NOT_FOUND; the store's own.
pub async fn known_profile(
    client: &dyn Client,
    timeline: &str,
    profile: Option<&str>,
) -> Result<()> {
    let known = client.profiles(timeline).await?;
    let missing = profile.filter(|name| !known.iter().any(|k| k == name));
    let unknown =
        |message: &str| Error::new(Reason::TimelineNotFound, message).about("timeline", timeline);
    match missing {
        _ if known.is_empty() => Err(unknown("the store has no such timeline")
            .hint("`framecache timelines` lists what it holds")),
        Some(name) => Err(unknown("the timeline has no such profile")
            .about("profile", name)
            .hint(format!("it has {}", known.join(", ")))),
        None => Ok(()),
    }
}

/// Says which store an error is about: on the command line it is the user's own.
pub fn naming_the_store(error: Error, context: &Context) -> Error {
    let settings = &context.settings;
    let of_store = matches!(
        error.reason(),
        Reason::StoreNotFound | Reason::StoreDenied | Reason::StoreUnavailable | Reason::DiskFull
    );
    if context.server.is_some() || !of_store || error.message().contains(&settings.store) {
        return error;
    }
    let endpoint = settings.endpoint.url.as_deref();
    let endpoint = endpoint.map_or(String::new(), |url| format!(" endpoint={url}"));
    let message = format!("{}, store={}{endpoint}", error.message(), settings.store);
    error.reworded(message)
}

/// Prints a value as one JSON document.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Error::internal("could not write JSON").caused_by(e))?;
    write_out(format!("{text}\n").as_bytes())
}

/// Prints a line of results for people, whoever's words are in it.
pub fn print_line(line: &str) -> Result<()> {
    write_out(format!("{}\n", printable(line)).as_bytes())
}

/// Writes bytes of results. A reader that went away (`| head`) ends the command quietly.
pub fn write_out(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) if e.kind() == std::io::ErrorKind::StorageFull => Err(Error::new(
            Reason::DiskFull,
            "could not write the results: no space left",
        )
        .caused_by(e)),
        Err(e) => Err(Error::internal("could not write the results").caused_by(e)),
    }
}

/// Set once, before the command begins.
static QUIET: AtomicBool = AtomicBool::new(false);

pub fn be_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// A message beside the results, which --quiet leaves out.
pub fn note(text: &str) {
    if !is_quiet() {
        stderr::line(text);
    }
}

/// What failed, though the command goes on.
pub fn complain(text: &str) {
    stderr::line(text);
}

/// The same for programs: `{"error": {…}}` in one line.
pub fn print_json_error(error: &Error) {
    let reason = error.reason();
    let mut told = serde_json::json!({
        "reason": reason.name(), "message": error.message(), "exit": reason.code().exit_status(),
    });
    for (key, text) in [("hint", error.hint_text()), ("field", error.field_path())] {
        if let Some(text) = text {
            told[key] = text.into();
        }
    }
    complain(&serde_json::json!({ "error": told }).to_string());
}

/// One line: what went wrong, and how to mend it.
pub fn print_error(error: &Error, verbose: bool) {
    let hint = error
        .hint_text()
        .map(|hint| format!("; {hint}"))
        .unwrap_or_default();
    complain(&format!("framecache: {}{hint}", error.message()));
    let mut cause = error.source().filter(|_| verbose);
    while let Some(inner) = cause {
        complain(&format!("  because: {inner}"));
        cause = inner.source();
    }
}

/// Whether a person watches stderr.
pub fn watched() -> bool {
    std::io::stderr().is_terminal()
}

/// `level`: what is logged, unless more is asked for.
pub fn start_log(verbose: bool, level: &str) {
    let default = format!("framecache={}", if verbose { "debug" } else { level });
    // Set once a process; a second start would only be refused.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(log_filter(&default))
        .with_ansi(watched())
        .with_writer(|| stderr::Direct)
        .try_init();
}

/// Of a process whose lines are another's to log, with what that one puts in front.
pub fn start_log_for_another(level: &str) {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(log_filter(&format!("framecache={level}")))
        .without_time()
        .with_ansi(false)
        .with_writer(|| stderr::Direct)
        .try_init();
}

/// FRAMECACHE_LOG says what is logged, otherwise the default does.
fn log_filter(default: &str) -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_env("FRAMECACHE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default))
}

/// Ends with the first SIGINT or SIGTERM. The cache needs no tidying: it is whole at every moment.
/// `writes`: what is stopped may have put something there.
pub async fn ended(signals: &mut Signals, writes: bool) -> Exit {
    let ending = signals.next().await;
    note(if writes {
        "framecache: stopped; what is committed stays, and the same command goes on from there"
    } else {
        "framecache: stopped"
    });
    match ending {
        Ending::Interrupt => Exit::Interrupted,
        Ending::Terminate => Exit::Terminated,
    }
}
