//! Facts of many frames, those that all share kept apart: a camera says width,
//! colour and time base once, not 1,800 times.

use serde::{Deserialize, Serialize};

use crate::media::facts::FrameFacts;

/// What all frames of a table have in common. Its own `seq` means nothing and
/// is not written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Common(#[serde(serialize_with = "without_seq")] FrameFacts);

/// Names every fact but `seq` once; the pattern without `..` makes the
/// compiler refuse a fact that was forgotten here.
macro_rules! for_each_fact {
    ($($fact:ident),* $(,)?) => {
        fn common_of(first: &FrameFacts, rest: &[FrameFacts]) -> FrameFacts {
            let FrameFacts { seq: _, $($fact),* } = first.clone();
            let mut common = FrameFacts { seq: 0, $($fact),* };
            $(if rest.iter().any(|f| f.$fact != common.$fact) {
                common.$fact = Default::default();
            })*
            common
        }

        fn strip(frame: &FrameFacts, common: &FrameFacts) -> FrameFacts {
            let mut own = frame.clone();
            $(if own.$fact == common.$fact {
                own.$fact = Default::default();
            })*
            own
        }

        fn fill(frame: &mut FrameFacts, common: &FrameFacts) {
            $(if is_default(&frame.$fact) {
                frame.$fact = common.$fact.clone();
            })*
        }
    };
}

for_each_fact!(
    chunk_id,
    pts,
    time_base,
    timestamp,
    duration,
    keyframe,
    width,
    height,
    source_width,
    source_height,
    mirrored,
    rotation,
    sample_aspect_ratio,
    interlaced,
    bytes,
    sha256,
    content_type,
    quality,
    phash,
    dhash,
    average_hash,
    flatness,
    luma,
    colour,
    backend,
    fallback_reason,
    damaged,
    missing,
    repeats,
);

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What the frames share, and each frame without it.
pub fn split(frames: &[FrameFacts]) -> (Common, Vec<FrameFacts>) {
    let Some((first, rest)) = frames.split_first() else {
        return (Common::default(), Vec::new());
    };
    let common = common_of(first, rest);
    let own = frames.iter().map(|f| strip(f, &common)).collect();
    (Common(common), own)
}

/// The frames that were split.
pub fn merge(common: &Common, mut frames: Vec<FrameFacts>) -> Vec<FrameFacts> {
    for frame in &mut frames {
        fill(frame, &common.0);
    }
    frames
}

fn without_seq<S: serde::Serializer>(facts: &FrameFacts, serializer: S) -> Result<S::Ok, S::Error> {
    let mut value = serde_json::to_value(facts).map_err(serde::ser::Error::custom)?;
    if let Some(object) = value.as_object_mut() {
        object.remove("seq");
    }
    value.serialize(serializer)
}
