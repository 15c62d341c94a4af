//! Where a login comes from.

use std::net::{IpAddr, Ipv6Addr};

/// Which login: where it comes from, and for which name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Of IPv6 the network; see [`Origin::new`].
    pub address: IpAddr,
    /// The name's key; `None` for a name that no account can have.
    pub name: Option<String>,
}

impl Origin {
    /// A login from `address` for the name with this key.
    pub fn new(address: IpAddr, name: Option<String>) -> Self {
        Origin { address: network_prefix(address), name }
    }
}

/// The part of an address that its owner cannot choose: with IPv6 every
/// client has 2^64 addresses, and they count as one.
pub fn network_prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}
