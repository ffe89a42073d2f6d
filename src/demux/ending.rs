//! When the media ends: how long the frame is shown that none follows.

use super::boxes;
use super::index::{Track, Unit};
use crate::cancel::Stop;
use crate::error::Result;
use crate::source::ByteSource;

impl Track {
    /// Whether the file itself tells how long each picture lasts. Other containers say so of some pictures or
    /// of none, and there the last frame lasts as long as the one before.
    pub(super) fn tells_durations(&self) -> bool {
        self.container.starts_with("mov,")
    }

    /// Has the last frame last as long as the file's own tables say, if they do.
    ///
    /// # Errors
    /// The source's own; CANCELLED.
    pub(super) fn end_by_tables(
        &mut self,
        mut source: Box<dyn ByteSource>,
        stop: &Stop,
    ) -> Result<()> {
        let Some(last) = self.index.shown.last_mut() else {
            return Ok(());
        };
        let (own, rest) = match self.units.get(last.unit as usize..) {
            Some([own, rest @ ..]) => (own, rest),
            _ => return Ok(()),
        };
        let fields = rest.iter().take_while(|unit| unit.second_field());
        let position = |unit: &Unit| u64::try_from(unit.position).unwrap_or(u64::MAX);
        let samples = std::iter::once(own).chain(fields).map(position);
        source.follow(stop);
        if let Some(ticks) = boxes::duration(source.as_mut(), samples, stop)? {
            last.duration = ticks;
        }
        Ok(())
    }
}
