//! What it costs to look at ten million hashes, in columns of a span's frames each.
//!
//! ```text
//! cargo bench --bench similar          some 3 s and 100 MB
//! ```
//!
//! Prints the median of 15 scans on one core, for distances of near duplicates and of many frames.

use std::time::Instant;

use framecache::similar::scan::near;

const HASHES: usize = 10_000_000;
/// A minute of 30 frames a second.
const SPAN: usize = 1800;
const SCANS: usize = 15;

fn main() {
    let columns = columns();
    for distance in [0, 8, 16] {
        let mut times = Vec::new();
        let mut found = 0;
        for scan in 0..SCANS as u64 {
            let began = Instant::now();
            found = 0;
            for column in &columns {
                near(column, mixed(scan), distance, &mut |_, _| found += 1);
            }
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        println!(
            "{HASHES} hashes, distance {distance}: {:.1} ms ({:.1} to {:.1}), {found} found",
            times[SCANS / 2],
            times[0],
            times[SCANS - 1]
        );
    }
}

fn columns() -> Vec<Box<[u64]>> {
    let hashes: Vec<u64> = (0..HASHES as u64).map(|n| mixed(n << 8)).collect();
    hashes.chunks(SPAN).map(Into::into).collect()
}

/// Splitmix64: bits that have nothing to do with each other.
fn mixed(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
