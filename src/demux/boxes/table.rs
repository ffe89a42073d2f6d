//! A track's tables: how many samples it says it has, and where what it says of each of them lies.

use std::ops::ControlFlow;

use super::{Found, Walk};
use crate::error::Result;
use crate::source::read_full;

/// Samples of sound of which libavformat makes at least one entry, where all have one size.
const SOUND_SAMPLES: u64 = 160;
/// Bytes of a table's rows read at once: whole rows of 4, 8 and 12 bytes.
const ROW_BYTES: usize = 12 << 10;

/// What a track's boxes say.
#[derive(Default)]
pub(super) struct Track {
    pub has_id: bool,
    pub edits: u64,
    handler: [u8; 4],
    /// By `stsz` or `stz2`.
    stated: u64,
    /// All samples have one size, so that there is none for each in the file.
    one_size: bool,
    chunks: u64,
    /// From which chunk on, counted from 1, a chunk has so many samples.
    pub runs: Vec<(u64, u64)>,
    /// Ticks of a second (`mdhd`).
    pub scale: u32,
    /// The tables themselves: samples' durations, composition offsets and sizes, chunks' places, edits.
    pub stts: Option<Found>,
    pub ctts: Option<Found>,
    pub sizes: Option<Found>,
    pub offsets: Option<Found>,
    pub elst: Option<Found>,
}

impl Track {
    pub fn is_video(&self) -> bool {
        &self.handler == b"vide"
    }

    /// Entries that libavformat makes of them.
    pub fn samples(&self) -> u64 {
        match self.one_size && &self.handler == b"soun" {
            true => self.in_chunks().div_ceil(SOUND_SAMPLES).max(self.chunks),
            false => self.stated,
        }
    }

    /// By `stsc`, which sound of one size goes by.
    fn in_chunks(&self) -> u64 {
        self.samples_of(self.chunks.saturating_add(1)).0
    }

    /// How many samples are before a chunk, counted from 1, and how many in it.
    pub fn samples_of(&self, chunk: u64) -> (u64, u64) {
        let ends = self.runs.iter().skip(1).map(|run| run.0);
        let ends = ends.chain([u64::MAX]);
        let (mut before, mut own) = (0u64, 0);
        for ((first, samples), end) in self.runs.iter().zip(ends) {
            let chunks = end.min(chunk).saturating_sub(*first);
            before = before.saturating_add(chunks.saturating_mul(*samples));
            if (*first..end).contains(&chunk) {
                own = *samples;
            }
        }
        (before, own)
    }
}

impl Walk<'_> {
    /// Takes what a table says of its track. Those that state more rows than they hold are read on
    /// by libavformat to the end of the file; they take no more than it has.
    pub(super) fn table(&mut self, found: &Found, track: &mut Track) -> Result<()> {
        match &found.kind {
            b"tkhd" => track.has_id = self.track_id(found)?.is_some_and(|id| id > 0),
            b"hdlr" => {
                let kind = self.words::<1>(found.body + 8)?[0].to_be_bytes();
                if matches!(&kind, b"vide" | b"soun") {
                    track.handler = kind;
                }
            }
            // libavformat goes by the box's size, at 12 bytes an edit at least.
            b"elst" => {
                track.edits = (found.end - found.body).saturating_sub(8) / 12;
                track.elst = Some(*found);
            }
            b"stsz" | b"stz2" => {
                track.sizes = Some(*found);
                let [_, size, count] = self.words(found.body)?;
                track.stated = u64::from(count);
                track.one_size = &found.kind == b"stsz" && size > 0;
            }
            b"stco" | b"co64" => {
                track.offsets = Some(*found);
                let room = found.end - found.body;
                let [_, count] = self.words(found.body)?;
                track.chunks = u64::from(count).min(room / 4);
            }
            b"stsc" => track.runs = self.runs(found)?,
            b"stts" => track.stts = Some(*found),
            b"ctts" => track.ctts = Some(*found),
            b"mdhd" => track.scale = self.scale(found)?,
            b"mvhd" => self.movie_scale = self.scale(found)?,
            _ => {}
        }
        Ok(())
    }

    /// None where it is no id that libavformat takes for one.
    fn track_id(&mut self, found: &Found) -> Result<Option<i32>> {
        let [version, ..] = self.words::<1>(found.body)?[0].to_be_bytes();
        let at = found.body + if version == 1 { 20 } else { 12 };
        if at + 4 > found.end {
            return Ok(None);
        }
        Ok(i32::try_from(self.words::<1>(at)?[0]).ok())
    }

    /// Ticks of a second, of a media header or the movie's (ISO/IEC 14496-12, 8.4.2 and 8.2.2).
    fn scale(&mut self, found: &Found) -> Result<u32> {
        let [version, ..] = self.words::<1>(found.body)?[0].to_be_bytes();
        let at = found.body + if version == 1 { 20 } else { 12 };
        Ok(self.words::<1>(at)?[0])
    }

    fn runs(&mut self, found: &Found) -> Result<Vec<(u64, u64)>> {
        let mut runs = Vec::new();
        self.rows((*found, 8), 0, |row: [u8; 12]| {
            let [a, b, c, d, e, f, g, h, ..] = row;
            let word = |bytes| u64::from(u32::from_be_bytes(bytes));
            runs.push((word([a, b, c, d]), word([e, f, g, h])));
            ControlFlow::Continue(())
        })?;
        Ok(runs)
    }

    /// Gives a table's rows of so many bytes from one on, as far as they lie in its box, until told to stop.
    /// The rows begin behind `head` bytes, whose last four are their count.
    pub(super) fn rows<const N: usize>(
        &mut self,
        (table, head): (Found, u64),
        from: u64,
        mut take: impl FnMut([u8; N]) -> ControlFlow<()>,
    ) -> Result<()> {
        let begin = table.body + head;
        let [count] = self.words(begin - 4)?;
        let room = table.end.saturating_sub(begin) / N as u64;
        let end = begin + u64::from(count).min(room) * N as u64;
        let mut at = begin.saturating_add(from.saturating_mul(N as u64));
        let mut rows = vec![0; ROW_BYTES];
        while at < end {
            self.stop.check()?;
            let length = usize::try_from(end - at).unwrap_or(usize::MAX);
            let length = length.min(rows.len());
            let known = read_full(self.source, at, &mut rows[..length])?;
            for row in rows[..known].as_chunks().0 {
                if take(*row).is_break() {
                    return Ok(());
                }
            }
            if known < length {
                break;
            }
            at += known as u64;
        }
        Ok(())
    }

    /// Big-endian words at a place; zeros behind the end.
    pub(super) fn words<const N: usize>(&mut self, at: u64) -> Result<[u32; N]> {
        let mut words = [0; N];
        for (place, word) in words.iter_mut().enumerate() {
            let mut bytes = [0; 4];
            read_full(self.source, at + 4 * place as u64, &mut bytes)?;
            *word = u32::from_be_bytes(bytes);
        }
        Ok(words)
    }
}
