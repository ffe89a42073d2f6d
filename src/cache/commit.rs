//! Committing a span: its frames, then, when they are durable and the plan
//! still has its row, its record.

use bytes::Bytes;

use crate::cache::objects;
use crate::cache::planned::{Planned, Row};
use crate::cache::plans::Stored;
use crate::cache::read::Miss;
use crate::cache::record::{self, Outcome, Record};
use crate::cache::sealed::Unreadable;
use crate::cache::{Profile, newer_schema};
use crate::error::{Error, Reason, Result};
use crate::store::Condition;

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Yes,
    /// The plan has this row no more (replaced or cleared): nothing was recorded, and its worker stops.
    Superseded,
    /// The span failed here, but another run's frames are committed: they stay.
    Kept,
}

impl Profile {
    /// Puts one frame. It counts only once its span is committed.
    pub async fn put_frame(&self, seq: u64, jpeg: Bytes) -> Result<()> {
        objects::put_frame(&*self.store, &self.keys.frame(seq), jpeg).await
    }

    /// Writes a span's record, if the plan as it is now still has its row.
    ///
    /// # Errors
    /// INTERNAL for an outcome that is not this row's, or a failure that must
    /// not be recorded; the store's own.
    pub async fn commit_span(&self, row: Row<'_>, outcome: Outcome) -> Result<Committed> {
        self.check_outcome(row, &outcome)?;
        self.store.sync().await?;
        match self.stored_plan().await? {
            Stored::Plan(plan, _) if plan.has(row) => {}
            Stored::Plan(plan, _) => return self.give_up(row, Some(&plan)).await,
            Stored::Absent => return self.give_up(row, None).await,
            Stored::Damaged(_) => return Err(self.damaged_plan()),
        }
        if matches!(outcome, Outcome::Failed(_)) && self.is_complete(row).await? {
            return Ok(Committed::Kept);
        }
        let record = Record {
            digest: row.digest.to_owned(),
            attempt: self.attempt.to_string(),
            id: row.id(),
            outcome,
        };
        let key = self.keys.record(&record.id);
        objects::put_json(&*self.store, &key, record.encode()?, Condition::Always).await?;
        self.memory.forget_record(self, row).await;
        Ok(Committed::Yes)
    }

    /// Takes back the frames of a row that is gone, where the plan as it is now
    /// has no use for their numbers: without any plan they would pass for a legacy cache.
    async fn give_up(&self, row: Row<'_>, plan: Option<&Planned>) -> Result<Committed> {
        let unplanned = |seq: &u64| plan.is_none_or(|p| !p.is_put() && p.row_of(*seq).is_none());
        let orphans = row.sequences().filter(unplanned);
        let orphans: Vec<_> = orphans.map(|seq| self.keys.frame(seq)).collect();
        self.store.delete(&orphans).await?;
        Ok(Committed::Superseded)
    }

    /// The row's record, or why there is none that counts.
    ///
    /// # Errors
    /// PLAN_DIFFERS for a record of a newer schema; the store's own.
    pub async fn record(&self, row: Row<'_>) -> Result<Result<Record, Miss>> {
        let id = row.id();
        let Some(object) = self.store.get(&self.keys.record(&id)).await? else {
            return Ok(Err(Miss::NoRecord));
        };
        let record = match Record::decode(&object.data) {
            Ok(record) => record,
            Err(Unreadable::Damaged) => return Ok(Err(Miss::DamagedRecord)),
            Err(Unreadable::Newer { schema }) => {
                let what = format!(
                    "the record of {} chunk_id={} span={}",
                    self.keys.facts(),
                    id.chunk_id,
                    id.span
                );
                return Err(newer_schema(&what, schema));
            }
        };
        if record.digest != row.digest {
            return Ok(Err(Miss::StaleRecord));
        }
        if record.id != id || record::fits(&record.outcome, row.row).is_err() {
            return Ok(Err(Miss::DamagedRecord));
        }
        Ok(Ok(record))
    }

    async fn is_complete(&self, row: Row<'_>) -> Result<bool> {
        let record = self.record(row).await?;
        Ok(record.is_ok_and(|r| matches!(r.outcome, Outcome::Frames(_))))
    }

    fn check_outcome(&self, row: Row<'_>, outcome: &Outcome) -> Result<()> {
        let wrong = match outcome {
            Outcome::Frames(_) => record::fits(outcome, row.row).err(),
            Outcome::Failed(error) if !is_recorded(&error.reason) => {
                Some("a passing failure is never recorded")
            }
            Outcome::Failed(_) => None,
        };
        match wrong {
            None => Ok(()),
            Some(wrong) => Err(Error::internal(format!(
                "a span's outcome cannot be recorded, {wrong}: {} chunk_id={} span={}",
                self.keys.facts(),
                row.row.chunk_id,
                row.row.span
            ))),
        }
    }
}

/// Whether the media itself is to blame (`MEDIA_*`, `LIMIT_EXCEEDED`).
fn is_recorded(reason: &str) -> bool {
    let recorded = [
        Reason::MediaUnsupported,
        Reason::MediaCorrupt,
        Reason::MediaLimit,
    ];
    recorded.iter().any(|known| known.name() == reason)
}
