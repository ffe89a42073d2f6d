//! Numbers as people and programs read them.

use serde_json::{Value, json};

use crate::cache::Tally;

/// "3 frames (1.2 MB)".
pub fn counted(what: &str, tally: Tally) -> String {
    let plural = if tally.objects == 1 { "" } else { "s" };
    format!("{} {what}{plural} ({})", tally.objects, bytes(tally.bytes))
}

/// Bytes with three digits and a decimal unit.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    // 999.95 and more would be printed as 1000.0.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Seconds as `0:07.250`, `1:02:03.500`.
pub fn clock(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let millis = (seconds.abs() * 1000.0).round() as u64;
    let (whole, millis) = (millis / 1000, millis % 1000);
    let (minutes, seconds) = (whole / 60, whole % 60);
    match minutes / 60 {
        0 => format!("{sign}{minutes}:{seconds:02}.{millis:03}"),
        hours => format!("{sign}{hours}:{:02}:{seconds:02}.{millis:03}", minutes % 60),
    }
}

pub fn tally_json(tally: Tally) -> Value {
    json!({ "objects": tally.objects, "bytes": tally.bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_times_are_short() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_234_567, "1.2 MB"),
            (999_960, "1.0 MB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        for (seconds, text) in [
            (0.0, "0:00.000"),
            (7.25, "0:07.250"),
            (59.9999, "1:00.000"),
            (3723.5, "1:02:03.500"),
            (-1.5, "-0:01.500"),
        ] {
            assert_eq!(clock(seconds), text);
        }
    }
}
