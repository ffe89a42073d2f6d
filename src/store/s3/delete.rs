//! Deleting many keys: a thousand a call, or one by one where the service
//! cannot do that.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::error::BuildError;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::{S3Store, error};
use crate::aws::{Failure, Kind, NoPage, answered, retry};
use crate::error::Result;

/// The most that S3 takes at once.
const BATCH: usize = 1000;
/// Single deletes under way at once.
const PARALLEL: usize = 16;

impl S3Store {
    /// `keys` as they are in the bucket.
    pub(super) async fn delete_all(&self, keys: Vec<String>) -> Result<()> {
        for batch in keys.chunks(BATCH) {
            match batch {
                [key] => self.delete_single(key).await?,
                batch => self.delete_batch(batch.to_vec()).await?,
            }
        }
        Ok(())
    }

    async fn delete_batch(&self, batch: Vec<String>) -> Result<()> {
        let count = batch.len();
        // What failed for a passing cause is all that the next attempt sends.
        let left = Mutex::new(batch);
        let singly = self.deletes_singly.load(Ordering::Relaxed);
        if !singly {
            match retry(&self.aws, || self.delete_batch_once(&left)).await {
                Ok(()) => return Ok(()),
                Err(failure) if is_for_the_call(failure.kind) => {
                    tracing::debug!(cause = %failure, "a delete of many keys was refused");
                }
                Err(failure) => {
                    let left = lock(&left).len();
                    let attempt = format!("could not delete objects: asked={count} left={left}");
                    return Err(error(failure, attempt));
                }
            }
        }
        let left = left.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.delete_each(left).await?;
        if !singly && !self.deletes_singly.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the S3 service refuses deletes of many keys; they are deleted one by one"
            );
        }
        Ok(())
    }

    async fn delete_each(&self, keys: Vec<String>) -> Result<()> {
        let singles = keys
            .into_iter()
            .map(async |key: String| self.delete_single(&key).await);
        let mut done = stream::iter(singles).buffer_unordered(PARALLEL);
        while done.try_next().await?.is_some() {}
        Ok(())
    }

    async fn delete_batch_once(&self, keys: &Mutex<Vec<String>>) -> Result<(), Failure> {
        let delete = delete_of(&lock(keys)).map_err(|e| Failure::caused(Kind::Refused, e))?;
        let client = self.aws.client().await?;
        let call = client.delete_objects().bucket(&self.bucket).delete(delete);
        let answer = answered(self.aws.endpoint().stall, call.send()).await?;
        let (failed, worst) = failures_of(answer.errors.unwrap_or_default());
        *lock(keys) = failed;
        worst.map_or(Ok(()), Err)
    }

    async fn delete_single(&self, key: &str) -> Result<()> {
        let what = || format!("could not delete an object: key={key}");
        self.call(|| self.delete_single_once(key), what).await
    }

    async fn delete_single_once(&self, key: &str) -> Result<(), Failure> {
        let client = self.aws.client().await?;
        let call = client.delete_object().bucket(&self.bucket).key(key);
        let sent = call.customize().interceptor(NoPage).send();
        match answered(self.aws.endpoint().stall, sent).await {
            Err(failure) if failure.kind != Kind::NoKey => Err(failure),
            _ => Ok(()),
        }
    }
}

/// Whether the call as such may be what was refused, in whatever words: single deletes then do the
/// work, or say what is wrong.
fn is_for_the_call(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::NotImplemented
            | Kind::Refused
            | Kind::Foreign
            | Kind::NoKey
            | Kind::Missing
            | Kind::Precondition
            | Kind::TooLarge
    )
}

fn delete_of(keys: &[String]) -> Result<Delete, BuildError> {
    let identify = |key: &String| ObjectIdentifier::builder().key(key).build();
    let objects: Result<Vec<_>, _> = keys.iter().map(identify).collect();
    Delete::builder()
        .set_objects(Some(objects?))
        .quiet(true)
        .build()
}

/// The keys that are still there, and the failure to report: one that does not pass before one that does.
fn failures_of(errors: Vec<aws_sdk_s3::types::Error>) -> (Vec<String>, Option<Failure>) {
    let mut worst: Option<Failure> = None;
    let mut failed = Vec::new();
    for each in errors {
        let code = each.code.unwrap_or_default();
        let text = format!("{code}: {}", each.message.unwrap_or_default());
        let failure = Failure::of_code(&code, text);
        if failure.kind == Kind::NoKey {
            continue;
        }
        failed.extend(each.key);
        if worst.as_ref().is_none_or(Failure::is_passing) {
            worst = Some(failure);
        }
    }
    (failed, worst)
}

fn lock(keys: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}
