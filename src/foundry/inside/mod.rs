//! A media process: does what its parent asks over sockets, and nothing else. It ends when its
//! parent does.

mod calls;
mod sources;

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cancel::Stop;
use crate::demux::Track;
use crate::error::{Error, Result};
use crate::extract::SpanMedia;
use crate::foundry::media::Known;
use crate::foundry::protocol::{Answer, Fault, Footing, Request, VERSION, Walls};
use crate::foundry::{Foundry, Here, Media, Source};
use crate::sandbox::{self, Report, Sandbox};
use crate::wire::{Channel, receive_descriptors};

/// Units that all kept tracks may have together: about 64 bytes each.
const KEPT_UNITS: usize = 1_500_000;

/// Addresses that a process has by default, and more for each worker: pictures of 64 megapixels and all
/// that refers to them, with room for stacks and for what the heap only reserves.
const BASE_BYTES: u64 = 8 << 30;
const WORKER_BYTES: u64 = 256 << 20;

/// What all calls share.
pub(super) struct Shop {
    pub here: Here,
    #[cfg_attr(not(test), allow(dead_code))]
    pub workers: usize,
    /// By the number that the parent gave; used last, last.
    kept: Mutex<VecDeque<(u64, Arc<Track>)>>,
    /// Moves as long as any call goes on.
    pub pulse: AtomicU64,
}

/// The process: its standard input is the socket that calls come over.
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = error.message(), "a media process ends");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<()> {
    let control = std::io::stdin().as_fd().try_clone_to_owned();
    let control = control.map_err(|e| Error::internal("no socket for calls").caused_by(e))?;
    let control = UnixStream::from(control);
    let Some((first, _)) = next_call(&control)? else {
        return Ok(());
    };
    let (workers, walls) = match first.receive()? {
        Some((
            Request::Start {
                version,
                workers,
                walls,
            },
            _,
        )) if version == VERSION => (workers, walls),
        _ => return Err(Error::internal("the first call is of another version")),
    };
    let answer = match held(walls, workers) {
        Ok(report) => Answer::Started(report),
        Err(error) => Answer::Failed(Fault::from(&error)),
    };
    first.send(&answer, &[])?;
    let shop = Arc::new(Shop::new(workers));
    while let Some((call, descriptors)) = next_call(&control)? {
        let shop = shop.clone();
        let thread = std::thread::Builder::new().name("media-call".to_owned());
        let thread = thread.spawn(move || calls::answer(&shop, call, descriptors));
        thread.map_err(|e| Error::internal("could not start a thread").caused_by(e))?;
    }
    Ok(())
}

/// Holds this process, before it sees a byte of others. A GPU's driver opens files as it works.
fn held(walls: Walls, workers: usize) -> Result<Report> {
    crate::av::init();
    if crate::gpu::device_count().is_ok() {
        let why = "a GPU decodes here, whose driver opens files";
        if walls.sandbox == Some(Sandbox::Require) {
            return Err(
                Error::internal(format!("a media process is not held: {why}"))
                    .hint("use `--sandbox best-effort`, or hide the GPU (CUDA_VISIBLE_DEVICES)"),
            );
        }
        return Ok(Report {
            why_not: Some(why.to_owned()),
            ..Report::default()
        });
    }
    let sandbox = walls.sandbox.unwrap_or_else(|| match sandbox::is_there() {
        true => Sandbox::Require,
        false => Sandbox::BestEffort,
    });
    let memory = walls
        .memory
        .unwrap_or(BASE_BYTES + WORKER_BYTES * workers as u64);
    sandbox::restrict(sandbox::Limits { memory }, sandbox)
}

/// The next call's channel, and what it brings along; none once the parent is gone.
fn next_call(control: &UnixStream) -> Result<Option<(Channel, Vec<OwnedFd>)>> {
    let Some(mut descriptors) = receive_descriptors(control)? else {
        return Ok(None);
    };
    if descriptors.is_empty() {
        return Err(Error::internal("a call came without a channel"));
    }
    let rest = descriptors.split_off(1);
    let channel = descriptors.into_iter().map(UnixStream::from).next();
    let channel = channel.map(Channel::new).transpose()?;
    Ok(channel.map(|channel| (channel, rest)))
}

impl Shop {
    fn new(workers: usize) -> Self {
        Shop {
            here: Here::new(workers),
            workers,
            kept: Mutex::default(),
            pulse: AtomicU64::new(0),
        }
    }

    /// The source indexed, now or before, and read by its own descriptors.
    pub fn media(&self, footing: Footing, descriptors: Vec<OwnedFd>, stop: &Stop) -> Result<Media> {
        let id = footing.id;
        let source = Source {
            opener: sources::opener(footing.bytes, descriptors)?,
            stream: footing.stream,
            identities: footing.identities,
        };
        if let Some(track) = self.find(id) {
            let opener = source.opener;
            return Ok(Media(Known::Here(SpanMedia { track, opener })));
        }
        let media = self.here.index(source, stop)?;
        if let Known::Here(media) = &media.0 {
            self.keep(id, media.track.clone());
        }
        Ok(media)
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(u64, Arc<Track>)>> {
        // Nothing that can panic runs under the lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: u64) -> Option<Arc<Track>> {
        let mut kept = self.kept();
        let place = kept.iter().position(|(known, _)| *known == id)?;
        let found = kept.remove(place)?;
        kept.push_back(found.clone());
        Some(found.1)
    }

    fn keep(&self, id: u64, track: Arc<Track>) {
        let mut kept = self.kept();
        kept.retain(|(known, _)| *known != id);
        kept.push_back((id, track));
        let mut units: usize = kept.iter().map(|(_, track)| track.units.len()).sum();
        while units > KEPT_UNITS && kept.len() > 1 {
            if let Some((_, dropped)) = kept.pop_front() {
                units -= dropped.units.len();
            }
        }
    }
}
