//! Which frames a command is about, as a person writes it.

use std::collections::HashSet;
use std::str::FromStr;

use crate::cli::common::Context;
use crate::client::{Client, Of};
use crate::error::{Error, Reason, Result};
use crate::frames::{OnMiss, Pick, Which};
use crate::media::facts::FrameFacts;
use crate::media::time::Exact;
use crate::timeline::plan::Window;

/// Ways to name frames, of which one is taken, and each n-th of those.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Selection {
    /// Numbers of frames, and ranges of them, both ends included: 0-9,25
    #[arg(
        long,
        value_name = "A-B,…",
        value_delimiter = ',',
        conflicts_with_all = ["at", "all", "from", "to"]
    )]
    pub seq: Vec<SeqRange>,
    /// Timeline seconds: the frames shown then
    #[arg(long, value_name = "T,…", value_delimiter = ',', conflicts_with_all = ["all", "from", "to"])]
    pub at: Vec<String>,
    /// All frames
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub all: bool,
    /// Frames from this timeline second on
    #[arg(long, value_name = "A")]
    pub from: Option<String>,
    /// Frames before this timeline second
    #[arg(long, value_name = "B")]
    pub to: Option<String>,
    /// Each n-th of them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub every: Option<u64>,
    /// So many of each scene, spread evenly; scenes are those of `framecache cuts`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub per_scene: Option<u64>,
    /// Only frames whose hash is more than so many of its 64 bits from that of the last one kept; 8 leaves
    /// near duplicates out
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(0..=63))]
    pub distinct: Option<u32>,
}

/// Frames that are named one by one, of which some are picked.
const MAX_PICKED: u64 = 100_000;

/// First and last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeqRange {
    pub first: u64,
    pub last: u64,
}

impl FromStr for SeqRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(SeqRange { first, last }),
            (Some(_), Some(_)) => {
                Err("a range runs from the smaller number to the larger, such as 0-9".to_owned())
            }
            _ => Err("write numbers and ranges, such as 0-9,25".to_owned()),
        }
    }
}

/// Sequences in the order asked, repeats kept.
///
/// # Errors
/// LIMIT_EXCEEDED for more than the limit.
pub fn sequences(ranges: &[SeqRange], limit: u64) -> Result<Vec<u64>> {
    let counts = ranges
        .iter()
        .map(|range| (range.last - range.first).saturating_add(1));
    let count = counts.fold(0, u64::saturating_add);
    if count > limit {
        let message =
            format!("more frames are named than a profile can have: frames={count} limit={limit}");
        return Err(Error::new(Reason::RequestLimit, message).hint("name a smaller range"));
    }
    Ok(ranges
        .iter()
        .flat_map(|range| range.first..=range.last)
        .collect())
}

impl Selection {
    /// No frames are named: neither some nor, in so many words, all.
    pub fn is_empty(&self) -> bool {
        self.seq.is_empty()
            && self.at.is_empty()
            && !self.all
            && !self.has_window()
            && self.pick().is_all()
    }

    fn has_window(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// The sequences, in the order asked; those of a window or of all in their own.
    ///
    /// # Errors
    /// FIELD_INVALID for times that are none; as [`sequences`], [`Client::shown_at`] and [`Client::within`].
    pub async fn resolve(
        &self,
        context: &Context,
        (client, of): (&dyn Client, Of<'_>),
    ) -> Result<Vec<u64>> {
        let seqs = if !self.pick().is_all() {
            let which = self.which(context.settings.limits.frames)?;
            client.picked(of, which, self.pick()).await?
        } else if !self.seq.is_empty() {
            sequences(&self.seq, context.settings.limits.frames)?
        } else if !self.at.is_empty() {
            client.shown_at(of, &self.times()?).await?
        } else {
            client.within(of, self.window()?).await?
        };
        Ok(seqs.into_iter().step_by(self.step()).collect())
    }

    /// The same of frames that are listed anyway.
    ///
    /// # Errors
    /// As [`Selection::resolve`].
    pub async fn filter(&self, (client, of): (&dyn Client, Of<'_>)) -> Result<Filter> {
        let keep = if !self.pick().is_all() {
            // What is not there is not listed.
            let of = Of {
                on_miss: OnMiss::Skip,
                ..of
            };
            let picked = client
                .picked(of, self.which(MAX_PICKED)?, self.pick())
                .await?;
            Keep::Sequences(picked.into_iter().collect())
        } else if !self.seq.is_empty() {
            Keep::Ranges(self.seq.clone())
        } else if !self.at.is_empty() {
            let shown = client.shown_at(of, &self.times()?).await?;
            Keep::Sequences(shown.into_iter().collect())
        } else {
            Keep::Window(self.window()?)
        };
        Ok(Filter {
            keep,
            step: self.step(),
            kept: 0,
        })
    }

    fn pick(&self) -> Pick {
        Pick {
            per_scene: self.per_scene,
            distinct: self.distinct,
        }
    }

    /// Of which frames some are picked.
    fn which(&self, limit: u64) -> Result<Which> {
        Ok(match (&self.seq[..], &self.at[..], self.has_window()) {
            ([range], ..) => Which::Range(range.first..=range.last),
            ([_, ..], ..) => Which::Sequences(sequences(&self.seq, limit)?),
            (_, [_, ..], _) => Which::Times(self.times()?),
            (_, _, true) => Which::Window(self.window()?),
            _ => Which::All,
        })
    }

    fn step(&self) -> usize {
        usize::try_from(self.every.unwrap_or(1)).unwrap_or(usize::MAX)
    }

    fn times(&self) -> Result<Vec<Exact>> {
        let times = self.at.iter().map(|text| text.trim().parse());
        times.collect()
    }

    fn window(&self) -> Result<Window> {
        let time = |text: &Option<String>| text.as_deref().map(|t| t.trim().parse()).transpose();
        let window = Window {
            from: time(&self.from)?,
            to: time(&self.to)?,
        };
        window.check().map(|()| window)
    }
}

/// Which of the frames that come by are meant.
pub struct Filter {
    keep: Keep,
    step: usize,
    /// Of those that are kept by name, how many came.
    kept: usize,
}

enum Keep {
    Ranges(Vec<SeqRange>),
    Sequences(HashSet<u64>),
    /// Open on both sides: all, those without a time too.
    Window(Window),
}

impl Filter {
    pub fn takes(&mut self, facts: &FrameFacts) -> bool {
        let named = match &self.keep {
            Keep::Ranges(ranges) => ranges
                .iter()
                .any(|range| (range.first..=range.last).contains(&facts.seq)),
            Keep::Sequences(seqs) => seqs.contains(&facts.seq),
            Keep::Window(window) if *window == Window::default() => true,
            Keep::Window(window) => facts.timestamp.is_some_and(|time| {
                window.from.is_none_or(|from| from.to_f64() <= time)
                    && window.to.is_none_or(|to| time < to.to_f64())
            }),
        };
        let place = self.kept;
        self.kept += usize::from(named);
        named && place.is_multiple_of(self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<u64>, String> {
        let ranges = text
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<SeqRange>, String>>()?;
        sequences(&ranges, 100).map_err(|e| e.to_string())
    }

    #[test]
    fn numbers_and_ranges_keep_their_order_and_repeats() {
        assert_eq!(parsed("0-3,7").unwrap(), [0, 1, 2, 3, 7]);
        assert_eq!(parsed("3,1,1").unwrap(), [3, 1, 1]);
        assert_eq!(parsed("5-5").unwrap(), [5]);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "-",
            "3-",
            "-3",
            "3-1",
            "1-2-3",
            "a",
            "+1",
            " 1",
            "1,,2",
            "99999999999999999999",
            "0-18446744073709551615",
            "0-100",
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn frames_that_come_by_are_kept_by_number_or_by_time() {
        let frame = |seq: u64| FrameFacts {
            seq,
            timestamp: (seq != 9).then_some(seq as f64 / 2.0),
            ..FrameFacts::default()
        };
        let kept = |keep, step| {
            let mut filter = Filter {
                keep,
                step,
                kept: 0,
            };
            let frames = (0..10).filter(|seq| filter.takes(&frame(*seq)));
            frames.collect::<Vec<_>>()
        };
        let window = |from: &str, to: Option<&str>| {
            Keep::Window(Window {
                from: Some(from.parse().unwrap()),
                to: to.map(|to| to.parse().unwrap()),
            })
        };
        let ranges = ["7", "1-3"].map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(kept(Keep::Ranges(ranges), 1), [1, 2, 3, 7]);
        assert_eq!(kept(Keep::Window(Window::default()), 4), [0, 4, 8]);
        assert_eq!(kept(window("1", Some("2")), 1), [2, 3]);
        assert_eq!(kept(window("3", None), 2), [6, 8]);
        assert_eq!(kept(Keep::Sequences([4, 8].into()), 1), [4, 8]);
    }
}
