//! Strips: a hundred frames on one JPEG. A strip is a rendition of its frames: it is named by their sums, and made once.

mod cues;
mod strip;

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use serde::Serialize;

use crate::api::Api;
use crate::cache::facts::FactsBatch;
use crate::error::{Error, Reason, Result};
use crate::frames::{Asked, OnMiss, Pick, Selected, Selection, Serving, Which};
use crate::media::facts::FrameFacts;

pub use cues::Cues;
pub use strip::Strip;

/// Columns and rows of a strip.
pub const TILES: (u64, u64) = (10, 10);
const A_STRIP: u64 = TILES.0 * TILES.1;
/// Of a tile, in pixels.
const HEIGHTS: std::ops::RangeInclusive<u32> = 16..=480;
/// A tile is at most so many times as wide as it is high.
const WIDEST: u32 = 4;
/// Frames looked at for a size.
const LOOKED_AT: u64 = 1000;

/// All strips of a profile, at one height. Frames that are not there are left black: nothing is extracted.
pub struct Strips {
    api: Api,
    serving: Arc<Serving>,
    selected: Selected,
    tile: (u32, u32),
}

/// Where a frame lies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tile {
    pub seq: u64,
    pub page: u64,
    /// In pixels of the strip.
    pub x: u64,
    pub y: u64,
    /// Timeline seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<f64>,
    /// What is the matter with the frame, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    #[serde(skip)]
    duration: Option<f64>,
}

impl Strips {
    /// # Errors
    /// FIELD_INVALID in `h` for a height outside 16 to 480; TIMELINE_NOT_FOUND.
    pub async fn open(api: &Api, serving: Arc<Serving>, height: u32) -> Result<Strips> {
        if !HEIGHTS.contains(&height) {
            let (least, most) = (HEIGHTS.start(), HEIGHTS.end());
            let message = format!("a tile's height must be {least} to {most}: h={height}");
            return Err(Error::field(message)
                .hint("90 is the default")
                .in_field("h"));
        }
        let all = Selection {
            which: Which::All,
            pick: Pick::default(),
            step: 1,
            limit: None,
        };
        let selected = serving.select(all, OnMiss::Skip).await?;
        let tile = (tile_width(&serving, height).await?, height);
        Ok(Strips {
            api: api.clone(),
            serving,
            selected,
            tile,
        })
    }

    /// Width and height, in pixels.
    pub fn tile(&self) -> (u32, u32) {
        self.tile
    }

    /// Frames that are planned.
    pub fn count(&self) -> u64 {
        self.selected.count()
    }

    pub fn pages(&self) -> u64 {
        self.count().div_ceil(A_STRIP)
    }

    fn seqs(&self, first: u64, count: u64) -> Vec<u64> {
        let (first, count) = (
            usize::try_from(first).unwrap_or(usize::MAX),
            usize::try_from(count).unwrap_or(usize::MAX),
        );
        let asked = self.selected.clone().into_iter().skip(first).take(count);
        let numbered = asked.filter_map(|asked| match asked {
            Asked::Sequence(seq) => Some(seq),
            Asked::Time(_) => None,
        });
        numbered.collect()
    }

    /// Facts of these, each in its place; none where a frame is not there.
    async fn facts(&self, seqs: &[u64]) -> Result<Vec<Option<FrameFacts>>> {
        let selected = Selected::of(seqs.to_vec(), 1, None);
        let found = self
            .serving
            .clone()
            .facts_of(selected, OnMiss::Skip)
            .await?;
        Ok(found
            .map(|answer| answer.result.ok().flatten())
            .collect()
            .await)
    }

    /// Where frames lie, `count` from the one in place `first` on.
    ///
    /// # Errors
    /// The store's own.
    pub async fn tiles(&self, first: u64, count: u64) -> Result<Vec<Tile>> {
        let seqs = self.seqs(first, count);
        let facts = self.facts(&seqs).await?;
        let placed = (first..).zip(seqs.iter().zip(facts));
        let tiles = placed.map(|(place, (seq, facts))| self.placed(place, *seq, facts));
        Ok(tiles.collect())
    }

    fn placed(&self, place: u64, seq: u64, facts: Option<FrameFacts>) -> Tile {
        let (page, within) = (place / A_STRIP, place % A_STRIP);
        let (width, height) = (u64::from(self.tile.0), u64::from(self.tile.1));
        Tile {
            seq,
            page,
            x: within % TILES.0 * width,
            y: within / TILES.0 * height,
            timestamp: facts.as_ref().and_then(|facts| facts.timestamp),
            state: state(facts.as_ref()),
            duration: facts.and_then(|facts| facts.duration),
        }
    }

    /// One strip, not made yet.
    ///
    /// # Errors
    /// FRAME_NOT_CACHED behind the last one; the store's own.
    pub async fn page(&self, page: u64) -> Result<Strip<'_>> {
        let seqs = self.seqs(page.saturating_mul(A_STRIP), A_STRIP);
        if seqs.is_empty() {
            let message = format!("there is no such strip: page={page} pages={}", self.pages());
            return Err(Error::new(Reason::FrameNotCached, message));
        }
        let facts = self.facts(&seqs).await?;
        Ok(Strip::of(self, seqs, &facts))
    }
}

fn state(facts: Option<&FrameFacts>) -> Option<&'static str> {
    match facts {
        None => Some("not_cached"),
        Some(facts) if facts.missing => Some("missing"),
        Some(facts) if facts.damaged => Some("damaged"),
        Some(_) => None,
    }
}

/// Of the profile's first frame that is there; where it does not say, of 16:9.
async fn tile_width(serving: &Serving, height: u32) -> Result<u32> {
    let view = serving.view().await?;
    let profile = serving.reader().profile();
    let mut batches = profile.facts_from(&view, 0, LOOKED_AT).await?;
    let mut size = (16, 9);
    while let Some(batch) = batches.try_next().await? {
        let FactsBatch::Frames(frames) = batch else {
            continue;
        };
        let said = |facts: &FrameFacts| facts.width.zip(facts.height);
        if let Some(found) = frames.iter().find_map(said) {
            size = found;
        }
        break;
    }
    let (wide, high) = (u64::from(size.0), u64::from(size.1).max(1));
    let width = (2 * wide * u64::from(height) + high) / (2 * high);
    let most = u64::from(height * WIDEST);
    Ok(width.clamp(1, most) as u32)
}
