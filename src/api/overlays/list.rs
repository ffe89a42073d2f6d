//! ListOverlays.

use crate::api::convert::{choice, page_size, profile_name};
use crate::api::{Api, pages, v1};
use crate::cache::Profile;
use crate::cache::overlays::{OverlayFolder, OverlayItem};
use crate::error::{Error, Result};

const JOB: &str = "job";
const STAGE: &str = "stage";
const FRAME: &str = "overlay_frame";
const ITEM: &str = "overlay";

impl Api {
    pub async fn list_overlays(
        &self,
        asked: v1::ListOverlaysRequest,
    ) -> Result<v1::ListOverlaysResponse> {
        let cache = self.frames.cache();
        let profile = cache.profile(&asked.timeline, profile_name(&asked.profile))?;
        let level = choice("level", asked.level)?;
        check_scope(&asked, level)?;
        match level {
            v1::OverlayLevel::Jobs => jobs(&profile, &asked).await,
            v1::OverlayLevel::Stages => stages(&profile, &asked).await,
            v1::OverlayLevel::Frames => frames(&profile, &asked).await,
            v1::OverlayLevel::Unspecified | v1::OverlayLevel::Items => {
                items(&profile, &asked).await
            }
        }
    }
}

/// What a level has no use for is refused, so that nobody takes a whole job for one frame's.
fn check_scope(asked: &v1::ListOverlaysRequest, level: v1::OverlayLevel) -> Result<()> {
    let takes = match level {
        v1::OverlayLevel::Jobs => 0,
        v1::OverlayLevel::Stages => 1,
        v1::OverlayLevel::Frames => 2,
        v1::OverlayLevel::Unspecified | v1::OverlayLevel::Items => 3,
    };
    let given = [
        ("job", !asked.job.is_empty()),
        ("stage", !asked.stage.is_empty()),
        ("sequence", asked.sequence.is_some()),
    ];
    match given.iter().skip(takes).find(|(_, given)| *given) {
        None => Ok(()),
        Some((field, _)) => Err(
            Error::field(format!("{field} is given at a level that has none"))
                .hint("ask for another level, or leave it out")
                .in_field(*field),
        ),
    }
}

async fn jobs(
    profile: &Profile,
    asked: &v1::ListOverlaysRequest,
) -> Result<v1::ListOverlaysResponse> {
    let (jobs, next_page_token) = names((JOB, asked), profile.overlay_jobs().await?)?;
    Ok(v1::ListOverlaysResponse {
        jobs,
        next_page_token,
        ..v1::ListOverlaysResponse::default()
    })
}

async fn stages(
    profile: &Profile,
    asked: &v1::ListOverlaysRequest,
) -> Result<v1::ListOverlaysResponse> {
    let stages = profile.overlay_stages(&asked.job).await?;
    let (stages, next_page_token) = names((STAGE, asked), stages)?;
    Ok(v1::ListOverlaysResponse {
        stages,
        next_page_token,
        ..v1::ListOverlaysResponse::default()
    })
}

/// The page of these names, and the token of the next.
fn names(
    (kind, asked): (&str, &v1::ListOverlaysRequest),
    mut names: Vec<String>,
) -> Result<(Vec<String>, String)> {
    let after = pages::value(kind, &asked.page_token)?;
    names.sort_unstable();
    names.retain(|name| after.as_ref().is_none_or(|after| name > after));
    let next = cut(&mut names, asked.page_size);
    let token = next.map(|last| pages::token(kind, last));
    Ok((names, token.unwrap_or_default()))
}

/// Cuts rows to a page; its last row, if there are more behind it.
fn cut<T>(rows: &mut Vec<T>, asked: u32) -> Option<&T> {
    let size = page_size(asked);
    let more = rows.len() > size;
    rows.truncate(size);
    rows.last().filter(|_| more)
}

fn folder(asked: &v1::ListOverlaysRequest) -> OverlayFolder<'_> {
    OverlayFolder {
        job: &asked.job,
        stage: &asked.stage,
        seq: asked.sequence,
    }
}

async fn frames(
    profile: &Profile,
    asked: &v1::ListOverlaysRequest,
) -> Result<v1::ListOverlaysResponse> {
    let after = pages::number(FRAME, &asked.page_token)?;
    let size = page_size(asked.page_size);
    let mut sequences = profile
        .overlay_frames_page(&folder(asked), after, size + 1)
        .await?;
    let token = cut(&mut sequences, asked.page_size).map(|last| pages::token(FRAME, last));
    Ok(v1::ListOverlaysResponse {
        sequences,
        next_page_token: token.unwrap_or_default(),
        ..v1::ListOverlaysResponse::default()
    })
}

async fn items(
    profile: &Profile,
    asked: &v1::ListOverlaysRequest,
) -> Result<v1::ListOverlaysResponse> {
    let after = pages::value(ITEM, &asked.page_token)?;
    let after = after.map(|text| place_of(&text)).transpose()?;
    let size = page_size(asked.page_size);
    let mut items = profile
        .overlay_page(&folder(asked), after.as_ref(), size + 1)
        .await?;
    let token = cut(&mut items, asked.page_size)
        .map(|last| pages::token(ITEM, format_args!("{}:{}", last.id.seq, last.id.name)));
    Ok(v1::ListOverlaysResponse {
        next_page_token: token.unwrap_or_default(),
        items: items.into_iter().map(entry).collect(),
        ..v1::ListOverlaysResponse::default()
    })
}

fn place_of(text: &str) -> Result<(u64, String)> {
    let (seq, name) = text.split_once(':').ok_or_else(pages::wrong)?;
    let seq = seq.parse().map_err(|_| pages::wrong())?;
    Ok((seq, name.to_owned()))
}

fn entry(item: OverlayItem) -> v1::OverlayEntry {
    v1::OverlayEntry {
        job: item.id.job,
        stage: item.id.stage,
        sequence: item.id.seq,
        name: item.id.name,
        bytes: item.bytes,
    }
}
