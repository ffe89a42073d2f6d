//! The parts of a verification: strays, spans, put and legacy profiles.

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::inventory::{ListedFrames, ListedRecords};
use crate::cache::keys::PUT_CHUNK;
use crate::cache::places::Place;
use crate::cache::planned::{Planned, Row};
use crate::cache::put::jpeg_size;
use crate::cache::put_index::PutIndex;
use crate::cache::read::Miss;
use crate::cache::record::{Outcome, Record, is_stored};
use crate::cache::sealed::sha256_hex;
use crate::cache::verify::{Checked, Fault, Verification};
use crate::cache::{CONCURRENCY, Profile};
use crate::error::Result;
use crate::media::facts::FrameFacts;

/// Spans verified at a time; each reads up to [`CONCURRENCY`] frames at once.
const SPANS_AT_ONCE: usize = 2;

impl Profile {
    /// Listed objects that no row of the plan accounts for.
    pub(super) fn strays(
        &self,
        plan: Option<&Planned>,
        records: &ListedRecords,
        frames: &ListedFrames,
    ) -> Checked {
        let mut checked = Checked::default();
        for (id, entry) in &records.records {
            if plan.and_then(|p| p.row_named(id)).is_none() {
                checked.find(entry.key.clone(), Fault::StrayRecord);
            }
        }
        for frame in &frames.frames {
            if plan.and_then(|p| p.row_of(frame.seq)).is_none() {
                checked.find(Place::Loose(frame.seq).key(&self.keys), Fault::StrayFrame);
            }
        }
        find_others(records, frames, &mut checked);
        checked
    }

    pub(super) async fn check_spans(
        &self,
        plan: &Planned,
        listed: &ListedFrames,
        verification: &mut Verification<'_>,
    ) -> Result<()> {
        let checks = plan.in_sequence().map(|row| self.check_span(row, listed));
        let mut checks = stream::iter(checks.collect::<Vec<_>>()).buffered(SPANS_AT_ONCE);
        while let Some(checked) = checks.try_next().await? {
            verification.settle(checked).await?;
        }
        Ok(())
    }

    async fn check_span(&self, row: Row<'_>, listed: &ListedFrames) -> Result<Checked> {
        let listed = listed.within(row.sequences());
        let mut checked = Checked::default();
        match self.record(row).await? {
            Err(miss) => {
                checked.report.uncommitted_frames = listed.len() as u64;
                let key = self.keys.record(&row.id());
                match miss {
                    Miss::DamagedRecord => checked.find(key, Fault::DamagedRecord),
                    Miss::StaleRecord => checked.find(key, Fault::StaleRecord),
                    _ => {}
                }
            }
            Ok(record) => {
                self.check_record(&record, &mut checked).await?;
                let stored = |seq| record.frame(seq).is_some_and(is_stored);
                for frame in listed.iter().filter(|f| !stored(f.seq)) {
                    checked.find(Place::Loose(frame.seq).key(&self.keys), Fault::StrayFrame);
                }
            }
        }
        Ok(checked)
    }

    async fn check_record(&self, record: &Record, checked: &mut Checked) -> Result<()> {
        checked.report.records_checked = 1;
        checked.report.failed_spans = u64::from(matches!(record.outcome, Outcome::Failed(_)));
        let stored = record.frames().iter().filter(|f| is_stored(f));
        let checks = stored.map(|f| self.check_frame(record.place(f), vec![f]));
        let key = self.keys.record(&record.id);
        self.check_frames(checks, checked, Some(key)).await
    }

    /// Runs the checks; where any fails, the record goes first when repairing.
    async fn check_frames<F>(
        &self,
        checks: impl Iterator<Item = F>,
        checked: &mut Checked,
        mut record: Option<String>,
    ) -> Result<()>
    where
        F: Future<Output = Result<(Place, Option<Fault>)>>,
    {
        let mut checks = stream::iter(checks).buffered(CONCURRENCY);
        while let Some((place, fault)) = checks.try_next().await? {
            checked.report.frames_checked += 1;
            if let Some(fault) = fault {
                checked.doomed.extend(record.take());
                checked.find(place.key(&self.keys), fault);
            }
        }
        Ok(())
    }

    /// Reads one frame and compares it with the facts that may be its own.
    async fn check_frame(
        &self,
        place: Place,
        candidates: Vec<&FrameFacts>,
    ) -> Result<(Place, Option<Fault>)> {
        let Some(data) = self.read_place(&place).await? else {
            return Ok((place, Some(Fault::MissingFrame)));
        };
        let sha256 = sha256_hex(&[&data]);
        let bytes = Some(data.len() as u64);
        let fault = if candidates
            .iter()
            .any(|f| f.sha256.as_ref() == Some(&sha256))
        {
            None
        } else if candidates.iter().any(|f| f.bytes == bytes) {
            Some(Fault::WrongSha256)
        } else {
            Some(Fault::WrongSize)
        };
        Ok((place, fault))
    }

    pub(super) async fn check_legacy(&self, listed: &ListedFrames) -> Result<Checked> {
        let mut checked = Checked::default();
        find_others(&ListedRecords::default(), listed, &mut checked);
        let places = listed.frames.iter().map(|f| Place::Loose(f.seq));
        let checks = places.map(|place| self.check_jpeg(place));
        self.check_frames(checks, &mut checked, None).await?;
        // Nothing says how to make these again: they are reported, and left.
        checked.doomed.clear();
        Ok(checked)
    }

    async fn check_jpeg(&self, place: Place) -> Result<(Place, Option<Fault>)> {
        let data = self.read_place(&place).await?;
        let bad = data.is_some_and(|data| jpeg_size(&data).is_none());
        Ok((place, bad.then_some(Fault::NotJpeg)))
    }

    pub(super) async fn check_put_profile(
        &self,
        index: &PutIndex,
        records: &ListedRecords,
        frames: &ListedFrames,
    ) -> Result<Checked> {
        let mut checked = Checked::default();
        let named = index.latest();
        let checks = named.map(|f| self.check_frame(Place::Loose(f.seq), index.candidates(f.seq)));
        self.check_frames(checks, &mut checked, None).await?;
        checked.report.lost = checked.report.faults;
        checked.report.records_checked = index.records() as u64;
        for (id, entry) in &records.records {
            if id.chunk_id != PUT_CHUNK {
                checked.find(entry.key.clone(), Fault::StrayRecord);
            } else if index.damaged().contains(&id.span) {
                checked.find(entry.key.clone(), Fault::DamagedRecord);
            }
        }
        find_others(records, frames, &mut checked);
        // Frames that no record names: a put may be writing them now.
        let unnamed = |seq| !index.names(seq);
        let uncommitted = frames.frames.iter().filter(|f| unnamed(f.seq));
        checked.report.uncommitted_frames = uncommitted.count() as u64;
        Ok(checked)
    }
}

/// Objects that are neither a frame nor a record.
fn find_others(records: &ListedRecords, frames: &ListedFrames, checked: &mut Checked) {
    for entry in &records.others {
        checked.find(entry.key.clone(), Fault::StrayRecord);
    }
    for entry in &frames.others {
        checked.find(entry.key.clone(), Fault::StrayFrame);
    }
}
