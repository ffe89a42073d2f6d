//! All packs of one span, and where its frames are in them.

use std::ops::Range;

use crate::cache::keys::{PackId, ProfileKeys, SpanId};
use crate::cache::places::pack::{Pack, Slot, crc32c};
use crate::cache::record::is_stored;
use crate::media::facts::FrameFacts;

/// Where the frames of a packed span lie, as its record tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packs {
    pub packs: Vec<Pack>,
    /// One a frame of the record, in their order; none for those that are not stored.
    pub slots: Vec<Option<Slot>>,
}

/// A frame's part of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    pub pack: PackId,
    pub offset: u64,
    pub bytes: u64,
    pub crc32c: u32,
}

impl Slice {
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.bytes)
    }

    /// The frame's bytes out of those of its pack that begin at `from`; none where they are fewer, or
    /// their sum is another.
    pub fn of<'d>(&self, data: &'d [u8], from: u64) -> Option<&'d [u8]> {
        let at = |offset: u64| usize::try_from(offset.checked_sub(from)?).ok();
        let part = data.get(at(self.offset)?..at(self.range().end)?)?;
        (crc32c(part) == self.crc32c).then_some(part)
    }
}

impl Packs {
    /// The part of the frame at this place in the record.
    pub fn slice(&self, span: &SpanId, place: usize, facts: &FrameFacts) -> Option<Slice> {
        let slot = (*self.slots.get(place)?)?;
        let pack = self.packs.get(usize::try_from(slot.pack).ok()?)?;
        Some(Slice {
            pack: PackId {
                span: span.clone(),
                digest: pack.name()?.to_owned(),
            },
            offset: slot.offset,
            bytes: facts.bytes?,
            crc32c: slot.crc32c,
        })
    }

    /// Whether each stored frame has a place within a pack, and no other has.
    pub fn fits(&self, span: &SpanId, frames: &[FrameFacts]) -> bool {
        let is_in = |(place, frame): (usize, &FrameFacts)| {
            let slot = self.slots.get(place).copied().flatten();
            if !is_stored(frame) {
                return slot.is_none();
            }
            let slice = self.slice(span, place, frame);
            let pack = slot.and_then(|slot| self.packs.get(usize::try_from(slot.pack).ok()?));
            let end = slice.map(|slice| slice.range().end);
            end.zip(pack).is_some_and(|(end, pack)| end <= pack.bytes)
        };
        self.slots.len() == frames.len() && frames.iter().enumerate().all(is_in)
    }

    /// Each pack with its key.
    pub fn keyed<'a>(
        &'a self,
        keys: &'a ProfileKeys,
        span: &'a SpanId,
    ) -> impl Iterator<Item = (String, &'a Pack)> {
        self.packs.iter().filter_map(move |pack| {
            let id = PackId {
                span: span.clone(),
                digest: pack.name()?.to_owned(),
            };
            Some((keys.pack(&id), pack))
        })
    }
}
