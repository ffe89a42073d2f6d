//! A media process, from its start to how it ended.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;

use crate::error::{Error, Result};
use crate::foundry::apart::call::Outcome;
use crate::foundry::apart::log;
use crate::foundry::apart::readers::Descriptor;
use crate::foundry::protocol::{Answer, Request, VERSION, Walls};
use crate::metrics::Metrics;
use crate::sandbox::Report;
use crate::wire::{Channel, Failure, Memories, Received, send_descriptors};

/// Loading libraries from a cold disk takes seconds.
const MAX_START: Duration = Duration::from_secs(60);
/// Its sockets close a little before it can be waited for.
const MAX_END: Duration = Duration::from_secs(1);
/// How often a GPU's failure has a process replaced; tests do not wait.
const RETIRES: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 60 });
/// The command that is one, known to no help.
pub const NAME: &str = "media-process";
/// SIGKILL, signal(7).
const SIGKILL: i32 = 9;
/// By which its libraries are found and its log is filtered, and those of the GPU's libraries and of the
/// ones that stand in for them in tests. It sees no other variable.
const VARIABLES: [&str; 4] = [
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "FRAMECACHE_LOG",
    "FRAMECACHE_NVCUVID",
];
const FAMILIES: [&str; 3] = ["CUDA_", "NVIDIA_", "FRAMECACHE_STANDIN"];

/// What is run as a media process.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
}

impl Program {
    /// This very binary, though another may lie under its name by now.
    pub fn own() -> Self {
        // What would not be logged here need not be told.
        let level = LevelFilter::current().to_string();
        Program::with(&[NAME, &level])
    }

    pub(super) fn with(arguments: &[&str]) -> Self {
        Program {
            path: PathBuf::from("/proc/self/exe"),
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
        }
    }
}

pub(super) struct Process {
    child: Mutex<Child>,
    control: Mutex<UnixStream>,
    /// The first call, until it is answered.
    starting: Mutex<Option<Channel>>,
    report: OnceLock<Report>,
    /// It died, or is to, or gets no more calls.
    is_dead: AtomicBool,
    begun: Instant,
    memories: Memories,
    metrics: Arc<Metrics>,
}

/// How a process ended without being asked to.
#[derive(Debug)]
pub(super) enum Death {
    /// By a signal of its own, or with a status.
    Of(String),
    /// From outside.
    Killed,
    /// It was, since nothing went on in it.
    Stalled,
    /// The same, while it waited for bytes of a source.
    Unread,
    /// It lives, but its GPU gives it nothing more.
    Spent,
}

impl Death {
    /// In metrics.
    pub const CAUSES: [&'static str; 5] = ["crash", "killed", "stalled", "unread", "gpu"];

    pub fn cause(&self) -> &'static str {
        match self {
            Death::Of(_) => Death::CAUSES[0],
            Death::Killed => Death::CAUSES[1],
            Death::Stalled => Death::CAUSES[2],
            Death::Unread => Death::CAUSES[3],
            Death::Spent => Death::CAUSES[4],
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Death::Of(how) => f.write_str(how),
            Death::Killed => f.write_str("killed"),
            Death::Stalled => f.write_str("stalled"),
            Death::Unread => f.write_str("stalled while it read"),
            Death::Spent => f.write_str("its GPU failed for good"),
        }
    }
}

impl Process {
    /// Starts one, and does not wait until it stands.
    ///
    /// # Errors
    /// INTERNAL where the system starts none.
    pub fn start(
        program: &Program,
        (workers, walls): (usize, Walls),
        metrics: &Arc<Metrics>,
    ) -> Result<Process> {
        let failed = |e: std::io::Error| {
            Error::internal("could not start a media process")
                .hint("see the cause; `--isolation none` does without")
                .caused_by(e)
        };
        let (control, theirs) = UnixStream::pair().map_err(failed)?;
        let mut command = Command::new(&program.path);
        command
            .arg0("framecache")
            .args(&program.arguments)
            .env_clear();
        let seen =
            |name: &str| VARIABLES.contains(&name) || FAMILIES.iter().any(|f| name.starts_with(f));
        command.envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(seen)));
        command.stdin(OwnedFd::from(theirs));
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let log = child.stderr.take();
        let thread = std::thread::Builder::new().name("media-log".to_owned());
        let thread = thread.spawn(move || log.map(log::pass_on));
        let process = Process {
            child: Mutex::new(child),
            control: Mutex::new(control),
            starting: Mutex::default(),
            report: OnceLock::new(),
            is_dead: AtomicBool::new(false),
            begun: Instant::now(),
            memories: Memories::default(),
            metrics: metrics.clone(),
        };
        metrics.media_processes().inc();
        thread.map_err(failed)?;
        let start = Request::Start {
            version: VERSION.to_owned(),
            workers,
            walls,
        };
        let (first, theirs) = Channel::pair_of_call(&process.memories)?;
        // One that has ended already is met, and told, where the answer is waited for.
        let _ = process.hand(&theirs.each_ref().map(AsFd::as_fd));
        let _ = first.send(&start, &[]);
        *process.starting() = Some(first);
        Ok(process)
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        // Nothing that can panic runs under the locks.
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn starting(&self) -> MutexGuard<'_, Option<Channel>> {
        self.starting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn id(&self) -> u32 {
        self.child().id()
    }

    /// The caller's end of a call that nothing was asked in yet.
    #[cfg(test)]
    pub fn raw(&self) -> UnixStream {
        self.stands().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (_, [_, memory]) = Channel::pair_of_call(&self.memories).unwrap();
        self.hand(&[theirs.as_fd(), memory.as_fd()]).unwrap();
        ours
    }

    #[cfg(test)]
    pub fn kill(&self) {
        self.child().kill().unwrap();
    }

    /// What holds it.
    ///
    /// # Errors
    /// INTERNAL where it cannot be started.
    pub fn report(&self) -> Result<Report> {
        if let Err(failure) = self.stands() {
            return match self.death(&failure, false) {
                Outcome::NotBegun(error) => Err(error),
                Outcome::Answered(_) | Outcome::Died(_) => Err(failure.into()),
            };
        }
        Ok(self.report.get().cloned().unwrap_or_default())
    }

    /// It was asked something.
    pub fn stood(&self) -> bool {
        self.starting().is_none()
    }

    /// It can be asked.
    pub fn is_alive(&self) -> bool {
        let status = self.child().try_wait();
        match status {
            Ok(None) => !self.is_dead.load(Ordering::Relaxed),
            Ok(Some(status)) => {
                self.count(&death_of(status));
                false
            }
            Err(_) => false,
        }
    }

    /// Its death, once, however many calls it had.
    fn count(&self, death: &Death) {
        if !self.is_dead.swap(true, Ordering::Relaxed) {
            self.metrics.media_process_died(death.cause());
        }
    }

    /// Gives it no more calls; those that it has go on. One that is young stays: a card that fails at
    /// once would fail the next process, too, and spans go to the CPU meanwhile.
    pub fn retire(&self) {
        if self.begun.elapsed() >= RETIRES && !self.is_dead.load(Ordering::Relaxed) {
            tracing::warn!("a GPU failed for good in a media process; a new one takes its place");
            self.count(&Death::Spent);
        }
    }

    /// Begins a call, once the process stands.
    ///
    /// # Errors
    /// What is amiss with it.
    pub fn begin(
        &self,
        request: (&Request, &[u8]),
        descriptors: &[Descriptor],
    ) -> Result<Channel, Failure> {
        self.stands()?;
        self.call(request, descriptors)
    }

    /// A call whose last answer has come.
    pub fn ended(&self, channel: Channel) {
        self.memories.keep(channel);
    }

    fn stands(&self) -> Result<(), Failure> {
        let mut starting = self.starting();
        let Some(first) = starting.as_ref() else {
            return Ok(());
        };
        match first.receive_within(MAX_START)? {
            Received::Message(Answer::Started(report), _) => {
                *starting = None;
                // Said once: the first answer counts.
                let _ = self.report.set(report);
                Ok(())
            }
            Received::Message(Answer::Failed(fault), _) => {
                Err(Failure::Nonsense(Error::from(fault).message().to_owned()))
            }
            Received::Message(..) => Err(Failure::Nonsense("no start".to_owned())),
            Received::Nothing => Err(Failure::Stalled),
            Received::End => Err(Failure::HungUp),
        }
    }

    fn call(
        &self,
        (request, bulk): (&Request, &[u8]),
        descriptors: &[Descriptor],
    ) -> Result<Channel, Failure> {
        let (channel, theirs) = Channel::pair_of_call(&self.memories)?;
        let handed = theirs.iter().map(AsFd::as_fd);
        let handed: Vec<_> = handed.chain(descriptors.iter().map(AsFd::as_fd)).collect();
        self.hand(&handed)?;
        // Without this end the other one's death would not be seen.
        drop(theirs);
        channel.send(request, bulk)?;
        Ok(channel)
    }

    fn hand(&self, descriptors: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        send_descriptors(&control, descriptors)
    }

    /// What became of the process in which a call failed so; whatever is left of it is ended.
    /// `reads`: it waited for bytes of sources.
    pub fn death(&self, failure: &Failure, reads: bool) -> Outcome {
        let stood = self.stood();
        let death = self.end(failure, reads);
        self.count(&death);
        match stood {
            true => Outcome::Died(death),
            false => Outcome::NotBegun(
                Error::internal(format!("a media process cannot be started: {death}"))
                    .hint("the log has what it said; `--isolation none` does without"),
            ),
        }
    }

    fn end(&self, failure: &Failure, reads: bool) -> Death {
        let mut child = self.child();
        if matches!(failure, Failure::HungUp)
            && let Some(status) = ended(&mut child)
        {
            return death_of(status);
        }
        kill(&mut child);
        match failure {
            Failure::Stalled if reads => Death::Unread,
            Failure::Stalled => Death::Stalled,
            Failure::HungUp => Death::Of("it left a call unanswered".to_owned()),
            other => Death::Of(other.to_string()),
        }
    }
}

/// Ends it, and waits a moment: a read of a disk that does not answer outlives even that, and nobody
/// else is to wait for it.
fn kill(child: &mut Child) {
    // Fails where it ended by itself.
    let _ = child.kill();
    if ended(child).is_none() {
        tracing::error!("a media process that was killed does not end: a source may not answer");
    }
}

fn ended(child: &mut Child) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if begun.elapsed() < MAX_END => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => return None,
        }
    }
}

fn death_of(status: ExitStatus) -> Death {
    match (status.signal(), status.code()) {
        (Some(SIGKILL), _) => Death::Killed,
        (Some(signal), _) => Death::Of(format!("signal={signal}")),
        (None, code) => Death::Of(format!("status={}", code.unwrap_or_default())),
    }
}

/// It ends by itself when no call can come any more, and otherwise is ended.
impl Drop for Process {
    fn drop(&mut self) {
        let control = self.control.get_mut();
        let control = control.unwrap_or_else(PoisonError::into_inner);
        // Fails where it ended first.
        let _ = control.shutdown(std::net::Shutdown::Both);
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended(child).is_none() {
            kill(child);
        }
        self.metrics.media_processes().dec();
    }
}
