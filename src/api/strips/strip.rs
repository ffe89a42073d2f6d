//! One strip: made of its frames' JPEGs, or out of memory.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

use crate::account::{Hold, Kind};
use crate::api::reshape::{check_pixels, cost, pictures};
use crate::api::strips::{Strips, TILES};
use crate::cache::memory::Rendition;
use crate::cache::read::Frame;
use crate::cancel::Stop;
use crate::error::{Error, Reason, Result};
use crate::foundry::Foundry;
use crate::frames::{Answer, OnMiss, Selected};
use crate::hex::hex;
use crate::jpeg::{RawPicture, dimensions};
use crate::media::facts::FrameFacts;
use crate::pixel::RgbImage;
use crate::pixel::resample::{Filter, Geometry, resize_rgb_until};

/// Of strips: they are looked at small, and for a moment.
const QUALITY: u8 = 75;
/// Frames that are shrunk in one go: asking costs as much as shrinking one.
const TOGETHER: usize = 10;
/// Goes that are made at once, for one strip.
const AT_ONCE: usize = 4;
/// Bytes that frames may need that are shrunk in one go.
const ROOM_TOGETHER: u64 = 128 << 20;

/// One of a profile's strips.
pub struct Strip<'s> {
    of: &'s Strips,
    sum: Option<[u8; 32]>,
    seqs: Vec<u64>,
}

impl<'s> Strip<'s> {
    /// Of these frames, whose facts stand in the same places.
    pub(super) fn of(of: &'s Strips, seqs: Vec<u64>, facts: &[Option<FrameFacts>]) -> Strip<'s> {
        let sum = sum(&seqs, facts);
        Strip { of, sum, seqs }
    }

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
        let tiles = frames.chunks(TOGETHER).map(|some| self.tiles(some));
        let mut tiles = std::pin::pin!(tiles.buffered(AT_ONCE));
        while let Some(some) = tiles.try_next().await? {
            for (place, tile) in some {
                canvas.put(place, self.of.tile, &tile);
            }
        }
        let coded = account.by_hand(move |stop| canvas.coded(stop)).await?;
        Ok(coded.into())
    }

    /// Frames as their tiles, in their places; those are left out that are not there, or are no pictures.
    async fn tiles(&self, answers: Vec<Answer<Frame>>) -> Result<Vec<(u64, RgbImage)>> {
        let mut there = Vec::with_capacity(answers.len());
        for answer in answers {
            match answer.result {
                Ok(Some(frame)) => there.push((answer.index, frame.jpeg)),
                Ok(None) => {}
                Err(error) if is_of_the_frame(&error) => {}
                Err(error) => return Err(error),
            }
        }
        match self.shrunk(&there).await {
            Err(error) if is_of_the_frame(&error) => self.one_by_one(&there).await,
            made => made,
        }
    }

    /// Where one of them is damaged, or needs the room of many.
    async fn one_by_one(&self, jpegs: &[(u64, Bytes)]) -> Result<Vec<(u64, RgbImage)>> {
        let mut made = Vec::with_capacity(jpegs.len());
        for one in jpegs.chunks(1) {
            match self.shrunk(one).await {
                Ok(tile) => made.extend(tile),
                Err(error) if is_of_the_frame(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    /// All of them, or none.
    async fn shrunk(&self, jpegs: &[(u64, Bytes)]) -> Result<Vec<(u64, RgbImage)>> {
        let mut wanted = Vec::with_capacity(jpegs.len());
        let mut room = 0_u64;
        for (_, jpeg) in jpegs {
            let source = dimensions(jpeg)?;
            check_pixels(source)?;
            let target = within(source, self.of.tile);
            room = room.saturating_add(cost(source, target) + jpeg.len() as u64);
            wanted.push((jpeg.clone(), target));
        }
        if jpegs.len() > 1 && room > ROOM_TOGETHER {
            return Err(Error::new(
                Reason::RequestLimit,
                "too large to be shrunk together",
            ));
        }
        let account = self.of.api.account();
        let room = pictures(account, room).await?;
        let foundry = self.of.api.frames().foundry().clone();
        let work = move |stop: &Stop| {
            let _room = room;
            shrink(&*foundry, &wanted, stop)
        };
        let tiles = account.by_hand(work).await?;
        let places = jpegs.iter().map(|(place, _)| *place);
        Ok(places.zip(tiles).collect())
    }
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

fn is_of_the_frame(error: &Error) -> bool {
    matches!(
        error.reason(),
        Reason::MediaCorrupt | Reason::ObjectCorrupt | Reason::MediaLimit | Reason::RequestLimit
    )
}

fn shrink(
    foundry: &dyn Foundry,
    wanted: &[(Bytes, (usize, usize))],
    stop: &Stop,
) -> Result<Vec<RgbImage>> {
    // What a JPEG is scaled by while it is decoded is the average of each block: as good a filter as any at this size,
    // and of an eighth it costs half of what a quarter and a filter of ours do.
    let pictures = foundry.jpegs_at_least(wanted)?;
    let targets = wanted.iter().map(|(_, target)| *target);
    let fitted = pictures.into_iter().zip(targets);
    fitted
        .map(|(picture, target)| fit(picture, target, stop))
        .collect()
}

fn fit(picture: RgbImage, target: (usize, usize), stop: &Stop) -> Result<RgbImage> {
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
}
