//! ListFrames.

use std::ops::RangeInclusive;

use futures::TryStreamExt;
use prost::Message;

use crate::api::convert::{facts_message, page_size, profile_name};
use crate::api::status::rpc_status;
use crate::api::{Api, PART_BYTES, pages, v1};
use crate::cache::Profile;
use crate::cache::facts::FactsBatch;
use crate::cache::read::{Miss, View};
use crate::error::{Error, Reason, Result};
use crate::frames::{absent, is_inside, recorded, within};
use crate::timeline::plan::Window;

const TOKEN: &str = "frame";

impl Api {
    pub async fn list_frames(
        &self,
        asked: v1::ListFramesRequest,
    ) -> Result<v1::ListFramesResponse> {
        self.list_frames_within(asked, Window::default()).await
    }

    /// Those whose timestamps lie in the window.
    ///
    /// # Errors
    /// FIELD_INVALID for what cannot be asked; TIMELINE_NOT_FOUND; FRAME_NOT_CACHED for a window over
    /// frames without times.
    pub async fn list_frames_within(
        &self,
        asked: v1::ListFramesRequest,
        window: Window,
    ) -> Result<v1::ListFramesResponse> {
        let cache = self.frames.cache();
        let profile = cache.profile(&asked.timeline, profile_name(&asked.profile))?;
        let first = pages::number(TOKEN, &asked.page_token)?.unwrap_or(0);
        let view = profile.view().await?;
        if matches!(view, View::Absent) {
            return Err(absent(&profile));
        }
        cache.note_use(&asked.timeline);
        let Some(reach) = reach(&view, &window)? else {
            return Ok(v1::ListFramesResponse::default());
        };
        let mut page = Page::new(first.max(*reach.start()), page_size(asked.page_size));
        (page.window, page.last) = (window, *reach.end());
        page.fill(&profile, &view).await?;
        Ok(page.answer)
    }
}

/// A page that is being filled. Spans without frames count as rows of it.
struct Page {
    answer: v1::ListFramesResponse,
    /// The sequence that it has come to.
    next: u64,
    rows: usize,
    bytes: usize,
    window: Window,
    /// No sequence behind it lies in the window.
    last: u64,
}

impl Page {
    fn new(first: u64, rows: usize) -> Self {
        Page {
            answer: v1::ListFramesResponse::default(),
            next: first,
            rows,
            // A row is added while there is room, so one may reach beyond it.
            bytes: PART_BYTES - (64 << 10),
            window: Window::default(),
            last: u64::MAX,
        }
    }

    fn is_full(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }

    /// Reads no span that the page has no room for.
    async fn fill(&mut self, profile: &Profile, view: &View) -> Result<()> {
        while self.next <= self.last {
            let room = self.rows as u64;
            let mut batches = profile.facts_from(view, self.next, room).await?;
            let mut found = false;
            while let Some(batch) = batches.try_next().await? {
                found = true;
                let left = self.add(batch);
                if self.is_full() {
                    let more = match view {
                        View::Extracted(plan) => self.next < plan.end() && self.next <= self.last,
                        _ => left || batches.try_next().await?.is_some(),
                    };
                    if more {
                        self.answer.next_page_token = pages::token(TOKEN, self.next);
                    }
                    return Ok(());
                }
            }
            if !found {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether something of the batch did not fit.
    fn add(&mut self, batch: FactsBatch) -> bool {
        match batch {
            FactsBatch::Frames(frames) => {
                for facts in frames {
                    if self.is_full() {
                        return true;
                    }
                    if self.window != Window::default() && !is_inside(&facts, &self.window) {
                        self.next = self.next.max(facts.seq.saturating_add(1));
                        continue;
                    }
                    let message = facts_message(facts);
                    self.count(message.encoded_len(), message.sequence.saturating_add(1));
                    self.answer.frames.push(message);
                }
            }
            FactsBatch::Without { first, count, .. } if first > self.last => {
                self.next = self.next.max(first.saturating_add(count));
            }
            FactsBatch::Without {
                id,
                first,
                count,
                miss,
            } => {
                let without = v1::SpanWithout {
                    chunk_id: id.chunk_id,
                    span: id.span,
                    first,
                    count,
                    why: Some(rpc_status(&why(&miss))),
                };
                self.count(without.encoded_len(), first.saturating_add(count));
                self.answer.without.push(without);
            }
        }
        false
    }

    fn count(&mut self, bytes: usize, next: u64) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.next = self.next.max(next);
    }
}

/// The sequences among which those of the window are; none where there are none.
fn reach(view: &View, window: &Window) -> Result<Option<RangeInclusive<u64>>> {
    if *window == Window::default() {
        return Ok(Some(0..=u64::MAX));
    }
    match view {
        View::Extracted(plan) => Ok(within(plan, window)),
        View::Put(_) | View::Absent => Ok(Some(0..=u64::MAX)),
        View::Legacy => Err(
            Error::new(Reason::FrameNotCached, "these frames have no times")
                .hint("list them without from and to"),
        ),
    }
}

/// Why a span has no facts.
fn why(miss: &Miss) -> Error {
    match miss {
        Miss::Failed(error) => recorded(error),
        Miss::DamagedRecord => Error::new(
            Reason::FrameNotCached,
            "the span's record is damaged; it is extracted again when it is asked for",
        ),
        _ => Error::new(
            Reason::FrameNotCached,
            "the span is planned and not extracted yet",
        ),
    }
}
