//! The limit on open files, which is a limit on connections.

use crate::log::Log;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a server has open besides its clients: the standard streams, the
/// listener, the log, a database, and some air.
const OTHER_FILES: u64 = 64;

/// [`raise`] for a server; where not all `clients` fit, `log` says so.
pub fn allow_connections(clients: usize, log: &Log) -> usize {
    let most = raise(clients);
    if most < clients {
        log.warn(format_args!(
            "the limit on open files allows {most} clients, not {clients}; raise it with `ulimit -Hn`"
        ));
    }
    most
}

/// Raises this process's limit on open files so that `clients` connections fit.
///
/// Returns how many do fit: `clients`, or fewer where the hard limit, which
/// only an administrator can raise (getrlimit(2)), is lower.
pub fn raise(clients: usize) -> usize {
    let wanted = clients as u64 + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` is "no limit" in both.
    let Some(soft) = current else { return clients };
    if soft >= wanted {
        return clients;
    }
    let raised = maximum.map_or(wanted, |hard| hard.min(wanted));
    let limit = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
        Ok(()) => raised,
        Err(_) => soft,
    };
    clients.min(limit.saturating_sub(OTHER_FILES) as usize)
}
