//! The parts of a verification: strays, spans, put and legacy profiles.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::inventory::ListedFrames;
use crate::cache::keys::PUT_CHUNK;
use crate::cache::places::{Pack, Place};
use crate::cache::planned::{Planned, Row};
use crate::cache::put::jpeg_size;
use crate::cache::put_index::PutIndex;
use crate::cache::read::Miss;
use crate::cache::record::{Outcome, Record, is_stored};
use crate::cache::sealed::sha256_hex;
use crate::cache::verify::{Checked, Fault, Listed, Verification};
use crate::cache::{CONCURRENCY, Profile};
use crate::error::Result;
use crate::media::facts::FrameFacts;

/// Spans verified at a time; each reads up to [`CONCURRENCY`] frames at once.
const SPANS_AT_ONCE: usize = 2;

impl Profile {
    /// Listed objects that no row of the plan accounts for.
    pub(super) fn strays(&self, plan: Option<&Planned>, listed: &Listed) -> Checked {
        let mut checked = Checked::default();
        let stray = |id| plan.and_then(|p| p.row_named(id)).is_none();
        for (_, entry) in listed.records.records.iter().filter(|(id, _)| stray(id)) {
            checked.find(entry.key.clone(), Fault::StrayRecord);
        }
        for (_, entry) in listed.packs.packs.iter().filter(|(id, _)| stray(id)) {
            checked.find(entry.key.clone(), Fault::StrayFrame);
        }
        for frame in &listed.frames.frames {
            if plan.and_then(|p| p.row_of(frame.seq)).is_none() {
                checked.find(Place::Loose(frame.seq).key(&self.keys), Fault::StrayFrame);
            }
        }
        find_others(listed, &mut checked);
        checked
    }

    pub(super) async fn check_spans(
        &self,
        plan: &Planned,
        listed: &Listed,
        verification: &mut Verification<'_>,
    ) -> Result<()> {
        let checks = plan.in_sequence().map(|row| self.check_span(row, listed));
        let mut checks = stream::iter(checks.collect::<Vec<_>>()).buffered(SPANS_AT_ONCE);
        while let Some(checked) = checks.try_next().await? {
            verification.settle(checked).await?;
        }
        Ok(())
    }

    async fn check_span(&self, row: Row<'_>, listed: &Listed) -> Result<Checked> {
        let packs = listed.packs.of(&row.id());
        let listed = listed.frames.within(row.sequences());
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
                let named: HashSet<_> = record.packs(&self.keys).map(|(key, _)| key).collect();
                for (_, entry) in packs.iter().filter(|(_, e)| !named.contains(&e.key)) {
                    checked.find(entry.key.clone(), Fault::StrayFrame);
                }
                for frame in listed.iter().filter(|f| !record.is_loose(f.seq)) {
                    checked.find(Place::Loose(frame.seq).key(&self.keys), Fault::StrayFrame);
                }
            }
        }
        Ok(checked)
    }

    async fn check_record(&self, record: &Record, checked: &mut Checked) -> Result<()> {
        checked.report.records_checked = 1;
        checked.report.failed_spans = u64::from(matches!(record.outcome, Outcome::Failed(_)));
        let key = self.keys.record(&record.id);
        let stored = record.frames().iter().filter(|f| is_stored(f));
        if record.packs.is_some() {
            checked.report.frames_checked = stored.count() as u64;
            return self.check_packs(record, checked, key).await;
        }
        let checks = stored.map(|f| self.check_frame(Place::Loose(f.seq), vec![f]));
        self.check_frames(checks, checked, Some(key)).await
    }

    /// Each pack as a whole, one at a time: its digest covers every frame, and all between them.
    async fn check_packs(
        &self,
        record: &Record,
        checked: &mut Checked,
        record_key: String,
    ) -> Result<()> {
        for (key, pack) in record.packs(&self.keys) {
            let fault = match self.store.get(&key).await? {
                None => Fault::MissingFrame,
                Some(object) if object.data.len() as u64 != pack.bytes => Fault::WrongSize,
                Some(object) if !self.is_pack(record, (&key, pack), &object.data) => {
                    Fault::WrongSha256
                }
                Some(_) => continue,
            };
            if checked.doomed.is_empty() {
                checked.doomed.push(record_key.clone());
            }
            checked.find(key, fault);
        }
        Ok(())
    }

    /// Whether these are the pack's bytes, and its frames lie where the record tells.
    fn is_pack(&self, record: &Record, (key, pack): (&str, &Pack), data: &[u8]) -> bool {
        let lies = |frame: &FrameFacts| match record.place(frame) {
            Some(Place::Packed(slice)) if self.keys.pack(&slice.pack) == key => {
                slice.of(data, 0).is_some()
            }
            _ => true,
        };
        pack.is(&record.digest, data) && record.frames().iter().all(lies)
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
        let Ok(data) = self.read_place(&place).await? else {
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

    pub(super) async fn check_legacy(&self, listed: &Listed) -> Result<Checked> {
        let mut checked = Checked::default();
        find_other_frames(&listed.frames, &mut checked);
        let places = listed.frames.frames.iter().map(|f| Place::Loose(f.seq));
        let checks = places.map(|place| self.check_jpeg(place));
        self.check_frames(checks, &mut checked, None).await?;
        // Nothing says how to make these again: they are reported, and left.
        checked.doomed.clear();
        Ok(checked)
    }

    async fn check_jpeg(&self, place: Place) -> Result<(Place, Option<Fault>)> {
        let data = self.read_place(&place).await?;
        let bad = data.is_ok_and(|data| jpeg_size(&data).is_none());
        Ok((place, bad.then_some(Fault::NotJpeg)))
    }

    pub(super) async fn check_put_profile(
        &self,
        index: &PutIndex,
        listed: &Listed,
    ) -> Result<Checked> {
        let mut checked = Checked::default();
        let named = index.latest();
        let checks = named.map(|f| self.check_frame(Place::Loose(f.seq), index.candidates(f.seq)));
        self.check_frames(checks, &mut checked, None).await?;
        checked.report.lost = checked.report.faults;
        checked.report.records_checked = index.records() as u64;
        for (id, entry) in &listed.records.records {
            if id.chunk_id != PUT_CHUNK {
                checked.find(entry.key.clone(), Fault::StrayRecord);
            } else if index.damaged().contains(&id.span) {
                checked.find(entry.key.clone(), Fault::DamagedRecord);
            }
        }
        for (_, entry) in &listed.packs.packs {
            checked.find(entry.key.clone(), Fault::StrayFrame);
        }
        find_others(listed, &mut checked);
        // Frames that no record names: a put may be writing them now.
        let unnamed = |seq| !index.names(seq);
        let uncommitted = listed.frames.frames.iter().filter(|f| unnamed(f.seq));
        checked.report.uncommitted_frames = uncommitted.count() as u64;
        Ok(checked)
    }
}

/// Objects that are neither a frame nor a pack nor a record.
fn find_others(listed: &Listed, checked: &mut Checked) {
    for entry in &listed.records.others {
        checked.find(entry.key.clone(), Fault::StrayRecord);
    }
    for entry in &listed.packs.others {
        checked.find(entry.key.clone(), Fault::StrayFrame);
    }
    find_other_frames(&listed.frames, checked);
}

fn find_other_frames(frames: &ListedFrames, checked: &mut Checked) {
    for entry in &frames.others {
        checked.find(entry.key.clone(), Fault::StrayFrame);
    }
}
