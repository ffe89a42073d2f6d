//! `GET cuts`: what changed with each frame, and where scenes end, a page at a time.

use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::account::Kind;
use crate::api::json::to_json;
use crate::api::v1;
use crate::cache::sealed::sha256_hex;
use crate::error::{Error, Result};
use crate::frames::SEARCH_BYTES;
use crate::http::Asked;
use crate::http::sent::{Answer, Sent};

pub async fn cuts(asked: Asked) -> Answer {
    asked.only(&["profile", "threshold", "page_size", "page_token"])?;
    let request = v1::GetCutsRequest {
        timeline: asked.timeline()?,
        profile: asked.profile()?,
        threshold: asked.text("threshold").map(threshold).transpose()?,
    };
    let (size, token) = (asked.page_size()?, asked.page_token());
    let account = asked.api.account();
    let mut hold = account.take(Kind::Answers, SEARCH_BYTES).await?;
    let page = asked.api.cuts_page(request, size, &token).await?;
    let written = account.by_hand(move |_| {
        let json = written(&page.changes, &page.summary, page.next)?;
        Ok((sha256_hex(&[&json]), json))
    });
    let (etag, json) = written.await?;
    hold.shrink_to(json.len() as u64);
    let sent = Sent {
        bytes: Bytes::from(json),
        kind: "application/json",
        etag,
        immutable: false,
        hold: Some(hold.into()),
    };
    sent.answer(&asked)
}

fn threshold(text: &str) -> Result<f64> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(60).collect();
        Error::field(format!("a threshold is a number: threshold={shown:?}"))
            .hint("give one from 0 to 1, as in 0.15")
            .in_field("threshold")
    })
}

/// FrameChanges and CutsSummary as they are in JSON; the former without a tree of its values.
fn written(changes: &v1::FrameChanges, summary: &v1::CutsSummary, next: String) -> Result<Vec<u8>> {
    let told = Told {
        changes: Changes {
            sequences: &changes.sequences,
            timestamps: changes.timestamps.iter().map(|time| Float(*time)).collect(),
            changes: changes
                .changes
                .iter()
                .map(|c| Float(f64::from(*c)))
                .collect(),
            cuts: &changes.cuts,
        },
        summary: to_json("CutsSummary", summary)?,
        next_page_token: next,
    };
    serde_json::to_vec(&told).map_err(|e| Error::internal("could not write cuts").caused_by(e))
}

#[derive(Serialize)]
struct Told<'c> {
    changes: Changes<'c>,
    summary: serde_json::Value,
    next_page_token: String,
}

#[derive(Serialize)]
struct Changes<'c> {
    sequences: &'c [u64],
    timestamps: Vec<Float>,
    changes: Vec<Float>,
    cuts: &'c [u64],
}

/// As ProtoJSON has it: what is not known is "NaN".
struct Float(f64);

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.is_nan() {
            true => to.serialize_str("NaN"),
            false => to.serialize_f64(self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_the_json_of_their_message() {
        let changes = v1::FrameChanges {
            sequences: vec![0, 7],
            timestamps: vec![f64::NAN, 0.1],
            changes: vec![f32::NAN, 0.501_953_1],
            cuts: vec![7],
        };
        let summary = v1::CutsSummary::default();
        let json = written(&changes, &summary, String::new()).unwrap();
        let told: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(told["changes"], to_json("FrameChanges", &changes).unwrap());
        assert_eq!(told["summary"]["frames"], 0);
    }
}
