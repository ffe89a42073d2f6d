//! How frames lie in the store: the one place that knows. Where a frame lies is a fact of its
//! record, and readers follow records; frames that were put, and those without a plan, lie loose.
//!
//! | layout | a frame is | its record |
//! |---|---|---|
//! | `frames` | an object of its own (`loose`) | schema 1 |
//! | `packed` | a slice of a tar archive of its span's frames (`pack`) | schema 2, which tells where each is |
//!
//! Both may stand side by side in a profile: its plan's layout is only how frames are made from now on.

mod loose;
mod pack;
mod packs;
mod placing;
mod runs;

use bytes::Bytes;

use crate::cache::Profile;
use crate::cache::keys::ProfileKeys;
use crate::cache::read::Miss;
use crate::error::Result;

pub use pack::{Pack, Slot};
pub use packs::{Packs, Slice};
pub use placing::{Placed, Placing, Puts, packing_bytes};
pub use runs::{MAX_RUN, Run, runs};

/// Where a frame's bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In an object of its own, under this sequence.
    Loose(u64),
    Packed(Slice),
}

impl Place {
    /// The object that it is in.
    pub fn key(&self, keys: &ProfileKeys) -> String {
        match self {
            Place::Loose(seq) => keys.frame(*seq),
            Place::Packed(slice) => keys.pack(&slice.pack),
        }
    }
}

impl Profile {
    /// What lies at a place, or why nothing that could be a frame of the record does.
    pub(super) async fn read_place(&self, place: &Place) -> Result<Result<Bytes, Miss>> {
        let slice = match place {
            Place::Loose(seq) => {
                let object = self.loose_frame(*seq).await?;
                return Ok(object.map(|o| o.data).ok_or(Miss::NoObject));
            }
            Place::Packed(slice) => slice,
        };
        let key = self.keys.pack(&slice.pack);
        Ok(match self.store.get_range(&key, slice.range()).await? {
            None => Err(Miss::NoObject),
            Some(data) if slice.of(&data, slice.offset).is_some() => Ok(data),
            Some(_) => Err(Miss::WrongSha256),
        })
    }
}
