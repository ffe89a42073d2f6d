//! A store in a bucket, in a build without them.

use std::sync::Arc;

use crate::aws::{Endpoint, without_s3};
use crate::error::Result;
use crate::store::{Expiry, Store};

pub(super) fn open(_: &str, _: &str, _: Endpoint) -> Result<Arc<dyn Store>> {
    Err(without_s3())
}

pub(super) async fn expiries(_: &str, _: Endpoint) -> Result<Vec<Expiry>> {
    Err(without_s3())
}
