//! Frames in another size or quality than they are stored in.

use bytes::Bytes;

use crate::cache::read::Frame;
use crate::error::{Error, Result};
use crate::jpeg::{RawPicture, decode_rgb};
use crate::pixel::resample::{Filter, Geometry, resize_rgb};

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
}

impl Reshape {
    /// # Errors
    /// FIELD_INVALID for sides outside 1 to 16,384 or a quality outside 1 to 100.
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
        let asked = width.is_some() || height.is_some() || quality.is_some();
        Ok(asked.then_some(Reshape {
            width,
            height,
            quality,
        }))
    }

    /// Decodes, resizes as Pillow's BILINEAR does, and encodes, on a blocking thread.
    ///
    /// # Errors
    /// MEDIA_CORRUPT for a stored frame that is no JPEG; LIMIT_EXCEEDED for one too large.
    pub async fn run(self, frame: &Frame) -> Result<Reshaped> {
        let (jpeg, own) = (frame.jpeg.clone(), frame.facts.quality);
        let work = move || self.reshaped(&jpeg, own);
        match tokio::task::spawn_blocking(work).await {
            Ok(outcome) => outcome,
            Err(failed) => Err(Error::internal("a frame's task failed").caused_by(failed)),
        }
    }

    fn reshaped(self, jpeg: &[u8], own: Option<u8>) -> Result<Reshaped> {
        let mut picture = decode_rgb(jpeg)?;
        let target = self.target(picture.width, picture.height);
        if target != (picture.width, picture.height) {
            let source = (picture.width, picture.height);
            let geometry = Geometry::whole(source, target, Filter::Bilinear);
            picture = resize_rgb(&picture, &geometry)?;
        }
        let quality = self.quality.or(own).unwrap_or(DEFAULT_QUALITY);
        let raw = RawPicture {
            data: &picture.data,
            width: picture.width,
            height: picture.height,
            samples: 3,
        };
        Ok(Reshaped {
            jpeg: raw.jpeg(quality)?.into(),
            width: target.0 as u32,
            height: target.1 as u32,
        })
    }

    fn target(self, width: usize, height: usize) -> (usize, usize) {
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
