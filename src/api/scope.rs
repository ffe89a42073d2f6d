//! What a caller's token allows.

use http::Extensions;

use crate::api::v1;
use crate::error::{Error, Reason, Result};

/// How far a token goes. A call carries it in its extensions; one without came to a server without tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Reads what the cache holds: opens no source, decodes no video, writes and deletes nothing.
    Read,
    #[default]
    All,
}

/// The methods that a `read` token may call; some of them not with every field ([`Asks`]).
const READS: [&str; 11] = [
    "GetCuts",
    "GetDuplicates",
    "GetFrames",
    "GetOverlays",
    "GetServerInfo",
    "GetSimilar",
    "GetTensors",
    "GetTimeline",
    "ListFrames",
    "ListOverlays",
    "ListTimelines",
];

impl Scope {
    pub fn of(extensions: &Extensions) -> Scope {
        extensions.get().copied().unwrap_or_default()
    }

    /// Whether it may call a method of this name at all.
    pub fn allows(self, method: &str) -> bool {
        self == Scope::All || READS.contains(&method)
    }
}

/// A request that may ask for more than reading what is there.
pub trait Asks {
    /// The field and value that ask for it, and what to say instead.
    fn beyond_reading(&self) -> Option<(&'static str, &'static str)>;
}

/// The request, where its caller may ask for all that is in it.
///
/// # Errors
/// TOKEN_SCOPE where it asks for more than its token allows.
pub fn allowed<T: Asks>(scope: Scope, asked: T) -> Result<T> {
    match asked.beyond_reading().filter(|_| scope == Scope::Read) {
        None => Ok(asked),
        Some((what, instead)) => Err(only_reads(what).hint(instead)),
    }
}

/// A `read` token that asks for more.
pub fn only_reads(asked: &str) -> Error {
    let message = format!("this token only reads what is cached: asked={asked}");
    Error::new(Reason::TokenScope, message).hint("use a token without scope=read")
}

/// What a miss may cost is decided before any frame is looked at, so that the answer does not hang on what is cached.
fn of_on_miss(on_miss: v1::OnMiss) -> Option<(&'static str, &'static str)> {
    use v1::OnMiss::{Extract, Fail, Skip, Unspecified};
    match on_miss {
        Unspecified | Extract => Some(("on_miss=EXTRACT", "say on_miss SKIP or FAIL")),
        Skip | Fail => None,
    }
}

impl Asks for v1::GetFramesRequest {
    fn beyond_reading(&self) -> Option<(&'static str, &'static str)> {
        of_on_miss(self.on_miss())
    }
}

impl Asks for v1::GetTensorsRequest {
    fn beyond_reading(&self) -> Option<(&'static str, &'static str)> {
        match self.origin() {
            v1::Origin::Source => Some(("origin=SOURCE", "take tensors from origin CACHE")),
            v1::Origin::Unspecified | v1::Origin::Cache => of_on_miss(self.on_miss()),
        }
    }
}

impl Asks for v1::GetTimelineRequest {
    fn beyond_reading(&self) -> Option<(&'static str, &'static str)> {
        let what = ("check_sources", "leave check_sources out");
        self.check_sources.then_some(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome<T: Asks>(asked: T, scope: Option<Scope>) -> Result<(), Reason> {
        let refused = allowed(scope.unwrap_or_default(), asked).map(drop);
        refused.map_err(|error| error.reason())
    }

    #[test]
    fn a_read_token_may_ask_for_what_is_cached_and_for_nothing_that_opens_a_source() {
        let frames = |on_miss: v1::OnMiss| v1::GetFramesRequest {
            on_miss: on_miss.into(),
            ..v1::GetFramesRequest::default()
        };
        let tensors = |on_miss: v1::OnMiss, origin: v1::Origin| v1::GetTensorsRequest {
            on_miss: on_miss.into(),
            origin: origin.into(),
            ..v1::GetTensorsRequest::default()
        };
        let refused = Err(Reason::TokenScope);
        let read = Some(Scope::Read);
        for (on_miss, expected) in [
            (v1::OnMiss::Unspecified, refused),
            (v1::OnMiss::Extract, refused),
            (v1::OnMiss::Skip, Ok(())),
            (v1::OnMiss::Fail, Ok(())),
        ] {
            assert_eq!(outcome(frames(on_miss), read), expected);
            assert_eq!(outcome(tensors(on_miss, v1::Origin::Cache), read), expected);
            assert_eq!(outcome(tensors(on_miss, v1::Origin::Source), read), refused);
            for all in [None, Some(Scope::All)] {
                assert_eq!(outcome(frames(on_miss), all), Ok(()));
                assert_eq!(outcome(tensors(on_miss, v1::Origin::Source), all), Ok(()));
            }
        }
        let timeline = |check_sources| v1::GetTimelineRequest {
            check_sources,
            ..v1::GetTimelineRequest::default()
        };
        assert_eq!(outcome(timeline(false), read), Ok(()));
        assert_eq!(outcome(timeline(true), read), refused);
    }

    #[test]
    fn a_method_is_for_reading_only_where_it_is_named() {
        for method in [
            "ExtractFrames",
            "PutFrames",
            "ProbeMedia",
            "ClearTimeline",
            "Next",
        ] {
            assert!(
                !Scope::Read.allows(method) && Scope::All.allows(method),
                "{method}"
            );
        }
        assert!(READS.iter().all(|method| Scope::Read.allows(method)));
    }
}
