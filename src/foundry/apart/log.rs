//! What media processes say on their standard errors, as lines of this process's own log: it has one
//! format, and holds up nobody where it is not read.

use std::io::{BufRead, BufReader, Read};

/// Of a line; a longer one is several.
const MAX_LINE_BYTES: u64 = 8 << 10;

/// Logs each line until its writer ends.
pub(super) fn pass_on(from: impl Read) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut from)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => say(String::from_utf8_lossy(&line).trim()),
        }
    }
}

/// With the level that stands in front of it, as tracing writes it; what has none is a panic's, or a
/// library's last words.
fn say(line: &str) {
    let (level, words) = line.split_once(' ').unwrap_or(("", line));
    let words = words.trim_start();
    match level {
        "" => {}
        "ERROR" => tracing::error!("in a media process: {words}"),
        "WARN" => tracing::warn!("in a media process: {words}"),
        "INFO" => tracing::info!("in a media process: {words}"),
        "DEBUG" => tracing::debug!("in a media process: {words}"),
        "TRACE" => tracing::trace!("in a media process: {words}"),
        _ => tracing::error!("in a media process: {line}"),
    }
}
