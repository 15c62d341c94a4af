//! Addresses: IPv4, IPv6, host names, port 0, and the same port again.

use crate::{Case, require};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

/// The loopback addresses that this machine has for `localhost`.
fn localhost() -> Vec<IpAddr> {
    let found = ("localhost", 0).to_socket_addrs();
    found.map(|list| list.map(|address| address.ip()).collect()).unwrap_or_default()
}

/// False, with a remark, on a machine without IPv6: nothing to check there.
fn has_ipv6(case: &Case) -> bool {
    let has = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has {
        case.note("this machine has no IPv6: nothing to check");
    }
    has
}

checks! {
/// Where our servers listen.
pub server_addresses:

/// An IPv6 address stands in brackets, `[::1]:0`, on the command line and in
/// the line that the server prints.
ours(server) fn the_server_listens_on_ipv6(case) {
    if !has_ipv6(case) {
        return;
    }
    let server = case.server_with(&["--listen", "[::1]:0"]);
    require(server.address().ip() == Ipv6Addr::LOCALHOST, "[::1]:PORT", server.address().to_string());
    case.connect("alice", &server);
}

/// A host name is looked up: `localhost:0` listens on an address that it has.
ours(server) fn the_server_listens_on_a_host_name(case) {
    let server = case.server_with(&["--listen", "localhost:0"]);
    let (got, known) = (server.address().ip(), localhost());
    require(known.contains(&got), format!("one of {known:?}"), got.to_string());
    case.connect("alice", &server);
}

/// Without `SO_REUSEADDR` a server cannot come back to its port for a minute
/// (TIME_WAIT) when it was the side that closed first.
ours(server) fn the_server_can_start_again_on_the_same_port_at_once(case) {
    let server = case.server();
    let address = server.address();
    let peer = case.connect("alice", &server);
    server.terminate();
    peer.sees_the_end();
    server.program.exits(0);
    drop(server);
    let again = case.server_with(&["--listen", &address.to_string()]);
    require(again.address() == address, address.to_string(), again.address().to_string());
    case.connect("bob", &again);
}
}

checks! {
/// Where our clients connect to.
pub client_addresses:

/// An IPv6 address stands in brackets: `--connect [::1]:PORT`.
ours(client) fn the_client_connects_to_ipv6(case) {
    if !has_ipv6(case) {
        return;
    }
    let server = case.scripted_server_on(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)));
    let _client = case.client(server.address());
    server.accept();
}

/// A name may have several addresses (`localhost` often has `::1` and
/// 127.0.0.1) of which one answers: try each before giving up.
ours(client) fn the_client_tries_every_address_of_a_name(case) {
    for ip in localhost() {
        let server = case.scripted_server_on(SocketAddr::from((ip, 0)));
        let address = format!("localhost:{}", server.address().port());
        let _client = case.run_client(&["--connect", &address]);
        server.accept();
    }
}
}
