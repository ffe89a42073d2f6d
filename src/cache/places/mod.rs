//! How frames lie in the store: the one place that knows. Where a frame lies is a fact of its
//! record, and readers follow records; frames that were put, and those without a plan, lie loose.
//!
//! | layout | a frame is |
//! |---|---|
//! | `frames` | an object of its own (`loose`) |

mod loose;

use bytes::Bytes;

use crate::cache::Profile;
use crate::cache::keys::ProfileKeys;
use crate::error::Result;

/// Where a frame's bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In an object of its own, under this sequence.
    Loose(u64),
}

impl Place {
    /// The object that it is in.
    pub fn key(&self, keys: &ProfileKeys) -> String {
        match self {
            Place::Loose(seq) => keys.frame(*seq),
        }
    }
}

impl Profile {
    /// What lies at a place; none where its object is not there.
    pub(super) async fn read_place(&self, place: &Place) -> Result<Option<Bytes>> {
        match place {
            Place::Loose(seq) => Ok(self.loose_frame(*seq).await?.map(|object| object.data)),
        }
    }
}
