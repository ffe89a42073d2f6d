//! Strips: many frames on one picture, for people who look through a timeline, and where each lies.

use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::json;

use crate::api::pages;
use crate::api::strips::{Cues, Strips, TILES};
use crate::cache::sealed::sha256_hex;
use crate::error::{Error, Result};
use crate::http::asked::whole;
use crate::http::sent::{self, Answer, Sent, early, streamed};
use crate::http::{Asked, Problem};

/// Of a tile, in pixels, unless said otherwise.
const HEIGHT: u32 = 90;
/// Tiles told in one page.
const PAGE: u32 = 1000;
const TOKEN: &str = "tile";

async fn opened(asked: &Asked) -> Result<Strips> {
    let height = asked.number("h")?.unwrap_or(HEIGHT);
    let serving = asked.api.serving(&asked.timeline()?, &asked.profile()?)?;
    Strips::open(&asked.api, serving, height).await
}

/// `strips/{page}.jpg`
pub async fn strip(asked: Asked) -> Answer {
    asked.only(&["profile", "h"])?;
    let page = asked
        .part("file")
        .strip_suffix(".jpg")
        .ok_or_else(Problem::nowhere)?;
    let page = whole("page", page)?;
    let strips = opened(&asked).await?;
    let strip = strips.page(page).await?;
    if let Some(etag) = strip.name()
        && let Some(unmodified) = early(&asked, &etag, false)?
    {
        return Ok(unmodified);
    }
    let (jpeg, hold) = strip.jpeg().await?;
    let sent = Sent {
        etag: strip.name().unwrap_or_else(|| sha256_hex(&[&jpeg])),
        bytes: jpeg,
        kind: "image/jpeg",
        immutable: false,
        hold: Some(std::sync::Arc::new(hold)),
    };
    sent.answer(&asked)
}

/// `strips.json`
pub async fn tiles(asked: Asked) -> Answer {
    asked.only(&["profile", "h", "first", "page_size", "page_token"])?;
    let first = match pages::number(TOKEN, &asked.page_token())? {
        Some(next) => next,
        None => asked.number("first")?.unwrap_or(0),
    };
    let size = match asked.page_size()? {
        0 => PAGE,
        size => size.min(PAGE),
    };
    let strips = opened(&asked).await?;
    let tiles = strips.tiles(first, u64::from(size)).await?;
    let next = first.saturating_add(u64::from(size));
    let next = (next < strips.count()).then(|| pages::token(TOKEN, next));
    let (width, height) = strips.tile();
    let told = json!({
        "columns": TILES.0, "rows": TILES.1, "tile_width": width, "tile_height": height,
        "frames": strips.count(), "pages": strips.pages(),
        "tiles": tiles, "next_page_token": next.unwrap_or_default(),
    });
    sent::json(&asked, &told)
}

/// `strips.vtt`: a cue for each frame that has a time (WebVTT with spatial fragments, as players take it).
pub async fn cues(asked: Asked) -> Answer {
    asked.only(&["profile", "h"])?;
    let strips = opened(&asked).await?;
    let profile = asked.profile()?;
    let query = format!("h={}&profile={profile}", strips.tile().1);
    let cues = Cues::new(strips, query);
    // What breaks off is no whole file: its client is told so by the connection's end.
    let blocks = stream::try_unfold(cues, |mut cues| async {
        let block = cues.next().await?;
        Ok::<_, Error>(block.map(|text| (Bytes::from(text), cues)))
    });
    let begun = stream::once(async { Ok(Bytes::from_static(b"WEBVTT\n\n")) });
    let blocks = begun.chain(blocks);
    Ok(streamed(
        &asked,
        "text/vtt; charset=utf-8",
        Body::from_stream(blocks),
    ))
}
