//! How far a command has come.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::common::{is_quiet, watched};
use crate::frames::{Event, Progress, Stage};

/// Progress on a terminal; silence elsewhere.
pub struct Bar {
    bar: ProgressBar,
    stage: Mutex<Option<Stage>>,
}

impl Bar {
    pub fn new(quiet: bool) -> Self {
        let bar = if watched() && !quiet && !is_quiet() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar {
            bar,
            stage: Mutex::new(None),
        }
    }

    pub fn hear(&self, event: Event<'_>) {
        if let Event::Progress(progress) = event {
            self.show(&progress);
        }
    }

    pub fn show(&self, progress: &Progress) {
        if let Ok(mut stage) = self.stage.lock()
            && stage.replace(progress.stage) != Some(progress.stage)
        {
            self.bar.set_style(style(progress.stage));
            self.bar.reset_eta();
        }
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
    }

    /// Spans done, of so many.
    pub fn count(&self, done: u64, total: u64) {
        self.bar.set_style(styled(SPANS));
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Timelines done, of nobody knows how many.
    pub fn walked(&self, done: u64) {
        self.bar.set_style(styled(TIMELINES));
        self.bar.set_position(done);
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

const TIMELINES: &str = "{spinner} {pos} timelines {elapsed}";
const SPANS: &str = "{wide_bar} {pos}/{len} spans, {eta} left";

fn style(stage: Stage) -> ProgressStyle {
    styled(match stage {
        Stage::Index => "indexing {pos}/{len} chunks {elapsed}",
        Stage::Extract => "{wide_bar} {pos}/{len} frames, {per_sec}, {eta} left",
    })
}

fn styled(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
