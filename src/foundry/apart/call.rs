//! One call to a media process: what is asked, and its answers until the last, or until the process
//! ends, stops, or says what cannot be.

use std::time::{Duration, Instant};

use crate::cancel::cancelled;
use crate::error::{Error, Reason, Result};
use crate::foundry::Source;
use crate::foundry::apart::ears::Ear;
use crate::foundry::apart::process::{Death, Process};
use crate::foundry::apart::readers::Handed;
use crate::foundry::protocol::{Answer, Footing, Request, Word};
use crate::wire::{Channel, Failure, Received};

/// How soon who left is noticed, and a reader who came.
const TICK: Duration = Duration::from_millis(100);

/// What is asked; it may be asked twice.
pub(super) struct Asked<'a> {
    /// In the log.
    pub what: &'static str,
    pub subject: Subject<'a>,
}

pub(super) enum Subject<'a> {
    /// A source, under its number, and what is asked of it as it is handed over.
    Of(&'a Source, u64, &'a dyn Fn(Footing) -> Request),
    /// A request, and its bulk.
    Alone(&'a Request, &'a [u8]),
}

/// How long a process is waited for.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// In which nothing at all goes on, and no source is read.
    pub still: Duration,
    /// In which other calls go on, or sources are read, and this call does not.
    pub behind: Duration,
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
    (ear, patience): (&mut dyn Ear, Patience),
) -> Outcome {
    let begun = match &asked.subject {
        Subject::Alone(request, bulk) => process.begin((request, bulk), &[]),
        Subject::Of(source, id, request) => match Handed::over(source, *id) {
            // The process has copies of the descriptors once it has begun.
            Ok(handed) => {
                let (footing, descriptors) = handed.parts();
                process.begin((&request(footing), &[]), &descriptors)
            }
            Err(error) => return Outcome::Answered(Err(error)),
        },
    };
    let mut reads = false;
    let heard = begun.and_then(|channel| {
        let answered = heard((process, &channel), ear, (patience, &mut reads))?;
        if answered.is_ok() {
            process.ended(channel);
        }
        Ok(answered)
    });
    match heard {
        Ok(answered) => Outcome::Answered(answered),
        Err(failure) => process.death(&failure, reads),
    }
}

/// Hears the answers of a call to the last; `reads`: whether sources were waited for when it was last heard of.
///
/// # Errors
/// What is amiss with the process.
fn heard(
    (process, channel): (&Process, &Channel),
    ear: &mut dyn Ear,
    (patience, reads): (Patience, &mut bool),
) -> Result<Result<()>, Failure> {
    let (mut any, mut own) = (Instant::now(), Instant::now());
    let mut raised = ear.is_awaited();
    loop {
        if ear.is_gone() {
            channel.hang_up();
            return Ok(Err(cancelled()));
        }
        if !raised && ear.is_awaited() {
            channel.send(&Word::Raise, &[])?;
            raised = true;
        }
        match channel.receive_within::<Answer>(TICK)? {
            Received::Message(Answer::Failed(fault), _) => return Ok(Err(fault.into())),
            Received::Message(Answer::Spent, _) => process.retire(),
            Received::Message(
                Answer::Goes {
                    own: moves,
                    reads: now,
                },
                _,
            ) => {
                any = Instant::now();
                if moves {
                    own = any;
                    ear.goes();
                }
                *reads = now;
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
            Received::Nothing
                if any.elapsed() > patience.still || own.elapsed() > patience.behind =>
            {
                return Err(Failure::Stalled);
            }
            Received::Nothing => {}
            Received::End => return Err(Failure::HungUp),
        }
    }
}
