//! ListFrames, GetTimeline, ListTimelines and ClearTimeline.

use futures::{StreamExt, TryStreamExt, stream};

use crate::api::convert::facts as facts_of;
use crate::api::v1;
use crate::cache::clear::Cleared;
use crate::cache::keys::SpanId;
use crate::cache::status::{FailedSpan, Ids, State};
use crate::client::remote::Remote;
use crate::client::remote::convert;
use crate::client::remote::error::{error_in, error_of};
use crate::client::{Clear, Of, ProfileKind, Report, Rows};
use crate::error::{Reason, Result};
use crate::frames::SourceFinding;
use crate::media::facts::FrameFacts;
use crate::timeline::plan::Kind;

/// A profile that nobody has: asking for it costs the server nothing, and it tells the others' names.
const NOBODY: &str = "~";

pub async fn facts(remote: &Remote, of: Of<'_>) -> Result<Rows<Vec<FrameFacts>>> {
    let first = list(remote, of, String::new()).await?;
    let pages =
        pages(remote, of, first).map(|page| page?.frames.into_iter().map(facts_of).collect());
    Ok(pages.boxed())
}

type Page = v1::ListFramesResponse;

/// The first page, and those behind it.
fn pages(remote: &Remote, of: Of<'_>, first: Page) -> Rows<Page> {
    let asked = asked(of, String::new());
    let state = (remote.frame_service(), asked, Some(first));
    let pages = stream::try_unfold(Some(state), |state| async move {
        let Some((mut wire, mut asked, first)) = state else {
            return Ok(None);
        };
        let page = match first {
            Some(first) => first,
            None => wire
                .list_frames(asked.clone())
                .await
                .map_err(error_of)?
                .into_inner(),
        };
        asked.page_token.clone_from(&page.next_page_token);
        let more = !asked.page_token.is_empty();
        Ok(Some((page, more.then_some((wire, asked, None)))))
    });
    pages.boxed()
}

fn asked(of: Of<'_>, page_token: String) -> v1::ListFramesRequest {
    v1::ListFramesRequest {
        timeline: of.timeline.to_owned(),
        profile: of.profile.to_owned(),
        page_size: 0,
        page_token,
    }
}

async fn list(remote: &Remote, of: Of<'_>, token: String) -> Result<Page> {
    let answer = remote.frame_service().list_frames(asked(of, token)).await;
    Ok(answer.map_err(error_of)?.into_inner())
}

pub async fn timelines(remote: &Remote, token: Option<String>) -> Result<Ids> {
    let request = v1::ListTimelinesRequest {
        page_size: 0,
        page_token: token.unwrap_or_default(),
    };
    let answer = remote.frame_service().list_timelines(request).await;
    let page = answer.map_err(error_of)?.into_inner();
    Ok(Ids {
        ids: page.timelines,
        next: Some(page.next_page_token).filter(|token| !token.is_empty()),
    })
}

async fn status(
    remote: &Remote,
    request: v1::GetTimelineRequest,
) -> Result<v1::GetTimelineResponse> {
    let answer = remote.frame_service().get_timeline(request).await;
    Ok(answer.map_err(error_of)?.into_inner())
}

fn status_of(of: Of<'_>) -> v1::GetTimelineRequest {
    v1::GetTimelineRequest {
        timeline: of.timeline.to_owned(),
        profile: of.profile.to_owned(),
        ..v1::GetTimelineRequest::default()
    }
}

pub async fn profiles(remote: &Remote, timeline: &str) -> Result<Vec<String>> {
    Ok(status(remote, status_of(Of::new(timeline, NOBODY)))
        .await?
        .profiles)
}

pub async fn kind(remote: &Remote, of: Of<'_>) -> Result<ProfileKind> {
    let request = v1::GetTimelineRequest {
        page_size: 1,
        ..status_of(of)
    };
    let answer = status(remote, request).await?;
    let kind = answer
        .plan
        .as_ref()
        .map(convert::plan)
        .transpose()?
        .map(|plan| plan.kind);
    Ok(match (convert::state(answer.state())?, kind) {
        (State::Legacy, _) => ProfileKind::Legacy,
        (_, Some(Kind::Put)) => ProfileKind::Put,
        (_, Some(Kind::Extract)) => ProfileKind::Extracted,
        (_, None) => ProfileKind::Empty,
    })
}

pub async fn report(remote: &Remote, of: Of<'_>, check_sources: bool) -> Result<Report> {
    let mut request = v1::GetTimelineRequest {
        check_sources,
        ..status_of(of)
    };
    let mut page = status(remote, request.clone()).await?;
    let counts = page.counts.unwrap_or_default();
    let mut report = Report {
        state: convert::state(page.state())?,
        plan: page.plan.as_ref().map(convert::plan).transpose()?,
        planned: counts.planned,
        counts: convert::counts(counts),
        failed: Vec::new(),
        findings: (check_sources && page.plan.is_some()).then(Vec::new),
    };
    let mut failed = false;
    loop {
        failed |= !page.failed_chunk_ids.is_empty();
        add(&mut report, &page)?;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
        page = status(remote, request.clone()).await?;
    }
    if failed {
        report.failed = failed_spans(remote, of).await?;
    }
    Ok(report)
}

fn add(report: &mut Report, page: &v1::GetTimelineResponse) -> Result<()> {
    for chunk in &page.chunks {
        let told = convert::chunk_report(chunk)?;
        let id = &told.spec.chunk_id;
        if let Some(findings) = &mut report.findings {
            if page.stale_chunk_ids.contains(id) {
                findings.push(SourceFinding::changed(id));
            } else if let Some(error) = chunk
                .error
                .as_ref()
                .filter(|_| chunk.spans > 0)
                .map(error_in)
                && is_of_source(error.reason())
            {
                findings.push(SourceFinding {
                    chunk_id: id.clone(),
                    error,
                });
            }
        }
        if let Some(plan) = &mut report.plan {
            plan.chunks.push(told);
        }
    }
    Ok(())
}

/// A span's own failure never has such a reason.
fn is_of_source(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::SourceNotFound
            | Reason::SourceDenied
            | Reason::SourceUnavailable
            | Reason::SourceChanged
    )
}

/// Which spans failed is said where the frames are listed.
async fn failed_spans(remote: &Remote, of: Of<'_>) -> Result<Vec<FailedSpan>> {
    let first = list(remote, of, String::new()).await?;
    let mut pages = pages(remote, of, first);
    let mut failed = Vec::new();
    while let Some(page) = pages.try_next().await? {
        for span in page.without {
            let error = span.why.as_ref().map(convert::chunk_error);
            let Some(error) = error.filter(|e| e.reason != Reason::FrameNotCached.name()) else {
                continue;
            };
            let (chunk_id, span) = (span.chunk_id, span.span);
            failed.push(FailedSpan {
                id: SpanId { chunk_id, span },
                error,
            });
        }
    }
    Ok(failed)
}

pub async fn clear(
    remote: &Remote,
    (timeline, profile): (&str, Option<&str>),
    what: Clear,
) -> Result<Vec<(String, Cleared)>> {
    let request = v1::ClearTimelineRequest {
        timeline: timeline.to_owned(),
        profile: profile.unwrap_or_default().to_owned(),
        all_profiles: profile.is_none(),
        overlays: what.overlays,
        plan: what.plan,
        dry_run: what.dry_run,
        older_than_seconds: what.older_than,
    };
    let answer = remote.frame_service().clear_timeline(request).await;
    let profiles = answer.map_err(error_of)?.into_inner().profiles;
    Ok(profiles.into_iter().map(convert::cleared).collect())
}
