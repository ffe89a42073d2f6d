//! Orders for spans, kept by NATS JetStream and taken by workers on any machine.
//!
//! One stream holds the orders, under two subjects, so that what readers wait for is taken first; another
//! holds what became of those that were handed back or given up. Both may vanish at any moment: what is done is
//! what has a record in the store, and the next `submit` orders the rest again.

mod address;
mod broker;
mod fates;
mod keeping;
mod line;
mod message;
mod names;
mod trust;
mod worker;

pub use address::Address;
pub use broker::{Broker, Standing};
pub use fates::Fate;
pub use message::Message;
pub use worker::{Rules, Worker};
