//! Sums over what was measured. tests/kernels has this file, too: its tests run there.

/// Of the line with the least squares through values at 0, 1, 2, …
pub fn slope(values: &[f64]) -> f64 {
    let middle = (values.len() - 1) as f64 / 2.0;
    let (mut products, mut squares) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let distance = at as f64 - middle;
        products += distance * value;
        squares += distance * distance;
    }
    if squares > 0.0 {
        products / squares
    } else {
        0.0
    }
}

/// Of a column of numbers parted by commas; words such as `[N/A]` count nothing.
pub fn mean(text: &str, column: usize) -> Option<f64> {
    let number = |line: &str| line.split(',').nth(column)?.trim().parse::<f64>().ok();
    let numbers: Vec<f64> = text.lines().filter_map(number).collect();
    let count = numbers.len();
    (count > 0).then(|| numbers.into_iter().sum::<f64>() / count as f64)
}

/// Of this process, its ended children not among them.
pub fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, which may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = |field: usize| fields.split_whitespace().nth(field)?.parse::<f64>().ok();
    // User and kernel time, in ticks of which Linux counts 100 a second for everybody.
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_step_between_values_that_stay_is_flatter_than_a_steady_rise() {
        let step = [0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0];
        assert!(slope(&step) * 7.0 < 4.0);
        let rise: Vec<f64> = (0..8).map(|at| 2.0 * f64::from(at)).collect();
        assert!((slope(&rise) - 2.0).abs() < 1e-9);
        assert_eq!(slope(&[5.0]), 0.0);
    }

    #[test]
    fn loads_are_means_of_what_is_a_number() {
        let text = "50, 20\n[N/A], 40\n100, 60\n\nhalf a li";
        assert_eq!(mean(text, 0), Some(75.0));
        assert_eq!(mean(text, 1), Some(40.0));
        assert_eq!(mean("[N/A], 1", 0), None);
    }

    #[test]
    fn work_takes_cpu_seconds() {
        let before = cpu_seconds().unwrap_or(0.0);
        let began = Instant::now();
        let mut sum = 0_u64;
        while began.elapsed().as_secs_f64() < 0.1 {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
        assert!(sum > 0 && cpu_seconds().unwrap_or(0.0) > before);
    }
}
