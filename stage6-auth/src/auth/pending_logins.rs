//! The connections that are not logged in yet, and which of them goes when the
//! server is full.
//!
//! Such a connection costs its client nothing: one machine can open as many as the
//! server takes, say nothing, and keep all others out. So when every slot is taken,
//! a new connection can get the slot of one that is not logged in:
//!
//! 1. It is taken from the address that has the most of them. Of these it is one at
//!    random: a client that has just come is not the first to go, and a client that
//!    comes back again and again cannot choose.
//! 2. The address of the new connection must have less than half as many. So no
//!    address can push out others for a larger share than theirs, and an address
//!    with a single connection keeps it.
//! 3. An address with [`MANY`] of its own makes room for itself. A classroom behind
//!    one router shares it with a flood from that router: a login takes a second, and
//!    few of many connections go in a second.
//!
//! OpenSSH's `MaxStartups` and `PerSourceMaxStartups` (sshd_config(5)) refuse the new
//! connection instead, at random and before all slots are taken. Then a user must try
//! again and again, and even a server with free slots refuses a large class.
//!
//! A connection that is logged in never has to go.

use super::LoginError;
use crate::accounts::network_prefix;
use common::poison::IgnorePoison;
use stage4_multichat::limits::{ClientSlot, ClientSlots};
use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// So many connections of one address are a crowd: see the [module](self).
const MANY: usize = 100;

/// So many connections at once are told that the server is full. Over TLS that takes
/// a handshake, and the client may take ten seconds for it, and a thread.
const TOLD_AT_ONCE: usize = 100;

/// Written by the login threads. The lock is held for memory operations and
/// `shutdown` calls only; neither can block.
type Table = HashMap<IpAddr, Vec<Entry>>;

/// All connections that are not logged in; see the [module](self).
pub struct PendingLogins {
    slots: Arc<ClientSlots>,
    /// For connections that are refused and may be told so.
    refusals: Arc<ClientSlots>,
    /// By address (of IPv6 the network, since its owner has 2^64 addresses). No
    /// entry is an empty list.
    table: Mutex<Table>,
}

struct Entry {
    stream: Arc<TcpStream>,
    slot: ClientSlot,
}

/// A connection in the table, until this is dropped.
pub struct PendingLogin {
    all: Arc<PendingLogins>,
    address: IpAddr,
    stream: Arc<TcpStream>,
}

impl PendingLogins {
    /// For `max_clients` connections, logged in or not.
    pub fn new(max_clients: usize) -> Arc<PendingLogins> {
        Arc::new(PendingLogins {
            slots: ClientSlots::new(max_clients),
            refusals: ClientSlots::new(TOLD_AT_ONCE),
            table: Mutex::default(),
        })
    }

    /// Takes a slot for a new connection, a free one or that of a connection that has
    /// to go: its input ends at once, and with it its login. Never waits.
    ///
    /// # Errors
    /// [`LoginError::ServerFull`]. The connection may then be told so; or it is shut
    /// down already, since too many are being told.
    pub fn register(
        self: &Arc<Self>,
        stream: &Arc<TcpStream>,
        peer: SocketAddr,
    ) -> Result<PendingLogin, LoginError> {
        let address = network_prefix(peer.ip());
        let mut table = self.lock();
        let Some(slot) = self.slots.try_acquire().or_else(|| free_slot(&mut table, address)) else {
            let refusal = self.refusals.try_acquire();
            if refusal.is_none() {
                let _ = stream.shutdown(Shutdown::Both);
            }
            return Err(LoginError::ServerFull(refusal));
        };
        table.entry(address).or_default().push(Entry { stream: stream.clone(), slot });
        Ok(PendingLogin { all: self.clone(), address, stream: stream.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().ignore_poison()
    }
}

/// Ends a connection in favour of a new one from `address`, and returns its slot.
fn free_slot(table: &mut Table, address: IpAddr) -> Option<ClientSlot> {
    let of_address = table.get(&address).map_or(0, Vec::len);
    let (&most, entries) = table.iter().max_by_key(|(_, entries)| entries.len())?;
    if entries.len() / 2 <= of_address && of_address < MANY {
        return None;
    }
    let Entry { stream, slot } = take(table, most, rand::random_range(0..entries.len()));
    // Its thread finds the end of its input, and closes it.
    let _ = stream.shutdown(Shutdown::Read);
    Some(slot)
}

fn take(table: &mut Table, address: IpAddr, index: usize) -> Entry {
    let entries = table.get_mut(&address).expect("the caller has just found it");
    let entry = entries.swap_remove(index);
    if entries.is_empty() {
        table.remove(&address);
    }
    entry
}

impl PendingLogin {
    /// The login has ended, well or badly. If it went well, its outcome comes back with
    /// the slot, which the client keeps.
    ///
    /// # Errors
    /// [`LoginError::ServerFull`] when a new connection has got the slot meanwhile: then the
    /// client is turned away, even if it has proved who it is. Otherwise that of the login.
    pub fn finish<T>(self, login: Result<T, LoginError>) -> Result<(T, ClientSlot), LoginError> {
        let slot = self.remove().ok_or(LoginError::ServerFull(None))?;
        Ok((login?, slot))
    }

    fn remove(&self) -> Option<ClientSlot> {
        let mut table = self.all.lock();
        let entries = table.get(&self.address)?;
        let index = entries.iter().position(|entry| Arc::ptr_eq(&entry.stream, &self.stream))?;
        Some(take(&mut table, self.address, index).slot)
    }
}

impl Drop for PendingLogin {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests;
