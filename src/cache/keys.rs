//! Every key of the cache, made and read back here and nowhere else.
//!
//! ```text
//! {prefix}/timelines/{timeline}/plan.json
//! {prefix}/timelines/{timeline}/frames/{seq}.jpg
//! {prefix}/timelines/{timeline}/packs/{chunk_id}/{span}-{digest8}.tar
//! {prefix}/timelines/{timeline}/chunks/{chunk_id}/{span}.json
//! {prefix}/timelines/{timeline}/overlays/{job}/{stage}/{seq}_{name}.png
//! {prefix}/timelines/{timeline}/profiles/{profile}/...      the same, any profile but `default`
//! {prefix}/used/{timeline}.json                             written when the timeline was last read
//! {prefix}/retention/{policies.toml, place.json, clock.json, lease.json}
//! ```

use std::sync::Arc;

use crate::cache::overlay_name;
use crate::error::{Error, Result};
use crate::store::check_key;
use crate::timeline::request::check_id;

/// The profile whose keys lie at the timeline's root.
pub const DEFAULT_PROFILE: &str = "default";
/// What stands before `/timelines/` unless configured.
pub const DEFAULT_PREFIX: &str = "cache";
/// The chunk under which put profiles keep their records.
pub const PUT_CHUNK: &str = "put";

/// Where all timelines of one cache lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// `{prefix}/timelines/`
    root: String,
}

impl Layout {
    /// `prefix` without the slashes around it; empty: timelines lie at the store's root.
    ///
    /// # Errors
    /// FIELD_INVALID for a prefix that no key can start with.
    pub fn new(prefix: &str) -> Result<Self> {
        let prefix = prefix.trim_matches('/');
        if prefix.is_empty() {
            return Ok(Layout {
                root: "timelines/".to_owned(),
            });
        }
        check_key(prefix)?;
        Ok(Layout {
            root: format!("{prefix}/timelines/"),
        })
    }

    /// Every key of every timeline starts with this.
    pub fn timelines_prefix(&self) -> &str {
        &self.root
    }

    /// What lies beside the timelines.
    fn beside(&self, name: &str) -> String {
        let prefix = self.root.strip_suffix("timelines/").unwrap_or_default();
        format!("{prefix}{name}")
    }

    /// What every key of one timeline starts with.
    ///
    /// # Errors
    /// FIELD_INVALID unless `timeline` is an id.
    pub fn timeline_prefix(&self, timeline: &str) -> Result<String> {
        check_id("timeline", timeline)?;
        Ok(format!("{}{timeline}/", self.root))
    }

    /// The object whose age is the time since a timeline was read.
    pub fn used(&self, timeline: &str) -> String {
        self.beside(&format!("used/{timeline}.json"))
    }

    /// What is to be let go when, as a person put it there.
    pub fn policies(&self) -> String {
        self.beside("retention/policies.toml")
    }

    /// How far a collection came.
    pub fn collection_place(&self) -> String {
        self.beside("retention/place.json")
    }

    /// Whose turn it is to let go.
    pub fn collection_lease(&self) -> String {
        self.beside("retention/lease.json")
    }

    /// An object that is written to see what time the store has.
    pub fn clock(&self) -> String {
        self.beside("retention/clock.json")
    }

    /// The timeline whose folder a delimited listing of `timelines_prefix` answered.
    pub fn timeline_of<'a>(&self, folder: &'a str) -> Option<&'a str> {
        folder_name(folder, &self.root)
    }

    /// Keys of one profile.
    ///
    /// # Errors
    /// FIELD_INVALID unless both are ids.
    pub fn profile(&self, timeline: &str, profile: &str) -> Result<ProfileKeys> {
        check_id("timeline", timeline)?;
        check_id("profile", profile)?;
        let mut base = format!("{}{timeline}/", self.root);
        if profile != DEFAULT_PROFILE {
            base = format!("{base}profiles/{profile}/");
        }
        Ok(ProfileKeys {
            timeline: timeline.to_owned(),
            profile: profile.to_owned(),
            base: base.into(),
        })
    }

    /// Every key of the timeline's profiles but `default` starts with this.
    ///
    /// # Errors
    /// FIELD_INVALID unless `timeline` is an id.
    pub fn profiles_prefix(&self, timeline: &str) -> Result<String> {
        check_id("timeline", timeline)?;
        Ok(format!("{}{timeline}/profiles/", self.root))
    }
}

/// Keys of one profile of one timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileKeys {
    timeline: String,
    profile: String,
    /// Ends in `/`.
    base: Arc<str>,
}

/// Names one commit record: its chunk, and its span (in put profiles: its number).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId {
    pub chunk_id: String,
    pub span: u32,
}

/// Names one pack of a span's frames.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackId {
    pub span: SpanId,
    /// What its digest begins with: [`DIGEST_DIGITS`] lower-case hex digits.
    pub digest: String,
}

/// Digits of a pack's digest in its key.
pub const DIGEST_DIGITS: usize = 8;

/// Names one overlay picture.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OverlayId {
    pub job: String,
    pub stage: String,
    pub seq: u64,
    /// As its caller gave it, not as the key spells it.
    pub name: String,
}

impl ProfileKeys {
    pub fn timeline(&self) -> &str {
        &self.timeline
    }

    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// What all its keys start with; no two profiles have the same.
    pub fn place(&self) -> Arc<str> {
        self.base.clone()
    }

    pub fn is_default(&self) -> bool {
        self.profile == DEFAULT_PROFILE
    }

    pub fn plan(&self) -> String {
        format!("{}plan.json", self.base)
    }

    pub fn frames_prefix(&self) -> String {
        format!("{}frames/", self.base)
    }

    pub fn frame(&self, seq: u64) -> String {
        format!("{}frames/{seq}.jpg", self.base)
    }

    /// The sequence that a key under `frames_prefix` stands for; none for any other object.
    pub fn frame_of(&self, key: &str) -> Option<u64> {
        let name = key.strip_prefix(&*self.base)?.strip_prefix("frames/")?;
        decimal(name.strip_suffix(".jpg")?)
    }

    pub fn packs_prefix(&self) -> String {
        format!("{}packs/", self.base)
    }

    pub fn pack(&self, id: &PackId) -> String {
        let PackId { span, digest } = id;
        let (chunk_id, span) = (&span.chunk_id, span.span);
        format!("{}packs/{chunk_id}/{span}-{digest}.tar", self.base)
    }

    /// The pack that a key under `packs_prefix` stands for; none for any other object.
    pub fn pack_of(&self, key: &str) -> Option<PackId> {
        let rest = key.strip_prefix(&*self.base)?.strip_prefix("packs/")?;
        let (chunk_id, name) = rest.split_once('/')?;
        let (span, digest) = name.strip_suffix(".tar")?.split_once('-')?;
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if digest.len() != DIGEST_DIGITS || !digest.bytes().all(is_hex) {
            return None;
        }
        Some(PackId {
            span: span_of(chunk_id, span)?,
            digest: digest.to_owned(),
        })
    }

    pub fn records_prefix(&self) -> String {
        format!("{}chunks/", self.base)
    }

    pub fn chunk_records_prefix(&self, chunk_id: &str) -> String {
        format!("{}chunks/{chunk_id}/", self.base)
    }

    pub fn record(&self, id: &SpanId) -> String {
        format!("{}chunks/{}/{}.json", self.base, id.chunk_id, id.span)
    }

    /// The record that a key under `records_prefix` stands for; none for any other object.
    pub fn record_of(&self, key: &str) -> Option<SpanId> {
        let rest = key.strip_prefix(&*self.base)?.strip_prefix("chunks/")?;
        let (chunk_id, name) = rest.split_once('/')?;
        span_of(chunk_id, name.strip_suffix(".json")?)
    }

    pub fn overlays_prefix(&self) -> String {
        format!("{}overlays/", self.base)
    }

    /// # Errors
    /// FIELD_INVALID unless `job` is an id.
    pub fn job_prefix(&self, job: &str) -> Result<String> {
        check_id("job", job)?;
        Ok(format!("{}overlays/{job}/", self.base))
    }

    /// # Errors
    /// FIELD_INVALID unless both are ids.
    pub fn stage_prefix(&self, job: &str, stage: &str) -> Result<String> {
        check_id("stage", stage)?;
        Ok(format!("{}{stage}/", self.job_prefix(job)?))
    }

    /// Every overlay of one frame starts with this.
    ///
    /// # Errors
    /// FIELD_INVALID unless `job` and `stage` are ids.
    pub fn frame_overlays_prefix(&self, job: &str, stage: &str, seq: u64) -> Result<String> {
        Ok(format!("{}{seq}_", self.stage_prefix(job, stage)?))
    }

    /// # Errors
    /// FIELD_INVALID for a job or stage that is no id, a name that is not 1 to
    /// 200 bytes, or one whose file name is over 255 bytes once encoded.
    pub fn overlay(&self, id: &OverlayId) -> Result<String> {
        let folder = self.stage_prefix(&id.job, &id.stage)?;
        let file = overlay_name::file_name(id.seq, &id.name)?;
        let key = format!("{folder}{file}");
        check_key(&key)?;
        Ok(key)
    }

    /// The overlay that a key stands for; none for any other object. Names
    /// that the ancestor wrote with a raw `/` in them are read too.
    pub fn overlay_of(&self, key: &str) -> Option<OverlayId> {
        let rest = key.strip_prefix(&*self.base)?.strip_prefix("overlays/")?;
        let (job, rest) = rest.split_once('/')?;
        let (stage, file) = rest.split_once('/')?;
        let (seq, name) = file.split_once('_')?;
        let id = OverlayId {
            job: job.to_owned(),
            stage: stage.to_owned(),
            seq: decimal(seq)?,
            name: overlay_name::decode(name.strip_suffix(".png")?)?,
        };
        check_id("job", &id.job).ok()?;
        check_id("stage", &id.stage).ok()?;
        Some(id)
    }

    /// Facts for the end of a message: which profile of which timeline.
    pub fn facts(&self) -> String {
        format!("timeline={} profile={}", self.timeline, self.profile)
    }

    pub(crate) fn error(&self, reason: crate::error::Reason, what: &str) -> Error {
        Error::new(reason, format!("{what}: {}", self.facts()))
    }
}

/// The last segment of a folder (`{parent}{name}/`) that a delimited listing
/// of `parent` answered; none unless it is an id.
pub fn folder_name<'a>(folder: &'a str, parent: &str) -> Option<&'a str> {
    let name = folder.strip_prefix(parent)?.strip_suffix('/')?;
    check_id("name", name).ok()?;
    Some(name)
}

fn span_of(chunk_id: &str, span: &str) -> Option<SpanId> {
    check_id("chunk_id", chunk_id).ok()?;
    Some(SpanId {
        chunk_id: chunk_id.to_owned(),
        span: u32::try_from(decimal(span)?).ok()?,
    })
}

/// A decimal without sign or padding.
fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    if !plain || padded {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(profile: &str) -> ProfileKeys {
        let layout = Layout::new("cache").unwrap();
        layout.profile("tl-1", profile).unwrap()
    }

    fn span(chunk_id: &str, span: u32) -> SpanId {
        SpanId {
            chunk_id: chunk_id.to_owned(),
            span,
        }
    }

    #[test]
    fn keys_are_the_contracts_own() {
        let keys = keys("default");
        assert_eq!(keys.plan(), "cache/timelines/tl-1/plan.json");
        assert_eq!(keys.frame(0), "cache/timelines/tl-1/frames/0.jpg");
        assert_eq!(
            keys.frame(u64::MAX),
            "cache/timelines/tl-1/frames/18446744073709551615.jpg"
        );
        assert_eq!(
            keys.record(&span("cam~a.1", 12)),
            "cache/timelines/tl-1/chunks/cam~a.1/12.json"
        );
        let overlay = OverlayId {
            job: "job-7".to_owned(),
            stage: "detect_edges".to_owned(),
            seq: 100,
            name: "with_under_score".to_owned(),
        };
        assert_eq!(
            keys.overlay(&overlay).unwrap(),
            "cache/timelines/tl-1/overlays/job-7/detect_edges/100_with_under_score.png"
        );
    }

    #[test]
    fn other_profiles_are_complete_by_themselves() {
        let keys = keys("half");
        assert_eq!(keys.plan(), "cache/timelines/tl-1/profiles/half/plan.json");
        assert_eq!(
            keys.frame(7),
            "cache/timelines/tl-1/profiles/half/frames/7.jpg"
        );
        assert_eq!(
            keys.record(&span("0", 0)),
            "cache/timelines/tl-1/profiles/half/chunks/0/0.json"
        );
        assert_eq!(
            keys.overlays_prefix(),
            "cache/timelines/tl-1/profiles/half/overlays/"
        );
    }

    #[test]
    fn an_empty_prefix_leaves_no_slash_behind() {
        let keys = Layout::new("").unwrap().profile("a", "default").unwrap();
        assert_eq!(keys.plan(), "timelines/a/plan.json");
        let keys = Layout::new("/a/b/")
            .unwrap()
            .profile("c", "default")
            .unwrap();
        assert_eq!(keys.plan(), "a/b/timelines/c/plan.json");
        let layout = |prefix| Layout::new(prefix).unwrap();
        assert_eq!(layout("cache").used("tl-1"), "cache/used/tl-1.json");
        assert_eq!(layout("").clock(), "retention/clock.json");
    }

    #[test]
    fn only_plain_decimals_are_frames() {
        let keys = keys("default");
        for seq in [0, 9, 10, 1000, u64::MAX] {
            assert_eq!(keys.frame_of(&keys.frame(seq)), Some(seq));
        }
        let base = "cache/timelines/tl-1/frames/";
        for name in [
            "01.jpg",
            "00.jpg",
            "+1.jpg",
            "-1.jpg",
            " 1.jpg",
            "1.jpeg",
            "1.JPG",
            ".jpg",
            "1.jpg.tmp",
            "a/1.jpg",
            "1",
            "18446744073709551616.jpg",
            "\u{661}.jpg",
        ] {
            assert_eq!(keys.frame_of(&format!("{base}{name}")), None, "{name}");
        }
        assert_eq!(keys.frame_of("cache/timelines/tl-2/frames/1.jpg"), None);
    }

    #[test]
    fn packs_read_back_as_what_they_are_of() {
        let keys = keys("half");
        let id = PackId {
            span: span("cam~a.1", 12),
            digest: "0123abcd".to_owned(),
        };
        let key = "cache/timelines/tl-1/profiles/half/packs/cam~a.1/12-0123abcd.tar";
        assert_eq!(keys.pack(&id), key);
        assert_eq!(keys.pack_of(key), Some(id));
        let base = keys.packs_prefix();
        for name in [
            "0/1-0123abcd.tar.tmp",
            "0/01-0123abcd.tar",
            "0/1-0123abc.tar",
            "0/1-0123ABCD.tar",
            "0/1-0123abcd-.tar",
            "0/1.tar",
            "0/-0123abcd.tar",
            "1-0123abcd.tar",
            "-x/1-0123abcd.tar",
        ] {
            assert_eq!(keys.pack_of(&format!("{base}{name}")), None, "{name}");
        }
    }

    #[test]
    fn records_read_back_as_the_spans_they_name() {
        let keys = keys("p");
        let id = span("put", 4_294_967_295);
        assert_eq!(keys.record_of(&keys.record(&id)), Some(id));
        let base = keys.records_prefix();
        for name in [
            "0/01.json",
            "0/1.jsn",
            "0/a/1.json",
            "x.json",
            "0/4294967296.json",
            "-a/0.json",
        ] {
            assert_eq!(keys.record_of(&format!("{base}{name}")), None, "{name}");
        }
    }

    #[test]
    fn ids_that_could_leave_the_root_are_refused() {
        let layout = Layout::new("cache").unwrap();
        for id in [
            "", "..", ".", ".a", "-a", "a/b", "a\\b", "%2e", "a%2f..", "a\0", "\u{e9}", "a b",
        ] {
            assert!(layout.profile(id, "default").is_err(), "timeline {id:?}");
            assert!(layout.profile("a", id).is_err(), "profile {id:?}");
            assert!(keys("default").job_prefix(id).is_err(), "job {id:?}");
            assert!(
                keys("default").stage_prefix("j", id).is_err(),
                "stage {id:?}"
            );
        }
        assert!(layout.profile(&"a".repeat(129), "default").is_err());
        for prefix in ["..", "a/../b", "a//b", ".tmp"] {
            assert!(Layout::new(prefix).is_err(), "prefix {prefix:?}");
        }
    }
}
