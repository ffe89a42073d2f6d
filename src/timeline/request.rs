//! Checks what was asked for, before anything is read: ids, sampling
//! parameters, chunks. Each message names the field, each hint how to mend it.

use crate::error::{Error, Reason, Result};
use crate::media::colour::ColourRule;
use crate::media::time::Exact;
use crate::timeline::limits::Limits;
use crate::timeline::plan::{
    ChunkSpec, ENCODER, HashKind, PIXEL_REVISION, Parameters, Sampling, Window,
};

const MAX_ID_BYTES: usize = 128;
/// A phash has 64 bits.
const MAX_DEDUP: u8 = 64;

/// Whether `id` may be a timeline, profile, chunk, job or stage:
/// `[A-Za-z0-9._~-]{1,128}`, not starting with `.` or `-`.
pub fn check_id(field: &str, id: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
    let fits = (1..=MAX_ID_BYTES).contains(&id.len());
    if fits && id.bytes().all(plain) && !id.starts_with(['.', '-']) {
        return Ok(());
    }
    let shown: String = id.chars().take(60).collect();
    Err(Error::field(format!(
        "{field} is no valid id: {field}={shown:?} bytes={}",
        id.len()
    ))
    .hint(
        "an id has 1 to 128 of the characters A-Z a-z 0-9 . _ ~ - and starts with neither . nor -",
    )
    .in_field(field))
}

impl Parameters {
    /// `sampling`, and everything else as the defaults have it.
    pub fn new(sampling: Sampling) -> Parameters {
        Parameters {
            sampling,
            window: Window::default(),
            quality: 85,
            encoder: ENCODER.to_owned(),
            colour: ColourRule::default(),
            hashes: vec![HashKind::Phash],
            dedup: None,
            max_side: None,
            pixel_revision: PIXEL_REVISION,
        }
    }

    /// Refuses what cannot be; sorts hashes and timestamps and drops their
    /// duplicates, so that equal wishes have equal digests.
    pub fn checked(mut self, limits: &Limits) -> Result<Parameters> {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.window.check().map_err(|e| e.below_field("window"))?;
        check_sampling(&self.sampling, limits).map_err(|e| e.in_field(self.sampling.field()))?;
        if let Sampling::Timestamps(times) = &mut self.sampling {
            times.sort_unstable();
            times.dedup();
            check_inside(times, &self.window)?;
        }
        check_encoding(&self)?;
        Ok(self)
    }
}

impl Window {
    /// # Errors
    /// FIELD_INVALID for a negative end, and for a window that holds no time at all.
    pub fn check(&self) -> Result<()> {
        not_negative("from", self.from)?;
        not_negative("to", self.to)?;
        match (self.from, self.to) {
            (Some(from), Some(to)) if from >= to => Err(Error::field(format!(
                "the window is empty: from={from} to={to}"
            ))
            .hint("a window is [from, to) in seconds: let to be greater than from")
            .in_field("to")),
            _ => Ok(()),
        }
    }
}

fn check_sampling(sampling: &Sampling, limits: &Limits) -> Result<()> {
    match sampling {
        Sampling::Fps(rate) if !rate.is_positive() => {
            Err(Error::field(format!("fps must be above 0: fps={rate}"))
                .hint("give frames a second, such as 2, 29.97 or 30000/1001"))
        }
        Sampling::Every(0) => Err(Error::field("every must be at least 1: every=0")
            .hint("1 takes each frame, 3 each third")),
        Sampling::Count(0) => Err(Error::field("count must be at least 1: count=0")
            .hint("count is the number of frames, evenly spread over the window")),
        Sampling::Count(count) if *count > limits.frames => Err(limits.too_many_frames(count)),
        Sampling::Timestamps(times) => check_timestamps(times, limits),
        _ => Ok(()),
    }
}

fn check_timestamps(times: &[Exact], limits: &Limits) -> Result<()> {
    if times.is_empty() {
        return Err(Error::field("timestamps is empty").hint("name at least one time in seconds"));
    }
    if times.len() as u64 > limits.frames {
        return Err(limits.too_many_frames(times.len()));
    }
    match times.iter().position(|time| time.is_negative()) {
        Some(n) => not_negative(&format!("timestamps[{n}]"), times.get(n).copied())
            .map_err(|e| e.below_field("sampling")),
        None => Ok(()),
    }
}

/// `times` in order.
fn check_inside(times: &[Exact], window: &Window) -> Result<()> {
    let (first, last) = (times.first().copied(), times.last().copied());
    let too_early = first.filter(|first| window.from.is_some_and(|from| *first < from));
    let too_late = last.filter(|last| window.to.is_some_and(|to| *last >= to));
    match too_early.or(too_late) {
        Some(time) => Err(Error::new(
            Reason::TimePastEnd,
            format!("a timestamp lies outside the window: timestamp={time}"),
        )
        .hint("leave out the window or the timestamp")
        .in_field("sampling.timestamps")),
        None => Ok(()),
    }
}

fn check_encoding(parameters: &Parameters) -> Result<()> {
    let quality = parameters.quality;
    if !(1..=100).contains(&quality) {
        return Err(
            Error::field(format!("quality must be 1 to 100: quality={quality}"))
                .hint("85 is the default")
                .in_field("jpeg.quality"),
        );
    }
    if parameters.max_side == Some(0) {
        return Err(Error::field("max_side must be at least 1: max_side=0")
            .hint("leave it out to keep the size")
            .in_field("max_side"));
    }
    match parameters.dedup {
        Some(bits) if bits > MAX_DEDUP => Err(Error::field(format!(
            "dedup must be 0 to {MAX_DEDUP}: dedup={bits}"
        ))
        .hint("it is the number of bits, of 64, by which the phash of a repeat may differ")
        .in_field("dedup")),
        Some(_) if !parameters.hashes.contains(&HashKind::Phash) => Err(Error::field(
            "dedup compares by phash, which is not among hashes",
        )
        .hint("add phash to hashes, or leave out dedup")
        .in_field("dedup")),
        _ => Ok(()),
    }
}

impl ChunkSpec {
    /// Refuses a bad id, negative times and an empty stretch.
    pub fn check(&self) -> Result<()> {
        check_id("chunk_id", &self.chunk_id)?;
        let about = |e: Error| self.about(e);
        not_negative("source_start", self.source_start).map_err(about)?;
        not_negative("source_end", self.source_end).map_err(about)?;
        not_negative("start", self.start).map_err(about)?;
        let source_start = self.source_start.unwrap_or(Exact::ZERO);
        match self.source_end {
            Some(source_end) if source_end <= source_start => Err(Error::field(format!(
                "chunk {} is an empty stretch: source_start={source_start} source_end={source_end}",
                self.chunk_id
            ))
            .hint("let source_end be greater than source_start")
            .in_field("source_end")),
            _ => Ok(()),
        }
    }

    fn about(&self, error: Error) -> Error {
        let message = format!("chunk {}: {}", self.chunk_id, error.message());
        error.reworded(message)
    }
}

fn not_negative(field: &str, time: Option<Exact>) -> Result<()> {
    match time {
        Some(time) if time.is_negative() => Err(Error::field(format!(
            "{field} must not be negative: {field}={time}"
        ))
        .hint("times are seconds from 0, such as 12.5 or 1001/30000")
        .in_field(field)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Parameters)) -> Error {
        let mut parameters = Parameters::new(Sampling::All);
        change(&mut parameters);
        let error = parameters.checked(&Limits::default()).unwrap_err();
        assert!(error.hint_text().is_some_and(|h| !h.is_empty()));
        error
    }

    fn exact(text: &str) -> Exact {
        text.parse().unwrap()
    }

    #[test]
    fn ids_are_1_to_128_plain_characters_and_start_with_neither_dot_nor_dash() {
        let longest = "a".repeat(128);
        for id in ["a", "0", "A.b_c~d-e", "_", "~x", "a..b", &longest] {
            assert!(check_id("timeline", id).is_ok(), "{id}");
        }
        let long = "a".repeat(129);
        let huge = "b".repeat(4096);
        for id in [
            "", ".", "..", "-a", ".a", "a/b", "a\\b", "%2e", "a%2f..", "a\0", "é", "a b", "a\n",
            &long, &huge,
        ] {
            let error = check_id("timeline", id).unwrap_err();
            assert_eq!(error.reason(), Reason::FieldInvalid);
            assert!(error.message().starts_with("timeline ") && error.message().len() < 200);
        }
    }

    #[test]
    fn sampling_that_takes_nothing_is_refused() {
        for sampling in [
            Sampling::Fps(Exact::ZERO),
            Sampling::Fps(exact("-2")),
            Sampling::Every(0),
            Sampling::Count(0),
            Sampling::Timestamps(vec![]),
            Sampling::Timestamps(vec![exact("-1"), exact("1")]),
        ] {
            assert_eq!(
                refused(|p| p.sampling = sampling).reason(),
                Reason::FieldInvalid
            );
        }
        let too_many = refused(|p| p.sampling = Sampling::Count(4_000_001));
        assert_eq!(too_many.reason(), Reason::RequestLimit);
    }

    #[test]
    fn windows_are_not_negative_and_not_empty() {
        for (from, to) in [("1", "1"), ("2", "1"), ("-1", "1"), ("0", "0")] {
            let window = Window {
                from: Some(exact(from)),
                to: Some(exact(to)),
            };
            assert_eq!(
                refused(|p| p.window = window).reason(),
                Reason::FieldInvalid
            );
        }
    }

    #[test]
    fn a_timestamp_outside_the_window_is_refused() {
        for time in ["0.5", "2"] {
            let error = refused(|p| {
                p.sampling = Sampling::Timestamps(vec![exact(time), exact("1.5")]);
                p.window.from = Some(exact("1"));
                p.window.to = Some(exact("2"));
            });
            assert_eq!(error.reason(), Reason::TimePastEnd);
        }
    }

    #[test]
    fn quality_dedup_and_max_side_have_their_ranges() {
        refused(|p| p.quality = 0);
        refused(|p| p.quality = 101);
        refused(|p| p.max_side = Some(0));
        refused(|p| p.dedup = Some(65));
        let error = refused(|p| {
            p.dedup = Some(4);
            p.hashes.clear();
        });
        assert!(error.message().contains("dedup"));
        let mut most = Parameters::new(Sampling::All);
        most.dedup = Some(64);
        most.quality = 100;
        assert!(most.checked(&Limits::default()).is_ok());
    }

    #[test]
    fn hashes_and_timestamps_are_sorted_without_duplicates() {
        let mut parameters = Parameters::new(Sampling::Timestamps(vec![
            exact("2"),
            exact("0.5"),
            exact("1/2"),
        ]));
        parameters.hashes = vec![HashKind::Dhash, HashKind::Phash, HashKind::Dhash];
        let checked = parameters.checked(&Limits::default()).unwrap();
        assert_eq!(checked.hashes, [HashKind::Phash, HashKind::Dhash]);
        assert_eq!(
            checked.sampling,
            Sampling::Timestamps(vec![exact("0.5"), exact("2")])
        );
    }

    #[test]
    fn a_chunk_with_an_empty_stretch_or_a_negative_time_is_refused_by_name() {
        let chunk = |json: &str| serde_json::from_str::<ChunkSpec>(json).unwrap();
        for json in [
            r#"{"chunk_id":"c7","uri":"a","source_start":"2","source_end":"2"}"#,
            r#"{"chunk_id":"c7","uri":"a","source_end":"0"}"#,
            r#"{"chunk_id":"c7","uri":"a","start":"-1"}"#,
            r#"{"chunk_id":"c7","uri":"a","source_start":"-0.5"}"#,
        ] {
            let error = chunk(json).check().unwrap_err();
            assert!(error.message().contains("c7"), "{error}");
        }
        assert!(
            chunk(r#"{"chunk_id":"c7","uri":"a","start":"1.5"}"#)
                .check()
                .is_ok()
        );
        let unknown = r#"{"chunk_id":"c7","uri":"a","begin":"1.5"}"#;
        assert!(serde_json::from_str::<ChunkSpec>(unknown).is_err());
    }
}
