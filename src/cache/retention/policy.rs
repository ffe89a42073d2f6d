//! `keep 30d, unused 14d, max 2TB`: how long timelines stay whose ids begin so.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cache::retention::{SAFE_SECS, Standing};
use crate::error::{Error, Result};
use crate::units::{ByteSize, age_seconds};

/// What is said of one prefix. What is not said lets nothing go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Policy {
    /// Seconds after the last write.
    keep: Option<i64>,
    /// Seconds after the last reading or write.
    unused: Option<i64>,
    /// Bytes of all timelines of the prefix: those unused longest go.
    max: Option<u64>,
}

/// Policies by the beginning of timelines' ids; the longest that fits counts, alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, Policy>")]
pub struct Policies(BTreeMap<String, Policy>);

/// Why a timeline goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "policy")]
pub enum Why {
    Keep { prefix: String, days: i64 },
    Unused { prefix: String, days: i64 },
    Max { prefix: String, max: u64 },
}

const EXAMPLE: &str = "write `keep 30d, unused 14d, max 2TB`, or a part of it";

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut policy = Policy::default();
        for rule in text.split(',').map(str::trim) {
            let (word, value) = rule.split_once(char::is_whitespace).unwrap_or((rule, ""));
            let value = value.trim();
            let twice = match word {
                "keep" => policy.keep.replace(age(rule, value)?).is_some(),
                "unused" => policy.unused.replace(age(rule, value)?).is_some(),
                "max" => policy.max.replace(size(rule, value)?).is_some(),
                _ => return Err(format!("a policy has `{rule}`; {EXAMPLE}")),
            };
            if twice {
                return Err(format!("a policy says `{word}` twice: `{text}`"));
            }
        }
        Ok(policy)
    }
}

fn age(rule: &str, value: &str) -> Result<i64, String> {
    let secs = age_seconds(value).map_err(|wrong| format!("`{rule}`: {wrong}"))?;
    match i64::try_from(secs) {
        Ok(secs) if secs >= SAFE_SECS => Ok(secs),
        Ok(_) => Err(format!(
            "`{rule}`: nothing goes that is younger than a day, so write 1d or more"
        )),
        Err(_) => Err(format!("`{rule}`: this time is too long")),
    }
}

fn size(rule: &str, value: &str) -> Result<u64, String> {
    let size: ByteSize = value
        .parse()
        .map_err(|wrong| format!("`{rule}`: {wrong}"))?;
    Ok(size.0)
}

impl TryFrom<String> for Policy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<BTreeMap<String, Policy>> for Policies {
    type Error = String;

    fn try_from(policies: BTreeMap<String, Policy>) -> Result<Self, String> {
        let of_ids = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
        match policies.keys().find(|prefix| !prefix.bytes().all(of_ids)) {
            Some(wrong) => Err(format!(
                "no timeline's id begins with {wrong:?}: letters, digits and ._~- are what ids have"
            )),
            None => Ok(Policies(policies)),
        }
    }
}

impl Policies {
    /// Reads lines of `"prefix" = "policy"`, as they stand under `[retention]` in a configuration.
    ///
    /// # Errors
    /// FIELD_INVALID, saying what is wrong with which.
    pub fn parse(text: &str) -> Result<Policies> {
        toml::from_str(text).map_err(|e| {
            let wrong = e.message().lines().next().unwrap_or_default();
            Error::field(format!("the policies are wrong: {wrong}")).hint(
                "a line is `\"game-\" = \"keep 30d, unused 14d, max 2TB\"`; \"\" is every timeline",
            )
        })
    }

    /// These, and `others` for prefixes that these do not have.
    pub fn or(mut self, others: Policies) -> Policies {
        for (prefix, policy) in others.0 {
            self.0.entry(prefix).or_insert(policy);
        }
        self
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The longest prefix of the id, and what is said of it.
    pub(super) fn of(&self, timeline: &str) -> Option<(&str, Policy)> {
        let fitting = self
            .0
            .iter()
            .filter(|(prefix, _)| timeline.starts_with(*prefix));
        let (prefix, policy) = fitting.max_by_key(|(prefix, _)| prefix.len())?;
        Some((prefix, *policy))
    }

    /// Prefixes whose timelines together have a limit.
    pub(super) fn limits(&self) -> impl Iterator<Item = (&str, u64)> {
        let limits = self.0.iter();
        limits.filter_map(|(prefix, policy)| Some((prefix.as_str(), policy.max?)))
    }
}

impl Policy {
    pub(super) fn has_limit(&self) -> bool {
        self.max.is_some()
    }

    /// Why a timeline goes by its age, if it does.
    pub(super) fn lets_go(&self, prefix: &str, standing: &Standing, now: i64) -> Option<Why> {
        let (age, idle) = (standing.age(now), standing.idle(now));
        let days = |secs: i64| secs / 86_400;
        let prefix = prefix.to_owned();
        if self.keep.is_some_and(|keep| age > keep) {
            return Some(Why::Keep {
                prefix,
                days: days(age),
            });
        }
        if self.unused.is_some_and(|unused| idle > unused) {
            return Some(Why::Unused {
                prefix,
                days: days(idle),
            });
        }
        None
    }
}

impl fmt::Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |prefix: &str| match prefix {
            "" => "every timeline".to_owned(),
            prefix => format!("timelines {prefix}…"),
        };
        match self {
            Why::Keep { prefix, days } => {
                write!(out, "written {days} days ago (keep, of {})", of(prefix))
            }
            Why::Unused { prefix, days } => {
                write!(
                    out,
                    "neither read nor written for {days} days (unused, of {})",
                    of(prefix)
                )
            }
            Why::Max { prefix, .. } => {
                write!(
                    out,
                    "unused longest of what is too much (max, of {})",
                    of(prefix)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    #[test]
    fn policies_are_what_people_write_and_errors_say_what_is_wrong() {
        let policy: Policy = "keep 30d, unused 14d,max 2TB".parse().unwrap();
        assert_eq!(policy.keep, Some(30 * DAY));
        assert_eq!(policy.unused, Some(14 * DAY));
        assert_eq!(policy.max, Some(2_000_000_000_000));
        for (text, said) in [
            ("", "a policy has ``"),
            ("keep", "`keep`"),
            ("kepp 3d", "`kepp 3d`"),
            ("keep 3", "such as 7d"),
            ("keep 3h", "1d or more"),
            ("max 2 tons", "units of size"),
            ("keep 3d, keep 4d", "twice"),
        ] {
            let wrong = text.parse::<Policy>().unwrap_err();
            assert!(wrong.contains(said), "{text}: {wrong}");
        }
        for text in ["\"a/\" = \"keep 3d\"", "a = 3", "a = \"keep\"", "=", "[a]"] {
            assert!(Policies::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_longest_prefix_counts_alone_and_the_nearer_policy_of_two() {
        let near = Policies::parse("\"\" = \"keep 9d\"\n\"game-\" = \"max 1GB\"").unwrap();
        let far = Policies::parse("\"\" = \"keep 1d\"\n\"game-1\" = \"unused 1d\"").unwrap();
        let all = near.or(far);
        let of = |id| all.of(id).map(|(prefix, _)| prefix);
        assert_eq!(of("x"), Some(""));
        assert_eq!(of("game-2"), Some("game-"));
        assert_eq!(of("game-12"), Some("game-1"));
        assert_eq!(all.of("x").unwrap().1.keep, Some(9 * DAY));
        assert_eq!(all.limits().collect::<Vec<_>>(), [("game-", 1_000_000_000)]);
        assert_eq!(Policies::default().of("x"), None);
    }

    #[test]
    fn a_timeline_goes_by_its_last_write_or_its_last_use_and_never_without_a_time() {
        let policy: Policy = "keep 30d, unused 10d".parse().unwrap();
        let why = |written: Option<i64>, used: Option<i64>| {
            let standing = Standing {
                written: written.map(|days| -days * DAY),
                used: used.map(|days| -days * DAY),
                ..Standing::default()
            };
            policy.lets_go("", &standing, 0).map(|why| match why {
                Why::Keep { .. } => "keep",
                Why::Unused { .. } => "unused",
                Why::Max { .. } => "max",
            })
        };
        assert_eq!(why(Some(31), Some(0)), Some("keep"));
        assert_eq!(why(Some(29), Some(0)), None);
        assert_eq!(why(Some(29), Some(12)), None);
        assert_eq!(why(Some(29), Some(13)), Some("unused"));
        assert_eq!(why(Some(11), None), Some("unused"));
        assert_eq!(why(Some(9), None), None);
        assert_eq!(why(Some(-400), Some(-400)), None);
        assert_eq!(why(None, None), None);
    }
}
