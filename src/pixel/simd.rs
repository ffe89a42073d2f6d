//! One source, compiled for several instruction sets, chosen at run time.
//!
//! A kernel is scalar Rust whose `run` is `#[inline(always)]`; it is compiled
//! once as it is and once more inside a function that may use wider vectors.
//! Integer arithmetic is the same in each, so they are equal by construction
//! (and a test compares them).

use std::sync::OnceLock;

/// Instruction sets that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What the target always has (SSE2 on x86-64, NEON on arm64).
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// F, BW, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// The best that this machine has.
    pub fn best() -> Level {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| Level::all().last().copied().unwrap_or(Level::Baseline))
    }

    /// All that this machine has, narrowest first.
    pub fn all() -> Vec<Level> {
        let mut levels = vec![Level::Baseline];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2");
            if avx2 {
                levels.push(Level::Avx2);
            }
            if avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                levels.push(Level::Avx512);
            }
        }
        levels
    }
}

/// Work whose body is compiled once for each [`Level`]. Implementations mark
/// `run`, and what it calls, `#[inline(always)]`.
pub(crate) trait Kernel {
    type Output;
    fn run(self) -> Self::Output;
}

/// Runs `kernel` with the instructions of `level`, or with the best that this
/// machine has where it lacks them.
pub(crate) fn run<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        Level::Baseline => kernel.run(),
        #[cfg(target_arch = "x86_64")]
        _ => run_x86(level, kernel),
    }
}

#[cfg(target_arch = "x86_64")]
fn run_x86<K: Kernel>(level: Level, kernel: K) -> K::Output {
    let best = Level::best();
    if level == Level::Avx512 && best == Level::Avx512 {
        // SAFETY: best() is Avx512 only where the processor reported avx512f, bw, dq, vl and avx2.
        unsafe { run_avx512(kernel) }
    } else if best != Level::Baseline {
        // SAFETY: best() is above Baseline only where the processor reported avx2.
        unsafe { run_avx2(kernel) }
    } else {
        kernel.run()
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}
