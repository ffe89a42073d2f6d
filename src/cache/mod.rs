//! The cache: what lies where, what counts as extracted, and how writers that
//! may die at any moment keep it true. Knows stores and plans; no FFmpeg, no gRPC.
//!
//! A [`Profile`] is where plans are claimed and spans committed; a [`read::Reader`]
//! is where frames are read, only under a valid record and with their sha256.

pub mod clear;
pub mod columns;
pub mod commit;
mod compact;
pub mod facts;
mod facts_table;
mod inventory;
pub mod keys;
pub mod legacy;
pub mod memory;
mod objects;
mod overlay_name;
pub mod overlays;
pub mod places;
pub mod planned;
pub mod plans;
pub mod put;
pub mod put_index;
mod put_settle;
pub mod read;
pub mod record;
pub mod repack;
pub mod retention;
mod reuse;
pub(crate) mod sealed;
pub mod status;
pub mod sweep;
pub mod used;
pub mod verify;
mod verify_checks;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::account::Account;
use crate::error::Result;
use crate::hex::new_id;
use crate::store::Store;

pub use self::objects::Tally;

use self::keys::{Layout, ProfileKeys};
use self::memory::Memory;
use self::plans::PlanMemo;
use self::used::Uses;

/// Requests to the store that one operation has under way at most.
const CONCURRENCY: usize = 32;

/// All timelines of one store.
#[derive(Clone)]
pub struct Cache {
    store: Arc<dyn Store>,
    layout: Layout,
    memory: Arc<Memory>,
    account: Account,
    uses: Arc<Uses>,
}

impl Cache {
    pub fn new(store: Arc<dyn Store>, layout: Layout, memory: Arc<Memory>) -> Self {
        Cache {
            store,
            layout,
            account: Account::own(memory.accountant()),
            uses: Arc::default(),
            memory,
        }
    }

    /// The same for one caller, whose account what it reads is on.
    pub fn for_call(&self, account: &Account) -> Cache {
        Cache {
            account: account.clone(),
            ..self.clone()
        }
    }

    pub fn account(&self) -> &Account {
        &self.account
    }

    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A handle on one profile, which need not exist. Asks the store nothing.
    ///
    /// # Errors
    /// FIELD_INVALID unless both are ids.
    pub fn profile(&self, timeline: &str, profile: &str) -> Result<Profile> {
        Ok(Profile {
            store: self.store.clone(),
            keys: self.layout.profile(timeline, profile)?,
            attempt: new_id().into(),
            memo: Arc::default(),
            memory: self.memory.clone(),
            account: self.account.clone(),
        })
    }
}

/// One profile of one timeline. Every call asks the store afresh; only its readers remember.
#[derive(Clone)]
pub struct Profile {
    store: Arc<dyn Store>,
    keys: ProfileKeys,
    /// Written into the records that this handle commits.
    attempt: Arc<str>,
    memo: Arc<PlanMemo>,
    memory: Arc<Memory>,
    account: Account,
}

impl Profile {
    pub fn keys(&self) -> &ProfileKeys {
        &self.keys
    }

    /// The same, knowing the same plan; what it commits is told apart from what this handle does.
    pub fn another(&self) -> Profile {
        Profile {
            attempt: new_id().into(),
            ..self.clone()
        }
    }
}
