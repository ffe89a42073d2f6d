//! Timelines: which there are and how each stands; one; and clearing it.

use axum::response::Response;
use futures::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use serde_json::{Value, json};

use crate::api::json::to_json;
use crate::api::v1;
use crate::error::{Error, Result};
use crate::http::sent::{self, Answer, done, message};
use crate::http::{Asked, Problem};

/// Of a page that names no size: the state of each is read.
const PAGE: u32 = 100;
/// Timelines looked at together.
const LOOKS: usize = 8;

/// `GET timelines`
pub async fn list(asked: Asked) -> Answer {
    asked.only(&["page_size", "page_token"])?;
    let size = asked.page_size()?;
    let page = asked.api.list_timelines(v1::ListTimelinesRequest {
        page_size: if size == 0 { PAGE } else { size },
        page_token: asked.page_token(),
    });
    let page = page.await?;
    let api = &asked.api;
    let looks = stream::iter(page.timelines).map(|id| async move {
        let stands = api.timeline_stands(&id, "default").await?;
        to_json("GetTimelineResponse", &stands).map(brief)
    });
    let timelines: Vec<Value> = looks.buffered(LOOKS).try_collect().await?;
    let answer = json!({"timelines": timelines, "next_page_token": page.next_page_token});
    sent::json(&asked, &answer)
}

/// Without what only a timeline's own address tells.
fn brief(mut stands: Value) -> Value {
    if let Some(fields) = stands.as_object_mut() {
        let told = ["timeline", "profile", "state", "counts", "profiles"];
        fields.retain(|name, _| told.contains(&name.as_str()));
    }
    stands
}

/// `GET timelines/{timeline}`
pub async fn one(asked: Asked) -> Answer {
    asked.only(&["profile", "page_size", "page_token", "check_sources"])?;
    let request = asked.allowed(v1::GetTimelineRequest {
        timeline: asked.timeline()?,
        profile: asked.profile()?,
        check_sources: asked.flag("check_sources")?,
        page_size: asked.page_size()?,
        page_token: asked.page_token(),
    })?;
    let answer = asked.api.get_timeline(request).await?;
    message(&asked, "GetTimelineResponse", &answer)
}

/// `DELETE timelines/{timeline}`
pub async fn clear(asked: Asked) -> Result<Response, Problem> {
    asked.only(&[
        "profile",
        "all_profiles",
        "overlays",
        "plan",
        "dry_run",
        "older_than",
    ])?;
    let all_profiles = asked.flag("all_profiles")?;
    if all_profiles && asked.text("profile").is_some() {
        return Err(Error::field("one profile is named, and all of them")
            .hint("leave out profile or all_profiles")
            .in_field("all_profiles")
            .into());
    }
    let request = v1::ClearTimelineRequest {
        timeline: asked.timeline()?,
        profile: asked.profile()?,
        all_profiles,
        overlays: asked.flag("overlays")?,
        plan: asked.flag("plan")?,
        dry_run: asked.flag("dry_run")?,
        older_than_seconds: asked.number("older_than")?,
    };
    let answer = asked.api.clear_timeline(request).await?;
    Ok(done(StatusCode::OK, "ClearTimelineResponse", &answer)?)
}
