//! Columns of hashes that are remembered, and which rows have a record.

use std::sync::Arc;

use super::{Kept, Key, Memory, NotRead, mixed_up_keys};
use crate::cache::Profile;
use crate::cache::columns::{Column, Recorded, RecordedRows};
use crate::cache::planned::Planned;
use crate::error::Result;
use crate::timeline::plan::HashKind;

impl Memory {
    /// Rows of the plan that have a record, listed now or at most five seconds ago.
    pub(in crate::cache) async fn recorded(
        &self,
        profile: &Profile,
        plan: &Arc<Planned>,
    ) -> Result<Arc<RecordedRows>> {
        let key = Key::Recorded(profile.keys.place());
        // Places are those of the plan that was listed by.
        if let Some(Kept::Recorded(rows)) = self.kept.get(&key).await
            && !Arc::ptr_eq(&rows.plan, plan)
        {
            self.kept.invalidate(&key).await;
        }
        let list = async {
            let rows = profile.list_recorded(plan).await?;
            Ok(Kept::Recorded(Arc::new(rows)))
        };
        match self.read(key, list).await {
            Ok(Kept::Recorded(rows)) => Ok(rows),
            Err(NotRead::Failed(error)) => Err(error),
            Ok(_) | Err(NotRead::Miss(_)) => Err(mixed_up_keys()),
        }
    }

    /// The next search lists the profile's records.
    pub(in crate::cache) async fn forget_recorded(&self, profile: &Profile) {
        let key = Key::Recorded(profile.keys.place());
        self.kept.invalidate(&key).await;
    }

    /// A row's column; none where its record is gone, or is none that counts.
    pub(in crate::cache) async fn column(
        &self,
        profile: &Profile,
        (plan, row): (&Planned, &Recorded),
        kind: HashKind,
    ) -> Result<Option<Arc<Column>>> {
        let Some((digest, version)) = row.key(plan) else {
            return Ok(None);
        };
        let version = version.map(str::to_owned);
        let key = Key::Column(profile.keys.place(), digest.to_owned(), version, kind);
        let read = async {
            let column = profile.read_column((plan, row), kind).await?;
            Ok(Kept::Column(Arc::new(column)))
        };
        match self.read(key, read).await {
            Ok(Kept::Column(column)) => Ok(Some(column)),
            Err(NotRead::Miss(_)) => Ok(None),
            Err(NotRead::Failed(error)) => Err(error),
            Ok(_) => Err(mixed_up_keys()),
        }
    }
}
