//! Payloads that come in parts.

use bytes::Bytes;

use crate::client::remote::nonsense;
use crate::error::Result;
use crate::rpc::parts::Joiner;
use crate::store::MAX_OBJECT_BYTES;

/// A payload of a length that was said.
pub struct Join {
    joiner: Joiner,
    total: u64,
}

impl Join {
    pub fn new(total: u64) -> Self {
        Join {
            joiner: Joiner::new(total.min(MAX_OBJECT_BYTES)),
            total,
        }
    }

    pub fn add(&mut self, part: Bytes, offset: u64) -> Result<()> {
        let added = self.joiner.add(part, offset);
        added.map_err(|e| nonsense("a payload's parts do not fit together").caused_by(e))
    }

    pub fn finish(self) -> Result<Bytes> {
        if self.joiner.len() != self.total {
            return Err(nonsense("a payload has not the length that was said"));
        }
        Ok(self.joiner.finish())
    }
}
