//! GetTimeline.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use prost::Message;

use crate::api::convert::{
    chunk_message, clock_message, colour_rule_name, hash_message, page_size, profile_name,
    sampling_message, unshown_message, window_message,
};
use crate::api::status::{chunk_status, rpc_status};
use crate::api::{Api, pages, v1};
use crate::cache::planned::Planned;
use crate::cache::status::{FrameCounts, SpanState, State, Status};
use crate::error::Result;
use crate::frames::SourceFinding;
use crate::timeline::plan::{Kind, Plan, PlannedChunk};

const TOKEN: &str = "chunk";
/// Of a sampling and of a page's chunks, as messages: together they fit one.
const MAX_SAMPLING_BYTES: usize = 1 << 20;
const MAX_CHUNKS_BYTES: usize = 2 << 20;

impl Api {
    pub async fn get_timeline(
        &self,
        asked: v1::GetTimelineRequest,
    ) -> Result<v1::GetTimelineResponse> {
        let after = pages::value(TOKEN, &asked.page_token)?;
        let of = (&*asked.timeline, profile_name(&asked.profile));
        let (status, mut answer) = self.status_of(of, after.is_none()).await?;
        let Some(plan) = &status.plan else {
            return Ok(answer);
        };
        let page = page_of(plan.plan(), after.as_deref(), page_size(asked.page_size))?;
        let findings = if asked.check_sources {
            self.frames.check_sources(plan, page.clone()).await?
        } else {
            Vec::new()
        };
        let chunks = plan.plan().chunks.get(page.clone()).unwrap_or_default();
        if page.end < plan.plan().chunks.len()
            && let Some(last) = chunks.last()
        {
            answer.next_page_token = pages::token(TOKEN, &last.spec.chunk_id);
        }
        add_chunks(
            &mut answer,
            chunks,
            &Sums::of(plan, &status.spans),
            &findings,
        );
        Ok(answer)
    }

    /// How a profile stands, without its chunks.
    ///
    /// # Errors
    /// FIELD_INVALID unless both are ids; the store's own.
    pub async fn timeline_stands(
        &self,
        timeline: &str,
        profile: &str,
    ) -> Result<v1::GetTimelineResponse> {
        let (_, answer) = self.status_of((timeline, profile), false).await?;
        Ok(answer)
    }

    async fn status_of(
        &self,
        (timeline, profile): (&str, &str),
        afresh: bool,
    ) -> Result<(Arc<Status>, v1::GetTimelineResponse)> {
        let cache = self.frames.cache();
        let profile = cache.profile(timeline, profile)?;
        let status = profile.status_for_page(afresh).await?;
        let answer = v1::GetTimelineResponse {
            timeline: timeline.to_owned(),
            profile: profile.keys().profile().to_owned(),
            state: state(status.state).into(),
            plan: status.plan.as_deref().map(plan_message),
            counts: counts_message(&status),
            profiles: cache.list_profiles(timeline).await?,
            ..v1::GetTimelineResponse::default()
        };
        Ok((status, answer))
    }
}

/// Places of the chunks behind the one that the page before ended with.
fn page_of(plan: &Plan, after: Option<&str>, size: usize) -> Result<Range<usize>> {
    let start = match after {
        None => 0,
        Some(id) => {
            let place = plan.chunks.iter().position(|c| c.spec.chunk_id == id);
            place.ok_or_else(pages::wrong)? + 1
        }
    };
    let mut bytes = 0;
    let rest = plan.chunks.iter().skip(start).take(size);
    let fitting = rest.take_while(|chunk| {
        // What else is told of a chunk has less than 200 bytes, but for its error.
        bytes += chunk_message(&chunk.spec).encoded_len() + 1024;
        bytes <= MAX_CHUNKS_BYTES
    });
    let count = fitting.count().max(1);
    Ok(start..start.saturating_add(count).min(plan.chunks.len()))
}

fn state(state: State) -> v1::ProfileState {
    match state {
        State::Absent => v1::ProfileState::Absent,
        State::Legacy => v1::ProfileState::Legacy,
        State::Partial => v1::ProfileState::Partial,
        State::Complete => v1::ProfileState::Complete,
    }
}

/// Of a legacy profile nothing is counted: that would need a listing of all its frames.
fn counts_message(status: &Status) -> Option<v1::FrameCounts> {
    let FrameCounts {
        frames,
        stored,
        repeats,
        missing,
        damaged,
        bytes,
    } = status.counts;
    (status.state != State::Legacy).then_some(v1::FrameCounts {
        planned: status.planned,
        frames,
        stored,
        repeats,
        missing,
        damaged,
        bytes,
    })
}

fn plan_message(planned: &Planned) -> v1::PlanInfo {
    let plan = planned.plan();
    let mut message = v1::PlanInfo {
        kind: match plan.kind {
            Kind::Extract => v1::plan_info::Kind::Extract.into(),
            Kind::Put => v1::plan_info::Kind::Put.into(),
        },
        schema: plan.schema,
        layout: plan.layout.name().to_owned(),
        chunks: plan.chunks.len() as u64,
        spans: plan.spans.len() as u64,
        frames: planned.frames(),
        ..v1::PlanInfo::default()
    };
    if let Some(parameters) = &plan.parameters {
        let sampling = sampling_message(&parameters.sampling);
        message.sampling = Some(sampling).filter(|s| s.encoded_len() <= MAX_SAMPLING_BYTES);
        message.window = Some(window_message(&parameters.window));
        message.quality = Some(parameters.quality.into());
        message.encoder.clone_from(&parameters.encoder);
        message.colour = colour_rule_name(parameters.colour).to_owned();
        let hashes = parameters.hashes.iter();
        message.hashes = hashes.map(|hash| hash_message(*hash).into()).collect();
        message.max_side = parameters.max_side;
        message.dedup = parameters.dedup.map(u32::from);
        message.pixel_revision = parameters.pixel_revision;
    }
    message
}

/// What the spans of each chunk come to.
struct Sums<'p>(HashMap<&'p str, Sum<'p>>);

#[derive(Default)]
struct Sum<'p> {
    planned: u64,
    cached: u64,
    spans: u64,
    complete: u64,
    failed: Option<&'p crate::timeline::plan::ChunkError>,
}

impl<'p> Sums<'p> {
    fn of(plan: &'p Planned, spans: &'p [SpanState]) -> Self {
        let mut sums: HashMap<&str, Sum> = HashMap::new();
        for (row, span) in plan.rows().iter().zip(spans) {
            let sum = sums.entry(&row.chunk_id).or_default();
            sum.planned += row.count;
            sum.spans += 1;
            match span {
                SpanState::Complete(counts) => {
                    sum.cached += counts.frames;
                    sum.complete += 1;
                }
                SpanState::Failed(error) => sum.failed = sum.failed.or(Some(error)),
                SpanState::Missing(_) => {}
            }
        }
        Sums(sums)
    }
}

fn add_chunks(
    answer: &mut v1::GetTimelineResponse,
    chunks: &[PlannedChunk],
    sums: &Sums<'_>,
    findings: &[SourceFinding],
) {
    let none = Sum::default();
    for chunk in chunks {
        let id = &chunk.spec.chunk_id;
        let sum = sums.0.get(id.as_str()).unwrap_or(&none);
        let failure = chunk.error.as_ref().or(sum.failed);
        let finding = findings.iter().find(|f| f.chunk_id == *id);
        if failure.is_some() {
            answer.failed_chunk_ids.push(id.clone());
        }
        if finding.is_some_and(SourceFinding::is_stale) {
            answer.stale_chunk_ids.push(id.clone());
        }
        let unread = finding.filter(|f| !f.is_stale());
        let error = unread
            .map(|f| rpc_status(&f.error))
            .or_else(|| failure.map(chunk_status));
        let (clock_breaks, pauses) = clock_message(&chunk.clock);
        answer.chunks.push(v1::ChunkStatus {
            chunk: Some(chunk_message(&chunk.spec)),
            begin: chunk.begin.to_f64(),
            end: chunk.end.to_f64(),
            planned: sum.planned,
            cached: sum.cached,
            spans: sum.spans,
            spans_complete: sum.complete,
            error,
            unshown: Some(unshown_message(chunk.unshown)),
            frames: chunk.frames,
            clock_breaks,
            pauses,
            untimed: chunk.clock.untimed,
            times_counted: chunk.clock.times_counted,
        });
    }
}
