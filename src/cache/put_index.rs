//! What a put profile's records say, merged; kept in memory between calls, so that a call reads only
//! the records that are new since the last one.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::keys::{PUT_CHUNK, SpanId};
use crate::cache::objects;
use crate::cache::planned::Planned;
use crate::cache::record::{Outcome, Record};
use crate::cache::sealed::Unreadable;
use crate::cache::{CONCURRENCY, Profile};
use crate::error::{Error, Reason, Result};
use crate::media::facts::FrameFacts;
use crate::store::{Entry, Object};

/// The digest of every put record: a put plan has no parameters and no rows.
pub(super) const DIGEST: &str = "put";

/// Listings of which a record was gone before it could be read: others compact them.
const MAX_LISTINGS: usize = 16;

/// What a record says of a sequence.
#[derive(Debug, Clone)]
struct Put {
    record: u32,
    facts: FrameFacts,
}

/// Of each sequence what its records say, the latest first, each sha256 once.
type Layer = BTreeMap<u64, Vec<Put>>;

/// All records of a put profile.
#[derive(Debug)]
pub struct PutIndex {
    plan: Arc<Planned>,
    /// Newest first, each at least twice as large as the one before: adding a record copies no
    /// sequence more often than the logarithm of their number.
    layers: Vec<Arc<Layer>>,
    /// Every record listed, readable or not, by number.
    listed: Vec<Listed>,
    damaged: Vec<u32>,
}

/// A record in a listing.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub number: u32,
    pub entry: Entry,
}

impl Listed {
    /// As far as a listing tells.
    fn is_same(&self, other: &Listed) -> bool {
        let (a, b) = (&self.entry, &other.entry);
        let told_apart = a.version.is_some() && b.version.is_some() && a.version != b.version;
        self.number == other.number && (a.bytes, a.modified) == (b.bytes, b.modified) && !told_apart
    }
}

impl PutIndex {
    /// The records as the store lists them now; of those, the ones that are not known are read.
    ///
    /// # Errors
    /// PLAN_DIFFERS for a record of a newer schema; the store's own.
    pub(super) async fn read(profile: &Profile, plan: Arc<Planned>) -> Result<Arc<Self>> {
        let known = profile.memory.known_puts(profile).await;
        for _ in 0..MAX_LISTINGS {
            let listed = listed(profile).await?;
            let base = known.as_deref().filter(|k| k.is_base(&plan, &listed));
            let from = base.map_or(0, |base| base.listed.len());
            let Some(read) = read_all(profile, listed.get(from..).unwrap_or_default()).await?
            else {
                continue;
            };
            let index = Arc::new(PutIndex::grown(base, plan, (listed, read)));
            profile.memory.keep_puts(profile, &index).await;
            return Ok(index);
        }
        let what = "the put records were changed by others at each attempt to read them";
        let error = profile.keys.error(Reason::StoreUnavailable, what);
        Err(error.hint("try again"))
    }

    /// Whether the listing has all of its records, as they were, and newer ones at most.
    fn is_base(&self, plan: &Planned, listed: &[Listed]) -> bool {
        let same = self.listed.iter().zip(listed);
        self.plan.nonce() == plan.nonce()
            && self.listed.len() <= listed.len()
            && self.damaged.is_empty()
            && same.into_iter().all(|(known, now)| known.is_same(now))
    }

    fn grown(
        base: Option<&PutIndex>,
        plan: Arc<Planned>,
        (listed, read): (Vec<Listed>, Vec<Read>),
    ) -> Self {
        let mut layers = base.map(|base| base.layers.clone()).unwrap_or_default();
        let mut newest = Layer::new();
        let mut damaged = Vec::new();
        for record in read.into_iter().rev() {
            match record.frames {
                None => damaged.push(record.number),
                Some(frames) => frames.into_iter().for_each(|facts| {
                    let record = record.number;
                    add(&mut newest, Put { record, facts });
                }),
            }
        }
        while layers
            .first()
            .is_some_and(|next| next.len() < 2 * newest.len())
        {
            let older = Arc::unwrap_or_clone(layers.remove(0));
            older
                .into_values()
                .flatten()
                .for_each(|put| add(&mut newest, put));
        }
        if !newest.is_empty() {
            layers.insert(0, Arc::new(newest));
        }
        PutIndex {
            plan,
            layers,
            listed,
            damaged,
        }
    }

    pub fn plan(&self) -> &Arc<Planned> {
        &self.plan
    }

    fn puts(&self, seq: u64) -> impl Iterator<Item = &Put> {
        let layers = self.layers.iter();
        layers.filter_map(move |layer| layer.get(&seq)).flatten()
    }

    /// Facts that records give for a sequence, the latest first.
    pub fn candidates(&self, seq: u64) -> Vec<&FrameFacts> {
        self.puts(seq).map(|put| &put.facts).collect()
    }

    /// Whether any record names the sequence.
    pub fn names(&self, seq: u64) -> bool {
        self.puts(seq).next().is_some()
    }

    /// Whether a record behind this one gives the sequence other bytes.
    pub(super) fn is_superseded(&self, record: u32, facts: &FrameFacts) -> bool {
        let latest = self.puts(facts.seq).next();
        latest.is_some_and(|put| put.record > record && put.facts.sha256 != facts.sha256)
    }

    /// Whether any record gives the sequence other bytes than these.
    pub(super) fn is_contested(&self, facts: &FrameFacts) -> bool {
        self.puts(facts.seq)
            .any(|put| put.facts.sha256 != facts.sha256)
    }

    /// The latest facts of each sequence, in sequence order.
    pub fn latest(&self) -> impl Iterator<Item = &FrameFacts> {
        self.latest_from(0)
    }

    /// The same, of sequences from `first` on.
    pub fn latest_from(&self, first: u64) -> impl Iterator<Item = &FrameFacts> {
        let layers = self.layers.iter().map(|layer| layer.range(first..));
        let mut layers: Vec<_> = layers.map(Iterator::peekable).collect();
        std::iter::from_fn(move || {
            let next = layers
                .iter_mut()
                .filter_map(|layer| layer.peek().map(|(seq, _)| **seq));
            let next = next.min()?;
            let mut latest = None;
            for layer in &mut layers {
                let puts = layer.next_if(|(seq, _)| **seq == next);
                latest = latest.or(puts.and_then(|(_, puts)| puts.first()));
            }
            latest.map(|put| &put.facts)
        })
    }

    /// How many sequences there are, about: never less.
    pub(super) fn weight(&self) -> usize {
        self.layers.iter().map(|layer| layer.len()).sum()
    }

    /// How many records there are, unreadable ones too.
    pub fn records(&self) -> usize {
        self.listed.len()
    }

    /// Numbers of records that cannot be read.
    pub fn damaged(&self) -> &[u32] {
        &self.damaged
    }

    /// The number behind the highest there is; none where there is no more.
    pub(super) fn next_number(&self) -> Option<u32> {
        number_behind(&self.listed)
    }

    /// Whether the store lists the same records still.
    pub(super) async fn is_current(&self, profile: &Profile) -> Result<bool> {
        let now = listed(profile).await?;
        Ok(now.len() == self.listed.len() && self.is_base(&self.plan, &now))
    }
}

/// Behind what is there of its sequence, unless its bytes are the same as those of a later one.
fn add(layer: &mut Layer, put: Put) {
    let puts = layer.entry(put.facts.seq).or_default();
    if puts
        .iter()
        .all(|later| later.facts.sha256 != put.facts.sha256)
    {
        puts.push(put);
    }
}

/// The number behind the highest there is.
pub(super) async fn next_number(profile: &Profile) -> Result<u32> {
    let listed = listed(profile).await?;
    number_behind(&listed).ok_or_else(|| no_number(profile))
}

fn number_behind(listed: &[Listed]) -> Option<u32> {
    let last = listed.last().map(|listed| listed.number);
    last.map_or(Some(0), |number| number.checked_add(1))
}

pub(super) fn no_number(profile: &Profile) -> Error {
    let what = "the profile has no number left for another put record";
    profile.keys.error(Reason::RequestLimit, what)
}

/// All records, by number.
pub(super) async fn listed(profile: &Profile) -> Result<Vec<Listed>> {
    let keys = &profile.keys;
    let prefix = keys.chunk_records_prefix(PUT_CHUNK);
    let entries: Vec<_> = objects::entries(&*profile.store, &prefix)
        .try_collect()
        .await?;
    let listed = entries.into_iter().filter_map(|entry| {
        let number = keys.record_of(&entry.key)?.span;
        Some(Listed { number, entry })
    });
    let mut listed: Vec<_> = listed.collect();
    listed.sort_unstable_by_key(|listed| listed.number);
    Ok(listed)
}

/// A record as it was read.
pub(super) struct Read {
    pub number: u32,
    pub object: Object,
    /// The latest facts of a sequence first; none where it is damaged.
    pub frames: Option<Vec<FrameFacts>>,
}

/// Reads records, in the order given; none where one of them is gone.
pub(super) async fn read_all(profile: &Profile, listed: &[Listed]) -> Result<Option<Vec<Read>>> {
    let reads = listed.iter().map(|listed| read_put(profile, listed.number));
    stream::iter(reads.collect::<Vec<_>>())
        .buffered(CONCURRENCY)
        .try_collect()
        .await
        .map(|reads: Vec<Option<Read>>| reads.into_iter().collect())
}

async fn read_put(profile: &Profile, number: u32) -> Result<Option<Read>> {
    let id = SpanId {
        chunk_id: PUT_CHUNK.to_owned(),
        span: number,
    };
    let Some(object) = profile.store.get(&profile.keys.record(&id)).await? else {
        return Ok(None);
    };
    let frames = match Record::decode(&object.data) {
        Ok(record) if record.id == id && record.digest == DIGEST => match record.outcome {
            Outcome::Frames(frames) => Some(frames),
            Outcome::Failed(_) => None,
        },
        Ok(_) | Err(Unreadable::Damaged) => None,
        Err(Unreadable::Newer(newer)) => {
            let what = format!("put record {number} of {}", profile.keys.facts());
            return Err(newer.refusal(&what));
        }
    };
    Ok(Some(Read {
        number,
        object,
        frames,
    }))
}
