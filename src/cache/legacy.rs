//! Frames without a plan, as a listing tells of them. Nothing says what their bytes must be, and
//! whoever wrote them may do so again: they are remembered by the version that a listing gives.

use futures::TryStreamExt;
use sha2::{Digest, Sha256};

use crate::cache::Profile;
use crate::cache::keys::ProfileKeys;
use crate::cache::objects;
use crate::cache::sealed::sha256_hex;
use crate::error::Result;
use crate::store::{ETag, Entry, Store};

/// The first half of a version's sha256: 128 bits, however long a store's own are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version([u8; 16]);

impl Version {
    pub(super) fn of(etag: &ETag) -> Version {
        let digest: [u8; 32] = Sha256::digest(etag.0.as_bytes()).into();
        let mut half = [0; 16];
        half.copy_from_slice(digest.split_at(16).0);
        Version(half)
    }
}

/// A frame's object in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegacyFrame {
    pub seq: u64,
    pub bytes: u64,
    pub(super) version: Option<Version>,
}

/// All frames of a listing, by sequence.
#[derive(Debug, Default)]
pub struct LegacyFrames(Vec<LegacyFrame>);

impl LegacyFrames {
    pub(super) async fn read(store: &dyn Store, keys: &ProfileKeys) -> Result<LegacyFrames> {
        let prefix = keys.frames_prefix();
        let frame = |entry: Entry| {
            Some(LegacyFrame {
                seq: keys.frame_of(&entry.key)?,
                bytes: entry.bytes,
                version: entry.version.as_ref().map(Version::of),
            })
        };
        let listed = objects::entries(store, &prefix)
            .try_filter_map(|entry| std::future::ready(Ok(frame(entry))));
        let mut frames: Vec<LegacyFrame> = listed.try_collect().await?;
        frames.sort_unstable_by_key(|frame| frame.seq);
        // A page that is listed twice while frames come.
        frames.dedup_by_key(|frame| frame.seq);
        Ok(LegacyFrames(frames))
    }

    pub fn frames(&self) -> &[LegacyFrame] {
        &self.0
    }

    pub(super) fn frame(&self, seq: u64) -> Option<LegacyFrame> {
        let place = self.0.binary_search_by_key(&seq, |frame| frame.seq).ok()?;
        self.0.get(place).copied()
    }
}

impl Profile {
    /// The numbers of the frames that lie here now, whatever a plan says; ascending.
    pub(crate) async fn unplanned_frames(&self) -> Result<impl Iterator<Item = u64>> {
        let listed = LegacyFrames::read(&*self.store, &self.keys).await?;
        Ok(listed.0.into_iter().map(|frame| frame.seq))
    }

    /// The sha256 of such a frame, in hex; none where there is none.
    pub(crate) async fn unplanned_sum(&self, seq: u64) -> Result<Option<String>> {
        let object = self.loose_frame(seq).await?;
        Ok(object.map(|object| sha256_hex(&[&object.data])))
    }
}
