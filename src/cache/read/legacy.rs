//! Reading frames without a plan.

use std::sync::Arc;

use bytes::Bytes;

use crate::cache::legacy::LegacyFrames;
use crate::cache::objects;
use crate::cache::read::{Frame, Miss, Reader, UNKNOWN_BYTES};
use crate::cache::sealed::sha256_hex;
use crate::error::Result;
use crate::media::facts::FrameFacts;
use crate::metrics::Tier;

impl Reader {
    /// The frames of a profile without a plan, as a listing not older than five seconds tells.
    ///
    /// # Errors
    /// The store's own.
    pub async fn legacy_frames(&self) -> Result<Arc<LegacyFrames>> {
        self.memory().legacy(&self.profile).await
    }

    /// From memory only in the version that a listing named at most five seconds ago.
    pub(super) async fn read_legacy(&self, seq: u64) -> Result<Result<Frame, Miss>> {
        let listed = self.memory().known_legacy(&self.profile).await;
        let listed = listed.and_then(|listed| listed.frame(seq));
        let bytes = listed.map_or(UNKNOWN_BYTES, |frame| frame.bytes);
        if let Some(frame) = listed
            && let Some((facts, jpeg)) =
                self.memory().known_legacy_frame(&self.profile, frame).await
        {
            return Ok(Ok(Frame {
                facts,
                hold: self.hold_known(jpeg.len() as u64).await?,
                jpeg,
                tier: Tier::Memory,
            }));
        }
        let hold = self.hold_bytes(bytes).await?;
        let Some((facts, jpeg)) = self.stored_legacy(seq).await? else {
            return Ok(Err(Miss::NotPlanned));
        };
        Ok(Ok(Frame {
            facts,
            jpeg,
            tier: Tier::Store,
            hold,
        }))
    }

    async fn stored_legacy(&self, seq: u64) -> Result<Option<(FrameFacts, Bytes)>> {
        let Some(object) = self.profile.loose_frame(seq).await? else {
            return Ok(None);
        };
        let facts = FrameFacts {
            sha256: Some(sha256_hex(&[&object.data])),
            ..legacy_facts(seq, object.data.len() as u64)
        };
        // Under the version that was read, which need not be the one that was listed.
        if let Some(version) = object.version() {
            let frame = (&facts, &object.data);
            self.memory()
                .keep_legacy_frame(&self.profile, version, frame)
                .await;
        }
        Ok(Some((facts, object.data)))
    }
}

/// All that is known of a frame without a plan.
pub(in crate::cache) fn legacy_facts(seq: u64, bytes: u64) -> FrameFacts {
    FrameFacts {
        seq,
        bytes: Some(bytes),
        content_type: Some(objects::JPEG.to_owned()),
        ..FrameFacts::default()
    }
}
