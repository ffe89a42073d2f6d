//! A track's tables: how many samples it says it has.

use super::{Found, Walk};
use crate::error::Result;
use crate::source::read_full;

/// Samples of sound of which libavformat makes at least one entry, where all have one size.
const SOUND_SAMPLES: u64 = 160;
/// Rows of `stsc` read at once.
const ROWS: usize = 1024;

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
    runs: Vec<(u64, u64)>,
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
        let ends = self.runs.iter().skip(1).map(|run| run.0);
        let ends = ends.chain([self.chunks.saturating_add(1)]);
        let runs = self.runs.iter().zip(ends);
        runs.fold(0, |sum: u64, ((first, samples), end)| {
            sum.saturating_add(end.saturating_sub(*first).saturating_mul(*samples))
        })
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
            b"elst" => track.edits = (found.end - found.body).saturating_sub(8) / 12,
            b"stsz" | b"stz2" => {
                let [_, size, count] = self.words(found.body)?;
                track.stated = u64::from(count);
                track.one_size = &found.kind == b"stsz" && size > 0;
            }
            b"stco" | b"co64" => {
                let room = found.end - found.body;
                let [_, count] = self.words(found.body)?;
                track.chunks = u64::from(count).min(room / 4);
            }
            b"stsc" => track.runs = self.runs(found)?,
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

    fn runs(&mut self, found: &Found) -> Result<Vec<(u64, u64)>> {
        let [_, count] = self.words(found.body)?;
        let count = u64::from(count).min((found.end - found.body).saturating_sub(8) / 12);
        let mut runs = Vec::new();
        let mut rows = vec![0; 12 * ROWS];
        let mut at = found.body + 8;
        let end = at + 12 * count;
        while at < end {
            self.stop.check()?;
            let length = usize::try_from(end - at).unwrap_or(usize::MAX);
            let length = length.min(rows.len());
            let known = read_full(self.source, at, &mut rows[..length])?;
            runs.extend(rows[..known].chunks_exact(12).map(run));
            if known < length {
                break;
            }
            at += known as u64;
        }
        Ok(runs)
    }

    /// Big-endian words at a place; zeros behind the end.
    fn words<const N: usize>(&mut self, at: u64) -> Result<[u32; N]> {
        let mut words = [0; N];
        for (place, word) in words.iter_mut().enumerate() {
            let mut bytes = [0; 4];
            read_full(self.source, at + 4 * place as u64, &mut bytes)?;
            *word = u32::from_be_bytes(bytes);
        }
        Ok(words)
    }
}

fn run(row: &[u8]) -> (u64, u64) {
    let word = |at: usize| match row.get(at..at + 4) {
        Some([a, b, c, d]) => u64::from(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => 0,
    };
    (word(0), word(4))
}
