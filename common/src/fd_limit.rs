//! The limit on open files, which is a limit on connections.

use crate::log::Log;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a program has open besides its connections: the standard streams,
/// the listener, the log, a database, and some in reserve.
const OTHER_FILES: u64 = 32;

/// Raises this process's limit on open files (RLIMIT_NOFILE, getrlimit(2)) so
/// that `clients` connections fit.
///
/// The hard limit, which only an administrator can raise, may be lower: then
/// `log` says so. Clients beyond it are not turned away. They wait in the
/// kernel's queue until another client leaves (see [`crate::listener`]).
pub fn raise_fd_limit(clients: usize, log: &Log) {
    let fit = raise(clients);
    if fit < clients {
        log.warn(format_args!(
            "the limit on open files is enough for about {fit} clients, not {clients}; \
             raise the hard limit (`ulimit -Hn`, as an administrator)"
        ));
    }
}

/// The same without a log. Returns about how many connections fit, at most
/// `clients`.
pub fn raise(clients: usize) -> usize {
    let wanted = clients as u64 + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` is "no limit" in both.
    let Some(soft) = current.filter(|&soft| soft < wanted) else { return clients };
    let raised = maximum.map_or(wanted, |hard| hard.min(wanted));
    let limit = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
        Ok(()) => raised,
        Err(_) => soft,
    };
    clients.min(limit.saturating_sub(OTHER_FILES) as usize)
}
