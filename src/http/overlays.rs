//! Overlays: lists at each level, one picture, putting and deleting.

use axum::body::Body;
use futures::TryStreamExt;
use http::StatusCode;

use crate::api::json::to_json;
use crate::api::{MAX_OVERLAY_BYTES, v1};
use crate::cache::keys::OverlayId;
use crate::cache::overlays::{OverlayFrames, PutOverlay};
use crate::cache::sealed::sha256_hex;
use crate::error::{Error, Reason, Result};
use crate::http::asked::whole;
use crate::http::frame::{check_unconditional, put_answer};
use crate::http::sent::{Answer, Sent, done, json};
use crate::http::{Asked, Problem, upload};
use crate::timeline::request::check_id;

/// `GET overlays`
pub async fn jobs(asked: Asked) -> Answer {
    list(asked, v1::OverlayLevel::Jobs).await
}

/// `GET overlays/{job}`
pub async fn stages(asked: Asked) -> Answer {
    list(asked, v1::OverlayLevel::Stages).await
}

/// `GET overlays/{job}/{stage}`
pub async fn frames(asked: Asked) -> Answer {
    list(asked, v1::OverlayLevel::Frames).await
}

/// `GET overlays/{job}/{stage}/{seq}`
pub async fn items(asked: Asked) -> Answer {
    list(asked, v1::OverlayLevel::Items).await
}

async fn list(asked: Asked, level: v1::OverlayLevel) -> Answer {
    asked.only(&["profile", "page_size", "page_token"])?;
    let of = Of::read(&asked)?;
    let request = v1::ListOverlaysRequest {
        timeline: asked.timeline()?,
        profile: asked.profile()?,
        level: level.into(),
        job: of.job,
        stage: of.stage,
        sequence: of.seq,
        page_size: asked.page_size()?,
        page_token: asked.page_token(),
    };
    let page = asked.api.list_overlays(request).await?;
    let mut page = to_json("ListOverlaysResponse", &page)?;
    if let Some(fields) = page.as_object_mut() {
        let listed = match level {
            v1::OverlayLevel::Jobs => "jobs",
            v1::OverlayLevel::Stages => "stages",
            v1::OverlayLevel::Frames => "sequences",
            v1::OverlayLevel::Items | v1::OverlayLevel::Unspecified => "items",
        };
        fields.retain(|name, _| name == listed || name == "next_page_token");
    }
    json(&asked, &page)
}

/// What of job, stage and frame the address names; checked.
struct Of {
    job: String,
    stage: String,
    seq: Option<u64>,
}

impl Of {
    fn read(asked: &Asked) -> Result<Of> {
        let named = |name: &str| {
            let text = asked.part(name);
            // Absent, where the address ends before it.
            let checked = if text.is_empty() {
                Ok(())
            } else {
                check_id(name, text)
            };
            checked.map(|()| text.to_owned())
        };
        let seq = Some(asked.part("seq")).filter(|seq| !seq.is_empty());
        Ok(Of {
            job: named("job")?,
            stage: named("stage")?,
            seq: seq.map(|seq| whole("seq", seq)).transpose()?,
        })
    }
}

/// `GET overlays/{job}/{stage}/{seq}/{name}.png`
pub async fn one(asked: Asked) -> Answer {
    asked.only(&["profile", "sha256"])?;
    let id = id(&asked)?;
    let found = asked.api.get_overlays(v1::GetOverlaysRequest {
        timeline: asked.timeline()?,
        profile: asked.profile()?,
        job: id.job,
        stage: id.stage,
        sequences: vec![id.seq],
        names: vec![id.name],
        ..v1::GetOverlaysRequest::default()
    });
    let found = found.await?.try_next().await?;
    let found = found.ok_or_else(|| {
        Error::new(Reason::FrameNotCached, "there is no such overlay")
            .hint("the address without its last part lists those of the frame")
    })?;
    let png = found.png?;
    let sum = png.clone();
    let etag = asked
        .api
        .account()
        .by_hand(move |_| Ok(sha256_hex(&[&sum])));
    let etag = etag.await?;
    let named = asked.text("sha256");
    if named.is_some_and(|named| named != etag) {
        let message = format!("the overlay has other bytes than the address names: sha256={etag}");
        return Err(Error::new(Reason::FrameNotCached, message).into());
    }
    let sent = Sent {
        bytes: png,
        kind: "image/png",
        etag,
        immutable: named.is_some(),
        hold: Some(found.hold),
    };
    sent.answer(&asked)
}

fn id(asked: &Asked) -> std::result::Result<OverlayId, Problem> {
    let name = asked
        .part("file")
        .strip_suffix(".png")
        .ok_or_else(Problem::nowhere)?;
    Ok(OverlayId {
        job: asked.id("job")?,
        stage: asked.id("stage")?,
        seq: whole("seq", asked.part("seq"))?,
        name: name.to_owned(),
    })
}

/// `PUT overlays/{job}/{stage}/{seq}/{name}.png`
pub async fn put(asked: Asked, body: Body) -> Answer {
    asked.only(&["profile"])?;
    let id = id(&asked)?;
    let cache = asked.api.frames().cache();
    let profile = cache.profile(&asked.timeline()?, &asked.profile()?)?;
    check_unconditional(&asked.headers)?;
    let of = OverlayFrames {
        job: id.job.clone(),
        stage: id.stage.clone(),
        seqs: vec![id.seq],
    };
    let names = std::slice::from_ref(&id.name);
    let before = !profile.find_overlays(&of, names).await?.is_empty();
    let png = upload::whole(&asked, body, MAX_OVERLAY_BYTES).await?;
    let put = profile.put_overlays(vec![PutOverlay { id, png }]).await?;
    put.into_iter().collect::<Result<Vec<()>>>()?;
    let stored = v1::PutOverlayResult::default();
    put_answer(before, "PutOverlayResult", &stored)
}

/// `DELETE overlays/{job}[/{stage}[/{seq}]]`
pub async fn delete(asked: Asked) -> Answer {
    asked.only(&["profile", "dry_run"])?;
    let of = Of::read(&asked)?;
    let answer = asked.api.delete_overlays(v1::DeleteOverlaysRequest {
        timeline: asked.timeline()?,
        profile: asked.profile()?,
        job: of.job,
        stage: of.stage,
        sequence: of.seq,
        dry_run: asked.flag("dry_run")?,
    });
    let answer = answer.await?;
    Ok(done(StatusCode::OK, "DeleteOverlaysResponse", &answer)?)
}
