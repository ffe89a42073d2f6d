//! What is looked for, as hashes.

use bytes::Bytes;

use crate::account::Kind;
use crate::cache::Profile;
use crate::cancel::Stop;
use crate::error::{Error, Reason, Result};
use crate::frames::Frames;
use crate::frames::serve::OnMiss;
use crate::frames::similar::{Query, Search};
use crate::hash::{Hashes, compute};
use crate::jpeg::dimensions;
use crate::media::limits::MAX_PIXELS;
use crate::pixel::RgbImage;
use crate::pixel::luma::of_rgb;
use crate::similar::cuts::hash_of;
use crate::similar::mirror::mirrored;
use crate::similar::tones::{is_flat, is_flatness_of_flat};
use crate::timeline::plan::HashKind;

/// The hashes that are looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Like {
    pub hash: u64,
    pub mirrored: Option<u64>,
    pub flat: bool,
}

impl Frames {
    pub(super) async fn like(&self, search: &Search) -> Result<Like> {
        let kind = search.kind;
        match &search.query {
            Query::Hash(hash) => Ok(Like {
                hash: *hash,
                mirrored: search.mirrored.then(|| mirrored(kind, *hash)),
                flat: false,
            }),
            Query::Picture(jpeg) => self.like_picture(jpeg.clone(), search).await,
            Query::Frame {
                timeline,
                profile,
                seq,
            } => {
                let profile = self.cache().profile(timeline, profile)?;
                self.like_frame((&profile, *seq), search).await
            }
        }
    }

    /// Mirrored, a frame is looked for by its stored picture: its hash does not tell all of it.
    async fn like_frame(&self, (profile, seq): (&Profile, u64), search: &Search) -> Result<Like> {
        let serving = self.serve(profile);
        let facts = serving.find_facts(seq, OnMiss::Fail).await?;
        let facts = facts.ok_or_else(|| Error::internal("a frame was left out"))?;
        let hash = hash_of(&facts, search.kind).ok_or_else(|| no_hash(profile, seq))?;
        let mut like = Like {
            hash,
            mirrored: None,
            flat: is_flat(&facts),
        };
        if !search.mirrored || like.flat {
            return Ok(like);
        }
        like.mirrored = match search.kind {
            HashKind::AverageHash => Some(mirrored(search.kind, hash)),
            HashKind::Phash | HashKind::Dhash => {
                let frame = serving.find_frame(seq, OnMiss::Fail, None).await?;
                let frame = frame.ok_or_else(|| Error::internal("a frame was left out"))?;
                self.like_picture(frame.jpeg.clone(), search)
                    .await?
                    .mirrored
            }
        };
        Ok(like)
    }

    /// The hashes of a JPEG's picture, decoded where all pictures are.
    async fn like_picture(&self, jpeg: Bytes, search: &Search) -> Result<Like> {
        let bytes = bytes_to_hash(&jpeg)?;
        let account = self.cache().account();
        let _hold = account.take(Kind::Pictures, bytes).await?;
        let (foundry, kind, turn) = (self.foundry().clone(), search.kind, search.mirrored);
        let work = move |stop: &Stop| {
            let picture = foundry.jpeg(&jpeg).map_err(|error| match error.reason() {
                Reason::MediaCorrupt => no_picture().caused_by(error),
                _ => error,
            })?;
            stop.check()?;
            like_pixels(&picture, kind, turn)
        };
        account.by_hand(work).await
    }
}

fn like_pixels(picture: &RgbImage, kind: HashKind, turn: bool) -> Result<Like> {
    // Tones are of phash's small picture.
    let kinds = [HashKind::Phash, kind];
    let kinds = if kind == HashKind::Phash {
        &kinds[..1]
    } else {
        &kinds[..]
    };
    let mut luma = of_rgb(picture);
    let hashes = compute(&luma, kinds)?;
    let of = |hashes: Hashes| match kind {
        HashKind::Phash => hashes.phash,
        HashKind::Dhash => hashes.dhash,
        HashKind::AverageHash => hashes.average_hash,
    };
    let other = turn.then(|| {
        // A pixel's luma is its own.
        let rows = luma.data.chunks_mut(luma.width.max(1));
        rows.for_each(<[u8]>::reverse);
        compute(&luma, &[kind])
    });
    let tones = hashes.tones;
    Ok(Like {
        hash: of(hashes).ok_or_else(|| Error::internal("no hash was made"))?,
        mirrored: other.transpose()?.and_then(of),
        flat: tones.is_some_and(|tones| is_flatness_of_flat(tones.flatness())),
    })
}

/// Bytes of its pixels and their luma.
fn bytes_to_hash(jpeg: &[u8]) -> Result<u64> {
    let (width, height) = dimensions(jpeg).map_err(|error| no_picture().caused_by(error))?;
    let pixels = (width as u64).saturating_mul(height as u64);
    if pixels > MAX_PIXELS {
        let message = format!(
            "the picture is too large: width={width} height={height} max_pixels={MAX_PIXELS}"
        );
        return Err(Error::new(Reason::RequestLimit, message)
            .hint("send a smaller one: hashes are of 32 x 32 pixels")
            .in_field("picture"));
    }
    Ok(4 * pixels)
}

fn no_picture() -> Error {
    Error::field("the picture is no JPEG that can be decoded")
        .hint("send the bytes of a JPEG file")
        .in_field("picture")
}

fn no_hash(profile: &Profile, seq: u64) -> Error {
    let message = format!(
        "the frame has no hash of this kind: seq={seq} {}",
        profile.keys().facts()
    );
    Error::field(message)
        .hint(
            "ask by a kind that the profile was extracted with, as `framecache timelines ID` says",
        )
        .in_field("kind")
}
