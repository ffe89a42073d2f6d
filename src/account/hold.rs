//! What was given, until it is given back.

use std::fmt;
use std::sync::Arc;

use crate::account::Account;
use crate::account::pool::Pool;

/// A share of what is scarce, given back when dropped.
pub struct Hold {
    pool: Arc<Pool>,
    account: Account,
    amount: u64,
}

impl Hold {
    pub(super) fn new(pool: &Arc<Pool>, account: &Account, amount: u64) -> Hold {
        Hold {
            pool: pool.clone(),
            account: account.clone(),
            amount,
        }
    }

    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// A part of it, of so much if it has that: for one of several that it was taken for together.
    pub fn split(&mut self, amount: u64) -> Hold {
        let amount = amount.min(self.amount);
        self.amount -= amount;
        Hold::new(&self.pool, &self.account, amount)
    }

    /// Gives back what is over `amount`.
    pub fn shrink_to(&mut self, amount: u64) {
        let over = self.amount.saturating_sub(amount);
        self.amount -= over;
        self.pool.give_back(&self.account, over);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.pool.give_back(&self.account, self.amount);
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hold").field(&self.amount).finish()
    }
}
