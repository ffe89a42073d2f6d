//! Strips: a hundred frames on one JPEG. A strip is a rendition of its frames: it is named by their sums, and made once.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::account::{Hold, Kind};
use crate::api::Api;
use crate::api::reshape::{check_pixels, cost, pictures};
use crate::cache::facts::FactsBatch;
use crate::cache::memory::Rendition;
use crate::cache::read::Frame;
use crate::cancel::Stop;
use crate::error::{Error, Reason, Result};
use crate::foundry::Foundry;
use crate::frames::{Answer, Asked, OnMiss, Pick, Selected, Selection, Serving, Which};
use crate::hex::hex;
use crate::jpeg::{RawPicture, dimensions};
use crate::media::facts::FrameFacts;
use crate::pixel::RgbImage;
use crate::pixel::resample::{Filter, Geometry, resize_rgb_until};

/// Columns and rows of a strip.
pub const TILES: (u64, u64) = (10, 10);
const A_STRIP: u64 = TILES.0 * TILES.1;
/// Of a tile, in pixels.
const HEIGHTS: std::ops::RangeInclusive<u32> = 16..=480;
/// A tile is at most so many times as wide as it is high.
const WIDEST: u32 = 4;
/// Of strips: they are looked at small, and for a moment.
const QUALITY: u8 = 75;
/// Frames looked at for a size.
const LOOKED_AT: u64 = 1000;
/// Tiles that are made at once, for one strip.
const AT_ONCE: usize = 4;
/// Frames of one block of cues.
const CUES: u64 = 1000;

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
        Ok(Strip {
            of: self,
            sum: sum(&seqs, &facts),
            seqs,
        })
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

/// Of what a strip is made of; none where a frame has no sum.
fn sum(seqs: &[u64], facts: &[Option<FrameFacts>]) -> Option<[u8; 32]> {
    let mut all = Sha256::new();
    all.update(b"strip");
    for (seq, facts) in seqs.iter().zip(facts) {
        let of = match facts {
            // Without bytes.
            None => "",
            Some(facts) if facts.missing => "",
            Some(facts) => facts.sha256.as_deref()?,
        };
        all.update(format!("{seq} {of}\n"));
    }
    Some(all.finalize().into())
}

/// One of them.
pub struct Strip<'s> {
    of: &'s Strips,
    sum: Option<[u8; 32]>,
    seqs: Vec<u64>,
}

impl Strip<'_> {
    /// What tells it from any other, where its frames have sums.
    pub fn name(&self) -> Option<String> {
        let (width, height) = self.of.tile;
        let version = env!("CARGO_PKG_VERSION");
        let name = |sum: [u8; 32]| format!("{}-{width}x{height}-{version}", hex(&sum));
        self.sum.map(name)
    }

    /// Its JPEG, out of memory or made once for all who ask, with its share of the memory.
    ///
    /// # Errors
    /// MEMORY_BUDGET and QUEUE_FULL where others have the memory or the hands for half a minute; the
    /// store's own.
    pub async fn jpeg(&self) -> Result<(Bytes, Hold)> {
        let memory = self.of.api.frames().cache().memory();
        let rendition = Rendition {
            size: self.of.tile,
            quality: QUALITY,
        };
        let jpeg = match self.sum {
            Some(sum) => memory.rendition((sum, rendition), self.made()).await?,
            None => self.made().await?,
        };
        let hold = self
            .of
            .api
            .account()
            .take(Kind::Pictures, jpeg.len() as u64);
        let hold = hold.await?;
        Ok((jpeg, hold))
    }

    async fn made(&self) -> Result<Bytes> {
        let account = self.of.api.account();
        let mut canvas = Canvas::new(self.of.tile);
        // Of the canvas, and its planes and file while it is coded. Asked for before the frames', as answers are.
        let _room = account
            .take(Kind::Answers, 2 * canvas.0.data.len() as u64)
            .await?;
        let selected = Selected::of(self.seqs.clone(), 1, None);
        let frames = self
            .of
            .serving
            .clone()
            .frames_of(selected, OnMiss::Skip)
            .await?;
        let tiles = frames.map(|answer| self.tile(answer)).buffered(AT_ONCE);
        let mut tiles = std::pin::pin!(tiles);
        while let Some((place, tile)) = tiles.try_next().await? {
            if let Some(tile) = tile {
                canvas.put(place, self.of.tile, &tile);
            }
        }
        let coded = account.by_hand(move |stop| canvas.coded(stop)).await?;
        Ok(coded.into())
    }

    /// A frame as its tile; none for one that is not there, or is no picture.
    async fn tile(&self, answer: Answer<Frame>) -> Result<(u64, Option<RgbImage>)> {
        let frame = match answer.result {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok((answer.index, None)),
            Err(error) if is_of_the_frame(&error) => return Ok((answer.index, None)),
            Err(error) => return Err(error),
        };
        match self.shrunk(&frame).await {
            Ok(tile) => Ok((answer.index, Some(tile))),
            Err(error) if is_of_the_frame(&error) => Ok((answer.index, None)),
            Err(error) => Err(error),
        }
    }

    async fn shrunk(&self, frame: &Frame) -> Result<RgbImage> {
        let (account, tile) = (self.of.api.account(), self.of.tile);
        let source = dimensions(&frame.jpeg)?;
        check_pixels(source)?;
        let target = within(source, tile);
        let room = pictures(account, cost(source, target)).await?;
        let (jpeg, foundry) = (frame.jpeg.clone(), self.of.api.frames().foundry().clone());
        let work = move |stop: &Stop| {
            let _room = room;
            shrink(&*foundry, &jpeg, target, stop)
        };
        account.by_hand(work).await
    }
}

fn is_of_the_frame(error: &Error) -> bool {
    matches!(
        error.reason(),
        Reason::MediaCorrupt | Reason::ObjectCorrupt | Reason::MediaLimit | Reason::RequestLimit
    )
}

fn shrink(
    foundry: &dyn Foundry,
    jpeg: &[u8],
    target: (usize, usize),
    stop: &Stop,
) -> Result<RgbImage> {
    // What a JPEG is scaled by while it is decoded is the average of each block: as good a filter as any at this size,
    // and of an eighth it costs half of what a quarter and a filter of ours do.
    let picture = foundry.jpeg_at_least(jpeg, target)?;
    let source = (picture.width, picture.height);
    if source == target {
        return Ok(picture);
    }
    let geometry = Geometry::whole(source, target, Filter::Bilinear);
    resize_rgb_until(stop, &picture, &geometry)
}

/// The largest size of the source's aspect that fits the tile.
fn within((width, height): (usize, usize), tile: (u32, u32)) -> (usize, usize) {
    let (w, h) = (tile.0 as usize, tile.1 as usize);
    let scaled = |own: usize, to: usize, from: usize| ((2 * own * to + from) / (2 * from)).max(1);
    match width * h >= height * w {
        true => (w, scaled(height, w, width).min(h)),
        false => (scaled(width, h, height).min(w), h),
    }
}

/// The strip's pixels.
struct Canvas(RgbImage);

impl Canvas {
    fn new(tile: (u32, u32)) -> Canvas {
        let (width, height) = (
            TILES.0 as usize * tile.0 as usize,
            TILES.1 as usize * tile.1 as usize,
        );
        Canvas(RgbImage {
            width,
            height,
            data: vec![0; 3 * width * height],
        })
    }

    /// In the middle of its place.
    fn put(&mut self, place: u64, (width, height): (u32, u32), picture: &RgbImage) {
        let (column, row) = ((place % TILES.0) as usize, (place / TILES.0) as usize);
        let left = column * width as usize + (width as usize - picture.width) / 2;
        let top = row * height as usize + (height as usize - picture.height) / 2;
        let stride = 3 * self.0.width;
        let lines = self.0.data.chunks_exact_mut(stride).skip(top);
        for (line, own) in lines.zip(picture.data.chunks_exact(3 * picture.width)) {
            if let Some(part) = line.get_mut(3 * left..3 * left + own.len()) {
                part.copy_from_slice(own);
            }
        }
    }

    fn coded(&self, stop: &Stop) -> Result<Vec<u8>> {
        let raw = RawPicture {
            data: &self.0.data,
            width: self.0.width,
            height: self.0.height,
            samples: 3,
        };
        raw.jpeg(QUALITY, stop)
    }
}

/// The cues of all frames, written a block at a time.
pub struct Cues {
    strips: Strips,
    /// Of the strips' addresses.
    query: String,
    next: u64,
    /// It ends where the next begins.
    open: Option<Tile>,
}

impl Cues {
    pub fn new(strips: Strips, query: String) -> Cues {
        Cues {
            strips,
            query,
            next: 0,
            open: None,
        }
    }

    /// Text of the next frames; none behind the last.
    ///
    /// # Errors
    /// The store's own.
    pub async fn next(&mut self) -> Result<Option<String>> {
        let mut text = String::new();
        if self.next >= self.strips.count() {
            let last = self.open.take();
            let last = last.map(|tile| self.cue(&tile, tile.timestamp.zip(tile.duration)));
            return Ok(last);
        }
        for tile in self.strips.tiles(self.next, CUES).await? {
            if tile.timestamp.is_none() {
                continue;
            }
            let until = tile.timestamp.map(|at| (at, 0.0));
            if let Some(before) = self.open.replace(tile) {
                text += &self.cue(&before, until);
            }
        }
        self.next += CUES;
        Ok(Some(text))
    }

    /// `end`: a time, and what is added to it.
    fn cue(&self, tile: &Tile, end: Option<(f64, f64)>) -> String {
        let begin = millis(tile.timestamp.unwrap_or_default());
        let end = end.map_or(0, |(at, more)| millis(at + more)).max(begin + 1);
        let (width, height) = self.strips.tile;
        let Tile { page, x, y, .. } = tile;
        let query = &self.query;
        format!(
            "{} --> {}\nstrips/{page}.jpg?{query}#xywh={x},{y},{width},{height}\n\n",
            clock(begin),
            clock(end),
        )
    }
}

fn millis(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0).round() as u64
}

/// WebVTT, 4.1: hours of two digits or more.
fn clock(millis: u64) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fits_its_tile_and_keeps_its_aspect() {
        assert_eq!(within((1920, 1080), (160, 90)), (160, 90));
        assert_eq!(within((640, 640), (160, 90)), (90, 90));
        assert_eq!(within((4000, 100), (160, 90)), (160, 4));
        assert_eq!(within((1, 16_384), (160, 90)), (1, 90));
    }

    #[test]
    fn a_tile_is_pasted_in_the_middle_of_its_place() {
        let mut canvas = Canvas::new((4, 3));
        let picture = RgbImage {
            width: 2,
            height: 3,
            data: vec![9; 18],
        };
        canvas.put(11, (4, 3), &picture);
        let lit: Vec<_> = (0..canvas.0.data.len() / 3)
            .filter(|at| canvas.0.data[3 * at] == 9)
            .map(|at| (at % 40, at / 40))
            .collect();
        assert_eq!(lit, [(5, 3), (6, 3), (5, 4), (6, 4), (5, 5), (6, 5)]);
    }

    #[test]
    fn times_of_cues_have_hours_and_milliseconds() {
        assert_eq!(clock(millis(0.0004)), "00:00:00.000");
        assert_eq!(clock(millis(59.9996)), "00:01:00.000");
        assert_eq!(clock(millis(360_000.25)), "100:00:00.250");
    }
}
