//! A loop, how it is timed, and how it is run for counting.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long one loop is timed.
const TIMED: Duration = Duration::from_millis(600);
const MOST_RUNS: usize = 2000;

/// How large the inputs are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As in use: 1920 x 1080, an hour of video.
    Real,
    /// A fraction of that: valgrind is about fifty times slower.
    Small,
}

impl Size {
    pub fn pick<T>(self, real: T, small: T) -> T {
        match self {
            Size::Real => real,
            Size::Small => small,
        }
    }
}

/// Something that is done again and again, with all it needs made before.
pub struct Loop {
    pub name: String,
    /// What one run works on: so many, and of what.
    amount: (usize, &'static str),
    work: Box<dyn FnMut()>,
}

impl Loop {
    pub fn new(
        name: impl Into<String>,
        amount: (usize, &'static str),
        work: impl FnMut() + 'static,
    ) -> Loop {
        Loop {
            name: name.into(),
            amount,
            work: Box::new(work),
        }
    }

    /// Prints the least and the middle of the runs, and the throughput of the middle one.
    pub fn time(&mut self) {
        (self.work)();
        let mut runs = Vec::new();
        let begun = Instant::now();
        while runs.len() < MOST_RUNS && (begun.elapsed() < TIMED || runs.len() < 5) {
            let start = Instant::now();
            (self.work)();
            runs.push(start.elapsed().as_secs_f64());
        }
        runs.sort_by(f64::total_cmp);
        let (least, median) = (runs[0], runs[runs.len() / 2]);
        let (count, of) = self.amount;
        println!(
            "{:38} least {:9.4} ms  median {:9.4} ms  {:>12}/s",
            self.name,
            least * 1e3,
            median * 1e3,
            short(count as f64 / median, of)
        );
    }

    /// Runs it twice, the second time to be counted: buffers and tables are there then.
    pub fn once(&mut self) {
        (self.work)();
        counted(&mut self.work);
        println!("{}", self.name);
    }
}

/// callgrind counts what is done in here, and knows it by its name.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
    // No tail call: callgrind would not see it return.
    black_box(());
}

fn short(rate: f64, of: &str) -> String {
    let (scaled, prefix) = match rate {
        r if r >= 1e9 => (r / 1e9, "G"),
        r if r >= 1e6 => (r / 1e6, "M"),
        r if r >= 1e3 => (r / 1e3, "k"),
        r => (r, ""),
    };
    format!("{scaled:.2} {prefix}{of}")
}
