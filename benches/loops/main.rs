//! The inner loops, each alone on one thread.
//!
//! ```text
//! cargo bench --bench loops                 times and throughput of all of them
//! cargo bench --bench loops -- jfif luma    of those with one of these words in their names
//! cargo bench --bench loops -- --once       each once, on small inputs, for benches/counts.py
//! ```
//!
//! A loop whose name ends in `baseline` or `avx2` is forced to those
//! instructions; the others run what the machine has, or have only one way.

#![allow(clippy::unwrap_used)] // a panic is a failed measurement

mod pixels;
mod planning;
mod records;
mod run;
mod stores;

use run::Size;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let once = arguments.iter().any(|argument| argument == "--once");
    let size = if once { Size::Small } else { Size::Real };
    // cargo itself adds --bench.
    let words: Vec<&String> = arguments.iter().filter(|a| !a.starts_with("--")).collect();
    let loops = [
        pixels::loops(size),
        planning::loops(size),
        records::loops(size),
        stores::loops(size),
    ];
    for mut one in loops.into_iter().flatten() {
        if words.is_empty() || words.iter().any(|word| one.name.contains(*word)) {
            if once { one.once() } else { one.time() }
        }
    }
}
