//! A media process: does what its parent asks over sockets, and nothing else. It ends when its
//! parent does.

mod calls;
mod sources;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use crate::cancel::Stop;
use crate::demux::Track;
use crate::error::{Error, Result};
use crate::extract::SpanMedia;
use crate::foundry::kept::Kept;
use crate::foundry::media::Known;
use crate::foundry::protocol::{Answer, Fault, Footing, Request, VERSION, Walls};
use crate::foundry::{Foundry, Here, Media, Source};
use crate::sandbox::{self, Report, Sandbox};
use crate::wire::{Channel, receive_descriptors};

/// Addresses that a process has by default, and more for each worker: pictures of 64 megapixels and all
/// that refers to them, with room for stacks and for what the heap only reserves.
const BASE_BYTES: u64 = 8 << 30;
const WORKER_BYTES: u64 = 256 << 20;

/// What all calls share.
pub(super) struct Shop {
    pub here: Here,
    #[cfg_attr(not(test), allow(dead_code))]
    pub workers: usize,
    /// By the number that the parent gave.
    kept: Kept<u64, Arc<Track>>,
    /// Moves as long as any call goes on.
    pub pulse: AtomicU64,
    /// Reads of sources that are under way.
    pub reading: Arc<AtomicUsize>,
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

/// Holds this process, before it sees a byte of others.
fn held(walls: Walls, workers: usize) -> Result<Report> {
    crate::av::init();
    if crate::gpu::device_count().is_ok() {
        return held_with_driver(walls.sandbox);
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

/// A GPU's driver opens files as it works; it is kept from what it has no use for.
fn held_with_driver(sandbox: Option<Sandbox>) -> Result<Report> {
    let why = "a GPU decodes here, whose driver opens files";
    match sandbox {
        Some(Sandbox::Require) => Err(Error::internal(format!(
            "a media process is not held: {why}"
        ))
        .hint("use `--sandbox best-effort`, or hide the GPU (CUDA_VISIBLE_DEVICES)")),
        Some(Sandbox::Off) => Ok(Report {
            why_not: Some("it is switched off".to_owned()),
            ..Report::default()
        }),
        Some(Sandbox::BestEffort) | None => {
            let mut report = sandbox::restrict_driver();
            let reasons = [Some(why.to_owned()), report.why_not.take()];
            let reasons: Vec<String> = reasons.into_iter().flatten().collect();
            report.why_not = Some(reasons.join("; "));
            Ok(report)
        }
    }
}

/// The next call's channel, and what it brings along; none once the parent is gone.
fn next_call(control: &UnixStream) -> Result<Option<(Channel, Vec<OwnedFd>)>> {
    let Some(descriptors) = receive_descriptors(control)? else {
        return Ok(None);
    };
    let mut descriptors = descriptors.into_iter();
    let (Some(socket), Some(memory)) = (descriptors.next(), descriptors.next()) else {
        return Err(Error::internal("a call came without a channel"));
    };
    let channel = Channel::of_call([socket, memory])?;
    Ok(Some((channel, descriptors.collect())))
}

impl Shop {
    fn new(workers: usize) -> Self {
        Shop {
            here: Here::new(workers),
            workers,
            kept: Kept::new(|track: &Arc<Track>| track.units.len()),
            reading: Arc::default(),
            pulse: AtomicU64::new(0),
        }
    }

    /// The source indexed, now or before, and read by its own descriptors; `own` counts its reads.
    pub fn media(
        &self,
        (footing, descriptors): (Footing, Vec<OwnedFd>),
        own: &Arc<AtomicUsize>,
        stop: &Stop,
    ) -> Result<Media> {
        let id = footing.id;
        let reading = [self.reading.clone(), own.clone()];
        let source = Source {
            opener: sources::opener(footing.bytes, descriptors, reading)?,
            stream: footing.stream,
            identities: footing.identities,
        };
        if let Some(track) = self.kept.find(&id) {
            let opener = source.opener;
            return Ok(Media(Known::Here(SpanMedia { track, opener })));
        }
        let media = self.here.index(source, stop)?;
        if let Known::Here(media) = &media.0 {
            self.kept.keep(id, media.track.clone());
        }
        Ok(media)
    }
}
