//! Every object against its record.
//!
//! Frames of spans without a record are no finding: an extraction may be
//! writing them now, and the next one writes them again.

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::inventory::{ListedFrame, ListedFrames, ListedRecords};
use crate::cache::planned::{Planned, Row};
use crate::cache::put::jpeg_size;
use crate::cache::put_index::PutIndex;
use crate::cache::read::{Miss, View};
use crate::cache::record::{Outcome, is_stored};
use crate::cache::sealed::sha256_hex;
use crate::cache::{CONCURRENCY, Profile};
use crate::error::Result;
use crate::media::facts::FrameFacts;

/// Findings that a report lists; the rest are counted.
const MAX_FINDINGS: usize = 10_000;
/// Spans verified at a time; each reads up to [`CONCURRENCY`] frames at once.
const SPANS_AT_ONCE: usize = 2;

/// What is wrong with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A record names the frame; its object is not there.
    MissingFrame,
    WrongSize,
    WrongSha256,
    /// A frame without a plan is no JPEG.
    NotJpeg,
    DamagedRecord,
    /// A record of another plan.
    StaleRecord,
    /// An object in `frames/` that nothing accounts for.
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
    /// The first 10,000 of them, by key.
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

    fn find(&mut self, key: String, fault: Fault) {
        self.faults += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { key, fault });
        }
    }
}

/// What one span's check found.
#[derive(Default)]
struct Checked {
    report: Report,
    /// To delete when repairing: records before frames.
    doomed: Vec<String>,
}

impl Checked {
    fn find(&mut self, key: String, fault: Fault) {
        if fault != Fault::MissingFrame {
            self.doomed.push(key.clone());
        }
        self.report.find(key, fault);
    }
}

impl Profile {
    /// Compares every object with its record. With `repair`, damaged objects
    /// go, with their records so that their spans are extracted again, and
    /// so do strays and temporary files.
    ///
    /// # Errors
    /// OBJECT_CORRUPT for a damaged plan, PLAN_DIFFERS for what a newer release
    /// wrote; the store's own.
    pub async fn verify(&self, repair: bool) -> Result<Report> {
        let records = ListedRecords::read(&*self.store, &self.keys).await?;
        let frames = ListedFrames::read(&*self.store, &self.keys).await?;
        // Listed first: what is listed belongs to the plan that is read now, or to none.
        let mut checked = match self.view().await? {
            View::Legacy => self.verify_legacy(&frames).await?,
            View::Absent => self.strays(None, &records, &frames),
            View::Put(index) => self.verify_put(&index, &records, &frames).await?,
            View::Extracted(plan) => {
                let strays = self.strays(Some(&plan), &records, &frames);
                return self.verify_spans(&plan, &frames, (strays, repair)).await;
            }
        };
        self.repair(&mut checked, repair).await?;
        self.finish(checked.report, repair).await
    }

    async fn verify_spans(
        &self,
        plan: &Planned,
        listed: &ListedFrames,
        (mut strays, repair): (Checked, bool),
    ) -> Result<Report> {
        self.repair(&mut strays, repair).await?;
        let mut report = strays.report;
        let checks = plan.in_sequence().map(|row| self.verify_span(row, listed));
        let mut checks = stream::iter(checks.collect::<Vec<_>>()).buffered(SPANS_AT_ONCE);
        while let Some(mut checked) = checks.try_next().await? {
            self.repair(&mut checked, repair).await?;
            report.merge(checked.report);
        }
        drop(checks);
        self.finish(report, repair).await
    }

    async fn verify_span(&self, row: Row<'_>, listed: &ListedFrames) -> Result<Checked> {
        let listed = listed.within(row.sequences());
        let mut checked = Checked::default();
        let key = self.keys.record(&row.id());
        let record = match self.record(row).await? {
            Ok(record) => record,
            Err(miss) => {
                checked.report.uncommitted_frames = listed.len() as u64;
                match miss {
                    Miss::DamagedRecord => checked.find(key, Fault::DamagedRecord),
                    Miss::StaleRecord => checked.find(key, Fault::StaleRecord),
                    _ => {}
                }
                return Ok(checked);
            }
        };
        checked.report.records_checked = 1;
        checked.report.failed_spans = u64::from(matches!(record.outcome, Outcome::Failed(_)));
        let stored = record.frames().iter().filter(|f| is_stored(f));
        let checks = stored.map(|f| self.verify_frame(f.seq, std::slice::from_ref(f)));
        checked.report.frames_checked = self.verify_frames(checks, &mut checked, Some(key)).await?;
        let unstored = |f: &&ListedFrame| !record.frame(f.seq).is_some_and(is_stored);
        for frame in listed.iter().filter(unstored) {
            checked.find(self.keys.frame(frame.seq), Fault::StrayFrame);
        }
        Ok(checked)
    }

    /// Runs the checks; where any fails, the record goes first when repairing.
    async fn verify_frames<F>(
        &self,
        checks: impl Iterator<Item = F>,
        checked: &mut Checked,
        record: Option<String>,
    ) -> Result<u64>
    where
        F: Future<Output = Result<(u64, Option<Fault>)>>,
    {
        let mut checks = stream::iter(checks).buffered(CONCURRENCY);
        let mut record = record;
        let mut count = 0;
        while let Some((seq, fault)) = checks.try_next().await? {
            count += 1;
            if let Some(fault) = fault {
                checked.doomed.extend(record.take());
                checked.find(self.keys.frame(seq), fault);
            }
        }
        Ok(count)
    }

    /// Reads one frame and compares it with the facts that may be its own.
    async fn verify_frame(&self, seq: u64, candidates: &[FrameFacts]) -> Result<(u64, Option<Fault>)> {
        let Some(object) = self.store.get(&self.keys.frame(seq)).await? else {
            return Ok((seq, Some(Fault::MissingFrame)));
        };
        let sha256 = sha256_hex(&[&object.data]);
        if candidates.iter().any(|f| f.sha256.as_ref() == Some(&sha256)) {
            return Ok((seq, None));
        }
        let bytes = Some(object.data.len() as u64);
        let fault = if candidates.iter().any(|f| f.bytes == bytes) {
            Fault::WrongSha256
        } else {
            Fault::WrongSize
        };
        Ok((seq, Some(fault)))
    }

    async fn verify_legacy(&self, listed: &ListedFrames) -> Result<Checked> {
        let mut checked = Checked::default();
        for entry in &listed.others {
            checked.report.find(entry.key.clone(), Fault::StrayFrame);
        }
        let checks = listed.frames.iter().map(|f| self.verify_jpeg(f.seq));
        checked.report.frames_checked = self.verify_frames(checks, &mut checked, None).await?;
        // Nothing says how to make these again: they are reported, and left.
        checked.doomed.clear();
        Ok(checked)
    }

    async fn verify_jpeg(&self, seq: u64) -> Result<(u64, Option<Fault>)> {
        let object = self.store.get(&self.keys.frame(seq)).await?;
        let bad = object.is_some_and(|o| jpeg_size(&o.data).is_none());
        Ok((seq, bad.then_some(Fault::NotJpeg)))
    }

    async fn verify_put(
        &self,
        index: &PutIndex,
        records: &ListedRecords,
        frames: &ListedFrames,
    ) -> Result<Checked> {
        let mut checked = Checked::default();
        checked.report.records_checked = index.records() as u64;
        for (id, entry) in &records.records {
            if id.chunk_id != crate::cache::keys::PUT_CHUNK {
                checked.find(entry.key.clone(), Fault::StrayRecord);
            } else if index.damaged().contains(&id.span) {
                checked.find(entry.key.clone(), Fault::DamagedRecord);
            }
        }
        for entry in &records.others {
            checked.find(entry.key.clone(), Fault::StrayRecord);
        }
        self.other_frames(frames, &mut checked);
        let before = checked.report.faults;
        let checks = index.latest().map(|f| self.verify_frame(f.seq, index.candidates(f.seq)));
        checked.report.frames_checked = self.verify_frames(checks, &mut checked, None).await?;
        checked.report.lost = checked.report.faults - before;
        // Frames that no record names: a put may be writing them now.
        let unnamed = frames.frames.iter().filter(|f| index.candidates(f.seq).is_empty());
        checked.report.uncommitted_frames = unnamed.count() as u64;
        Ok(checked)
    }

    /// Listed objects that no row of the plan accounts for.
    fn strays(&self, plan: Option<&Planned>, records: &ListedRecords, frames: &ListedFrames) -> Checked {
        let mut checked = Checked::default();
        for (id, entry) in &records.records {
            if plan.and_then(|p| p.row_named(id)).is_none() {
                checked.find(entry.key.clone(), Fault::StrayRecord);
            }
        }
        for entry in &records.others {
            checked.find(entry.key.clone(), Fault::StrayRecord);
        }
        for frame in &frames.frames {
            if plan.and_then(|p| p.row_of(frame.seq)).is_none() {
                checked.find(self.keys.frame(frame.seq), Fault::StrayFrame);
            }
        }
        self.other_frames(frames, &mut checked);
        checked
    }

    fn other_frames(&self, frames: &ListedFrames, checked: &mut Checked) {
        for entry in &frames.others {
            checked.find(entry.key.clone(), Fault::StrayFrame);
        }
    }

    async fn repair(&self, checked: &mut Checked, repair: bool) -> Result<()> {
        if repair && !checked.doomed.is_empty() {
            self.store.delete(&checked.doomed).await?;
            checked.report.deleted = checked.doomed.len() as u64;
        }
        Ok(())
    }

    async fn finish(&self, mut report: Report, repair: bool) -> Result<Report> {
        if repair {
            report.temporary_removed = self.store.sweep().await?;
        }
        report.findings.sort();
        Ok(report)
    }
}

impl Report {
    fn merge(&mut self, other: Report) {
        self.frames_checked += other.frames_checked;
        self.records_checked += other.records_checked;
        self.failed_spans += other.failed_spans;
        self.uncommitted_frames += other.uncommitted_frames;
        self.faults += other.faults;
        self.deleted += other.deleted;
        self.lost += other.lost;
        let room = MAX_FINDINGS.saturating_sub(self.findings.len());
        self.findings.extend(other.findings.into_iter().take(room));
    }
}
