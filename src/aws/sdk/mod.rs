//! The AWS SDK's S3 client, built once for stores and sources alike, with our
//! own retries: the SDK's stop when a shared budget of tokens is spent, which a
//! long extraction against a limping server does, and do not cover bodies.

mod body;
mod client;
mod failure;
mod foreign;
mod keys;
mod retry;
mod trust;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

pub(crate) use body::{answered, read_body};
pub(crate) use client::Lazy;
pub(crate) use failure::{Failure, Kind, Side};
pub(crate) use foreign::NoPage;
pub(crate) use retry::retry;
