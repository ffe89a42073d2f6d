//! Rows of the plan with their sources open, as long as they are asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::{Error, Reason, Result};
use crate::extract::Turn;
use crate::foundry::Media;
use crate::frames::footage::Footage;
use crate::frames::library::blocking;
use crate::frames::shown::not_yet;
use crate::frames::span::chunk_of;
use crate::media::time::Exact;
use crate::timeline::clock::Clock;
use crate::timeline::plan::{ChunkSpec, SpanRow};
use crate::timeline::samples::{Sample, check_source, of_span};
use crate::timeline::select::rows_shown_at;

/// Rows kept open for one caller.
const KEPT: usize = 4;
/// Bytes of pictures that may wait in one lane, and how many.
const QUEUED_BYTES: usize = 32 << 20;
const QUEUED_PICTURES: (usize, usize) = (2, 64);

/// A row, what it samples, and where decoding for each sample starts.
pub(super) struct OpenRow {
    pub place: usize,
    pub row: SpanRow,
    pub chunk: ChunkSpec,
    pub media: Media,
    pub samples: Vec<Sample>,
    /// Units; the same for all where the row is only ever decoded whole.
    starts: Vec<u32>,
}

/// Opened rows, or why they could not be, the ones asked for last.
#[derive(Default)]
pub(super) struct Rows {
    kept: VecDeque<(usize, Result<Arc<OpenRow>>)>,
}

impl Rows {
    /// # Errors
    /// SOURCE_CHANGED; the source's own.
    pub async fn open(&mut self, footage: &Footage, place: usize) -> Result<Arc<OpenRow>> {
        if let Some((_, known)) = self.kept.iter().find(|(known, _)| *known == place) {
            return known.clone();
        }
        let opened = OpenRow::open(footage, place).await.map(Arc::new);
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((place, opened.clone()));
        opened
    }

    /// The planned frame shown at a time, as `Serving::shown_at` finds it by records.
    ///
    /// # Errors
    /// TIME_PAST_END; FRAME_NOT_CACHED where no planned frame is shown yet; the source's own.
    pub async fn shown_at(&mut self, footage: &Footage, time: Exact) -> Result<u64> {
        for place in rows_shown_at(footage.plan.plan(), time)? {
            let row = self.open(footage, place).await?;
            if let Some(seq) = row.shown_at(time)? {
                return Ok(seq);
            }
        }
        Err(not_yet(time))
    }
}

impl OpenRow {
    async fn open(footage: &Footage, place: usize) -> Result<OpenRow> {
        let row = footage.plan.row(place);
        let row = row.ok_or_else(|| Error::internal("a row is gone"))?;
        let chunk = chunk_of(&footage.plan, row)?.spec.clone();
        let (row, parameters) = (row.row.clone(), footage.parameters.clone());
        let turn = Turn::awaited(footage.caller);
        let media = footage.frames.library().media(&chunk, &turn).await?;
        blocking(move || {
            check_source(&row, media.index())?;
            let samples = of_span(&parameters, &row, media.index())?;
            let starts = samples.iter().map(|sample| media.start_of(sample.shown));
            let starts = starts.collect();
            Ok(OpenRow {
                place,
                row,
                chunk,
                media,
                samples,
                starts,
            })
        })
        .await
    }

    /// Where decoding for a sequence starts.
    pub fn start_of(&self, seq: u64) -> Option<u32> {
        let place = usize::try_from(seq.checked_sub(self.row.first)?).ok()?;
        self.starts.get(place).copied()
    }

    /// Pictures of it that may wait.
    pub fn queue(&self) -> usize {
        let (width, height) = self.media.size();
        let bytes = 3 * width as usize * height as usize;
        let (few, many) = QUEUED_PICTURES;
        (QUEUED_BYTES / bytes.max(1)).clamp(few, many)
    }

    fn shown_at(&self, time: Exact) -> Result<Option<u64>> {
        let index = self.media.index();
        let clock = Clock::new(index.time_base, self.row.pts_offset)?;
        for sample in self.samples.iter().rev() {
            let Some(shown) = index.shown.get(sample.shown) else {
                continue;
            };
            if clock.shown_from(shown.pts)? <= time {
                return Ok(Some(sample.seq));
            }
        }
        Ok(None)
    }
}

/// A frame that did not come.
pub(super) fn undelivered(seq: u64) -> Error {
    let message = format!("the decoder did not deliver this frame: seq={seq}");
    Error::new(Reason::MediaCorrupt, message)
}
