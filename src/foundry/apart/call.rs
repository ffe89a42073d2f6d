//! One call to a media process: what is asked, and its answers until the last, or until the process
//! ends, stops, or says what cannot be.

use std::time::{Duration, Instant};

use crate::error::{Error, Reason, Result};
use crate::foundry::Source;
use crate::foundry::apart::ears::Ear;
use crate::foundry::apart::process::{Death, Process};
use crate::foundry::apart::readers::Handed;
use crate::foundry::protocol::{Answer, Footing, Request, Word};
use crate::wire::{Channel, Failure, Received};

/// How soon who left is noticed, and a reader who came.
const TICK: Duration = Duration::from_millis(100);
/// A process in which other calls go on, and this one does not for so long, has stopped, too.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// What is asked; it may be asked twice.
pub(super) struct Asked<'a> {
    /// In the log.
    pub what: &'static str,
    /// With its number.
    pub source: Option<(&'a Source, u64)>,
    /// None, never: for a source that is not handed over.
    pub request: &'a dyn Fn(Option<Footing>) -> Option<Request>,
    pub bulk: &'a [u8],
}

/// How a call ended.
pub(super) enum Outcome {
    Answered(Result<()>),
    /// The process did, and did not answer.
    Died(Death),
    /// It ended before it was asked.
    NotBegun(Error),
}

pub(super) fn ask(
    process: &Process,
    asked: &Asked<'_>,
    (ear, still): (&mut dyn Ear, Duration),
) -> Outcome {
    let handed = match asked.source.map(|(source, id)| Handed::over(source, id)) {
        Some(Err(error)) => return Outcome::Answered(Err(error)),
        Some(Ok(handed)) => Some(handed),
        None => None,
    };
    let (footing, descriptors) = handed.map(Handed::parts).unzip();
    let Some(request) = (asked.request)(footing) else {
        return Outcome::Answered(Err(Error::internal("a request without its source")));
    };
    let descriptors = descriptors.unwrap_or_default();
    let channel = process.begin((&request, asked.bulk), &descriptors);
    // The process has copies of its own.
    drop(descriptors);
    match channel.and_then(|channel| heard(&channel, ear, still)) {
        Ok(answered) => Outcome::Answered(answered),
        Err(failure) => process.death(&failure),
    }
}

/// Hears the answers of a call to the last.
///
/// # Errors
/// What is amiss with the process.
fn heard(channel: &Channel, ear: &mut dyn Ear, still: Duration) -> Result<Result<()>, Failure> {
    let (mut any, mut own) = (Instant::now(), Instant::now());
    let mut raised = ear.is_awaited();
    loop {
        if ear.is_gone() {
            channel.hang_up();
            return Ok(Err(Error::new(Reason::Cancelled, "the caller left")));
        }
        if !raised && ear.is_awaited() {
            channel.send(&Word::Raise, &[])?;
            raised = true;
        }
        match channel.receive_within::<Answer>(TICK)? {
            Received::Message(Answer::Failed(fault), _) => return Ok(Err(fault.into())),
            Received::Message(Answer::Goes { own: moves }, _) => {
                any = Instant::now();
                own = if moves { any } else { own };
            }
            Received::Message(answer, bulk) => {
                match ear.hear(answer, bulk) {
                    Ok(false) => {}
                    Ok(true) => return Ok(Ok(())),
                    Err(error) => {
                        channel.hang_up();
                        return match error.reason() {
                            Reason::Cancelled => Ok(Err(error)),
                            _ => Err(Failure::Nonsense(error.message().to_owned())),
                        };
                    }
                }
                // A caller that was slow to take it is no fault of the process.
                (any, own) = (Instant::now(), Instant::now());
            }
            Received::Nothing if any.elapsed() > still || own.elapsed() > MAX_WAIT => {
                return Err(Failure::Stalled);
            }
            Received::Nothing => {}
            Received::End => return Err(Failure::HungUp),
        }
    }
}
