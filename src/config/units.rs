//! Times and sizes as people write them.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// A time with its unit: `25s`, `500ms`, `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Period(pub Duration);

/// A number of bytes: `512MiB`, `2GiB`, `1000000`.
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
            _ => return Err("units of size are KiB, MiB, GiB and TiB".to_owned()),
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
        for wrong in ["", "MiB", "1 MB", "-1", "18446744073709551615KiB"] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
    }
}
