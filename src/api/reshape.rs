//! Frames in another size or quality than they are stored in: each within the memory that there is
//! for pictures, by one of the hands that all calls share.

use std::sync::Arc;

use bytes::Bytes;

use crate::account::{Account, Hold, Kind};
use crate::cache::memory::{Memory, Rendition};
use crate::cache::read::Frame;
use crate::cancel::Stop;
use crate::error::{Error, Reason, Result};
use crate::extract::MAX_PIXELS;
use crate::foundry::Foundry;
use crate::hex::unhex;
use crate::jpeg::{RawPicture, dimensions};
use crate::pixel::RgbImage;
use crate::pixel::resample::{Filter, Geometry, resize_rgb_until};

/// Sides of any picture.
const MAX_SIDE: u32 = 16_384;
/// Of a frame that does not say its own.
const DEFAULT_QUALITY: u8 = 85;

/// What is asked for; at least one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reshape {
    width: Option<u32>,
    height: Option<u32>,
    quality: Option<u8>,
}

/// A frame encoded again.
pub struct Reshaped {
    pub jpeg: Bytes,
    pub width: u32,
    pub height: u32,
    /// Of the bytes of `jpeg`.
    pub hold: Hold,
}

/// Width and height.
pub(super) type Size = (usize, usize);

impl Reshape {
    /// # Errors
    /// FIELD_INVALID for sides outside 1 to 16,384 or a quality outside 1 to 100; LIMIT_EXCEEDED for
    /// more pixels than any picture may have.
    pub fn asked(
        width: Option<u32>,
        height: Option<u32>,
        quality: Option<u32>,
    ) -> Result<Option<Reshape>> {
        let quality = quality.map(quality_of).transpose()?;
        for (field, side) in [("width", width), ("height", height)] {
            if side.is_some_and(|side| !(1..=MAX_SIDE).contains(&side)) {
                let side = side.unwrap_or_default();
                return Err(Error::field(format!(
                    "{field} must be 1 to {MAX_SIDE}: {field}={side}"
                ))
                .hint("leave it out to keep the size")
                .in_field(field));
            }
        }
        if let (Some(width), Some(height)) = (width, height) {
            check_pixels((width as usize, height as usize)).map_err(|e| e.in_field("width"))?;
        }
        let asked = width.is_some() || height.is_some() || quality.is_some();
        Ok(asked.then_some(Reshape {
            width,
            height,
            quality,
        }))
    }

    /// The frame's rendition: out of memory, or made once for all who ask for it.
    ///
    /// # Errors
    /// MEDIA_CORRUPT for a stored frame that is no JPEG; LIMIT_EXCEEDED for pictures too large;
    /// MEMORY_BUDGET and QUEUE_FULL where others have the memory or the hands for half a minute.
    pub async fn run(
        self,
        frame: &Frame,
        (account, foundry): (&Account, Arc<dyn Foundry>),
        memory: &Memory,
    ) -> Result<Reshaped> {
        let source = dimensions(&frame.jpeg)?;
        let target = self.target(source.0, source.1);
        check_pixels(source).and_then(|()| check_pixels(target))?;
        let making = self.made(frame, (source, target), (account, foundry));
        let own = frame.facts.quality.unwrap_or(DEFAULT_QUALITY);
        let rendition = Rendition {
            size: (target.0 as u32, target.1 as u32),
            quality: self.quality.unwrap_or(own),
        };
        let jpeg = match frame.facts.sha256.as_deref().and_then(unhex) {
            Some(sha256) => memory.rendition((sha256, rendition), making).await?,
            None => making.await?,
        };
        let hold = account.take(Kind::Pictures, jpeg.len() as u64).await?;
        let (width, height) = rendition.size;
        Ok(Reshaped {
            jpeg,
            width,
            height,
            hold,
        })
    }

    /// Decodes, resizes as Pillow's BILINEAR does, and encodes.
    async fn made(
        self,
        frame: &Frame,
        (source, target): (Size, Size),
        (account, foundry): (&Account, Arc<dyn Foundry>),
    ) -> Result<Bytes> {
        let (jpeg, own) = (frame.jpeg.clone(), frame.facts.quality);
        let _room = pictures(account, cost(source, target)).await?;
        let work = move |stop: &Stop| self.reshaped((&jpeg, own), &*foundry, stop);
        account.by_hand(work).await.map(Bytes::from)
    }

    fn reshaped(
        self,
        (jpeg, own): (&[u8], Option<u8>),
        foundry: &dyn Foundry,
        stop: &Stop,
    ) -> Result<Vec<u8>> {
        stop.check()?;
        let picture = foundry.jpeg(jpeg)?;
        let picture = self.resized(picture, stop)?;
        self.encoded(&picture, own, stop)
    }

    /// # Errors
    /// LIMIT_EXCEEDED for a picture too large; CANCELLED.
    pub fn resized(self, picture: RgbImage, stop: &Stop) -> Result<RgbImage> {
        let source = (picture.width, picture.height);
        let target = self.target(source.0, source.1);
        check_pixels(target)?;
        match target == source {
            true => Ok(picture),
            false => {
                let geometry = Geometry::whole(source, target, Filter::Bilinear);
                resize_rgb_until(stop, &picture, &geometry)
            }
        }
    }

    /// As JPEG; `own`: the quality that its frame was stored with.
    ///
    /// # Errors
    /// As [`RawPicture::jpeg`].
    pub fn encoded(self, picture: &RgbImage, own: Option<u8>, stop: &Stop) -> Result<Vec<u8>> {
        let quality = self.quality.or(own).unwrap_or(DEFAULT_QUALITY);
        let raw = RawPicture {
            data: &picture.data,
            width: picture.width,
            height: picture.height,
            samples: 3,
        };
        raw.jpeg(quality, stop)
    }

    fn target(self, width: usize, height: usize) -> Size {
        let side = |side: u32| side as usize;
        // To the nearest, halves up; never nothing.
        let scaled = |own: usize, to: usize, from: usize| {
            ((2 * own * to + from) / (2 * from).max(1)).clamp(1, side(MAX_SIDE))
        };
        match (self.width.map(side), self.height.map(side)) {
            (None, None) => (width, height),
            (Some(w), Some(h)) => (w, h),
            (Some(w), None) => (w, scaled(height, w, width)),
            (None, Some(h)) => (scaled(width, h, height), h),
        }
    }
}

pub(super) fn check_pixels((width, height): Size) -> Result<()> {
    let pixels = (width as u64).saturating_mul(height as u64);
    if pixels <= MAX_PIXELS {
        return Ok(());
    }
    let message = format!(
        "a picture would be too large: width={width} height={height} max_pixels={MAX_PIXELS}"
    );
    Err(Error::new(Reason::RequestLimit, message).hint("ask for a smaller size"))
}

/// One that is larger than its share is made alone, and none that all memory for answers would not hold.
pub(super) async fn pictures(account: &Account, bytes: u64) -> Result<Hold> {
    let limit = account.accountant().on_their_way_bytes();
    if bytes > limit {
        let message =
            format!("a picture needs more memory than there is: bytes={bytes} limit={limit}");
        return Err(Error::new(Reason::RequestLimit, message)
            .hint("ask for a smaller size, or raise the server's --memory"));
    }
    account.take(Kind::Pictures, bytes).await
}

/// Bytes of the pictures that there are at once: source, what is between the passes of the resampler,
/// and target; then the target, its planes and its JPEG.
pub(super) fn cost(source: Size, target: Size) -> u64 {
    let rgb = |(width, height): Size| 3 * width as u64 * height as u64;
    let across_or_down_first = rgb((target.0, source.1)).max(rgb((source.0, target.1)));
    // The resampler begins with the pass that makes less.
    let between = across_or_down_first.min(rgb(source).max(rgb(target)));
    rgb(target) + rgb(target).max(rgb(source) + between)
}

fn quality_of(quality: u32) -> Result<u8> {
    let fits = u8::try_from(quality).ok().filter(|q| (1..=100).contains(q));
    fits.ok_or_else(|| {
        Error::field(format!("quality must be 1 to 100: quality={quality}"))
            .hint("leave it out to keep the frame's own")
            .in_field("quality")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Accountant, Means};

    #[test]
    fn one_side_alone_keeps_the_aspect() {
        let target = |w, h| {
            Reshape::asked(w, h, None)
                .unwrap()
                .unwrap()
                .target(1920, 1080)
        };
        assert_eq!(target(Some(640), None), (640, 360));
        assert_eq!(target(None, Some(270)), (480, 270));
        assert_eq!(target(Some(1), None), (1, 1));
        assert_eq!(target(Some(100), Some(7)), (100, 7));
        assert_eq!(Reshape::asked(None, None, None).unwrap(), None);
    }

    #[test]
    fn no_more_pixels_than_any_picture_may_have_are_asked_for_or_made() {
        let error = Reshape::asked(Some(16_384), Some(16_384), None).unwrap_err();
        assert_eq!(error.reason(), Reason::RequestLimit);
        assert_eq!(error.field_path(), Some("width"));
        assert!(Reshape::asked(Some(8192), Some(8192), None).is_ok());
        assert!(check_pixels((16_384, 4097)).is_err());
    }

    #[test]
    fn a_small_picture_of_a_large_one_costs_the_large_one_and_little_more() {
        let (large, small) = ((7680, 4320), (100, 56));
        let rgb = 3 * 7680 * 4320;
        assert!((rgb..rgb + rgb / 20).contains(&cost(large, small)));
        assert!((rgb..4 * rgb).contains(&cost(small, large)));
        assert_eq!(cost(large, large), 3 * rgb);
    }

    #[tokio::test]
    async fn a_picture_larger_than_all_memory_for_answers_is_refused_at_once() {
        let accountant = Accountant::new(&Means::of_command(64 << 20));
        let account = Account::own(&accountant);
        let refused = pictures(&account, 64 << 20).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::RequestLimit);
        let hold = pictures(&account, 20 << 20).await.unwrap();
        assert_eq!(hold.amount(), accountant.most(Kind::Pictures));
    }

    #[test]
    fn sides_and_qualities_out_of_range_name_their_field() {
        let field = |w, h, q| {
            let error = Reshape::asked(w, h, q).unwrap_err();
            error.field_path().map(str::to_owned)
        };
        assert_eq!(field(Some(0), None, None).as_deref(), Some("width"));
        assert_eq!(field(None, Some(16_385), None).as_deref(), Some("height"));
        assert_eq!(field(None, None, Some(101)).as_deref(), Some("quality"));
    }
}
