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
/// Seeks that fail in a row before no more are tried: each of them reads the media anew, rolling on reads
/// it once.
const MAX_FAILED: u32 = 2;
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
    /// Seeks that failed since one succeeded.
    failed: u32,
    /// What is read comes after a seek.
    sought: bool,
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
            failed: 0,
            sought: false,
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
        let ordinal = self.next;
        let read = std::mem::take(&mut self.held) || self.read_own()?;
        let known = self.track.units.get(ordinal as usize);
        let size = read.then(|| self.packet.data().len());
        if size != known.map(|unit| unit.size as usize) {
            return match (self.sought, read) {
                (true, _) => self.again_from_start(),
                (false, false) => Ok(None),
                (false, true) => Err(changed()),
            };
        }
        if known.is_none() {
            return Ok(None);
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
            let found = self.failed < MAX_FAILED && self.seek(unit)?;
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

    /// Reads up to the next unit from the start: a demuxer that was sought in may read otherwise from there on
    /// (Matroska's, at the end of the first of two segments), and is not trusted again.
    fn again_from_start(&mut self) -> Result<Option<u32>> {
        let unit = self.next;
        let starts = self.starts;
        self.failed = MAX_FAILED;
        self.restart()?;
        while self.next < unit {
            if self.advance()?.is_none() {
                return Err(changed());
            }
        }
        self.starts = starts;
        self.advance()
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
        self.held = false;
        if let Some(unpacker) = &mut self.unpacker {
            unpacker.restart();
        }
        let cuts = Cuts::before(&self.track, unit);
        if self.jump(unit) && self.resync(&cuts)? {
            self.failed = 0;
            self.sought = true;
            return Ok(true);
        }
        self.failed += 1;
        self.restart()?;
        Ok(false)
    }

    /// By time where the clock tells one place from another and the container has an index; else to the
    /// bytes where the units before lie.
    fn jump(&mut self, unit: u32) -> bool {
        let indexed = ["mov,", "matroska,", "avi"].iter();
        let mut indexed = indexed.filter(|name| self.track.container.starts_with(**name));
        if self.track.has_plain_clock() || indexed.next().is_some() {
            let known = self.track.units[unit as usize];
            let time = known.pts().unwrap_or(known.time);
            return self.input.seek(self.track.index.stream, time);
        }
        match position_before(&self.track, unit) {
            Some(position) => self.input.seek_to_byte(position),
            None => false,
        }
    }

    fn resync(&mut self, cuts: &Cuts) -> Result<bool> {
        for _ in 0..RESYNC_PACKETS {
            if !self.read_own()? {
                return Ok(false);
            }
            if let Some(ordinal) = cuts.recognise(&self.packet) {
                self.next = ordinal;
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
        self.sought = false;
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

/// The cut points at or shortly before a unit, by what no other packet can be mistaken for.
struct Cuts {
    /// Of pts that are made of what was read before, a seek makes others; then position and size tell.
    by_pts: bool,
    known: HashMap<PacketKey, u32>,
}

impl Cuts {
    fn before(track: &Track, unit: u32) -> Self {
        const CANDIDATES: usize = 8;
        let by_pts = track.has_plain_clock();
        let key = |u: &Unit| (u.pts().filter(|_| by_pts), u.position, u.size as usize);
        let cuts = (0..=unit)
            .rev()
            .filter(|place| track.units[*place as usize].cut());
        let told_apart = |place: &u32| by_pts || is_alone(track, *place);
        let known = cuts
            .filter(told_apart)
            .take(CANDIDATES)
            .map(|place| (key(&track.units[place as usize]), place))
            .collect();
        Cuts { by_pts, known }
    }

    fn recognise(&self, packet: &Packet) -> Option<u32> {
        let pts = packet.pts().filter(|_| self.by_pts);
        let key = (pts, packet.position(), packet.data().len());
        self.known.get(&key).copied()
    }
}

/// Whether no unit beside has its position and size: several may begin in one piece of the container.
fn is_alone(track: &Track, unit: u32) -> bool {
    let own = track.units[unit as usize];
    let alike = |other: &&Unit| other.position == own.position && other.size == own.size;
    let (before, rest) = track.units.split_at(unit as usize);
    let beside = |other: &&Unit| other.position == own.position || other.position < 0;
    let before = before.iter().rev().take_while(beside);
    let behind = rest.iter().skip(1).take_while(beside);
    own.position >= 0 && !before.chain(behind).any(|other| alike(&other))
}

/// Where to begin to read for this unit: some units earlier, since the first packet read there may lack its
/// beginning.
fn position_before(track: &Track, unit: u32) -> Option<i64> {
    const EARLIER: usize = 4;
    let before = track.units[..=unit as usize].iter().rev().skip(EARLIER);
    let mut positions = before.map(|unit| unit.position);
    positions.find(|position| *position >= 0)
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
