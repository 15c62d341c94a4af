//! The limit on open files, which is a limit on connections.

use crate::log::Log;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a program has open besides its connections: the standard streams,
/// the listener, the log, a database, and some air.
const OTHER_FILES: u64 = 32;

/// Raises this process's limit on open files so that `clients` connections fit.
///
/// Where the hard limit, which only an administrator can raise (getrlimit(2)),
/// is lower, `log` says so. Clients beyond it are not turned away: they wait in
/// the kernel's queue until somebody leaves (see [`crate::listener`]).
pub fn raise_fd_limit(clients: usize, log: &Log) {
    let fit = raise(clients);
    if fit < clients {
        log.warn(format_args!(
            "the limit on open files is enough for about {fit} clients, not {clients}; \
             raise the hard limit (`ulimit -Hn`, as an administrator)"
        ));
    }
}

/// The same without a log: about how many connections fit, at most `clients`.
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
