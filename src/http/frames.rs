//! Facts of the frames that are there.

use serde_json::Value;

use crate::api::json::{names, to_json};
use crate::api::v1;
use crate::error::{Error, Result};
use crate::http::Asked;
use crate::http::sent::{Answer, json};
use crate::timeline::plan::Window;

/// `GET frames`
pub async fn list(asked: Asked) -> Answer {
    asked.only(&["profile", "from", "to", "page_size", "page_token", "fields"])?;
    let window = Window {
        from: asked.seconds("from")?,
        to: asked.seconds("to")?,
    };
    window.check()?;
    let fields = asked.text("fields").map(fields).transpose()?;
    let request = v1::ListFramesRequest {
        timeline: asked.timeline()?,
        profile: asked.profile()?,
        page_size: asked.page_size()?,
        page_token: asked.page_token(),
    };
    let page = asked.api.list_frames_within(request, window).await?;
    let mut page = to_json("ListFramesResponse", &page)?;
    if let (Some(fields), Some(frames)) = (fields, page["frames"].as_array_mut()) {
        frames.iter_mut().for_each(|facts| keep(facts, &fields));
    }
    json(&asked, &page)
}

/// Names of facts.
fn fields(text: &str) -> Result<Vec<&str>> {
    let known = names("Facts")?;
    let asked: Vec<_> = text.split(',').collect();
    match asked
        .iter()
        .find(|name| !known.iter().any(|fact| fact == *name))
    {
        None => Ok(asked),
        Some(name) => {
            let shown: String = name.chars().take(60).collect();
            Err(
                Error::field(format!("there is no such fact: fields={shown:?}"))
                    .hint("give names of facts, parted by commas, as in fields=timestamp,phash")
                    .in_field("fields"),
            )
        }
    }
}

/// `seq` stays: by it a frame is known.
fn keep(facts: &mut Value, fields: &[&str]) {
    if let Some(facts) = facts.as_object_mut() {
        facts.retain(|name, _| name == "seq" || fields.contains(&name.as_str()));
    }
}
