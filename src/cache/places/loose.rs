//! One object a frame: what old readers know, and frames that were put.

use bytes::Bytes;

use crate::cache::Profile;
use crate::cache::objects;
use crate::error::Result;
use crate::store::{Condition, Object, PutOptions, Written};

impl Profile {
    /// Puts one frame. It counts only once its span is committed.
    pub async fn put_frame(&self, seq: u64, jpeg: Bytes) -> Result<()> {
        self.put_loose(seq, jpeg, Condition::Always).await?;
        Ok(())
    }

    /// Durable after the next `sync`.
    pub(in crate::cache) async fn put_loose(
        &self,
        seq: u64,
        jpeg: Bytes,
        when: Condition,
    ) -> Result<Written> {
        let options = PutOptions::unsynced(objects::JPEG).when(when);
        self.store.put(&self.keys.frame(seq), jpeg, options).await
    }

    pub(in crate::cache) async fn loose_frame(&self, seq: u64) -> Result<Option<Object>> {
        self.store.get(&self.keys.frame(seq)).await
    }

    pub(in crate::cache) async fn delete_loose(
        &self,
        seqs: impl Iterator<Item = u64>,
    ) -> Result<()> {
        let keys: Vec<_> = seqs.map(|seq| self.keys.frame(seq)).collect();
        self.store.delete(&keys).await
    }
}
