//! Locks whose owner has panicked.
//!
//! A thread that panics while it holds a [`Mutex`](std::sync::Mutex) poisons it:
//! from then on `lock` returns an error, as a warning that the data may be half
//! changed. The usual answer, `lock().unwrap()`, hands the panic on to every
//! thread that takes the lock, and so one client's bug ends the whole server.
//!
//! We use the data as it is. That is right under one rule, which every lock in
//! this workspace keeps: **between any two statements the data is whole**. A
//! value is computed first and stored after, and nothing that can panic runs
//! between two changes that belong together. Then a panic costs the client
//! whose thread it was, and no other.

use std::sync::{LockResult, PoisonError};

/// Takes the guard out of a [`LockResult`], poisoned or not. See the
/// [module](self) for the rule that a lock has to keep.
///
/// Works for all that return a `LockResult`: `lock`, `read`, `write`, `get_mut`
/// and the waits of a [`Condvar`](std::sync::Condvar).
pub trait IgnorePoison {
    /// What the `LockResult` holds: a guard, or a guard and a time-out.
    type Guard;

    /// The guard, whether or not another thread panicked while it held the lock.
    fn ignore_poison(self) -> Self::Guard;
}

impl<Guard> IgnorePoison for LockResult<Guard> {
    type Guard = Guard;

    fn ignore_poison(self) -> Guard {
        self.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    #[test]
    fn a_poisoned_lock_is_taken_and_waited_with() {
        let lock = Mutex::new(1);
        std::thread::scope(|scope| {
            let owner = scope.spawn(|| {
                let mut value = lock.lock().unwrap();
                *value = 2;
                // As `panic!` does, without the message on standard error.
                std::panic::resume_unwind(Box::new("a bug"));
            });
            assert!(owner.join().is_err());
        });
        assert!(lock.is_poisoned());
        let value = lock.lock().ignore_poison();
        let (value, _) = Condvar::new().wait_timeout(value, Duration::ZERO).ignore_poison();
        assert_eq!(*value, 2);
    }
}
