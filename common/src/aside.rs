//! Work that goes deep, done aside.
//!
//! What a thread has once used of its stack stays in memory for as long as the
//! thread lives, and a client's thread lives as long as the client stays. A
//! handshake, a password's hash or a query goes some ten KiB deep, once; ten
//! thousand threads would keep ten KiB each for it. So such work is done by
//! another thread, which ends with it, while the client's waits.
//!
//! It costs some 20 µs. This is not for what happens with each line.

use std::io;
use std::thread;

/// The trap: the C library keeps the stacks of threads that have ended, used as
/// they are, and a new thread gets one that has up to four times the size it asks
/// for. This is more than that for clients' threads, so theirs are never such.
const STACK: usize = 2 << 20;

/// What `work` returns, done by another thread. Its panic is the caller's.
///
/// # Errors
/// When no thread can be started.
pub fn aside<R: Send>(work: impl FnOnce() -> R + Send) -> io::Result<R> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
