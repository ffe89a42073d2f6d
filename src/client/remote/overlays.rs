//! GetOverlays, ListOverlays and DeleteOverlays.

use futures::StreamExt;
use futures::stream;
use tonic::Streaming;

use crate::api::convert::tally;
use crate::api::v1;
use crate::api::v1::get_overlays_response::Event;
use crate::api::v1::overlay_data::Payload;
use crate::api::v1::overlay_item;
use crate::cache::Tally;
use crate::cache::overlays::OverlayScope;
use crate::client::remote::error::{error_in, error_of};
use crate::client::remote::join::Join;
use crate::client::remote::{Remote, nonsense};
use crate::client::{Of, Overlay, OverlayQuery, OverlayRow, Rows};
use crate::error::Result;

pub async fn get(remote: &Remote, of: Of<'_>, asked: OverlayQuery) -> Result<Rows<Overlay>> {
    let request = v1::GetOverlaysRequest {
        timeline: of.timeline.to_owned(),
        profile: of.profile.to_owned(),
        job: asked.job,
        stage: asked.stage,
        sequences: asked.seqs,
        names: asked.names,
        payload: v1::OverlayPayload::Png.into(),
    };
    let answer = remote.overlay_service().get_overlays(request).await;
    let events = answer.map_err(error_of)?.into_inner();
    let overlays = stream::try_unfold(events, |mut events| async move {
        let overlay = next(&mut events).await?;
        Ok(overlay.map(|overlay| (overlay, events)))
    });
    Ok(overlays.boxed())
}

async fn next(events: &mut Streaming<v1::GetOverlaysResponse>) -> Result<Option<Overlay>> {
    let Some(first) = item(events).await? else {
        return Ok(None);
    };
    let (seq, name) = (first.sequence, first.name.clone());
    let mut data = outcome(first)?;
    let mut join = Join::new(data.total);
    loop {
        let (offset, last) = (data.offset, data.last);
        if let Some(Payload::Png(part)) = data.payload {
            join.add(part, offset)?;
        }
        if last {
            let png = join.finish()?;
            return Ok(Some(Overlay { seq, name, png }));
        }
        let further = item(events).await?;
        data = outcome(further.ok_or_else(|| nonsense("an overlay broke off"))?)?;
    }
}

async fn item(events: &mut Streaming<v1::GetOverlaysResponse>) -> Result<Option<v1::OverlayItem>> {
    loop {
        let message = events.message().await.map_err(error_of)?;
        let message = message.ok_or_else(|| nonsense("overlays ended without a summary"))?;
        match message.event {
            Some(Event::Overlay(item)) => return Ok(Some(item)),
            Some(Event::Summary(_)) => return Ok(None),
            None => {}
        }
    }
}

fn outcome(item: v1::OverlayItem) -> Result<v1::OverlayData> {
    match item.result {
        Some(overlay_item::Result::Data(data)) => Ok(data),
        Some(overlay_item::Result::Error(status)) => Err(error_in(&status)),
        None => Err(nonsense("an overlay has no result")),
    }
}

pub async fn jobs(remote: &Remote, of: Of<'_>) -> Result<Vec<String>> {
    let asked = list(of, v1::OverlayLevel::Jobs);
    let pages = pages(remote, asked).await?;
    Ok(pages.into_iter().flat_map(|page| page.jobs).collect())
}

pub async fn stages(remote: &Remote, of: Of<'_>, job: &str) -> Result<Vec<String>> {
    let mut asked = list(of, v1::OverlayLevel::Stages);
    job.clone_into(&mut asked.job);
    let pages = pages(remote, asked).await?;
    Ok(pages.into_iter().flat_map(|page| page.stages).collect())
}

pub async fn items(remote: &Remote, of: Of<'_>, scope: &OverlayScope) -> Result<Vec<OverlayRow>> {
    let mut asked = list(of, v1::OverlayLevel::Items);
    asked.job.clone_from(&scope.job);
    asked.stage = scope.stage.clone().unwrap_or_default();
    asked.sequence = scope.seq;
    let row = |item: v1::OverlayEntry| OverlayRow {
        seq: item.sequence,
        name: item.name,
        bytes: item.bytes,
    };
    let pages = pages(remote, asked).await?;
    Ok(pages
        .into_iter()
        .flat_map(|page| page.items)
        .map(row)
        .collect())
}

fn list(of: Of<'_>, level: v1::OverlayLevel) -> v1::ListOverlaysRequest {
    v1::ListOverlaysRequest {
        timeline: of.timeline.to_owned(),
        profile: of.profile.to_owned(),
        level: level.into(),
        ..v1::ListOverlaysRequest::default()
    }
}

async fn pages(
    remote: &Remote,
    mut asked: v1::ListOverlaysRequest,
) -> Result<Vec<v1::ListOverlaysResponse>> {
    let mut found = Vec::new();
    loop {
        let answer = remote.overlay_service().list_overlays(asked.clone()).await;
        let page = answer.map_err(error_of)?.into_inner();
        asked.page_token.clone_from(&page.next_page_token);
        found.push(page);
        if asked.page_token.is_empty() {
            return Ok(found);
        }
    }
}

pub async fn delete(
    remote: &Remote,
    of: Of<'_>,
    (scope, dry_run): (&OverlayScope, bool),
) -> Result<Tally> {
    let request = v1::DeleteOverlaysRequest {
        timeline: of.timeline.to_owned(),
        profile: of.profile.to_owned(),
        job: scope.job.clone(),
        stage: scope.stage.clone().unwrap_or_default(),
        sequence: scope.seq,
        dry_run,
    };
    let answer = remote.overlay_service().delete_overlays(request).await;
    Ok(tally(answer.map_err(error_of)?.into_inner().deleted))
}
