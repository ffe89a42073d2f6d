//! Objects that no record names: of writers that died, and of those that lost a race.
//!
//! A span of which anything is young is left alone: somebody may be at work on it. Of all others the
//! records are read; what they do not name goes, between two changes of the plan's nonce: a span that
//! began before the first, or under way when the second comes, is started again. Last, a record that was
//! written meanwhile all the same, and names what is gone, goes too: it is extracted again.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::inventory::{ListedFrame, ListedFrames, ListedPacks, ListedRecords};
use crate::cache::keys::SpanId;
use crate::cache::objects::{self, Tally};
use crate::cache::planned::Planned;
use crate::cache::record::Record;
use crate::cache::retention::SAFE_SECS;
use crate::cache::{CONCURRENCY, Profile};
use crate::error::Result;
use crate::store::Entry;

/// By the store's clock, in seconds since the Unix epoch.
#[derive(Debug, Clone, Copy)]
pub(in crate::cache) struct Ages {
    pub now: i64,
    /// What was written later is young.
    safe: i64,
    /// What was written before was looked at by an earlier walk.
    horizon: i64,
}

impl Ages {
    pub fn new(now: i64, horizon: i64) -> Self {
        Ages {
            now,
            safe: now.saturating_sub(SAFE_SECS),
            horizon,
        }
    }

    fn is_young(&self, modified: Option<i64>) -> bool {
        modified.is_none_or(|modified| modified >= self.safe)
    }

    fn was_seen(&self, modified: Option<i64>) -> bool {
        modified.is_some_and(|modified| modified < self.horizon)
    }
}

/// What lies below a profile.
struct Listed {
    records: HashMap<SpanId, Entry>,
    frames: ListedFrames,
    packs: ListedPacks,
}

/// An object that may go, and how many bytes it has.
type Doomed = Vec<(String, u64)>;

/// What no record names.
#[derive(Default)]
struct Found {
    /// Records of no row.
    records: Doomed,
    /// Of no row, or of one without a record.
    unplanned: Doomed,
    /// Of spans of the plan, each with what its record does not name.
    spans: BTreeMap<SpanId, Doomed>,
}

impl Found {
    fn tally(&self) -> Tally {
        let spans = self.spans.values().flatten();
        let all = self.records.iter().chain(&self.unplanned).chain(spans);
        all.fold(Tally::default(), |sum, (_, bytes)| Tally {
            objects: sum.objects + 1,
            bytes: sum.bytes.saturating_add(*bytes),
        })
    }
}

fn keyed(entry: &Entry) -> (String, u64) {
    (entry.key.clone(), entry.bytes)
}

fn time_of(frame: &ListedFrame) -> Option<i64> {
    frame.modified.map(i64::from)
}

impl Profile {
    /// Removes what no record names and is no longer young; in a dry run it is only counted.
    ///
    /// # Errors
    /// Those of `load_plan`; the store's own.
    pub(in crate::cache) async fn collect_leftovers(
        &self,
        ages: &Ages,
        dry_run: bool,
    ) -> Result<Tally> {
        // Listed before the plan is read: rows that are appended meanwhile lose nothing.
        let listed = self.listed().await?;
        let Some(plan) = self.load_plan().await?.filter(|plan| !plan.is_put()) else {
            // Frames that were put, and those without a plan, are their writers' own.
            return Ok(Tally::default());
        };
        let found = self.leftovers(&plan, &listed, ages).await?;
        let tally = found.tally();
        if tally.objects > 0 && !dry_run {
            self.remove(found).await?;
            self.memory.forget(self);
        }
        Ok(tally)
    }

    async fn listed(&self) -> Result<Listed> {
        let frames = ListedFrames::read(&*self.store, &self.keys).await?;
        let packs = ListedPacks::read(&*self.store, &self.keys).await?;
        let records = ListedRecords::read(&*self.store, &self.keys).await?;
        Ok(Listed {
            records: records.records.into_iter().collect(),
            frames,
            packs,
        })
    }

    async fn leftovers(&self, plan: &Planned, listed: &Listed, ages: &Ages) -> Result<Found> {
        let mut found = Found::default();
        let unplanned = |id: &SpanId| plan.row_named(id).is_none();
        let old = |entry: &&Entry| !ages.is_young(entry.modified);
        let records = listed.records.iter().filter(|(id, _)| unplanned(id));
        let records = records.map(|(_, entry)| entry).filter(old);
        found.records.extend(records.map(keyed));
        let packs = listed.packs.packs.iter().filter(|(id, _)| unplanned(id));
        let packs = packs.map(|(_, entry)| entry).filter(old);
        found.unplanned.extend(packs.map(keyed));
        let frames = listed.frames.frames.iter();
        let frames = frames.filter(|f| plan.row_of(f.seq).is_none() && !ages.is_young(time_of(f)));
        found
            .unplanned
            .extend(frames.map(|frame| self.keyed(frame)));
        let looks = plan.in_sequence().map(|row| row.id());
        let looks = looks.filter_map(|id| Some((self.at_rest(plan, listed, (&id, ages))?, id)));
        let looks = looks.map(|(there, id)| self.not_named(id, there));
        let mut looks = stream::iter(looks.collect::<Vec<_>>()).buffered(CONCURRENCY);
        while let Some((id, doomed)) = looks.try_next().await? {
            if !doomed.is_empty() {
                found.spans.insert(id, doomed);
            }
        }
        Ok(found)
    }

    /// What lies there of a span; none where any of it is young, or all of it was looked at before.
    fn at_rest(
        &self,
        plan: &Planned,
        listed: &Listed,
        (id, ages): (&SpanId, &Ages),
    ) -> Option<Doomed> {
        let frames = listed.frames.within(plan.row_named(id)?.sequences());
        let packs = listed.packs.of(id);
        let record = listed.records.get(id);
        let times = frames.iter().map(time_of);
        let times = times.chain(packs.iter().map(|(_, entry)| entry.modified));
        let times: Vec<_> = times.chain(record.map(|entry| entry.modified)).collect();
        let seen = record.is_some() && times.iter().all(|time| ages.was_seen(*time));
        if frames.is_empty() && packs.is_empty() || seen || times.iter().any(|t| ages.is_young(*t))
        {
            return None;
        }
        let packs = packs.iter().map(|(_, entry)| keyed(entry));
        Some(
            frames
                .iter()
                .map(|frame| self.keyed(frame))
                .chain(packs)
                .collect(),
        )
    }

    /// What of this the span's record does not name; nothing where there is one that cannot be read.
    async fn not_named(&self, id: SpanId, there: Doomed) -> Result<(SpanId, Doomed)> {
        let named = match self.store.get(&self.keys.record(&id)).await? {
            None => HashSet::new(),
            Some(object) => match Record::decode(&object.data) {
                Ok(record) => self.objects_of(&record).into_iter().collect(),
                Err(_) => return Ok((id, Vec::new())),
            },
        };
        let unnamed = there.into_iter().filter(|(key, _)| !named.contains(key));
        Ok((id, unnamed.collect()))
    }

    /// Records first, for good; what they named is nobody's then.
    async fn remove(&self, found: Found) -> Result<()> {
        let keys = |doomed: &Doomed| {
            doomed
                .iter()
                .map(|(key, _)| key.clone())
                .collect::<Vec<_>>()
        };
        self.store.delete(&keys(&found.records)).await?;
        self.store.sync().await?;
        self.renew().await?;
        let mut doomed = self.still_unplanned(keys(&found.unplanned)).await?;
        let spans: Vec<_> = found.spans.keys().cloned().collect();
        let looks = found
            .spans
            .into_iter()
            .map(|(id, there)| self.not_named(id, there));
        let mut looks = stream::iter(looks.collect::<Vec<_>>()).buffered(CONCURRENCY);
        while let Some((_, unnamed)) = looks.try_next().await? {
            doomed.extend(unnamed.into_iter().map(|(key, _)| key));
        }
        self.store.delete(&doomed).await?;
        self.renew().await?;
        self.take_back_records(&spans, &doomed.into_iter().collect())
            .await
    }

    /// Those for which no row came meanwhile.
    async fn still_unplanned(&self, mut keys: Vec<String>) -> Result<Vec<String>> {
        let plan = self.load_plan().await?;
        keys.retain(|key| {
            plan.as_ref()
                .is_some_and(|plan| !self.is_planned(plan, key))
        });
        Ok(keys)
    }

    fn is_planned(&self, plan: &Planned, key: &str) -> bool {
        let frame = self.keys.frame_of(key);
        let pack = self.keys.pack_of(key);
        frame.is_some_and(|seq| plan.row_of(seq).is_some())
            || pack.is_some_and(|pack| plan.row_named(&pack.span).is_some())
    }

    /// Removes records that name what is gone.
    async fn take_back_records(&self, spans: &[SpanId], gone: &HashSet<String>) -> Result<()> {
        for id in spans {
            let key = self.keys.record(id);
            let Some(object) = self.store.get(&key).await? else {
                continue;
            };
            let Ok(record) = Record::decode(&object.data) else {
                continue;
            };
            for named in self.objects_of(&record) {
                if gone.contains(&named) && objects::entry(&*self.store, &named).await?.is_none() {
                    self.store.delete(std::slice::from_ref(&key)).await?;
                    break;
                }
            }
        }
        Ok(())
    }
}
