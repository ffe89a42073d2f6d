//! `framecache view`

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::app;
use crate::cache::read::View;
use crate::cli::common::{Context, Exit, note, print_json, print_line};
use crate::config::serve::{ServeOptions, ServeSettings};
use crate::error::{Error, Result};
use crate::frames::absent;
use crate::hex::secret;
use crate::serve::{self, Pass, Server};
use crate::signals::Signals;

/// A browser that still takes an answer is not waited for longer.
const DRAIN: Duration = Duration::from_secs(1);

/// Look at timelines in a browser
///
/// Serves the store to this machine alone, prints an address, and opens a browser at it where
/// there is one. Ctrl-C ends it.
///
///   framecache view                      all timelines of the store
///   framecache view holiday              one of them
///   framecache view --store s3://bucket holiday
///
/// The address holds a key that counts once: the browser that brings it first stays signed in
/// until the command ends, and nobody else on this machine can look. For another browser run the
/// command again.
///
/// On a machine that is reached by ssh, say the port and carry it over:
///
///   framecache view --no-open --port 8080        there
///   ssh -L 8080:127.0.0.1:8080 HOST              here; then open the address that view prints
///
/// `framecache serve --http HOST:PORT` has the same pages for others, with tokens and TLS. In the
/// pages `?` lists the keys.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The timeline to begin with [default: the list of all]
    #[arg(value_name = "ID")]
    timeline: Option<String>,
    /// Only print the address
    #[arg(long)]
    no_open: bool,
    /// Of 127.0.0.1 [default: any free one]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    port: u16,
}

/// Serves until a signal ends it.
pub fn run(context: &Context, args: Args, signals: Signals) -> Result<Exit> {
    context.check_store_is_there()?;
    let descriptors = serve::Descriptors::all();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.max(2))
        .max_blocking_threads(descriptors.file_threads())
        .thread_name("view")
        .enable_all()
        .build()
        .map_err(|e| Error::internal("could not start the runtime").caused_by(e))?;
    let server = app::server(&context.settings, settings(context, &args)?, descriptors)?;
    if let Some(timeline) = &args.timeline {
        runtime.block_on(check_is_there(context, &server, timeline))?;
    }
    let door = Door::new(context, &args)?;
    let announce = move |bound, key: &str| door.open(bound, key);
    let pass = Some(Pass::new(Box::new(announce))?);
    let server = Server { pass, ..server };
    let outcome = runtime.block_on(serve::run(server, signals, &|text| {
        tracing::info!("{text}")
    }));
    // Blocking reads of a stalled source must not hold up the end.
    runtime.shutdown_background();
    outcome.map(|()| Exit::Done)
}

/// Of this machine alone; what this user can read is what may be extracted.
fn settings(context: &Context, args: &Args) -> Result<ServeSettings> {
    let options = ServeOptions {
        listen: Some("127.0.0.1:0".to_owned()),
        http: Some(format!("127.0.0.1:{}", args.port)),
        metrics: Some("none".to_owned()),
        ..ServeOptions::default()
    };
    let nothing = ServeOptions::default();
    let settings = ServeSettings::resolve(options, nothing, &context.settings.endpoint)?;
    Ok(ServeSettings {
        any_source: true,
        drain_timeout: DRAIN,
        ..settings
    })
}

async fn check_is_there(context: &Context, server: &Server, timeline: &str) -> Result<()> {
    let profile = context.profile(&server.frames, timeline)?;
    match profile.view().await? {
        View::Absent => Err(absent(&profile)),
        _ => Ok(()),
    }
}

/// Where a browser goes in.
struct Door {
    /// A name of this machine (RFC 6761, 6.3) that is this command's alone: browsers give the cookies of `127.0.0.1`
    /// to whatever listens there, on any port.
    host: String,
    path: String,
    json: bool,
    /// Takes the address to a browser, where there is one.
    letter: Option<Letter>,
}

impl Door {
    fn new(context: &Context, args: &Args) -> Result<Door> {
        let no_randomness = |e| Error::internal("could not make a name").caused_by(e);
        let name = secret().map_err(no_randomness)?;
        let path = match &args.timeline {
            None => "/".to_owned(),
            // Ids need no escapes.
            Some(id) => format!("/view/{id}?profile={}", context.global.profile),
        };
        let opens = !args.no_open && has_a_screen();
        Ok(Door {
            host: format!("view-{}.localhost", name.get(..12).unwrap_or_default()),
            path,
            json: context.json(),
            letter: opens.then(|| Letter::new(&name)),
        })
    }

    /// Says where it is. The key is behind the `#`: it is in no request and no log.
    fn open(&self, bound: SocketAddr, key: &str) {
        let (port, path) = (bound.port(), &self.path);
        let address = format!("http://{}:{port}{path}#key={key}", self.host);
        let plain = format!("http://127.0.0.1:{port}{path}#key={key}");
        let told = match self.json {
            true => print_json(&json!({"address": address, "plain_address": plain})),
            false => print_line(&address),
        };
        if let Err(error) = told {
            tracing::warn!("{error}");
        }
        note(&format!(
            "framecache: where a browser does not know that name: {plain}"
        ));
        note("framecache: the key counts once; Ctrl-C ends this");
        if let Some(letter) = &self.letter {
            letter.hand_over(&address);
        }
    }
}

fn has_a_screen() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

/// A file that only this user reads and that leads to the address: what a program is started with everybody sees.
/// It goes with the command.
struct Letter(PathBuf);

impl Letter {
    fn new(name: &str) -> Letter {
        let folder = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let folder = folder.filter(|folder| folder.is_dir());
        let folder = folder.unwrap_or_else(std::env::temp_dir);
        Letter(folder.join(format!("framecache-view-{name}.html")))
    }

    fn hand_over(&self, address: &str) {
        let opened = write(&self.0, address).and_then(|()| {
            let mut opener = Command::new("xdg-open");
            let opener = opener.arg(&self.0).stdin(Stdio::null());
            opener.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        });
        match opened {
            // It ends at once, or with the browser.
            Ok(mut opener) => drop(std::thread::spawn(move || opener.wait())),
            Err(error) => {
                let why = error.kind();
                note(&format!(
                    "framecache: no browser could be opened ({why}); open the address by hand"
                ));
            }
        }
    }
}

impl Drop for Letter {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn write(path: &Path, address: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // Its parts are ids and hex digits: nothing needs an escape.
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"0; url={address}\"><title>framecache</title>\
         <a href=\"{address}\">Open the viewer</a>\n"
    );
    file.write_all(page.as_bytes())
}
