//! An order as it lies in the queue: JSON of a few hundred bytes, with a version.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cache::keys::SpanId;
use crate::error::{Error, Reason, Result};
use crate::frames::{Order, Told};
use crate::hex::{hex, new_id};
use crate::queue::names::Priority;

/// Raised where an older worker would make something else of an order.
const VERSION: u32 = 1;
/// Digits of a key.
const KEY_BYTES: usize = 16;

/// An order. What is not known of it by older workers they leave out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub version: u32,
    /// Where its plan and record are: `s3://bucket` with what stands before `timelines/`, or `directory`,
    /// which lies elsewhere on each machine.
    pub store: String,
    pub timeline: String,
    pub profile: String,
    pub chunk_id: String,
    pub span: u32,
    pub digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub again: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub retry_failed: bool,
    /// A reader waits for it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub waiting: bool,
    /// W3C Trace Context, of whoever ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Message {
    pub fn of(order: &Order, store: &str, traceparent: Option<&str>) -> Message {
        Message {
            version: VERSION,
            store: store.to_owned(),
            timeline: order.timeline.clone(),
            profile: order.profile.clone(),
            chunk_id: order.span.chunk_id.clone(),
            span: order.span.span,
            digest: order.digest.clone(),
            nonce: order.nonce.clone(),
            again: order.again,
            retry_failed: order.retry_failed,
            waiting: order.awaited,
            traceparent: traceparent.map(str::to_owned),
        }
    }

    pub fn order(&self) -> Order {
        Order {
            timeline: self.timeline.clone(),
            profile: self.profile.clone(),
            span: SpanId {
                chunk_id: self.chunk_id.clone(),
                span: self.span,
            },
            digest: self.digest.clone(),
            nonce: self.nonce.clone(),
            again: self.again,
            retry_failed: self.retry_failed,
            awaited: self.waiting,
        }
    }

    pub fn priority(&self) -> Priority {
        match self.waiting {
            true => Priority::Waiting,
            false => Priority::Normal,
        }
    }

    /// What names the span, of this plan: the same whoever orders it.
    pub fn key(&self) -> String {
        let span = self.span.to_string();
        let nonce = self.nonce.as_deref().unwrap_or_default();
        key_of(&[
            &self.store,
            &self.timeline,
            &self.profile,
            &self.chunk_id,
            &span,
            &self.digest,
            nonce,
        ])
    }

    /// By which the queue knows that it has the order already. One that is to be made whatever the store says
    /// is never another's; `anew`: the one before was lost.
    pub fn id(&self, anew: bool) -> String {
        let id = format!("{}-{}", self.key(), self.priority().name());
        match anew || self.again || self.retry_failed {
            true => format!("{id}-{}", new_id()),
            false => id,
        }
    }

    /// # Errors
    /// INTERNAL where JSON cannot hold it.
    pub fn encode(&self) -> Result<Bytes> {
        encoded(self)
    }

    /// # Errors
    /// PLAN_DIFFERS for one of a newer release; INTERNAL for what is none.
    pub fn decode(data: &[u8]) -> Result<Message> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let none = |e| Error::internal("a message in the queue is no order").caused_by(e);
        let version = serde_json::from_slice::<Version>(data)
            .map_err(none)?
            .version;
        if version > VERSION {
            let message = format!("an order in the queue is of a newer release, version={version}");
            return Err(Error::new(Reason::PlanDiffers, message).hint("update this worker"));
        }
        serde_json::from_slice(data).map_err(none)
    }

    /// For the end of messages.
    pub fn facts(&self) -> String {
        let Message {
            timeline,
            profile,
            chunk_id,
            span,
            ..
        } = self;
        format!("timeline={timeline} profile={profile} chunk_id={chunk_id} span={span}")
    }
}

/// What is told of a span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    chunk_id: String,
    span: u32,
    /// None: it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<u64>,
}

impl Telling {
    pub fn of(message: &Message, told: &Told) -> Telling {
        Telling {
            chunk_id: message.chunk_id.clone(),
            span: message.span,
            made: match told {
                Told::Made(frames) => Some(*frames),
                Told::Ended => None,
            },
        }
    }

    /// # Errors
    /// INTERNAL where JSON cannot hold it.
    pub fn encode(&self) -> Result<Bytes> {
        encoded(self)
    }

    /// None for what is no telling.
    pub fn decode(data: &[u8]) -> Option<(SpanId, Told)> {
        let told: Telling = serde_json::from_slice(data).ok()?;
        let span = SpanId {
            chunk_id: told.chunk_id,
            span: told.span,
        };
        Some((span, told.made.map_or(Told::Ended, Told::Made)))
    }
}

/// The key of a profile.
pub fn profile_key(store: &str, timeline: &str, profile: &str) -> String {
    key_of(&[store, timeline, profile])
}

fn key_of(parts: &[&str]) -> String {
    let mut sum = Sha256::new();
    for part in parts {
        // None of them has a line's end in it.
        sum.update(part.as_bytes());
        sum.update(b"\n");
    }
    hex(&sum.finalize()[..KEY_BYTES])
}

pub fn encoded(value: &impl Serialize) -> Result<Bytes> {
    let json = serde_json::to_vec(value);
    json.map(Bytes::from)
        .map_err(|e| Error::internal("could not write JSON for the queue").caused_by(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        let order = Order {
            timeline: "t".to_owned(),
            profile: "default".to_owned(),
            span: SpanId {
                chunk_id: "0".to_owned(),
                span: 3,
            },
            digest: "ab".repeat(32),
            nonce: Some("n".to_owned()),
            again: false,
            retry_failed: false,
            awaited: false,
        };
        Message::of(&order, "s3://bucket/cache", None)
    }

    #[test]
    fn an_order_lies_in_the_queue_as_it_always_did() {
        let json = format!(
            r#"{{"version":1,"store":"s3://bucket/cache","timeline":"t","profile":"default","chunk_id":"0","span":3,"digest":"{}","nonce":"n"}}"#,
            "ab".repeat(32)
        );
        assert_eq!(message().encode().unwrap(), json);
        assert_eq!(Message::decode(json.as_bytes()).unwrap(), message());
        assert_eq!(message().key(), "c1344a886707ab38bb54cd0470e9dbd9");
        let whole = Message {
            again: true,
            retry_failed: true,
            waiting: true,
            traceparent: Some("00-a-b-01".to_owned()),
            ..message()
        };
        assert_eq!(Message::decode(&whole.encode().unwrap()).unwrap(), whole);
        assert_eq!(
            Message::of(&whole.order(), &whole.store, Some("00-a-b-01")),
            whole
        );
    }

    #[test]
    fn fields_of_newer_releases_are_left_out_and_newer_versions_are_refused() {
        let with = |more: &str| {
            format!(
                "{more}{}",
                &String::from_utf8_lossy(&message().encode().unwrap())[1..]
            )
        };
        let known = Message::decode(with(r#"{"colour":"blue","#).as_bytes()).unwrap();
        assert_eq!(known, message());
        let newer = with("{").replace("\"version\":1", "\"version\":2");
        let error = Message::decode(newer.as_bytes()).unwrap_err();
        assert_eq!(error.reason(), Reason::PlanDiffers);
        assert!(Message::decode(b"nonsense").is_err() && Message::decode(b"{}").is_err());
    }

    #[test]
    fn the_same_span_of_the_same_plan_is_known_by_its_id_and_nothing_else_is() {
        let of = |change: fn(&mut Message)| {
            let mut other = message();
            change(&mut other);
            other.id(false)
        };
        assert_eq!(
            of(|m| m.traceparent = Some("x".to_owned())),
            message().id(false)
        );
        let changes: [fn(&mut Message); 8] = [
            |m| m.store = "s3://other/cache".to_owned(),
            |m| m.timeline = "u".to_owned(),
            |m| m.profile = "p".to_owned(),
            |m| m.chunk_id = "1".to_owned(),
            |m| m.span = 4,
            |m| m.digest = "cd".repeat(32),
            |m| m.nonce = None,
            |m| m.waiting = true,
        ];
        for change in changes {
            assert_ne!(of(change), message().id(false));
        }
        // What is to be made again is ordered again.
        assert_ne!(of(|m| m.again = true), of(|m| m.again = true));
        assert_ne!(message().id(true), message().id(true));
    }

    #[test]
    fn what_is_told_names_its_span() {
        for told in [Told::Made(7), Told::Ended] {
            let data = Telling::of(&message(), &told).encode().unwrap();
            assert_eq!(Telling::decode(&data), Some((message().order().span, told)));
        }
        assert_eq!(Telling::decode(b"nonsense"), None);
    }
}
