//! Overlays: PNGs that a pipeline's stages drew for frames.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use crate::account::{Hold, Kind};
use crate::cache::keys::{OverlayId, folder_name};
use crate::cache::objects::{self, Tally};
pub use crate::cache::overlay_name::file_name;
use crate::cache::{CONCURRENCY, Profile, overlay_name};
use crate::error::{Error, Result};
use crate::store::{ETag, Entry, PutOptions};

mod stage;

pub(super) use stage::Listed;
pub use stage::Stage;

/// An overlay in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayItem {
    pub id: OverlayId,
    pub bytes: u64,
    key: String,
    version: Option<ETag>,
}

/// An overlay to put.
#[derive(Debug, Clone)]
pub struct PutOverlay {
    pub id: OverlayId,
    pub png: Bytes,
}

/// Overlays to delete: of a job, or of one of its stages, or of one frame in either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayScope {
    pub job: String,
    pub stage: Option<String>,
    pub seq: Option<u64>,
}

impl Profile {
    /// Puts overlays; each has its own result, in the order given. Those that
    /// are put are durable when it answers.
    ///
    /// # Errors
    /// The store's own, where it cannot make them durable.
    pub async fn put_overlays(&self, overlays: Vec<PutOverlay>) -> Result<Vec<Result<()>>> {
        let puts = overlays
            .into_iter()
            .map(|overlay| self.put_overlay(overlay));
        let results = stream::iter(puts).buffered(CONCURRENCY).collect().await;
        self.memory.overlays_changed();
        self.store.sync().await?;
        Ok(results)
    }

    async fn put_overlay(&self, overlay: PutOverlay) -> Result<()> {
        let key = self.keys.overlay(&overlay.id)?;
        check_png(&overlay.png)?;
        let options = PutOptions::unsynced(objects::PNG);
        self.store.put(&key, overlay.png, options).await?;
        Ok(())
    }

    /// One overlay by its name; none where there is none.
    ///
    /// # Errors
    /// FIELD_INVALID as [`crate::cache::keys::ProfileKeys::overlay`]; the store's own.
    pub async fn get_overlay(&self, id: &OverlayId) -> Result<Option<Bytes>> {
        let key = self.keys.overlay(id)?;
        if let Some(object) = self.store.get(&key).await? {
            return Ok(Some(object.data));
        }
        // The ancestor wrote every name as it is.
        if overlay_name::encode(&id.name) == id.name {
            return Ok(None);
        }
        let listed = self.list_overlays(&id.job, &id.stage, Some(id.seq)).await?;
        match listed.into_iter().find(|item| item.id == *id) {
            Some(item) => self.get_listed(&item).await,
            None => Ok(None),
        }
    }

    /// Overlays of several frames: those of these names, or all where none is
    /// named. In the order of the sequences, then of the names; what is not there is left out.
    ///
    /// # Errors
    /// FIELD_INVALID as [`crate::cache::keys::ProfileKeys::overlay`]; the store's own.
    pub async fn find_overlays(
        &self,
        frames: &OverlayFrames,
        names: &[String],
    ) -> Result<Vec<OverlayItem>> {
        let lists = frames
            .seqs
            .iter()
            .map(|&seq| self.list_overlays(&frames.job, &frames.stage, Some(seq)));
        let lists: Vec<Vec<OverlayItem>> = stream::iter(lists.collect::<Vec<_>>())
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let wanted = |item: &OverlayItem| names.is_empty() || names.contains(&item.id.name);
        Ok(lists.into_iter().flatten().filter(wanted).collect())
    }

    /// The bytes of a listed overlay; none where it was deleted since. What was read before, and is
    /// listed in the same version, is remembered.
    pub async fn get_listed(&self, item: &OverlayItem) -> Result<Option<Bytes>> {
        if let Some(version) = &item.version
            && let Some(png) = self.memory.known_overlay(&item.key, version).await
        {
            return Ok(Some(png));
        }
        let Some(object) = self.store.get(&item.key).await? else {
            return Ok(None);
        };
        if let Some(version) = object.version() {
            self.memory
                .keep_overlay(&item.key, version, &object.data)
                .await;
        }
        Ok(Some(object.data))
    }

    fn add_listed(&self, found: &mut BTreeMap<OverlayId, OverlayItem>, entry: Entry) {
        let Some(id) = self.keys.overlay_of(&entry.key) else {
            return;
        };
        // One name under two keys (the ancestor's and ours): ours is served.
        if found.contains_key(&id) && self.keys.overlay(&id).ok().as_ref() != Some(&entry.key) {
            return;
        }
        let item = OverlayItem {
            id: id.clone(),
            bytes: entry.bytes,
            key: entry.key,
            version: entry.version,
        };
        found.insert(id, item);
    }

    /// Waits until so many bytes of overlays may be in flight.
    ///
    /// # Errors
    /// MEMORY_BUDGET.
    pub async fn hold(&self, bytes: u64) -> Result<Hold> {
        self.account.take(Kind::Answers, bytes).await
    }

    /// Jobs that have overlays.
    pub async fn overlay_jobs(&self) -> Result<Vec<String>> {
        self.names_below(&self.keys.overlays_prefix()).await
    }

    /// Stages of a job that have overlays.
    ///
    /// # Errors
    /// FIELD_INVALID unless `job` is an id; the store's own.
    pub async fn overlay_stages(&self, job: &str) -> Result<Vec<String>> {
        self.names_below(&self.keys.job_prefix(job)?).await
    }

    /// Sequences that have overlays of this stage, rising.
    ///
    /// # Errors
    /// FIELD_INVALID unless both are ids; the store's own.
    pub async fn overlay_frames(&self, job: &str, stage: &str) -> Result<Vec<u64>> {
        let seq = None;
        let folder = OverlayFolder { job, stage, seq };
        self.overlay_frames_page(&folder, None, usize::MAX).await
    }

    /// Overlays of a stage, or of one frame of it (then only its own keys are
    /// listed), by sequence and name.
    ///
    /// # Errors
    /// FIELD_INVALID unless both are ids; the store's own.
    pub async fn list_overlays(
        &self,
        job: &str,
        stage: &str,
        seq: Option<u64>,
    ) -> Result<Vec<OverlayItem>> {
        let folder = OverlayFolder { job, stage, seq };
        self.overlay_page(&folder, None, usize::MAX).await
    }

    /// The overlays that [`Profile::list_overlays`] lists behind `after`, at most `limit` of
    /// them; no more are held, however many there are. Pages behind the first are of one listing,
    /// remembered as in [`Profile::small_stage`], unless the stage is very large.
    ///
    /// # Errors
    /// FIELD_INVALID unless both are ids; the store's own.
    pub async fn overlay_page(
        &self,
        frames: &OverlayFolder<'_>,
        after: Option<&(u64, String)>,
        limit: usize,
    ) -> Result<Vec<OverlayItem>> {
        if let Some(after) = after
            && let Some(stage) = self.paged_stage(frames).await?
        {
            return Ok(stage.page(after, limit));
        }
        let prefix = self.folder_prefix(frames)?;
        let mut entries = std::pin::pin!(objects::entries(&*self.store, &prefix));
        let mut page: BTreeMap<OverlayId, OverlayItem> = BTreeMap::new();
        while let Some(entry) = entries.try_next().await? {
            let id = self.keys.overlay_of(&entry.key);
            let is_behind = |(seq, name): &(u64, String)| {
                id.as_ref()
                    .is_some_and(|id| (id.seq, &id.name) > (*seq, name))
            };
            if after.is_some_and(|after| !is_behind(after)) {
                continue;
            }
            self.add_listed(&mut page, entry);
            if page.len() > limit {
                page.pop_last();
            }
        }
        Ok(page.into_values().collect())
    }

    /// The sequences that [`Profile::overlay_frames`] lists behind `after`, at most `limit`.
    ///
    /// # Errors
    /// FIELD_INVALID unless both are ids; the store's own.
    pub async fn overlay_frames_page(
        &self,
        frames: &OverlayFolder<'_>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<u64>> {
        if let Some(after) = after
            && let Some(stage) = self.paged_stage(frames).await?
        {
            return Ok(stage.sequences(after, limit));
        }
        let prefix = self.folder_prefix(frames)?;
        let mut entries = std::pin::pin!(objects::entries(&*self.store, &prefix));
        let mut page = BTreeSet::new();
        while let Some(entry) = entries.try_next().await? {
            let seq = self.keys.overlay_of(&entry.key).map(|id| id.seq);
            page.extend(seq.filter(|seq| after.is_none_or(|after| *seq > after)));
            if page.len() > limit {
                page.pop_last();
            }
        }
        Ok(page.into_iter().collect())
    }

    fn folder_prefix(&self, frames: &OverlayFolder<'_>) -> Result<String> {
        match frames.seq {
            Some(seq) => self
                .keys
                .frame_overlays_prefix(frames.job, frames.stage, seq),
            None => self.keys.stage_prefix(frames.job, frames.stage),
        }
    }

    /// Deletes overlays, or counts them.
    ///
    /// # Errors
    /// FIELD_INVALID unless job and stage are ids; the store's own.
    pub async fn delete_overlays(&self, scope: &OverlayScope, dry_run: bool) -> Result<Tally> {
        let tally = self.delete_in(scope, dry_run).await;
        self.memory.overlays_changed();
        tally
    }

    async fn delete_in(&self, scope: &OverlayScope, dry_run: bool) -> Result<Tally> {
        let mut tally = Tally::default();
        for prefix in self.scope_prefixes(scope).await? {
            let deleted = objects::delete_below(&*self.store, &prefix, dry_run).await?;
            tally.objects += deleted.objects;
            tally.bytes += deleted.bytes;
        }
        Ok(tally)
    }

    async fn scope_prefixes(&self, scope: &OverlayScope) -> Result<Vec<String>> {
        let stages = match (&scope.stage, scope.seq) {
            (Some(stage), _) => vec![stage.clone()],
            (None, None) => return Ok(vec![self.keys.job_prefix(&scope.job)?]),
            (None, Some(_)) => self.overlay_stages(&scope.job).await?,
        };
        let prefix = |stage: &String| match scope.seq {
            Some(seq) => self.keys.frame_overlays_prefix(&scope.job, stage, seq),
            None => self.keys.stage_prefix(&scope.job, stage),
        };
        stages.iter().map(prefix).collect()
    }

    async fn names_below(&self, prefix: &str) -> Result<Vec<String>> {
        let folders = objects::folders(&*self.store, prefix).await?;
        let names = folders.iter().filter_map(|f| folder_name(f, prefix));
        Ok(names.map(str::to_owned).collect())
    }
}

/// Frames of one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayFrames {
    pub job: String,
    pub stage: String,
    pub seqs: Vec<u64>,
}

/// One stage, or one frame of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverlayFolder<'a> {
    pub job: &'a str,
    pub stage: &'a str,
    pub seq: Option<u64>,
}

/// A PNG's signature, IHDR and every chunk to IEND (ISO/IEC 15948, 5.2, 5.3 and 11.2): whole, though nothing is inflated.
fn check_png(data: &[u8]) -> Result<()> {
    const START: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
    let size = data.strip_prefix(START).and_then(|ihdr| ihdr.get(..8));
    // Four-byte sides, neither 0 nor over 2^31 - 1.
    let side_is_good =
        |side: &[u8]| side.iter().any(|&b| b != 0) && side.iter().take(1).all(|b| b & 0x80 == 0);
    if !size.is_some_and(|size| size.chunks_exact(4).all(side_is_good)) {
        return Err(Error::field("an overlay is no PNG")
            .hint("send the bytes of a PNG file")
            .in_field("png"));
    }
    match is_whole(data) {
        true => Ok(()),
        false => Err(Error::field("an overlay's PNG is cut short or damaged")
            .about("bytes", data.len())
            .hint("write the file whole, then put it")
            .in_field("png")),
    }
}

/// Whether the chunks lead from one to the next, by way of one with pixels, to IEND. What follows it is ignored, as by
/// decoders.
fn is_whole(data: &[u8]) -> bool {
    const SIGNATURE_BYTES: usize = 8;
    /// Length, type and CRC.
    const CHUNK_BYTES: usize = 12;
    let mut rest = data.get(SIGNATURE_BYTES..).unwrap_or_default();
    let mut pixels = false;
    while let Some((&[a, b, c, d, ref kind @ ..], _)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(next) = rest.get(CHUNK_BYTES.saturating_add(length)..) else {
            return false;
        };
        match kind {
            b"IDAT" => pixels = true,
            b"IEND" => return pixels,
            _ => {}
        }
        rest = next;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::testing::tiny_png;

    #[test]
    fn only_pngs_with_a_size_are_taken() {
        let png = tiny_png();
        assert!(check_png(&png).is_ok());
        for cut in 0..24 {
            assert!(check_png(&png[..cut]).is_err(), "cut={cut}");
        }
        for at in 0..16 {
            let mut bad = png.to_vec();
            bad[at] ^= 0x40;
            assert!(check_png(&bad).is_err(), "at={at}");
        }
        for (at, value) in [(16, 0x80), (20, 0x80), (19, 0), (23, 0)] {
            let mut bad = png.to_vec();
            bad[at] = value;
            assert!(check_png(&bad).is_err(), "at={at}");
        }
        assert!(check_png(b"\xff\xd8\xff\xe0").is_err());
    }
}
