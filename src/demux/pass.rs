//! One pass over a source's packets, or their heads, which makes its index (notes/timeline.md, "The
//! index of a source").

#[cfg(test)]
mod tests;

use super::clock::Rules;
use super::heads;
use super::index::{
    COMPLETE, CORRUPT, CUT, Cut, DISCARDED, DISPOSABLE, KEY, LAYERED, LEADING, NO_PTS, NUMBERED,
    OPEN, REFRAMED, SECOND_FIELD, Track, UNREADABLE, Unit,
};
use super::kind::UnitKind;
use super::order::PictureHeaders;
use super::sets::Change;
use super::times::{self, Outcome, UNKNOWN};
use super::unit::Classifier;
use super::unpacking::Unpacker;
use crate::av::{Input, Packet, StreamInfo};
use crate::cancel::Stop;
use crate::error::{Error, Reason, Result};
use crate::media::limits::{check_size, check_units};
use crate::media::time::TimeBase;
use crate::source::ByteSource;
use crate::timeline::index::{ClockFacts, Identity, Shown, SourceIndex, Unshown};

/// What one pass over the packets collects.
#[derive(Default)]
pub(super) struct Pass {
    /// Of the source.
    bytes: u64,
    pub(super) units: Vec<Unit>,
    temporal: Vec<u8>,
    /// `UNKNOWN` where a unit has none.
    dts: Vec<i64>,
    shown: Vec<bool>,
    /// Least and highest pts of those that would be shown.
    range: Option<(i64, i64)>,
    /// How many of them have none.
    untimed: u64,
    /// One of them is to be shown before another that is decoded before it.
    goes_back: bool,
    /// Of all units, where they were read.
    headers: Option<PictureHeaders>,
    /// Of parameter sets, by unit.
    pub(super) changes: Vec<(u32, Change)>,
    pub(super) packed: bool,
}

/// Reads all packets of the chosen stream, or their heads where those suffice, and makes its index.
///
/// # Errors
/// As [`super::open`] and [`super::choose_stream`]; MEDIA_CORRUPT where no picture is left to show;
/// LIMIT_EXCEEDED for pictures that are too large, or too many.
pub fn read_track(
    open: impl Fn() -> Result<Box<dyn ByteSource>> + Sync,
    stream: Option<u32>,
    (identity, init): (Identity, Option<Identity>),
    stop: &Stop,
) -> Result<Track> {
    let mut input = super::open(open()?, stop)?;
    let info = super::choose_stream(input.streams(), stream)?;
    let (width, height) = match info.size() {
        (0, 0) => input.refused_size().unwrap_or_default(),
        size => size,
    };
    check_size(width, height)?;
    input.keep_only(info.index);
    let container = input.format_name();
    let mut pass = if heads::are_worth_it(&input, &info) {
        match heads::pass((input, heads::stretches(&info)), &info, (&open, stop))? {
            Some(pass) => pass,
            None => {
                let mut input = super::open(open()?, stop)?;
                input.keep_only(info.index);
                Pass::of_packets(input, &info)?
            }
        }
    } else {
        Pass::of_packets(input, &info)?
    };
    let headers = match pass.headers.take() {
        _ if pass.tells_order(&info) => None,
        None => {
            let unpacker = Unpacker::open_if(&info, pass.packed)?;
            PictureHeaders::of_packets((super::open(open()?, stop)?, unpacker), &info)?
        }
        read => read,
    };
    let ranks = headers.and_then(|headers| pass.ranks(headers));
    let mut track = pass.finish((info, container), (identity, init), ranks)?;
    if track.tells_durations() {
        track.end_by_tables(open()?, stop)?;
    }
    Ok(track)
}

impl Pass {
    fn of_packets(mut input: Input, info: &StreamInfo) -> Result<Self> {
        let mut classifier = Classifier::of(info);
        let mut pass = Pass::of(&input);
        let mut packet = Packet::new()?;
        let mut unpacker = Unpacker::by_header(info)?;
        while input.read(&mut packet)? {
            if packet.stream() != info.index || packet.size() == 0 {
                continue;
            }
            if pass.units.is_empty() {
                unpacker = unpacker.or(Unpacker::by_first(info, &packet)?);
            }
            if let Some(unpacker) = &mut unpacker {
                unpacker.unpack(&mut packet)?;
            }
            // Where the first has no pts, most have none: headers read later cost another pass.
            if pass.units.is_empty() && packet.pts().is_none() {
                pass.headers = PictureHeaders::of(info)?;
            }
            if let Some(headers) = &mut pass.headers {
                headers.take(&packet);
            }
            let mut kind = classifier.classify(&packet)?;
            kind.cut &= !input.palette_changed();
            pass.take(&packet, kind)?;
        }
        pass.packed = unpacker.is_some();
        pass.end(classifier);
        Ok(pass)
    }

    pub(super) fn of(input: &Input) -> Self {
        Pass {
            bytes: input.bytes(),
            ..Pass::default()
        }
    }

    pub(super) fn take(&mut self, packet: &Packet, kind: UnitKind) -> Result<()> {
        self.check_count(1)?;
        let marks = [
            (kind.cut, CUT),
            (kind.disposable, DISPOSABLE),
            (packet.corrupt(), CORRUPT),
            (packet.key(), KEY),
            (packet.discarded(), DISCARDED),
            (kind.skipped_leading, LEADING),
            (kind.open, OPEN),
            (kind.second_field, SECOND_FIELD),
            (kind.layered, LAYERED),
            (kind.complete, COMPLETE),
            (kind.reframed, REFRAMED),
            (kind.unreadable, UNREADABLE),
        ];
        let flags = marks
            .iter()
            .filter(|(set, _)| *set)
            .fold(0, |sum, (_, flag)| sum | flag);
        self.units.push(Unit {
            stated: packet.pts().unwrap_or(NO_PTS),
            time: UNKNOWN,
            position: packet.position(),
            size: u32::try_from(packet.size()).unwrap_or(u32::MAX),
            flags,
        });
        self.temporal.push(kind.temporal_id);
        self.shown.push(kind.shown);
        let dts = packet.dts().filter(|_| !kind.second_field);
        self.dts.push(dts.unwrap_or(UNKNOWN));
        if kind.shown && !packet.discarded() && !kind.second_field {
            self.time(packet.pts());
        }
        Ok(())
    }

    /// All packets were taken, classified by this.
    pub(super) fn end(&mut self, classifier: Classifier) {
        self.changes = classifier.into_changes();
    }

    /// A packet that is to be shown is timed so.
    fn time(&mut self, pts: Option<i64>) {
        let Some(pts) = pts else {
            self.untimed += 1;
            return;
        };
        let (least, highest) = self.range.unwrap_or((pts, pts));
        self.goes_back |= pts < highest;
        self.range = Some((least.min(pts), highest.max(pts)));
    }

    /// Whether timestamps tell when each picture is shown, and not only in part, or all the same, or, as it
    /// may be, when it is decoded.
    fn tells_order(&self, info: &StreamInfo) -> bool {
        let decoding_times = self.packed && !self.goes_back;
        self.untimed == 0 && !self.tells_nothing() && !self.may_be_dts(info) && !decoding_times
    }

    /// Pictures that nothing depends on are there, and may be shown earlier than they are decoded; none has a pts that says so.
    fn may_be_dts(&self, info: &StreamInfo) -> bool {
        !self.goes_back
            && info.reorder_depth().is_some_and(|depth| depth > 0)
            && self.units.iter().any(|unit| unit.is(DISPOSABLE))
    }

    /// Whether no two pictures are told apart by their timestamps.
    fn tells_nothing(&self) -> bool {
        let alike = self.range.is_none_or(|(least, highest)| least == highest);
        let pictures = self.units.iter().zip(&self.shown);
        let shown = pictures.filter(|(unit, shown)| **shown && !unit.is(DISCARDED | SECOND_FIELD));
        alike && shown.count() > 1
    }

    /// The order of showing by the pictures' headers.
    fn ranks(&self, headers: PictureHeaders) -> Option<Vec<u32>> {
        let is = |flag| move |unit: usize| self.units.get(unit).is_some_and(|unit| unit.is(flag));
        let ranks = headers.ranks(is(SECOND_FIELD), is(CUT));
        (ranks.len() == self.units.len()).then_some(ranks)
    }

    /// Adds the pass over the packets that follow.
    pub(super) fn append(&mut self, mut next: Pass) -> Result<()> {
        self.check_count(next.units.len())?;
        let before = self.units.len() as u32;
        let changes = next.changes.drain(..);
        self.changes
            .extend(changes.map(|(unit, change)| (unit + before, change)));
        self.units.append(&mut next.units);
        self.temporal.append(&mut next.temporal);
        self.dts.append(&mut next.dts);
        self.shown.append(&mut next.shown);
        self.untimed += next.untimed;
        self.goes_back |= next.goes_back
            || self
                .range
                .zip(next.range)
                .is_some_and(|(own, next)| next.0 < own.1);
        self.range = match (self.range, next.range) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (own, next) => own.or(next),
        };
        Ok(())
    }

    fn check_count(&self, more: usize) -> Result<()> {
        check_units((self.units.len() + more) as u64, self.bytes)
    }

    fn finish(
        mut self,
        (info, container): (StreamInfo, String),
        (source, init): (Identity, Option<Identity>),
        ranks: Option<Vec<u32>>,
    ) -> Result<Track> {
        self.forget_guessed_pts(&container);
        let mended = self.settle_keys(&info);
        let gradual = self.settle_flags();
        let configurations = self.configurations(&info)?;
        let mended = mended || self.is_untidy(&configurations);
        let unshown = self.number(ranks.as_deref());
        let (outcome, mut clock) = self.set_times(&info, ranks.as_deref());
        let mut shown = self.shown(ranks.as_deref());
        if shown.is_empty() {
            return Err(Error::new(
                Reason::MediaCorrupt,
                "the video stream holds no picture that can be decoded",
            )
            .hint("check that the file is complete and plays elsewhere"));
        }
        fill_durations(&mut shown, tick_of(1, &info));
        clock.list((&shown, info.time_base), self.breaks(&outcome))?;
        Ok(Track {
            // An odd one is refused where frames are asked for.
            orientation: super::orientation(info.display_matrix).unwrap_or_default(),
            container,
            has_pts: self.range.is_some(),
            gradual,
            index: SourceIndex {
                stream: info.index,
                time_base: info.time_base,
                shown,
                unshown,
                clock,
                source,
                init,
                revision: u32::from(mended || info.colour_is_revised()).max(outcome.revision()),
            },
            cuts: self.cuts(),
            configurations,
            packed: self.packed,
            units: self.units,
            info,
        })
    }

    /// AVI stores no pts (Microsoft's AVI RIFF reference): where pictures are reordered, libavformat makes them of
    /// some pictures' decoding times, and of the first before it knows that anything is reordered.
    fn forget_guessed_pts(&mut self, container: &str) {
        if container.starts_with("avi") && self.untimed > 0 {
            self.units.iter_mut().for_each(|unit| unit.stated = NO_PTS);
            self.range = None;
        }
    }

    /// Source time of each unit, and what is out of the ordinary with the clock.
    fn set_times(&mut self, info: &StreamInfo, ranks: Option<&[u32]>) -> (Outcome, ClockFacts) {
        let times_counted = self.tells_nothing();
        let source = times::Source {
            dts: &self.dts,
            ranks,
            rules: Rules::of(info),
            frames: &|k| tick_of(k, info),
        };
        let outcome = match ranks {
            _ if times_counted => times::by_counting(&mut self.units, &source),
            // What stands for pts are the times of decoding.
            Some(_) if self.untimed == 0 => times::by_sorting(&mut self.units, &source),
            _ => times::by_timestamps(&mut self.units, &source),
        };
        let clock = ClockFacts {
            untimed: outcome.placed,
            times_counted,
            ..ClockFacts::default()
        };
        (outcome, clock)
    }

    /// When the clock starts again in source time, and the container's pts before and behind.
    fn breaks<'a>(&'a self, outcome: &'a Outcome) -> impl Iterator<Item = (i64, [i64; 2])> + 'a {
        let unit = |unit: u32| &self.units[unit as usize];
        let stated = move |place: u32| unit(place).pts().unwrap_or(unit(place).time);
        let breaks = outcome.breaks.iter();
        breaks.map(move |(before, behind)| (unit(*behind).time, [stated(*before), stated(*behind)]))
    }

    /// A cut point of last resort, and which units nothing depends on. True where it came to that.
    fn settle_flags(&mut self) -> bool {
        let gradual = !self.units.iter().any(Unit::cut);
        if gradual {
            // The container's key frames are no cut points here (H.264's gradual refresh): what a
            // decoder makes from one depends on where it began. So there is one beginning.
            let first = self.units.iter().position(|unit| unit.is(KEY)).unwrap_or(0);
            if let Some(unit) = self.units.get_mut(first) {
                unit.flags |= CUT;
            }
        }
        let highest = self.temporal.iter().copied().max().unwrap_or(0);
        for (unit, temporal) in self.units.iter_mut().zip(&self.temporal) {
            if *temporal < highest {
                unit.flags &= !DISPOSABLE;
            }
        }
        gradual
    }

    /// Marks the units that have a number, and counts why the others have none.
    fn number(&mut self, ranks: Option<&[u32]>) -> Unshown {
        let mut unshown = Unshown::default();
        let first = self.units.iter().position(Unit::cut).unwrap_or(0);
        // Leading pictures of an open first cut point refer to what is before it (seen: libavcodec
        // drops them for H.264 recovery points and MPEG-2 open GOPs alike).
        let open = self.units.get(first).filter(|unit| unit.is(OPEN)).copied();
        let place_of = |place: usize, unit: &Unit| match ranks {
            Some(ranks) => Some(i64::from(ranks[place])),
            None => unit.pts(),
        };
        let open = open.and_then(|cut| place_of(first, &cut));
        let mut leading = true;
        for (place, unit) in self.units.iter_mut().enumerate() {
            leading &= place <= first || !unit.cut();
            let refers_back = place_of(place, unit)
                .zip(open)
                .is_some_and(|(own, cut)| own < cut);
            let lost = leading && place > first && (unit.is(LEADING) || refers_back);
            if unit.is(SECOND_FIELD) {
                continue;
            }
            if unit.is(DISCARDED) {
                unshown.discarded += 1;
            } else if !self.shown[place] {
                unshown.invisible += 1;
            } else if place < first {
                unshown.before_first_cut += 1;
            } else if lost {
                unshown.undecodable_leading += 1;
            } else {
                unit.flags |= NUMBERED;
            }
        }
        unshown
    }

    fn cuts(&self) -> Vec<Cut> {
        let cuts = self.units.iter().enumerate().filter(|(_, unit)| unit.cut());
        cuts.map(|(place, unit)| Cut {
            unit: place as u32,
            time: unit.time,
        })
        .collect()
    }

    /// By time; at one time, in the order of showing where that is known, or of decoding.
    fn shown(&self, ranks: Option<&[u32]>) -> Vec<Shown> {
        let rank = |unit: u32| ranks.map_or(0, |ranks| ranks[unit as usize]);
        let numbered = self.units.iter().enumerate();
        let numbered = numbered.filter(|(_, unit)| unit.is(NUMBERED));
        let frames = numbered.map(|(place, unit)| Shown {
            pts: unit.time,
            duration: 0,
            unit: place as u32,
            cut: unit.cut(),
        });
        sorted(frames, |frame| (frame.pts, rank(frame.unit)))
    }
}

/// Places between where a picture is decoded and where it is shown, in streams of every codec (H.264 A.3.1: 16).
const MOST_REORDERED: usize = 32;

/// In the order of a key, and where that is equal, as they come: nearly in order, which is cheaper than any order.
fn sorted<K: Ord>(frames: impl Iterator<Item = Shown>, key: impl Fn(&Shown) -> K) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let mut nearly = true;
    for frame in frames {
        let last = shown.iter().rev().take(MOST_REORDERED);
        let later = last.take_while(|before| key(before) > key(&frame)).count();
        nearly &= later < MOST_REORDERED;
        shown.insert(shown.len() - later, frame);
    }
    if !nearly {
        shown.sort_by_key(key);
    }
    shown
}

/// k / average frame rate in ticks, rounded to nearest; 25 a second where no rate is known.
fn tick_of(k: usize, info: &StreamInfo) -> i64 {
    let (rate_num, rate_den) = info.average_rate.or(info.real_rate).unwrap_or((25, 1));
    let TimeBase { num, den } = info.time_base;
    let numerator = k as i128 * i128::from(rate_den) * i128::from(den);
    let denominator = (i128::from(rate_num) * i128::from(num)).max(1);
    i64::try_from((2 * numerator + denominator).div_euclid(2 * denominator)).unwrap_or(i64::MAX)
}

/// Up to the next frame; the last one lasts as long as the one before, or so many ticks.
fn fill_durations(shown: &mut [Shown], frame: i64) {
    let mut gap = 0;
    for place in 0..shown.len() {
        if let Some(next) = shown.get(place + 1) {
            gap = next.pts.saturating_sub(shown[place].pts).max(0);
        }
        shown[place].duration = gap;
    }
    if let Some(last) = shown.last_mut().filter(|last| last.duration == 0) {
        last.duration = frame;
    }
}
