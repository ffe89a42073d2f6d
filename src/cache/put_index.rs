//! What a put profile's records say, merged.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::keys::{PUT_CHUNK, SpanId};
use crate::cache::objects;
use crate::cache::planned::Planned;
use crate::cache::record::{Outcome, Record};
use crate::cache::sealed::Unreadable;
use crate::cache::{CONCURRENCY, Profile, newer_schema};
use crate::error::{Error, Reason, Result};
use crate::media::facts::FrameFacts;

/// The digest of every put record: a put plan has no parameters and no rows.
pub(super) const DIGEST: &str = "put";

/// All records of a put profile.
#[derive(Debug)]
pub struct PutIndex {
    plan: Arc<Planned>,
    /// Facts of each sequence, those of the newest record first.
    by_seq: BTreeMap<u64, Vec<FrameFacts>>,
    /// Every record listed, readable or not.
    numbers: Vec<u32>,
    damaged: Vec<u32>,
}

impl PutIndex {
    /// Reads all records.
    ///
    /// # Errors
    /// PLAN_DIFFERS for a record of a newer schema; the store's own.
    pub(super) async fn read(profile: &Profile, plan: Arc<Planned>) -> Result<Self> {
        let numbers = numbers(profile).await?;
        let reads = numbers
            .iter()
            .rev()
            .map(|&number| read_put(profile, number));
        let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffered(CONCURRENCY);
        let mut by_seq: BTreeMap<u64, Vec<FrameFacts>> = BTreeMap::new();
        let mut damaged = Vec::new();
        while let Some((number, frames)) = reads.try_next().await? {
            match frames {
                None => damaged.push(number),
                Some(frames) => frames
                    .into_iter()
                    .for_each(|facts| by_seq.entry(facts.seq).or_default().push(facts)),
            }
        }
        drop(reads);
        Ok(PutIndex {
            plan,
            by_seq,
            numbers,
            damaged,
        })
    }

    pub fn plan(&self) -> &Arc<Planned> {
        &self.plan
    }

    /// Facts that records give for a sequence, the latest first.
    pub fn candidates(&self, seq: u64) -> &[FrameFacts] {
        self.by_seq.get(&seq).map_or(&[], Vec::as_slice)
    }

    /// The latest facts of each sequence, in sequence order.
    pub fn latest(&self) -> impl Iterator<Item = &FrameFacts> {
        self.by_seq.values().filter_map(|facts| facts.first())
    }

    /// The same, of sequences from `first` on.
    pub fn latest_from(&self, first: u64) -> impl Iterator<Item = &FrameFacts> {
        let later = self.by_seq.range(first..);
        later.filter_map(|(_, facts)| facts.first())
    }

    /// How many records there are, unreadable ones too.
    pub fn records(&self) -> usize {
        self.numbers.len()
    }

    /// Numbers of records that cannot be read.
    pub fn damaged(&self) -> &[u32] {
        &self.damaged
    }

    /// Whether the store lists the same records still.
    pub(super) async fn is_current(&self, profile: &Profile) -> Result<bool> {
        Ok(numbers(profile).await? == self.numbers)
    }
}

/// The number behind the highest there is.
pub(super) async fn next_number(profile: &Profile) -> Result<u32> {
    let last = numbers(profile).await?.last().copied();
    let next = last.map_or(Some(0), |n| n.checked_add(1));
    next.ok_or_else(|| {
        let what = "the profile has no number left for another put record";
        profile.keys.error(Reason::RequestLimit, what)
    })
}

/// Numbers of all records, rising.
async fn numbers(profile: &Profile) -> Result<Vec<u32>> {
    let keys = &profile.keys;
    let prefix = keys.chunk_records_prefix(PUT_CHUNK);
    let entries: Vec<_> = objects::entries(&*profile.store, &prefix)
        .try_collect()
        .await?;
    let ids = entries.iter().filter_map(|e| keys.record_of(&e.key));
    let mut numbers: Vec<_> = ids.map(|id| id.span).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The frames of one record; none where it is damaged or gone.
async fn read_put(profile: &Profile, number: u32) -> Result<(u32, Option<Vec<FrameFacts>>)> {
    let id = SpanId {
        chunk_id: PUT_CHUNK.to_owned(),
        span: number,
    };
    let Some(object) = profile.store.get(&profile.keys.record(&id)).await? else {
        return Ok((number, None));
    };
    let record = match Record::decode(&object.data) {
        Ok(record) => record,
        Err(Unreadable::Damaged) => return Ok((number, None)),
        Err(Unreadable::Newer { schema }) => return Err(newer(profile, number, schema)),
    };
    let ours = record.id == id && record.digest == DIGEST;
    Ok(match record.outcome {
        Outcome::Frames(frames) if ours => (number, Some(frames)),
        _ => (number, None),
    })
}

fn newer(profile: &Profile, number: u32, schema: u64) -> Error {
    let what = format!("put record {number} of {}", profile.keys.facts());
    newer_schema(&what, schema)
}
