//! Units in decode order, by ordinal, with seeks that are proven by what is read after them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::av::{Input, Packet};
use crate::cancel::Stop;
use crate::demux::h26x::Framing;
use crate::demux::index::{Track, Unit};
use crate::demux::unit::framing_of;
use crate::demux::unpacking::Unpacker;
use crate::error::{Error, Reason, Result};
use crate::source::ByteSource;

/// Opens the track's source anew.
pub type Opener = Arc<dyn Fn() -> Result<Box<dyn ByteSource>> + Send + Sync>;

/// Rolling on costs less than a seek below this many bytes: a seek drops what is buffered.
const ROLL_BYTES: u64 = 1 << 20;
/// Packets read after a seek before it counts as failed.
const RESYNC_PACKETS: usize = 2000;

/// Reads a track's packets and knows the ordinal of each.
pub struct UnitReader {
    track: Arc<Track>,
    opener: Opener,
    stop: Stop,
    input: Input,
    packet: Packet,
    /// Ordinal of the packet that the next read gives.
    next: u32,
    /// A packet that a resync has read already.
    held: bool,
    /// Whoever reads starts with the unit that comes next.
    starts: bool,
    /// How NAL units are to stand in packets, where they have NAL units.
    framing: Option<Framing>,
    unpacker: Option<Unpacker>,
}

impl UnitReader {
    /// # Errors
    /// As [`crate::demux::open`].
    pub fn open(track: Arc<Track>, opener: Opener, stop: Stop) -> Result<Self> {
        let input = open_input(&track, &opener, &stop)?;
        Ok(UnitReader {
            framing: framing_of(&track.info),
            unpacker: Unpacker::open_if(&track.info, track.packed)?,
            starts: true,
            track,
            opener,
            stop,
            input,
            packet: Packet::new()?,
            next: 0,
            held: false,
        })
    }

    /// Whether reading goes on is asked of this from now on.
    pub fn follow(&mut self, stop: Stop) {
        self.input.follow(stop.clone());
        self.stop = stop;
    }

    /// Ordinal of the unit that comes next.
    pub fn next_unit(&self) -> u32 {
        self.next
    }

    /// The unit that `advance` read last.
    pub fn packet(&mut self) -> &mut Packet {
        &mut self.packet
    }

    /// Reads the next unit and gives its ordinal; none at the end.
    ///
    /// # Errors
    /// SOURCE_CHANGED where the packets are not those of the index.
    pub fn advance(&mut self) -> Result<Option<u32>> {
        if !std::mem::take(&mut self.held) && !self.read_own()? {
            return Ok(None);
        }
        let ordinal = self.next;
        let known = self.track.units.get(ordinal as usize);
        if known.is_none_or(|unit| unit.size as usize != self.packet.data().len()) {
            return Err(changed());
        }
        self.next += 1;
        self.prepare(ordinal)?;
        Ok(Some(ordinal))
    }

    /// Has the packet say what a decoder needs that it does not have from the stream's header, or from
    /// the unit before. The demuxer's own word depends on what was read before.
    fn prepare(&mut self, unit: u32) -> Result<()> {
        self.packet.drop_header();
        let given = self.track.configurations.given(unit, self.starts);
        self.starts = false;
        if let Some(own) = self.framing {
            let stated = self.track.configurations.framing(unit).unwrap_or(own);
            if let Some(data) = own.reframed(self.packet.data(), stated) {
                self.packet.replace(&data)?;
            }
        }
        self.packet.give(given);
        Ok(())
    }

    /// Goes to a cut point: rolls on, seeks, or starts again, whichever is the cheapest that works.
    pub fn go_to(&mut self, unit: u32) -> Result<()> {
        if unit < self.next || self.bytes_between(self.next, unit) > ROLL_BYTES {
            let found = self.track.has_pts && self.seek(unit)?;
            if !found && unit < self.next {
                self.restart()?;
            }
        }
        while self.next < unit {
            if self.advance()?.is_none() {
                return Err(changed());
            }
        }
        self.starts = true;
        Ok(())
    }

    fn bytes_between(&self, from: u32, to: u32) -> u64 {
        let units = self
            .track
            .units
            .get(from as usize..to as usize)
            .unwrap_or(&[]);
        units.iter().map(|unit| u64::from(unit.size)).sum()
    }

    /// True if the next unit is now at or before `unit`. False leaves the reader at the start of the media.
    fn seek(&mut self, unit: u32) -> Result<bool> {
        let Some(pts) = self.track.units[unit as usize].pts else {
            return Ok(false);
        };
        self.held = false;
        if let Some(unpacker) = &mut self.unpacker {
            unpacker.restart();
        }
        if self.input.seek(self.track.index.stream, pts) && self.resync(unit)? {
            return Ok(true);
        }
        self.restart()?;
        Ok(false)
    }

    fn resync(&mut self, unit: u32) -> Result<bool> {
        let cuts = cuts_by_packet(&self.track, unit);
        for _ in 0..RESYNC_PACKETS {
            if !self.read_own()? {
                return Ok(false);
            }
            let key = (
                self.packet.pts(),
                self.packet.position(),
                self.packet.data().len(),
            );
            if let Some(ordinal) = cuts.get(&key) {
                self.next = *ordinal;
                self.held = true;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn restart(&mut self) -> Result<()> {
        self.input = open_input(&self.track, &self.opener, &self.stop)?;
        if let Some(unpacker) = &mut self.unpacker {
            unpacker.restart();
        }
        self.next = 0;
        self.held = false;
        Ok(())
    }

    /// Reads up to the next packet of the track's stream.
    fn read_own(&mut self) -> Result<bool> {
        while self.input.read(&mut self.packet)? {
            if self.packet.stream() == self.track.index.stream && !self.packet.data().is_empty() {
                if let Some(unpacker) = &mut self.unpacker {
                    unpacker.unpack(&mut self.packet)?;
                }
                return Ok(true);
            }
        }
        Ok(false)
    }
}

type PacketKey = (Option<i64>, i64, usize);

/// The cut points at or shortly before `unit` that no other packet can be mistaken for.
fn cuts_by_packet(track: &Track, unit: u32) -> HashMap<PacketKey, u32> {
    const CANDIDATES: usize = 8;
    let key = |u: &Unit| (u.pts, u.position, u.size as usize);
    (0..=unit)
        .rev()
        .filter(|place| track.units[*place as usize].cut())
        .take(CANDIDATES)
        .map(|place| (key(&track.units[place as usize]), place))
        .collect()
}

/// MP4 and Matroska say all of a stream in their headers; elsewhere packets depend on
/// what the probe found, so that it must run again to give the same ones.
fn open_input(track: &Track, opener: &Opener, stop: &Stop) -> Result<Input> {
    let headers_suffice = ["mov,", "matroska,"]
        .iter()
        .any(|name| track.container.starts_with(name));
    let mut input = if headers_suffice {
        Input::open_header(opener()?, stop.clone())?
    } else {
        Input::open(opener()?, stop.clone())?
    };
    input.keep_only(track.index.stream);
    Ok(input)
}

fn changed() -> Error {
    Error::new(
        Reason::SourceChanged,
        "the source's packets are not those of its index any more",
    )
    .hint("run again with --replace to make the frames anew from the source as it is now")
}
