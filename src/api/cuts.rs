//! GetCuts: what changed with each frame, then a summary; the same a page at a time.

use std::collections::VecDeque;

use futures::{StreamExt, TryStreamExt, stream};

use crate::api::convert::profile_name;
use crate::api::{Answers, Api, pages, v1};
use crate::error::Result;
use crate::similar::cuts::{REACH, Scored, THRESHOLD};

/// Frames in a message: 1.3 MB of it.
const PART: usize = 1 << 16;
/// Frames of a page: 5 MB, and three times that as text.
const PAGE: usize = 1 << 18;
const TOKEN: &str = "cut";

/// Some of the frames, in order.
#[derive(Debug, Default)]
pub struct CutsPage {
    pub changes: v1::FrameChanges,
    /// Of these frames.
    pub summary: v1::CutsSummary,
    /// Empty at the end.
    pub next: String,
}

impl Api {
    /// # Errors
    /// As [`Frames::cuts`](crate::frames::Frames::cuts).
    pub async fn get_cuts(
        &self,
        asked: v1::GetCutsRequest,
    ) -> Result<Answers<v1::GetCutsResponse>> {
        let cache = self.frames.cache();
        let profile = cache.profile(&asked.timeline, profile_name(&asked.profile))?;
        let threshold = asked.threshold.unwrap_or(THRESHOLD);
        let scored = self.frames.cuts(&profile, threshold, 0).await?;
        let counted = scored.map_ok(Some).chain(stream::once(async { Ok(None) }));
        let summary = v1::CutsSummary {
            threshold,
            ..v1::CutsSummary::default()
        };
        let messages = counted.scan(summary, |summary, scored| {
            let messages = match scored {
                Ok(Some(frames)) => {
                    count(summary, &frames);
                    frames.chunks(PART).map(changes).map(Ok).collect()
                }
                Ok(None) => vec![Ok(last(*summary))],
                Err(error) => vec![Err(error)],
            };
            async move { Some(messages) }
        });
        let messages: Answers<_> = Box::pin(messages.flat_map(stream::iter));
        // What failed is the last that is told.
        let mut failed = false;
        Ok(Box::pin(messages.take_while(move |message| {
            let told = !std::mem::replace(&mut failed, message.is_err());
            async move { told }
        })))
    }

    /// A page of them; together they say what all of them say.
    ///
    /// # Errors
    /// As [`Api::get_cuts`]; FIELD_INVALID for a token that no page gave.
    pub async fn cuts_page(
        &self,
        asked: v1::GetCutsRequest,
        size: u32,
        token: &str,
    ) -> Result<CutsPage> {
        let cache = self.frames.cache();
        let profile = cache.profile(&asked.timeline, profile_name(&asked.profile))?;
        let threshold = asked.threshold.unwrap_or(THRESHOLD);
        let begin = Begin::read(token)?;
        let mut page = Page::new(begin, size);
        page.summary.threshold = threshold;
        let mut scored = self
            .frames
            .cuts(&profile, threshold, begin.read_from)
            .await?;
        while let Some(frames) = scored.try_next().await? {
            for frame in &frames {
                if page.frames.len() == page.most {
                    return Ok(page.told(Some(frame.seq)));
                }
                page.add(frame);
            }
        }
        Ok(page.told(None))
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Begin {
    /// So far before it that what is found of its frames is what is found from the first on.
    read_from: u64,
    first: u64,
}

impl Begin {
    fn read(token: &str) -> Result<Begin> {
        let Some(text) = pages::value(TOKEN, token)? else {
            return Ok(Begin::default());
        };
        let (read_from, first) = text.split_once(':').ok_or_else(pages::wrong)?;
        Ok(Begin {
            read_from: read_from.parse().map_err(|_| pages::wrong())?,
            first: first.parse().map_err(|_| pages::wrong())?,
        })
    }
}

/// A page that is being filled.
struct Page {
    begin: Begin,
    most: usize,
    frames: Vec<Scored>,
    summary: v1::CutsSummary,
    /// Those that came last, on this page or before it.
    before: VecDeque<u64>,
}

impl Page {
    fn new(begin: Begin, size: u32) -> Page {
        let most = match size {
            0 => PAGE,
            size => PAGE.min(size as usize),
        };
        Page {
            begin,
            most,
            frames: Vec::new(),
            summary: v1::CutsSummary::default(),
            before: VecDeque::from([begin.read_from]),
        }
    }

    fn add(&mut self, frame: &Scored) {
        if self.before.len() > REACH {
            self.before.pop_front();
        }
        self.before.push_back(frame.seq);
        if frame.seq >= self.begin.first {
            self.frames.push(*frame);
        }
    }

    fn told(mut self, next: Option<u64>) -> CutsPage {
        count(&mut self.summary, &self.frames);
        let read_from = self.before.front().copied().unwrap_or_default();
        let next = next.map(|next| pages::token(TOKEN, format!("{read_from}:{next}")));
        CutsPage {
            changes: frame_changes(&self.frames),
            summary: self.summary,
            next: next.unwrap_or_default(),
        }
    }
}

fn count(summary: &mut v1::CutsSummary, frames: &[Scored]) {
    let count = |is: fn(&Scored) -> bool| frames.iter().filter(|frame| is(frame)).count() as u64;
    summary.frames += frames.len() as u64;
    summary.unknown += count(|frame| frame.change.is_none());
    summary.cuts += count(|frame| frame.cut);
}

fn changes(frames: &[Scored]) -> v1::GetCutsResponse {
    response(v1::get_cuts_response::Event::Changes(frame_changes(frames)))
}

fn frame_changes(frames: &[Scored]) -> v1::FrameChanges {
    let cuts = frames.iter().filter(|frame| frame.cut);
    let time = |frame: &Scored| frame.timestamp.unwrap_or(f64::NAN);
    // Parts of 1024, which both have exactly.
    let change = |frame: &Scored| frame.change.map_or(f32::NAN, |change| change as f32);
    v1::FrameChanges {
        sequences: frames.iter().map(|frame| frame.seq).collect(),
        timestamps: frames.iter().map(time).collect(),
        changes: frames.iter().map(change).collect(),
        cuts: cuts.map(|frame| frame.seq).collect(),
    }
}

fn last(summary: v1::CutsSummary) -> v1::GetCutsResponse {
    response(v1::get_cuts_response::Event::Summary(summary))
}

fn response(event: v1::get_cuts_response::Event) -> v1::GetCutsResponse {
    v1::GetCutsResponse { event: Some(event) }
}
