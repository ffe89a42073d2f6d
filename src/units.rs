//! Times and sizes as people write them.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// A time with its unit: `25s`, `500ms`, `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Period(pub Duration);

/// A number of bytes: `512MiB`, `2GiB`, `2TB`, `1000000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ByteSize(pub u64);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text).ok_or("write a time with its unit, such as 25s")?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err("units of time are ms, s, m and h".to_owned()),
        };
        let millis = number.checked_mul(millis).ok_or("this time is too long")?;
        Ok(Period(Duration::from_millis(millis)))
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text).ok_or("write a size such as 512MiB")?;
        let bytes = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            "kB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            _ => {
                return Err("units of size are KiB, MiB, GiB, TiB and kB, MB, GB, TB".to_owned());
            }
        };
        let bytes = number.checked_mul(bytes).ok_or("this size is too large")?;
        Ok(ByteSize(bytes))
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for ByteSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// `7d` and the like, in seconds.
pub fn age_seconds(text: &str) -> Result<u64, String> {
    let wrong = || "write a number and s, m, h, d or w, such as 7d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(wrong()),
    };
    let digits = text.strip_suffix(unit).unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    count.checked_mul(seconds).ok_or_else(wrong)
}

/// A whole number and what follows it.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_sizes_may() {
        let millis = |text: &str| text.parse::<Period>().map(|p| p.0.as_millis());
        assert_eq!(millis("25s"), Ok(25_000));
        assert_eq!(millis("500 ms"), Ok(500));
        assert_eq!(millis("2m"), Ok(120_000));
        assert_eq!("512MiB".parse(), Ok(ByteSize(512 << 20)));
        assert_eq!("1000000".parse(), Ok(ByteSize(1_000_000)));
        assert_eq!("2 TB".parse(), Ok(ByteSize(2_000_000_000_000)));
        for wrong in [
            "",
            "25",
            "s",
            "-1s",
            "1.5s",
            "25 sec",
            "99999999999999999999s",
        ] {
            assert!(wrong.parse::<Period>().is_err(), "{wrong}");
        }
        for wrong in ["", "MiB", "1 mb", "-1", "18446744073709551615KiB"] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ages_are_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1800),
            ("12h", 43_200),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("0d", 0),
        ] {
            assert_eq!(age_seconds(text), Ok(seconds));
        }
        for text in [
            "",
            "7",
            "d",
            "-7d",
            "1.5h",
            "7 d",
            "7D",
            "é",
            "99999999999999999999d",
            "18446744073709551615w",
        ] {
            assert!(age_seconds(text).is_err(), "{text}");
        }
    }
}
