//! One pass over a source's packets, or their heads, which makes its index (notes/timeline.md, "The
//! index of a source").

#[cfg(test)]
mod tests;

use super::heads;
use super::index::{
    CORRUPT, CUT, Cut, DISCARDED, DISPOSABLE, KEY, LEADING, NUMBERED, OPEN, SECOND_FIELD, Track,
    Unit,
};
use super::unit::{Classifier, UnitKind};
use crate::av::{Input, Packet, StreamInfo};
use crate::cancel::Stop;
use crate::error::{Error, Reason, Result};
use crate::media::limits::{check_size, check_units};
use crate::media::time::TimeBase;
use crate::source::ByteSource;
use crate::timeline::index::{Identity, Shown, SourceIndex, Unshown};

/// What one pass over the packets collects.
#[derive(Default)]
pub(super) struct Pass {
    /// Of the source.
    bytes: u64,
    units: Vec<Unit>,
    temporal: Vec<u8>,
    dts: Vec<i64>,
    shown: Vec<bool>,
    every_pts: bool,
    /// Of the packet that is shown last.
    last: Option<(i64, i64)>,
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
    let pass = if heads::are_worth_it(&input, &info) {
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
    pass.finish(info, container, (identity, init))
}

impl Pass {
    fn of_packets(mut input: Input, info: &StreamInfo) -> Result<Self> {
        let mut classifier = Classifier::of(info);
        let mut pass = Pass::of(&input);
        let mut packet = Packet::new()?;
        while input.read(&mut packet)? {
            if packet.stream() == info.index && packet.size() > 0 {
                pass.take(&packet, classifier.classify(&packet))?;
            }
        }
        Ok(pass)
    }

    pub(super) fn of(input: &Input) -> Self {
        Pass {
            bytes: input.bytes(),
            every_pts: true,
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
        ];
        let flags = marks
            .iter()
            .filter(|(set, _)| *set)
            .fold(0, |sum, (_, flag)| sum | flag);
        self.every_pts &= packet.pts().is_some() || kind.second_field;
        self.units.push(Unit {
            pts: packet.pts(),
            position: packet.position(),
            size: u32::try_from(packet.size()).unwrap_or(u32::MAX),
            flags,
        });
        self.temporal.push(kind.temporal_id);
        self.shown.push(kind.shown);
        if !kind.second_field {
            self.dts.extend(packet.dts());
        }
        if let Some(pts) = packet.pts()
            && kind.shown
            && !packet.discarded()
            && !kind.second_field
            && self.last.is_none_or(|(latest, _)| pts >= latest)
        {
            self.last = Some((pts, packet.duration()));
        }
        Ok(())
    }

    /// Adds the pass over the packets that follow.
    pub(super) fn append(&mut self, mut next: Pass) -> Result<()> {
        self.check_count(next.units.len())?;
        self.units.append(&mut next.units);
        self.temporal.append(&mut next.temporal);
        self.dts.append(&mut next.dts);
        self.shown.append(&mut next.shown);
        self.every_pts &= next.every_pts;
        if next.last >= self.last.map(|(pts, _)| (pts, i64::MIN)) {
            self.last = next.last;
        }
        Ok(())
    }

    fn check_count(&self, more: usize) -> Result<()> {
        check_units((self.units.len() + more) as u64, self.bytes)
    }

    fn finish(
        mut self,
        info: StreamInfo,
        container: String,
        (source, init): (Identity, Option<Identity>),
    ) -> Result<Track> {
        let gradual = self.settle_flags();
        let unshown = self.number();
        let mut shown = if self.every_pts {
            self.by_pts()
        } else {
            self.by_order(&info)
        };
        if shown.is_empty() {
            return Err(Error::new(
                Reason::MediaCorrupt,
                "the video stream holds no picture that can be decoded",
            )
            .hint("check that the file is complete and plays elsewhere"));
        }
        let last = self.last_duration(&container, &info, &shown);
        fill_durations(&mut shown, last);
        Ok(Track {
            // An odd one is refused where frames are asked for.
            orientation: super::orientation(info.display_matrix).unwrap_or_default(),
            container,
            has_pts: self.every_pts,
            gradual,
            index: SourceIndex {
                stream: info.index,
                time_base: info.time_base,
                shown,
                unshown,
                source,
                init,
                revision: u32::from(info.colour_is_revised()),
            },
            cuts: self.cuts(),
            units: self.units,
            info,
        })
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
    fn number(&mut self) -> Unshown {
        let mut unshown = Unshown::default();
        let first = self.units.iter().position(Unit::cut).unwrap_or(0);
        // Leading pictures of an open first cut point refer to what is before it (seen: libavcodec
        // drops them for H.264 recovery points and MPEG-2 open GOPs alike).
        let open_pts = self
            .units
            .get(first)
            .filter(|unit| unit.is(OPEN))
            .and_then(|unit| unit.pts);
        let mut leading = true;
        for (place, unit) in self.units.iter_mut().enumerate() {
            leading &= place <= first || !unit.cut();
            let refers_back = unit.pts.zip(open_pts).is_some_and(|(own, cut)| own < cut);
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
        cuts.filter_map(|(place, unit)| {
            Some(Cut {
                unit: place as u32,
                pts: unit.pts?,
            })
        })
        .collect()
    }

    fn by_pts(&self) -> Vec<Shown> {
        let mut shown = Vec::with_capacity(self.units.len());
        for (place, unit) in self.units.iter().enumerate() {
            if let (true, Some(pts)) = (unit.is(NUMBERED), unit.pts) {
                shown.push(Shown {
                    pts,
                    duration: 0,
                    unit: place as u32,
                    cut: unit.cut(),
                });
            }
        }
        shown.sort_by_key(|frame| frame.pts);
        shown
    }

    /// Where packets lack pts: the k-th smallest dts, or k / average rate.
    fn by_order(&mut self, info: &StreamInfo) -> Vec<Shown> {
        self.dts.sort_unstable();
        let numbered: Vec<usize> = (0..self.units.len())
            .filter(|p| self.units[*p].is(NUMBERED))
            .collect();
        let enough = self.dts.len() >= numbered.len();
        numbered
            .iter()
            .enumerate()
            .map(|(k, place)| Shown {
                pts: if enough {
                    self.dts[k]
                } else {
                    tick_of(k, info)
                },
                duration: 0,
                unit: *place as u32,
                cut: self.units[*place].cut(),
            })
            .collect()
    }

    /// Ticks from the last shown picture to the end of the media.
    fn last_duration(&self, container: &str, info: &StreamInfo, shown: &[Shown]) -> i64 {
        let stated = self.last.map_or(0, |(_, duration)| duration);
        if container.starts_with("mov,") && stated > 0 {
            return stated;
        }
        match shown {
            [.., before, last] if last.pts > before.pts => last.pts.saturating_sub(before.pts),
            _ => tick_of(1, info),
        }
    }
}

/// k / average frame rate in ticks, rounded to nearest; 25 a second where no rate is known.
fn tick_of(k: usize, info: &StreamInfo) -> i64 {
    let (rate_num, rate_den) = info.average_rate.or(info.real_rate).unwrap_or((25, 1));
    let TimeBase { num, den } = info.time_base;
    let numerator = k as i128 * i128::from(rate_den) * i128::from(den);
    let denominator = (i128::from(rate_num) * i128::from(num)).max(1);
    i64::try_from((2 * numerator + denominator).div_euclid(2 * denominator)).unwrap_or(i64::MAX)
}

fn fill_durations(shown: &mut [Shown], last: i64) {
    for place in 0..shown.len() {
        let next = shown.get(place + 1).map(|next| next.pts);
        shown[place].duration = next
            .map_or(last, |next| next.saturating_sub(shown[place].pts))
            .max(0);
    }
}
