//! WebVTT of strips: for each frame the place of its tile, for as long as it lasts.

use crate::api::strips::{Strips, Tile};
use crate::error::Result;

/// Frames of one block of cues.
const CUES: u64 = 1000;

/// The cues of all frames, written a block at a time.
pub struct Cues {
    strips: Strips,
    /// Of the strips' addresses.
    query: String,
    next: u64,
    /// It ends where the next begins.
    open: Option<Tile>,
}

impl Cues {
    pub fn new(strips: Strips, query: String) -> Cues {
        Cues {
            strips,
            query,
            next: 0,
            open: None,
        }
    }

    /// Text of the next frames; none behind the last.
    ///
    /// # Errors
    /// The store's own.
    pub async fn next(&mut self) -> Result<Option<String>> {
        let mut text = String::new();
        if self.next >= self.strips.count() {
            let last = self.open.take();
            let last = last.map(|tile| self.cue(&tile, tile.timestamp.zip(tile.duration)));
            return Ok(last);
        }
        for tile in self.strips.tiles(self.next, CUES).await? {
            if tile.timestamp.is_none() {
                continue;
            }
            let until = tile.timestamp.map(|at| (at, 0.0));
            if let Some(before) = self.open.replace(tile) {
                text += &self.cue(&before, until);
            }
        }
        self.next += CUES;
        Ok(Some(text))
    }

    /// `end`: a time, and what is added to it.
    fn cue(&self, tile: &Tile, end: Option<(f64, f64)>) -> String {
        let begin = millis(tile.timestamp.unwrap_or_default());
        let end = end.map_or(0, |(at, more)| millis(at + more)).max(begin + 1);
        let (width, height) = self.strips.tile;
        let Tile { page, x, y, .. } = tile;
        let query = &self.query;
        format!(
            "{} --> {}\nstrips/{page}.jpg?{query}#xywh={x},{y},{width},{height}\n\n",
            clock(begin),
            clock(end),
        )
    }
}

fn millis(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0).round() as u64
}

/// WebVTT, 4.1: hours of two digits or more.
fn clock(millis: u64) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_cues_have_hours_and_milliseconds() {
        assert_eq!(clock(millis(0.0004)), "00:00:00.000");
        assert_eq!(clock(millis(59.9996)), "00:01:00.000");
        assert_eq!(clock(millis(360_000.25)), "100:00:00.250");
    }
}
