//! The planner: takes a timeline's chunks one after the other and gives the
//! plan. Of a source it keeps the frames only until the next chunk begins,
//! because only then it is known what the chunk owns.

use std::collections::HashSet;
use std::ops::Range;

use crate::error::{Error, Reason, Result};
use crate::media::time::Exact;
use crate::timeline::index::SourceIndex;
use crate::timeline::limits::{Limits, PICTURE_NUMBERS};
use crate::timeline::numbers::{Draft, number};
use crate::timeline::opened::{Open, Source, open, open_bad};
use crate::timeline::plan::{
    ChunkError, ChunkSpec, FrameLayout, Kind, Parameters, Plan, PlannedChunk, READING, SCHEMA,
    Sampling, SpanRow, Window,
};
use crate::timeline::sampling::picked;
use crate::timeline::spans::{Extent, span_starts};

/// A span ends at the first cut point at least this much after its first frame.
const SPAN_SECONDS: Exact = Exact::whole(60);

/// Plans one profile of one timeline.
pub struct Planner {
    parameters: Parameters,
    limits: Limits,
    span: Exact,
    chunk_ids: HashSet<String>,
    /// Chunks whose extent is final.
    chunks: Vec<PlannedChunk>,
    drafts: Vec<Draft>,
    /// Frames of the final chunks, sampled or not.
    frames: u64,
    open: Option<Open>,
}

impl Planner {
    /// Checks the parameters; see [`Parameters::checked`].
    pub fn new(parameters: Parameters, limits: Limits) -> Result<Planner> {
        Ok(Planner {
            parameters: parameters.checked(&limits)?,
            limits,
            span: SPAN_SECONDS,
            chunk_ids: HashSet::new(),
            chunks: Vec::new(),
            drafts: Vec::new(),
            frames: 0,
            open: None,
        })
    }

    /// Another length of spans, so that tests need no hours of frames.
    #[cfg(test)]
    pub(crate) fn span_length(mut self, span: Exact) -> Planner {
        self.span = span;
        self
    }

    /// Takes the next chunk, in the timeline's order, with its index, or with
    /// why it has none (`skip_bad`): then it counts as empty. An empty chunk_id
    /// becomes its place in the list. After an error the planner is as before.
    pub fn push(
        &mut self,
        mut spec: ChunkSpec,
        source: std::result::Result<&SourceIndex, ChunkError>,
    ) -> Result<()> {
        let place = self.chunks.len() + usize::from(self.open.is_some());
        if place as u64 >= self.limits.chunks {
            return Err(self.limits.too_many_chunks());
        }
        if spec.chunk_id.is_empty() {
            spec.chunk_id = place.to_string();
        }
        let in_chunk = |e: Error| e.below_field(&format!("chunks[{place}]"));
        spec.check().map_err(in_chunk)?;
        if self.chunk_ids.contains(&spec.chunk_id) {
            return Err(Error::field(format!(
                "two chunks have one id: chunk_id={}",
                spec.chunk_id
            ))
            .hint("give each chunk an id of its own")
            .in_field(format!("chunks[{place}].chunk_id")));
        }
        let begin = self.begin_of(&spec).map_err(in_chunk)?;
        let next = match source {
            Ok(index) => open(spec, begin, index)?,
            Err(error) => open_bad(spec, begin, error),
        };
        self.close(Some(begin))?;
        self.chunk_ids.insert(next.chunk.spec.chunk_id.clone());
        self.open = Some(next);
        Ok(())
    }

    /// The plan. Numbers are given here, because `count` needs the timeline's end.
    pub fn finish(mut self) -> Result<Plan> {
        self.close(None)?;
        let spans = number(&mut self.parameters, self.drafts, &self.limits)?;
        check_window_holds_frames(&self.parameters, &self.chunks, &spans)?;
        Ok(Plan {
            schema: SCHEMA,
            reader: None,
            kind: Kind::Extract,
            layout: FrameLayout::Frames,
            nonce: None,
            reading: READING,
            parameters: Some(self.parameters),
            chunks: self.chunks,
            spans,
        })
    }

    fn begin_of(&self, spec: &ChunkSpec) -> Result<Exact> {
        let Some(before) = &self.open else {
            return Ok(spec.start.unwrap_or(Exact::ZERO));
        };
        let begin = spec.start.unwrap_or(before.chunk.end);
        if begin < before.chunk.begin {
            return Err(Error::field(format!(
                "chunks must come in the order of their starts: chunk_id={} start={begin} start_of_the_one_before={}",
                spec.chunk_id, before.chunk.begin
            ))
            .hint("sort the chunks by start")
            .in_field("start"));
        }
        Ok(begin)
    }

    /// Makes the open chunk final: what it owns ends where the next one begins.
    fn close(&mut self, next_begin: Option<Exact>) -> Result<()> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let drafts = self.drafts_of(open, next_begin)?;
        if let Some(mut open) = self.open.take() {
            open.chunk.frames = drafts.iter().map(|d| d.row.frames).sum();
            self.frames += open.chunk.frames;
            self.chunks.push(open.chunk);
            self.drafts.extend(drafts);
        }
        Ok(())
    }

    fn drafts_of(&self, open: &Open, next_begin: Option<Exact>) -> Result<Vec<Draft>> {
        let Some(source) = &open.source else {
            return Ok(Vec::new());
        };
        let extent = Extent {
            begin: open.chunk.begin,
            stretch_end: open.stretch_end,
            end: open.chunk.end,
            next_begin,
        };
        let (clock, shown) = (&source.clock, &source.shown);
        let frames = extent.frames(clock, shown, self.looks_at_times())?;
        let starts = span_starts(clock, shown, &frames, self.span)?;
        let bounds = Bounds {
            extent,
            first_frame: frames.start,
            end_frame: frames.end,
        };
        let ends = starts.iter().skip(1).copied().chain([frames.end]);
        let mut drafts: Vec<Draft> = Vec::with_capacity(starts.len());
        for (span, (first, end)) in starts.iter().zip(ends).enumerate() {
            let mut draft = bounds.draft(source, *first, end)?;
            draft.row.chunk_id.clone_from(&open.chunk.spec.chunk_id);
            draft.row.span = u32::try_from(span).map_err(|_| too_many_spans(open))?;
            self.count_frames(&mut draft.row, source, (*first - frames.start) as u64)?;
            if self.has_many_numbers(&draft)? {
                draft.longest = longest(source, *first..end)?;
            }
            drafts.push(draft);
        }
        Ok(drafts)
    }

    /// Where the mode takes frames, a span's count needs no other chunk's end.
    fn count_frames(&self, row: &mut SpanRow, source: &Source, before: u64) -> Result<()> {
        if self.looks_at_times() {
            return Ok(());
        }
        if let Sampling::Every(_) = self.parameters.sampling {
            row.ordinal = Some(self.frames + before);
        }
        let count = picked(&self.parameters, row, &source.clock, &source.shown)?.count();
        row.count = count as u64;
        Ok(())
    }

    /// Whether one picture of the row may have too many numbers.
    fn has_many_numbers(&self, draft: &Draft) -> Result<bool> {
        let most = match &self.parameters.sampling {
            Sampling::Fps(fps) => {
                let seconds = draft.shown_to.minus(draft.shown_from)?;
                u64::try_from(seconds.times(*fps)?.ceil()).unwrap_or(u64::MAX)
            }
            Sampling::Timestamps(times) => times.len() as u64,
            Sampling::Count(parts) => *parts,
            Sampling::Every(_) | Sampling::All | Sampling::Keyframes => 0,
        };
        Ok(most > PICTURE_NUMBERS)
    }

    fn looks_at_times(&self) -> bool {
        matches!(
            self.parameters.sampling,
            Sampling::Fps(_) | Sampling::Timestamps(_) | Sampling::Count(_)
        )
    }
}

/// The edges of a chunk that its first and last spans take.
struct Bounds {
    extent: Extent,
    first_frame: usize,
    end_frame: usize,
}

impl Bounds {
    /// The row of frames [first, end), without its numbers.
    fn draft(&self, source: &Source, first: usize, end: usize) -> Result<Draft> {
        let (start, shown_from) = self.edge(source, first)?;
        let (row_end, shown_to) = self.edge(source, end)?;
        Ok(Draft {
            row: SpanRow {
                chunk_id: String::new(),
                span: 0,
                start,
                end: row_end,
                first_frame: first as u64,
                frames: (end - first) as u64,
                pts_offset: source.clock.offset,
                ordinal: None,
                first: 0,
                count: 0,
                stream: source.stream,
                source: source.source.clone(),
                init: source.init.clone(),
                revision: source.revision,
            },
            shown_from,
            shown_to,
            longest: (Exact::ZERO, Exact::ZERO),
        })
    }

    /// Timeline time of the frame at `place`, and from when on it is shown.
    fn edge(&self, source: &Source, place: usize) -> Result<(Exact, Exact)> {
        let (begin, end) = (self.extent.begin, self.extent.owned_end());
        match source.shown.get(place) {
            _ if place == self.first_frame => Ok((begin, begin)),
            // Not before `begin`: spans are far longer than the tolerance.
            Some(frame) if place < self.end_frame => Ok((
                source.clock.time(frame.pts)?,
                source.clock.shown_from(frame.pts)?,
            )),
            _ => Ok((end, end)),
        }
    }
}

/// From when to when the frame of these is shown that is shown longest.
fn longest(source: &Source, frames: Range<usize>) -> Result<(Exact, Exact)> {
    let own = source.shown.get(frames).unwrap_or_default();
    let Some(longest) = own.iter().max_by_key(|frame| frame.duration) else {
        return Ok((Exact::ZERO, Exact::ZERO));
    };
    let end = longest.pts.saturating_add(longest.duration);
    let clock = &source.clock;
    Ok((clock.shown_from(longest.pts)?, clock.shown_from(end)?))
}

/// A plan of no frames would only be in the way of the one that is meant. Where a chunk could not be read, nobody knows.
fn check_window_holds_frames(
    parameters: &Parameters,
    chunks: &[PlannedChunk],
    spans: &[SpanRow],
) -> Result<()> {
    let window = &parameters.window;
    let holds = spans.iter().any(|row| row.count > 0);
    if holds || *window == Window::default() || chunks.iter().any(|c| c.error.is_some()) {
        return Ok(());
    }
    let begin = chunks.iter().map(|chunk| chunk.begin).min();
    let end = chunks.iter().map(|chunk| chunk.end).max();
    let fact = |key: &str, time: Option<Exact>| time.map(|t| format!(" {key}={}", t.to_f64()));
    let facts = [
        fact("from", window.from),
        fact("to", window.to),
        fact("footage_from", begin),
        fact("footage_to", end),
    ];
    let facts: String = facts.into_iter().flatten().collect();
    let message = format!("the window holds no frame that is sampled,{facts}");
    Err(Error::new(Reason::TimePastEnd, message)
        .hint("let the window begin before the footage ends, or sample more often")
        .in_field("window"))
}

fn too_many_spans(open: &Open) -> Error {
    Error::new(
        Reason::MediaLimit,
        format!(
            "a chunk has too many spans: chunk_id={}",
            open.chunk.spec.chunk_id
        ),
    )
}
