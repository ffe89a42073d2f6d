//! How long a picture is shown that none follows, by the file's own tables.
//!
//! A sample's duration is its own entry in the time-to-sample table (ISO/IEC 14496-12, 8.6.1.2), or in its
//! fragment's run (8.8.8). That of the sample shown last, which need not be decoded last, ends the media:
//! that is the track's `compositionEndTime` (8.6.1.4). What FFmpeg calls a packet's duration is another
//! thing in other releases: a guess by the frame rate, or up to the end of the track or of its edit.

use std::ops::ControlFlow;

use super::Walk;
use super::table::Track;
use crate::cancel::Stop;
use crate::error::Result;
use crate::source::ByteSource;

/// Ticks of the track's clock that a picture lasts whose samples begin at these bytes: two where its
/// fields are samples each. None where no table tells it, or where it says nothing that can be true.
///
/// An edit (8.6.6) that ends a tick of the movie's clock earlier, or more, cuts it: that clock can tell no less.
///
/// # Errors
/// As [`super::check`].
pub(in crate::demux) fn duration(
    source: &mut dyn ByteSource,
    samples: impl Iterator<Item = u64>,
    stop: &Stop,
) -> Result<Option<i64>> {
    let mut walk = Walk::through(source, stop)?;
    let videos = std::mem::take(&mut walk.videos);
    let (mut lasts, mut first) = (0, None);
    for at in samples {
        let Some(sample) = walk.sample(&videos, at)? else {
            return Ok(None);
        };
        lasts += sample.lasts;
        first = first.or(sample.timed);
    }
    if let Some((track, begins)) = first
        && let Some(edit) = walk.last_edit(track)?
    {
        lasts = edit.cut(begins, lasts);
    }
    Ok(Some(lasts).filter(|lasts| *lasts > 0))
}

/// A sample as its table times it.
struct Sample<'t> {
    lasts: i64,
    /// The track whose tables name it, and when it is shown; none in a fragment.
    timed: Option<(&'t Track, i64)>,
}

/// The last edit of a track, if it shows media.
struct Edit {
    /// When it begins on the media's clock, in its ticks.
    begins: i64,
    /// In ticks of the movie's clock; 0 for all that follows.
    lasts: u64,
    /// Ticks of a second, of the media's clock and of the movie's.
    scales: (u32, u32),
}

impl Edit {
    /// What is left of a sample that is shown from then on, for so long.
    fn cut(&self, shown: i64, lasts: i64) -> i64 {
        let (media, movie) = (i128::from(self.scales.0), i128::from(self.scales.1.max(1)));
        let begins = i128::from(shown) - i128::from(self.begins);
        let ends = |ticks: u64| i128::from(ticks) * media;
        let clearly = ends(self.lasts + 1) <= (begins + i128::from(lasts)) * movie;
        if self.lasts == 0 || begins < 0 || !clearly || ends(self.lasts) <= begins * movie {
            return lasts;
        }
        let nearest = (2 * ends(self.lasts) + movie) / (2 * movie) - begins;
        i64::try_from(nearest).unwrap_or(lasts)
    }
}

impl Walk<'_> {
    fn sample<'t>(&mut self, videos: &'t [Track], at: u64) -> Result<Option<Sample<'t>>> {
        if at >= self.bytes {
            return Ok(None);
        }
        for track in videos {
            if let Some(number) = self.number_of(track, at)? {
                return self.timed(track, number);
            }
        }
        if !self.has_fragments {
            return Ok(None);
        }
        let lasts = self.lasts_in_run(at)?.and_then(possible);
        Ok(lasts.map(|lasts| Sample { lasts, timed: None }))
    }

    fn timed<'t>(&mut self, track: &'t Track, number: u64) -> Result<Option<Sample<'t>>> {
        let Some(stts) = track.stts else {
            return Ok(None);
        };
        let Some((decoded, delta)) = self.entry((stts, 8), number)? else {
            return Ok(None);
        };
        let offset = match track.ctts {
            Some(ctts) => self.entry((ctts, 8), number)?,
            None => None,
        };
        // Signed in either version, as files have it.
        let offset = offset.map_or(0, |(_, offset)| offset as i32);
        let begins = i64::try_from(decoded).unwrap_or(i64::MAX);
        let timed = Some((track, begins.saturating_add(i64::from(offset))));
        Ok(possible(delta).map(|lasts| Sample { lasts, timed }))
    }

    /// Of a table of counts and values: the sum of the values of all samples before this one, and its own.
    fn entry(&mut self, table: (super::Found, u64), number: u64) -> Result<Option<(u64, u32)>> {
        let (mut left, mut sum, mut own) = (number, 0u64, None);
        self.rows(table, 0, |row: [u8; 8]| {
            let [a, b, c, d, value @ ..] = row;
            let count = u64::from(u32::from_be_bytes([a, b, c, d]));
            let value = u32::from_be_bytes(value);
            sum = sum.saturating_add(left.min(count).saturating_mul(value.into()));
            if left < count {
                own = Some(value);
                return ControlFlow::Break(());
            }
            left -= count;
            ControlFlow::Continue(())
        })?;
        Ok(own.map(|own| (sum, own)))
    }

    /// Which of a track's samples begins at this byte, counted from 0.
    fn number_of(&mut self, track: &Track, at: u64) -> Result<Option<u64>> {
        let Some((chunk, begins)) = self.chunk_before(track, at)? else {
            return Ok(None);
        };
        let (first, count) = track.samples_of(chunk);
        let Some(sizes) = track.sizes else {
            return Ok(None);
        };
        let [_, size, _] = self.words(sizes.body)?;
        let within = match (&sizes.kind, size) {
            (b"stsz", 0) => {
                let mut sought = Sought::new(begins, at);
                self.rows((sizes, 12), first, |size: [u8; 4]| {
                    sought.pass(u32::from_be_bytes(size))
                })?;
                sought.place()
            }
            (b"stsz", size) if (at - begins).is_multiple_of(size.into()) => {
                Some((at - begins) / u64::from(size))
            }
            (b"stz2", 16) => {
                let mut sought = Sought::new(begins, at);
                self.rows((sizes, 12), first, |size: [u8; 2]| {
                    sought.pass(u16::from_be_bytes(size).into())
                })?;
                sought.place()
            }
            (b"stz2", 8) => {
                let mut sought = Sought::new(begins, at);
                self.rows((sizes, 12), first, |[size]: [u8; 1]| {
                    sought.pass(size.into())
                })?;
                sought.place()
            }
            _ => None,
        };
        Ok(within
            .filter(|within| *within < count)
            .map(|within| first.saturating_add(within)))
    }

    /// The chunk that begins at this byte or nearest before, counted from 1, and where it does.
    fn chunk_before(&mut self, track: &Track, at: u64) -> Result<Option<(u64, u64)>> {
        let Some(offsets) = track.offsets else {
            return Ok(None);
        };
        let (mut chunk, mut nearest) = (0, None);
        let mut take = |begins: u64| {
            chunk += 1;
            if begins <= at && nearest.is_none_or(|(_, other)| other <= begins) {
                nearest = Some((chunk, begins));
            }
            ControlFlow::Continue(())
        };
        match &offsets.kind {
            b"co64" => self.rows((offsets, 8), 0, |row| take(u64::from_be_bytes(row)))?,
            _ => self.rows((offsets, 8), 0, |row| take(u32::from_be_bytes(row).into()))?,
        }
        Ok(nearest)
    }

    fn last_edit(&mut self, track: &Track) -> Result<Option<Edit>> {
        let Some(list) = track.elst.filter(|_| !self.has_fragments) else {
            return Ok(None);
        };
        let [head, count] = self.words(list.body)?;
        let width = if head >> 24 == 1 { 20 } else { 12 };
        let at = list.body + 8 + width * u64::from(count.saturating_sub(1));
        if count == 0 || at + width > list.end {
            return Ok(None);
        }
        let (lasts, begins) = if width == 20 {
            let [a, b, c, d] = self.words(at)?;
            let wide = |high, low| u64::from(high) << 32 | u64::from(low);
            (wide(a, b).min(u64::MAX >> 1), wide(c, d) as i64)
        } else {
            let [lasts, begins] = self.words(at)?;
            (lasts.into(), i64::from(begins as i32))
        };
        Ok((begins >= 0).then_some(Edit {
            begins,
            lasts,
            scales: (track.scale, self.movie_scale),
        }))
    }
}

/// Durations are counts of ticks; files that mean a negative one state 2^31 or more.
fn possible(delta: u32) -> Option<i64> {
    i32::try_from(delta).ok().map(i64::from)
}

/// Looks among samples that lie one behind the other for the one at a byte.
struct Sought {
    begins: u64,
    at: u64,
    passed: u64,
    found: bool,
}

impl Sought {
    fn new(begins: u64, at: u64) -> Self {
        Sought {
            begins,
            at,
            passed: 0,
            found: false,
        }
    }

    /// The next sample has this size. Empty ones are no packets.
    fn pass(&mut self, size: u32) -> ControlFlow<()> {
        self.found = self.begins == self.at && size > 0;
        if self.found || self.begins > self.at {
            return ControlFlow::Break(());
        }
        self.begins += u64::from(size);
        self.passed += 1;
        ControlFlow::Continue(())
    }

    fn place(&self) -> Option<u64> {
        self.found.then_some(self.passed)
    }
}
