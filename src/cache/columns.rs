//! Hashes of a profile's frames as columns, to be searched one after the other. They are made of records, and
//! kept in memory by the version that a listing gives: no other index is stored.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::cache::Profile;
use crate::cache::inventory::ListedRecords;
use crate::cache::memory::NotRead;
use crate::cache::planned::Planned;
use crate::cache::put_index::PutIndex;
use crate::cache::read::{Miss, View};
use crate::error::Result;
use crate::media::facts::FrameFacts;
use crate::similar::cuts::hash_of;
use crate::similar::tones::is_flat;
use crate::store::ETag;
use crate::timeline::plan::HashKind;

/// Records read at once.
pub const READ_AHEAD: usize = 4;
/// Frames of a put profile in a column.
const BATCH: usize = 1 << 16;

/// Hashes of one kind of frames in sequence order; flat pictures are near none, and left out.
#[derive(Debug, Default, PartialEq)]
pub struct Column {
    pub hashes: Box<[u64]>,
    pub seqs: Box<[u64]>,
    /// Timeline seconds; NaN where that is not known.
    pub times: Box<[f64]>,
    /// Frames that are left out: flat ones, and such as have no hash of the kind.
    pub flat: u64,
    pub without: u64,
}

/// A row of the plan that has a record, and the record's version where the listing can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    place: usize,
    version: Option<ETag>,
}

/// All those of a plan, in sequence order.
#[derive(Debug)]
pub struct RecordedRows {
    pub(super) plan: Arc<Planned>,
    rows: Vec<Recorded>,
}

impl Column {
    fn of<'a>(frames: impl IntoIterator<Item = &'a FrameFacts>, kind: HashKind) -> Column {
        let (mut hashes, mut seqs, mut times) = (Vec::new(), Vec::new(), Vec::new());
        let (mut flat, mut without) = (0, 0);
        for facts in frames {
            let Some(hash) = hash_of(facts, kind) else {
                without += 1;
                continue;
            };
            if is_flat(facts) {
                flat += 1;
                continue;
            }
            hashes.push(hash);
            seqs.push(facts.seq);
            times.push(facts.timestamp.unwrap_or(f64::NAN));
        }
        Column {
            hashes: hashes.into(),
            seqs: seqs.into(),
            times: times.into(),
            flat,
            without,
        }
    }

    /// Of what it holds.
    pub fn bytes(&self) -> u64 {
        let each = 2 * size_of::<u64>() + size_of::<f64>();
        (self.hashes.len() * each) as u64
    }
}

impl Profile {
    /// The columns of all frames that have a record, in sequence order, from the one on that reaches behind
    /// `first`. What has no record is not searched.
    ///
    /// # Errors
    /// The store's own; PLAN_DIFFERS for a record of a newer release.
    pub async fn hash_columns(
        &self,
        view: &View,
        kind: HashKind,
        first: u64,
    ) -> Result<BoxStream<'static, Result<Arc<Column>>>> {
        Ok(match view {
            View::Absent | View::Legacy => stream::empty().boxed(),
            View::Put(index) => put_columns(index.clone(), kind, first),
            View::Extracted(plan) => {
                let recorded = self.memory.recorded(self, plan).await?;
                self.span_columns(recorded, kind, first)
            }
        })
    }

    fn span_columns(
        &self,
        recorded: Arc<RecordedRows>,
        kind: HashKind,
        first: u64,
    ) -> BoxStream<'static, Result<Arc<Column>>> {
        let profile = self.clone();
        let places = recorded.reaching_behind(first)..recorded.rows.len();
        let of = move |at: usize| {
            let (profile, recorded) = (profile.clone(), recorded.clone());
            async move {
                let Some(row) = recorded.rows.get(at) else {
                    return Ok(None);
                };
                let row = (&*recorded.plan, row);
                profile.memory.column(&profile, row, kind).await
            }
        };
        stream::iter(places)
            .map(of)
            .buffered(READ_AHEAD)
            .try_filter_map(|column| async move { Ok(column) })
            .boxed()
    }

    /// Rows of the plan that have a record now, in sequence order.
    pub(super) async fn list_recorded(&self, plan: &Arc<Planned>) -> Result<RecordedRows> {
        let listed = ListedRecords::read(&*self.store, &self.keys).await?;
        let mut rows: Vec<(u64, Recorded)> = Vec::with_capacity(listed.records.len());
        for (id, entry) in listed.records {
            let row = plan.row_named(&id);
            if let Some((row, place)) = row.and_then(|row| Some((row, plan.place_of(row)?))) {
                let version = entry.version;
                rows.push((row.row.first, Recorded { place, version }));
            }
        }
        rows.sort_by_key(|(first, _)| *first);
        Ok(RecordedRows {
            plan: plan.clone(),
            rows: rows.into_iter().map(|(_, row)| row).collect(),
        })
    }

    /// A row's column, of its record.
    pub(super) async fn read_column(
        &self,
        (plan, row): (&Planned, &Recorded),
        kind: HashKind,
    ) -> Result<Column, NotRead> {
        let Some(row) = plan.row(row.place) else {
            return Err(NotRead::Miss(Miss::NotPlanned));
        };
        if let Some(record) = self.memory.known_record(self, row).await {
            return Ok(Column::of(record.frames(), kind));
        }
        match self.record(row).await? {
            Ok(record) => Ok(Column::of(record.frames(), kind)),
            Err(miss) => Err(NotRead::Miss(miss)),
        }
    }
}

impl RecordedRows {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Place of the first whose frames reach there.
    fn reaching_behind(&self, first: u64) -> usize {
        let row = |recorded: &Recorded| self.plan.row(recorded.place);
        self.rows.partition_point(|recorded| {
            row(recorded).is_some_and(|row| row.sequences().end <= first)
        })
    }
}

impl Recorded {
    /// What the memory knows the row's column by.
    pub(super) fn key<'a>(&'a self, plan: &'a Planned) -> Option<(&'a str, Option<&'a str>)> {
        let version = self.version.as_ref().map(|version| version.0.as_str());
        Some((plan.row(self.place)?.digest, version))
    }
}

fn put_columns(
    index: Arc<PutIndex>,
    kind: HashKind,
    first: u64,
) -> BoxStream<'static, Result<Arc<Column>>> {
    let columns = stream::unfold(Some(first), move |first| {
        let index = index.clone();
        async move {
            let batch = index.latest_from(first?).take(BATCH);
            let batch: Vec<&FrameFacts> = batch.collect();
            let next = batch.last()?.seq.checked_add(1);
            Some((Ok(Arc::new(Column::of(batch, kind))), next))
        }
    });
    columns.boxed()
}
