//! Committing a span: its frames, then, when they are durable and the plan
//! still has its row, its record.

use crate::cache::Profile;
use crate::cache::objects;
use crate::cache::places::{Packs, Place};
use crate::cache::planned::{Planned, Row};
use crate::cache::plans::Stored;
use crate::cache::read::Miss;
use crate::cache::record::{Outcome, Record};
use crate::cache::sealed::Unreadable;
use crate::error::{Code, Error, Reason, Result};
use crate::store::Condition;
use crate::verdict::Verdict;

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Yes,
    /// The plan has this row no more (replaced or cleared): nothing was recorded, and its worker stops.
    Superseded,
    /// The profile was cleared, replaced or repaired since the span began, and the plan has its row
    /// still: its frames may be gone. It is to be started again.
    Outdated,
    /// The span failed here, but another run's frames are committed: they stay.
    Kept,
}

impl Profile {
    /// Writes a span's record, if the plan as it is now still has its row, under the nonce that it
    /// had when the span began. `packs`: where its frames lie; none: loose.
    ///
    /// # Errors
    /// INTERNAL for an outcome that is not this row's, or a failure that must
    /// not be recorded; the store's own.
    pub async fn commit_span(
        &self,
        row: Row<'_>,
        outcome: Outcome,
        packs: Option<Packs>,
    ) -> Result<Committed> {
        let record = Record {
            digest: row.digest.to_owned(),
            packs,
            attempt: self.attempt.to_string(),
            id: row.id(),
            outcome,
        };
        self.check_recordable(row, &record)?;
        self.store.sync().await?;
        if let Some(lost) = self.lost(row, &record).await? {
            return Ok(lost);
        }
        if matches!(record.outcome, Outcome::Failed(_)) && self.is_complete(row).await? {
            return Ok(Committed::Kept);
        }
        let key = self.keys.record(&record.id);
        objects::put_json(&*self.store, &key, record.encode()?, Condition::Always).await?;
        self.memory.forget_record(self, row).await;
        // Whoever cleared between the look and the record has taken its frames.
        Ok(self.lost(row, &record).await?.unwrap_or(Committed::Yes))
    }

    /// What became of a span whose plan is not what it was when the span began.
    async fn lost(&self, row: Row<'_>, record: &Record) -> Result<Option<Committed>> {
        match self.stored_plan().await? {
            Stored::Plan(plan, _) if !plan.has(row) => {
                self.give_up(row, record, Some(&plan)).await?;
            }
            Stored::Plan(plan, _) if plan.nonce() == row.nonce => return Ok(None),
            Stored::Plan(..) => return Ok(Some(Committed::Outdated)),
            Stored::Absent => self.give_up(row, record, None).await?,
            Stored::Damaged(_) => return Err(self.damaged_plan()),
        }
        Ok(Some(Committed::Superseded))
    }

    /// Takes back what a row that is gone has put, where the plan as it is now has no use for its
    /// numbers: without any plan frames would pass for a legacy cache. Its packs are nobody else's.
    async fn give_up(&self, row: Row<'_>, record: &Record, plan: Option<&Planned>) -> Result<()> {
        let unplanned = |seq: &u64| plan.is_none_or(|p| !p.is_put() && p.row_of(*seq).is_none());
        let key = plan.is_none().then(|| self.keys.record(&record.id));
        let mut orphans: Vec<_> = key.into_iter().collect();
        orphans.extend(record.packs(&self.keys).map(|(key, _)| key));
        if record.packs.is_none() {
            let seqs = row.sequences().filter(unplanned);
            orphans.extend(seqs.map(|seq| Place::Loose(seq).key(&self.keys)));
        }
        if orphans.is_empty() {
            return Ok(());
        }
        self.store.delete(&orphans).await?;
        // A plan that was claimed meanwhile may have wanted them.
        self.renew().await
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
            Err(Unreadable::Newer(newer)) => {
                let what = format!(
                    "the record of {} chunk_id={} span={}",
                    self.keys.facts(),
                    id.chunk_id,
                    id.span
                );
                return Err(newer.refusal(&what));
            }
        };
        if record.digest != row.digest {
            return Ok(Err(Miss::StaleRecord));
        }
        if record.id != id || record.fits(row.row).is_err() {
            return Ok(Err(Miss::DamagedRecord));
        }
        Ok(Ok(record))
    }

    async fn is_complete(&self, row: Row<'_>) -> Result<bool> {
        let record = self.record(row).await?;
        Ok(record.is_ok_and(|r| matches!(r.outcome, Outcome::Frames(_))))
    }

    fn check_recordable(&self, row: Row<'_>, record: &Record) -> Result<()> {
        let wrong = match &record.outcome {
            Outcome::Frames(_) => record.fits(row.row).err(),
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
    let known = Reason::named(reason, Code::FailedPrecondition);
    known.is_some_and(|reason| reason.verdict() == Verdict::Record)
}
