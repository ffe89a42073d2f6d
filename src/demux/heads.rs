//! The pass over the heads of packets, over several stretches of a long file at once.
//!
//! What a head says here depends on the stream's header alone, so that stretches can be read apart:
//! see [`Classifier::tells_by_heads`]. Whatever is otherwise gives none, and all is read whole.

use std::num::NonZero;
use std::sync::mpsc::{self, Receiver};
use std::thread::{available_parallelism, scope};

use super::boxes::guarded;
use super::pass::Pass;
use super::unit::Classifier;
use crate::av::{Input, Packet, StreamInfo};
use crate::cancel::Stop;
use crate::error::{Error, Result};
use crate::source::ByteSource;

/// Bytes of a packet that are read at first: nearly always they tell enough.
const HEAD_BYTES: usize = 2 << 10;
/// Where packets are smaller on average, a read for each costs more than it saves.
const PACKET_BYTES: u64 = 4 << 10;
/// Packets that take longer to read than opening the file once more.
const STRETCH_PACKETS: u64 = 20_000;
const STRETCHES: u64 = 4;

/// Whether to try.
pub(super) fn are_worth_it(input: &Input, info: &StreamInfo) -> bool {
    let packets = info.frames.unwrap_or(u64::MAX);
    Classifier::of(info).tells_by_heads()
        && input.bytes() / packets.max(1) >= PACKET_BYTES
        && input.skims()
}

/// The pass over all packets of a source that was just opened, so many stretches of it at once; none
/// where heads do not suffice.
///
/// # Errors
/// The source's own.
pub(super) fn pass(
    (input, count): (Input, u64),
    info: &StreamInfo,
    (open, stop): (impl Fn() -> Result<Box<dyn ByteSource>> + Sync, &Stop),
) -> Result<Option<Pass>> {
    let open = &open;
    let begin = |at: i64| {
        let mut input = Input::open_header(guarded(open()?), stop.clone())?;
        input.keep_only(info.index);
        Stretch::begin(input, info, Some(at))
    };
    let begin = &begin;
    let passes: Vec<Option<Pass>> = scope(|scope| {
        let (mut threads, mut before) = (Vec::new(), None);
        for n in (1..count).rev() {
            // Without a duration all begin where the first does, and one reads everything.
            let at =
                (i128::from(info.duration.unwrap_or(0)) * i128::from(n) / i128::from(count)) as i64;
            let (begun, end) = mpsc::channel();
            let after = before.replace(end);
            threads.push(scope.spawn(move || match begin(at)? {
                Some(stretch) => {
                    // Who reads up to here may have failed.
                    let _ = begun.send(stretch.position());
                    stretch.read(info, after)
                }
                None => Ok(None),
            }));
        }
        let first = match Stretch::begin(input, info, None)? {
            Some(stretch) => stretch.read(info, before)?,
            None => None,
        };
        let others = threads.into_iter().rev().map(|thread| {
            let panicked = |_| Err(Error::internal("a thread panicked while it made an index"));
            thread.join().unwrap_or_else(panicked)
        });
        std::iter::once(Ok(first))
            .chain(others)
            .collect::<Result<_>>()
    })?;
    let mut whole: Option<Pass> = None;
    for pass in passes {
        let Some(pass) = pass else { return Ok(None) };
        match &mut whole {
            Some(whole) => whole.append(pass)?,
            None => whole = Some(pass),
        }
    }
    Ok(whole)
}

pub(super) fn stretches(info: &StreamInfo) -> u64 {
    let cores = available_parallelism().map_or(1, NonZero::get) as u64;
    let long = info.frames.unwrap_or(0) / STRETCH_PACKETS;
    long.min(cores).clamp(1, STRETCHES)
}

/// A stretch of the source whose first packet is read.
struct Stretch {
    input: Input,
    packet: Packet,
}

impl Stretch {
    /// At the last seek point at or before so many ticks, or at the beginning.
    fn begin(mut input: Input, info: &StreamInfo, at: Option<i64>) -> Result<Option<Self>> {
        let classifier = Classifier::of(info);
        // How long the packet is that a read belongs to is not known to it.
        let enough = Box::new(move |head: &[u8]| classifier.told_by(head, usize::MAX));
        if !input.skim(HEAD_BYTES, enough) || at.is_some_and(|at| !input.seek(info.index, at)) {
            return Ok(None);
        }
        let mut stretch = Stretch {
            input,
            packet: Packet::new()?,
        };
        Ok(match stretch.next(info)? {
            Some(true) => Some(stretch),
            _ => None,
        })
    }

    fn position(&self) -> i64 {
        self.packet.position()
    }

    /// Goes to the stream's next packet; false at the end, none where heads do not suffice.
    fn next(&mut self, info: &StreamInfo) -> Result<Option<bool>> {
        loop {
            let more = self.input.read_head(&mut self.packet)?;
            let own = self.packet.stream() == info.index && self.packet.size() > 0;
            if more != Some(true) || own {
                return Ok(more);
            }
        }
    }

    /// Up to the packet where the next stretch begins, which says so once it does; to the end where none follows.
    fn read(mut self, info: &StreamInfo, next: Option<Receiver<i64>>) -> Result<Option<Pass>> {
        let end = match next.map(|next| next.recv()).transpose() {
            Ok(end) => end,
            // It could not begin.
            Err(_) => return Ok(None),
        };
        let mut classifier = Classifier::of(info);
        let mut pass = Pass::of(&self.input);
        // Where seek points are far apart, the next one may begin where this one does.
        while end != Some(self.position()) {
            let head = self.packet.data();
            let kind = classifier.classify(&self.packet)?;
            let size = self.packet.size();
            if head.len() < size && !classifier.told_by(head, size) {
                return Ok(None);
            }
            pass.take(&self.packet, kind)?;
            match self.next(info)? {
                Some(true) => {}
                Some(false) if end.is_none() => break,
                _ => return Ok(None),
            }
        }
        // Parameter sets among the packets may have changed that.
        let told = classifier.tells_by_heads();
        pass.end(classifier);
        Ok(told.then_some(pass))
    }
}
