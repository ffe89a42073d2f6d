//! Every object against its record.
//!
//! Frames of spans without a record are no finding: an extraction may be
//! writing them now, and the next one writes them again.

use crate::cache::Profile;
use crate::cache::inventory::{ListedFrames, ListedPacks, ListedRecords};
use crate::cache::read::View;
use crate::error::Result;

/// Findings that a report lists; the rest are counted.
const MAX_FINDINGS: usize = 10_000;

/// What is wrong with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A record names the frame, or the pack that it lies in; its object is not there.
    MissingFrame,
    WrongSize,
    WrongSha256,
    /// A frame without a plan is no JPEG.
    NotJpeg,
    DamagedRecord,
    /// A record of another plan.
    StaleRecord,
    /// An object in `frames/` or `packs/` that nothing accounts for.
    StrayFrame,
    /// An object in `chunks/` that no row of the plan has.
    StrayRecord,
}

/// One object that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub key: String,
    pub fault: Fault,
}

/// What was looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Frames whose bytes were read and compared.
    pub frames_checked: u64,
    pub records_checked: u64,
    /// Records that say why a span cannot be decoded.
    pub failed_spans: u64,
    /// Frames of spans that have no record that counts.
    pub uncommitted_frames: u64,
    /// All faults, listed or not.
    pub faults: u64,
    /// By key; of very many the first 10,000 that were found.
    pub findings: Vec<Finding>,
    /// Objects that repair deleted.
    pub deleted: u64,
    /// Put frames that are damaged or gone: nobody but their maker can bring them back.
    pub lost: u64,
    /// Temporary files of writers that died, which repair removed.
    pub temporary_removed: u64,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.faults == 0
    }

    fn merge(&mut self, other: Report) {
        self.frames_checked += other.frames_checked;
        self.records_checked += other.records_checked;
        self.failed_spans += other.failed_spans;
        self.uncommitted_frames += other.uncommitted_frames;
        self.faults += other.faults;
        self.lost += other.lost;
        let room = MAX_FINDINGS.saturating_sub(self.findings.len());
        self.findings.extend(other.findings.into_iter().take(room));
    }
}

/// What is there.
pub(super) struct Listed {
    pub records: ListedRecords,
    pub frames: ListedFrames,
    pub packs: ListedPacks,
}

/// What a part of the profile's check found.
#[derive(Default)]
pub(super) struct Checked {
    pub report: Report,
    /// To delete when repairing; a record stands before its frames.
    pub doomed: Vec<String>,
}

impl Checked {
    pub fn find(&mut self, key: String, fault: Fault) {
        if fault != Fault::MissingFrame {
            self.doomed.push(key.clone());
        }
        self.report.faults += 1;
        if self.report.findings.len() < MAX_FINDINGS {
            self.report.findings.push(Finding { key, fault });
        }
    }
}

/// Sums up what the parts found, and repairs.
pub(super) struct Verification<'a> {
    profile: &'a Profile,
    repair: bool,
    report: Report,
}

impl Verification<'_> {
    pub async fn settle(&mut self, checked: Checked) -> Result<()> {
        self.report.merge(checked.report);
        if self.repair {
            self.report.deleted += checked.doomed.len() as u64;
            self.delete(checked.doomed).await?;
        }
        Ok(())
    }

    /// Records are gone for good before a frame is: none outlives its frames.
    async fn delete(&self, doomed: Vec<String>) -> Result<()> {
        let prefix = self.profile.keys.records_prefix();
        let (records, frames): (Vec<_>, Vec<_>) =
            doomed.into_iter().partition(|key| key.starts_with(&prefix));
        if !records.is_empty() {
            self.profile.store.delete(&records).await?;
            self.profile.store.sync().await?;
        }
        if !frames.is_empty() {
            self.profile.store.delete(&frames).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Report> {
        if self.report.deleted > 0 {
            // Spans under way may have put what was taken for damaged.
            self.profile.renew().await?;
            self.profile.memory.forget(self.profile);
        }
        if self.repair {
            self.report.temporary_removed = self.sweep().await;
        }
        self.report.findings.sort();
        Ok(self.report)
    }

    /// What cannot be removed is in nobody's way.
    async fn sweep(&self) -> u64 {
        self.profile.store.sweep().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "could not remove what writers that died left behind");
            0
        })
    }
}

impl Profile {
    /// Compares every object with its record. With `repair`, damaged objects
    /// go, with their records so that their spans are extracted again, and
    /// so do strays and temporary files. Legacy frames are never touched.
    ///
    /// # Errors
    /// OBJECT_CORRUPT for a damaged plan, PLAN_DIFFERS for what a newer release
    /// wrote; the store's own.
    pub async fn verify(&self, repair: bool) -> Result<Report> {
        // Listed before the plan is read: what is listed belongs to the plan
        // that is read then, or to none.
        let records = ListedRecords::read(&*self.store, &self.keys).await?;
        let frames = ListedFrames::read(&*self.store, &self.keys).await?;
        let packs = ListedPacks::read(&*self.store, &self.keys).await?;
        let listed = Listed {
            records,
            frames,
            packs,
        };
        let mut verification = Verification {
            profile: self,
            repair,
            report: Report::default(),
        };
        let checked = match self.view().await? {
            View::Absent => self.strays(None, &listed),
            View::Legacy => self.check_legacy(&listed).await?,
            View::Put(index) => self.check_put_profile(&index, &listed).await?,
            View::Extracted(plan) => {
                self.check_spans(&plan, &listed, &mut verification).await?;
                self.strays(Some(&plan), &listed)
            }
        };
        verification.settle(checked).await?;
        verification.finish().await
    }
}
