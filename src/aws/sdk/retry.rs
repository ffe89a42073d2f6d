//! Attempts until one succeeds, fails for good, or the deadline is reached.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::client::Lazy;
use super::failure::{Failure, Kind};

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// Failures in a row before a person is told, who may have mistyped the endpoint.
const WARN_AT: u32 = 3;

/// Calls `attempt` again and again until the endpoint's deadline. Between attempts it waits a random time up to a bound
/// that doubles ("full jitter"), so that many workers do not come back together. Keys that are refused are looked for
/// anew, once. Answers at the deadline at the latest.
///
/// # Errors
/// The first failure that does not pass, or the last one before the deadline.
pub(crate) async fn retry<T, F>(aws: &Lazy, attempt: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let end = Instant::now() + aws.endpoint().deadline;
    let mut renewed = false;
    let mut last = None;
    for number in 0.. {
        let keys = aws.keys_version();
        let failure = match timeout_at(end, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(failure)) => failure,
            Err(_) => break,
        };
        if failure.for_keys && !renewed && has_newer_keys(aws, keys, end).await {
            renewed = true;
            continue;
        }
        let delay = delay(number);
        if !failure.is_passing() || Instant::now() + delay >= end {
            return Err(failure);
        }
        if number == WARN_AT {
            tracing::warn!(cause = %failure, "the S3 service fails; trying again");
        }
        last = Some(failure);
        sleep(delay).await;
    }
    Err(last.unwrap_or_else(|| Failure::new(Kind::Unavailable, "no answer before the deadline")))
}

async fn has_newer_keys(aws: &Lazy, version: u64, end: Instant) -> bool {
    let newer = timeout_at(end, aws.has_newer_keys(version)).await;
    let newer = newer.unwrap_or(false);
    if newer {
        tracing::info!("the S3 service refused the keys; newer ones were found");
    }
    newer
}

fn delay(number: u32) -> Duration {
    let bound = FIRST_DELAY
        .saturating_mul(1 << number.min(10))
        .min(LONGEST_DELAY);
    // Seeded anew by the standard library each time; quality is no concern here.
    let part = RandomState::new().hash_one(number) % 1001;
    bound.mul_f64(part as f64 / 1000.0)
}
