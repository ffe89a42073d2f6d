//! One decoded picture to its JPEG, its hashes and its facts.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::av::Frame;
use crate::cuda::FramesLayout;
use crate::error::Result;
use crate::extract::trays::Lent;
use crate::gpu::PinnedBuffer;
use crate::hash::{self, Hasher, Hashes};
use crate::hex::hex;
use crate::jpeg::Encoder;
use crate::media::colour::Colour;
use crate::media::facts::FrameFacts;
use crate::media::limits::check_size;
use crate::media::picture::{JfifPlanes, Orientation};
use crate::pixel::RgbImage;
use crate::pixel::jfif::{self, JfifRequest, Strips, to_jfif_into};
use crate::pixel::rgb::to_rgb_into;
use crate::timeline::plan::{HashKind, Parameters};

/// What is made of a picture.
pub struct Development<'a> {
    pub parameters: &'a Parameters,
    pub orientation: Orientation,
}

/// A decoded picture, on its way to be a frame.
pub enum Exposed {
    Frame(Frame),
    Converted(Box<Converted>),
    Pixels(Box<Pixels>),
}

/// What a card made of a picture where no JPEG is wanted: nothing is left to do.
#[derive(Default)]
pub struct Pixels {
    /// Upright RGB of the full size, or the job's tensor of it.
    pub data: Vec<u8>,
    pub is_tensor: bool,
    pub facts: FrameFacts,
}

/// What a card made of a picture: only coding is left, from where it was copied to.
pub struct Converted {
    pub(super) bytes: Lent<PinnedBuffer>,
    /// Planes, and luma at the size of each hash asked for.
    pub layout: FramesLayout,
    /// What the picture says of itself.
    pub facts: FrameFacts,
}

/// Makes frames of pictures, and keeps its buffers for the next one. One a thread.
#[derive(Default)]
pub struct Developer {
    encoder: Option<(u8, Encoder)>,
    scratch: jfif::Scratch,
    planes: JfifPlanes,
    turned: Vec<u8>,
    hasher: Hasher,
}

impl Developer {
    /// The picture's JPEG and all facts that the picture itself decides.
    ///
    /// # Errors
    /// MEDIA_UNSUPPORTED for pixel formats and matrices without a formula,
    /// LIMIT_EXCEEDED for pictures that are too large.
    pub fn develop(&mut self, frame: &Frame, how: &Development) -> Result<(FrameFacts, Vec<u8>)> {
        let parameters = how.parameters;
        let colour = checked_colour(frame, parameters)?;
        let picture = frame.picture(colour.matrix, colour.range)?;
        let request = JfifRequest {
            orientation: how.orientation,
            max_side: parameters.max_side,
        };
        let (made, turn) = (hashes_made(parameters), how.orientation);
        let encoder = encoder(&mut self.encoder, parameters.quality)?;
        let mut hashing = self.hasher.begin(&picture, turn, &made)?;
        let mut along = |rows| hashing.rows(rows);
        let planes = &mut self.planes;
        let (size, jpeg) = if let Some(strips) = Strips::of(&picture, &request)? {
            let size = (picture.width, picture.height);
            let mut coding = encoder.begin(size, false)?;
            strips.run(planes, &mut along, &mut |strip| coding.rows(strip))?;
            (size, coding.end()?)
        } else {
            to_jfif_into(&picture, &request, (&mut self.scratch, planes), &mut along)?;
            ((planes.width, planes.height), encoder.encode(&*planes)?)
        };
        let hashes = hashing.end()?;
        let own = own_facts(frame, how, colour);
        Ok((coded_facts(size, &jpeg, hashes, (own, parameters)), jpeg))
    }

    /// As [`Developer::develop`], of what a card has converted.
    ///
    /// # Errors
    /// INTERNAL where it does not fit its size.
    pub fn finish(
        &mut self,
        converted: &mut Converted,
        how: &Development,
    ) -> Result<(FrameFacts, Vec<u8>)> {
        let own = std::mem::take(&mut converted.facts);
        let (layout, bytes) = (&converted.layout, converted.bytes.get()?.bytes()?);
        let mut hashes = Hashes::default();
        for (kind, small) in layout.small(0) {
            hashes.add(kind, &bytes[small]);
        }
        let (planes, parameters) = (layout.planes(bytes, 0)?, how.parameters);
        let jpeg = encoder(&mut self.encoder, parameters.quality)?.encode(planes)?;
        let size = (planes.width, planes.height);
        Ok((coded_facts(size, &jpeg, hashes, (own, parameters)), jpeg))
    }

    /// The picture as upright RGB of its full size, and the facts that hold for it.
    ///
    /// # Errors
    /// As [`Developer::develop`].
    pub fn rgb(&mut self, frame: &Frame, how: &Development) -> Result<(FrameFacts, Vec<u8>)> {
        let colour = checked_colour(frame, how.parameters)?;
        let picture = frame.picture(colour.matrix, colour.range)?;
        let mut image = RgbImage::default();
        to_rgb_into(&picture, how.orientation, &mut self.turned, &mut image)?;
        let facts = FrameFacts {
            width: u32::try_from(image.width).ok(),
            height: u32::try_from(image.height).ok(),
            ..own_facts(frame, how, colour)
        };
        Ok((facts, image.data))
    }
}

/// The encoder kept for this quality.
fn encoder(kept: &mut Option<(u8, Encoder)>, quality: u8) -> Result<&mut Encoder> {
    let encoder = match kept.take() {
        Some((current, encoder)) if current == quality => encoder,
        _ => Encoder::new(quality)?,
    };
    Ok(&mut kept.insert((quality, encoder)).1)
}

/// The hashes that are made of each picture: where any is asked for, `phash`'s small picture is there, which
/// tones are told by.
pub(super) fn hashes_made(parameters: &Parameters) -> Cow<'_, [HashKind]> {
    let asked = &parameters.hashes;
    match asked.is_empty() || asked.contains(&HashKind::Phash) {
        true => Cow::Borrowed(asked),
        false => Cow::Owned([&[HashKind::Phash], &asked[..]].concat()),
    }
}

/// All facts of a frame, with its picture's `own`.
fn coded_facts(
    (width, height): (usize, usize),
    jpeg: &[u8],
    hashes: Hashes,
    (own, parameters): (FrameFacts, &Parameters),
) -> FrameFacts {
    let asked = parameters.hashes.contains(&HashKind::Phash);
    FrameFacts {
        width: u32::try_from(width).ok(),
        height: u32::try_from(height).ok(),
        bytes: Some(jpeg.len() as u64),
        sha256: Some(hex(&Sha256::digest(jpeg))),
        content_type: Some("image/jpeg".to_owned()),
        quality: Some(parameters.quality),
        phash: hashes.phash.filter(|_| asked).map(hash::to_hex),
        dhash: hashes.dhash.map(hash::to_hex),
        average_hash: hashes.average_hash.map(hash::to_hex),
        flatness: hashes.tones.map(|tones| tones.flatness()),
        luma: hashes.tones.map(|tones| tones.luma()),
        ..own
    }
}

pub(super) fn checked_colour(frame: &Frame, parameters: &Parameters) -> Result<Colour> {
    let (width, height) = frame.size();
    check_size(width, height)?;
    frame.colour(parameters.colour)
}

/// What a picture says of itself, whatever is made of it.
pub(super) fn own_facts(frame: &Frame, how: &Development, colour: Colour) -> FrameFacts {
    let (source_width, source_height) = frame.size();
    FrameFacts {
        source_width: Some(source_width),
        source_height: Some(source_height),
        mirrored: Some(how.orientation.mirrored),
        rotation: Some(how.orientation.rotation),
        sample_aspect_ratio: frame.sample_aspect_ratio().map(|(n, d)| format!("{n}:{d}")),
        interlaced: Some(frame.interlaced()),
        colour: Some(colour),
        ..FrameFacts::default()
    }
}
