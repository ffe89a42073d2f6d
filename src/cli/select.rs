//! Which frames a command is about, as a person writes it.

use std::str::FromStr;

use crate::cli::common::Context;
use crate::client::{Client, Of};
use crate::error::{Error, Reason, Result};
use crate::media::time::Exact;

/// `--seq` and `--at`.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Selection {
    /// Numbers of frames, and ranges of them, both ends included: 0-9,25
    #[arg(
        long,
        value_name = "A-B,…",
        value_delimiter = ',',
        conflicts_with = "at"
    )]
    pub seq: Vec<SeqRange>,
    /// Timeline seconds: the frames shown then
    #[arg(long, value_name = "T,…", value_delimiter = ',')]
    pub at: Vec<String>,
}

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
    pub fn is_empty(&self) -> bool {
        self.seq.is_empty() && self.at.is_empty()
    }

    /// The sequences, in the order asked.
    ///
    /// # Errors
    /// FIELD_INVALID for times that are none; as [`sequences`] and [`Client::shown_at`].
    pub async fn resolve(
        &self,
        context: &Context,
        (client, of): (&dyn Client, Of<'_>),
    ) -> Result<Vec<u64>> {
        if self.at.is_empty() {
            return sequences(&self.seq, context.settings.limits.frames);
        }
        let times = self.at.iter().map(|text| text.trim().parse::<Exact>());
        client
            .shown_at(of, &times.collect::<Result<Vec<_>>>()?)
            .await
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
}
