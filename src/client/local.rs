//! The client that holds the store itself.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use crate::app;
use crate::cache::clear::{ClearRequest, Cleared, seconds_ago};
use crate::cache::facts::FactsBatch;
use crate::cache::overlays::{OverlayFrames, OverlayItem, OverlayScope, PutOverlay};
use crate::cache::put::{PutDone, ReadyFrame};
use crate::cache::read::{Frame, View};
use crate::cache::status::Ids;
use crate::cache::{Profile, Tally};
use crate::client::{
    Clear, Client, Hear, Of, Overlay, OverlayQuery, OverlayRow, Picture, PlanReport, ProfileKind,
    Report, Rows,
};
use crate::config::Settings;
use crate::error::Result;
use crate::foundry::Probe;
use crate::frames::{
    Asked, Event, Extraction, Found, FoundTwins, Frames, Pick, Search, Selected, Selection,
    Serving, Summary, Take, Twins, Which, absent,
};
use crate::media::facts::FrameFacts;
use crate::media::time::Exact;
use crate::similar::cuts::Scored;
use crate::timeline::plan::{ChunkSpec, Window};

/// Overlays read ahead.
const READ_AHEAD: usize = 16;

pub struct Local {
    settings: Settings,
    frames: OnceLock<Frames>,
    /// Of the profile that was read last: what was tried in vain is not tried again.
    serving: Mutex<Option<Arc<Serving>>>,
}

impl Local {
    /// Opens the store when it is first needed.
    pub fn new(settings: Settings) -> Self {
        Local {
            settings,
            frames: OnceLock::new(),
            serving: Mutex::default(),
        }
    }

    fn frames_service(&self) -> Result<&Frames> {
        if let Some(frames) = self.frames.get() {
            return Ok(frames);
        }
        let made = app::frames(&self.settings)?;
        Ok(self.frames.get_or_init(|| made))
    }

    fn profile(&self, of: Of<'_>) -> Result<Profile> {
        let cache = self.frames_service()?.cache();
        cache.profile(of.timeline, of.profile)
    }

    fn serving(&self, of: Of<'_>) -> Result<Arc<Serving>> {
        let profile = self.profile(of)?;
        let mut last = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(serving) = &*last
            && serving.reader().profile().keys() == profile.keys()
        {
            return Ok(serving.clone());
        }
        let serving = Arc::new(self.frames_service()?.serve(&profile));
        *last = Some(serving.clone());
        Ok(serving)
    }
}

#[async_trait]
impl Client for Local {
    fn describe(&self) -> Result<String> {
        let store = self.frames_service()?.cache().store().describe();
        Ok(format!("store {store}"))
    }

    async fn extract(&self, asked: &Extraction, hear: Hear<'_>) -> Result<Summary> {
        let sink = |event: Event<'_>| told(&event, hear);
        self.frames_service()?.extract(asked, &sink).await
    }

    async fn facts(&self, of: Of<'_>) -> Result<Rows<Vec<FrameFacts>>> {
        let profile = self.profile(of)?;
        let view = profile.view().await?;
        if matches!(view, View::Absent) {
            return Err(absent(&profile));
        }
        self.frames_service()?.cache().note_use(of.timeline);
        let batches = profile.facts(&view).await?;
        let frames = |batch| async move {
            Ok(match batch {
                FactsBatch::Frames(frames) => Some(frames),
                FactsBatch::Without { .. } => None,
            })
        };
        Ok(batches.try_filter_map(frames).boxed())
    }

    async fn shown_at(&self, of: Of<'_>, times: &[Exact]) -> Result<Vec<u64>> {
        let serving = self.serving(of)?;
        serving.view().await?;
        let mut seqs = Vec::with_capacity(times.len());
        for time in times {
            seqs.push(serving.shown_at(*time, of.on_miss).await?);
        }
        Ok(seqs)
    }

    async fn within(&self, of: Of<'_>, window: Window) -> Result<Vec<u64>> {
        let which = match window == Window::default() {
            true => Which::All,
            false => Which::Window(window),
        };
        self.picked(of, which, Pick::default()).await
    }

    async fn picked(&self, of: Of<'_>, which: Which, pick: Pick) -> Result<Vec<u64>> {
        let selection = Selection {
            which,
            pick,
            step: 1,
            limit: None,
        };
        let serving = self.serving(of)?;
        if matches!(serving.view().await?, View::Absent) {
            return Err(absent(&self.profile(of)?));
        }
        let selected = serving.select(selection, of.on_miss).await?;
        let numbered = selected.into_iter().filter_map(|asked| match asked {
            Asked::Sequence(seq) => Some(seq),
            Asked::Time(_) => None,
        });
        Ok(numbered.collect())
    }

    async fn twins(&self, asked: Twins) -> Result<FoundTwins> {
        self.frames_service()?.twins(&asked).await
    }

    async fn similar(&self, search: Search) -> Result<Found> {
        self.frames_service()?.similar(&search).await
    }

    async fn cuts(&self, of: Of<'_>, threshold: f64) -> Result<Rows<Vec<Scored>>> {
        let profile = self.profile(of)?;
        self.frames_service()?.cuts(&profile, threshold, 0).await
    }

    async fn prepare(&self, of: Of<'_>, seqs: &[u64], hear: Hear<'_>) -> Result<()> {
        let sink = |event: Event<'_>| told(&event, hear);
        self.serving(of)?.prepare(seqs, &sink).await
    }

    async fn frames(
        &self,
        of: Of<'_>,
        seqs: &[u64],
    ) -> Result<BoxStream<'static, Result<Picture>>> {
        let selected = Selected::of(seqs.to_vec(), 1, None);
        let answers = self.serving(of)?.frames_of(selected, of.on_miss);
        let picture = |frame: Frame| Picture {
            facts: frame.facts,
            jpeg: frame.jpeg,
        };
        let pictures = answers.await?.filter_map(move |answer| async move {
            let frame = answer.result.transpose()?;
            Some(frame.map(picture))
        });
        Ok(pictures.boxed())
    }

    async fn decode(&self, of: Of<'_>, seqs: &[u64], take: Take<'_>) -> Result<()> {
        self.serving(of)?.decode(seqs, take).await
    }

    async fn put_frames(&self, of: Of<'_>, frames: Vec<ReadyFrame>) -> Result<PutDone> {
        self.profile(of)?.put_ready(frames).await
    }

    async fn put_overlays(&self, of: Of<'_>, overlays: Vec<PutOverlay>) -> Result<Vec<Result<()>>> {
        self.profile(of)?.put_overlays(overlays).await
    }

    async fn overlays(&self, of: Of<'_>, asked: OverlayQuery) -> Result<Rows<Overlay>> {
        let profile = self.profile(of)?;
        let items = find_overlays(&profile, asked).await?;
        let read = move |item: OverlayItem| {
            let profile = profile.clone();
            async move {
                // Deleted between the listing and now: as if it had not been there.
                let png = profile.get_listed(&item).await?;
                Ok(png.map(|png| Overlay {
                    seq: item.id.seq,
                    name: item.id.name,
                    png,
                }))
            }
        };
        let reads = stream::iter(items).map(read).buffered(READ_AHEAD);
        Ok(reads
            .try_filter_map(|overlay| async move { Ok(overlay) })
            .boxed())
    }

    async fn overlay_jobs(&self, of: Of<'_>) -> Result<Vec<String>> {
        self.profile(of)?.overlay_jobs().await
    }

    async fn overlay_stages(&self, of: Of<'_>, job: &str) -> Result<Vec<String>> {
        self.profile(of)?.overlay_stages(job).await
    }

    async fn list_overlays(&self, of: Of<'_>, scope: &OverlayScope) -> Result<Vec<OverlayRow>> {
        let stage = scope.stage.as_deref().unwrap_or_default();
        let items = self
            .profile(of)?
            .list_overlays(&scope.job, stage, scope.seq)
            .await?;
        let row = |item: OverlayItem| OverlayRow {
            seq: item.id.seq,
            name: item.id.name,
            bytes: item.bytes,
        };
        Ok(items.into_iter().map(row).collect())
    }

    async fn delete_overlays(
        &self,
        of: Of<'_>,
        scope: &OverlayScope,
        dry_run: bool,
    ) -> Result<Tally> {
        self.profile(of)?.delete_overlays(scope, dry_run).await
    }

    async fn timelines(&self, token: Option<String>) -> Result<Ids> {
        self.frames_service()?
            .cache()
            .list_timelines(token, None)
            .await
    }

    async fn profiles(&self, timeline: &str) -> Result<Vec<String>> {
        self.frames_service()?.cache().list_profiles(timeline).await
    }

    async fn kind(&self, of: Of<'_>) -> Result<ProfileKind> {
        Ok(match self.profile(of)?.view().await? {
            View::Extracted(_) => ProfileKind::Extracted,
            View::Put(_) => ProfileKind::Put,
            View::Legacy => ProfileKind::Legacy,
            View::Absent => ProfileKind::Empty,
        })
    }

    async fn report(&self, of: Of<'_>, check_sources: bool) -> Result<Report> {
        let status = self.profile(of)?.status().await?;
        let findings = match &status.plan {
            Some(plan) if check_sources => {
                let all = 0..plan.plan().chunks.len();
                Some(self.frames_service()?.check_sources(plan, all).await?)
            }
            _ => None,
        };
        let plan = status.plan.map(|planned| {
            let plan = planned.plan();
            PlanReport {
                kind: plan.kind,
                layout: plan.layout,
                parameters: plan.parameters.clone(),
                chunks: plan.chunks.iter().map(Into::into).collect(),
                spans: plan.spans.len() as u64,
            }
        });
        Ok(Report {
            state: status.state,
            plan,
            planned: status.planned,
            counts: status.counts,
            failed: status.failed,
            findings,
        })
    }

    async fn clear(
        &self,
        timeline: &str,
        profile: Option<&str>,
        what: Clear,
    ) -> Result<Vec<(String, Cleared)>> {
        let request = ClearRequest {
            overlays: what.overlays,
            plan: what.plan,
            dry_run: what.dry_run,
            older_than: what.older_than.map(seconds_ago),
        };
        let cache = self.frames_service()?.cache();
        cache.clear(timeline, profile, request).await
    }

    async fn probe(&self, source: &ChunkSpec) -> Result<Probe> {
        app::library(&self.settings)?.probe(source).await
    }
}

fn told(event: &Event<'_>, hear: Hear<'_>) {
    if let Event::Progress(progress) = event {
        hear(progress);
    }
}

async fn find_overlays(profile: &Profile, asked: OverlayQuery) -> Result<Vec<OverlayItem>> {
    let OverlayQuery {
        job,
        stage,
        seqs,
        names,
    } = asked;
    if !seqs.is_empty() {
        let frames = OverlayFrames { job, stage, seqs };
        return profile.find_overlays(&frames, &names).await;
    }
    let mut all = profile.list_overlays(&job, &stage, None).await?;
    all.retain(|item| names.is_empty() || names.contains(&item.id.name));
    Ok(all)
}
