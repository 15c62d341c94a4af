//! Two accounts whose sum must never change, locked in two ways.

use common::poison::IgnorePoison;
use std::sync::{Mutex, MutexGuard};

/// A lock for each field: that looks careful, but the sum is not guarded.
#[derive(Debug)]
pub struct TwoLocks {
    /// Written by transfers, read by audits; so is `savings`.
    wallet: Mutex<i64>,
    savings: Mutex<i64>,
}

impl TwoLocks {
    /// All coins in the wallet.
    pub fn new(coins: i64) -> Self {
        Self { wallet: Mutex::new(coins), savings: Mutex::new(0) }
    }

    /// Moves `amount` to the savings; `half_way` runs between the two halves,
    /// with no lock held.
    pub fn transfer(&self, amount: i64, half_way: impl FnOnce()) {
        *whole(&self.wallet) -= amount;
        half_way();
        *whole(&self.savings) += amount;
    }

    /// What both hold together.
    pub fn sum(&self) -> i64 {
        // Both are held while adding: the fault is not in the audit.
        let (wallet, savings) = (whole(&self.wallet), whole(&self.savings));
        *wallet + *savings
    }
}

/// One lock around both, since the invariant is about both.
#[derive(Debug)]
pub struct OneLock(Mutex<Accounts>);

#[derive(Debug)]
struct Accounts {
    wallet: i64,
    savings: i64,
}

impl OneLock {
    /// All coins in the wallet.
    pub fn new(coins: i64) -> Self {
        Self(Mutex::new(Accounts { wallet: coins, savings: 0 }))
    }

    /// As [`TwoLocks::transfer`], but with the lock held in `half_way`, too.
    pub fn transfer(&self, amount: i64, half_way: impl FnOnce()) {
        let mut accounts = whole(&self.0);
        accounts.wallet -= amount;
        half_way();
        accounts.savings += amount;
    }

    /// What both hold together.
    pub fn sum(&self) -> i64 {
        let accounts = whole(&self.0);
        accounts.wallet + accounts.savings
    }

    /// Returns `true` if a thread panicked while it held the lock, so that a transfer
    /// may have stopped half-way.
    pub fn is_poisoned(&self) -> bool {
        self.0.is_poisoned()
    }
}

/// Reads poisoned state as well, since the audit is to find what is wrong. A bank
/// would stop instead: here the data is not whole, so the rule of
/// [`common::poison`] is broken on purpose.
fn whole<T>(account: &Mutex<T>) -> MutexGuard<'_, T> {
    account.lock().ignore_poison()
}
