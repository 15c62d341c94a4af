use super::*;
use std::io::Read;
use std::net::TcpListener;

const FLOOD: &str = "10.0.0.1:5";
const STRANGER: &str = "10.0.0.2:5";

/// A server's and a client's end of a connection.
fn connection() -> (Arc<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (Arc::new(listener.accept().unwrap().0), client)
}

/// As many connections from `peer` as are let in, `count` at the most.
fn open(pending: &Arc<PendingLogins>, peer: &str, count: usize) -> Vec<PendingLogin> {
    let stream = connection().0;
    // One file for all would make them equal, so each has a handle of its own.
    let handles = (0..count).map(|_| Arc::new(stream.try_clone().unwrap()));
    handles.filter_map(|handle| pending.register(&handle, peer.parse().unwrap()).ok()).collect()
}

fn lost_slots(connections: Vec<PendingLogin>) -> usize {
    connections.into_iter().filter(|c| c.remove().is_none()).count()
}

#[test]
fn one_address_keeps_no_other_out() {
    let pending = PendingLogins::new(20);
    let flood = open(&pending, FLOOD, 30);
    assert_eq!(flood.len(), 20, "the address alone gets every slot, and no more");
    let logins = open(&pending, STRANGER, 5);
    assert_eq!(logins.len(), 5);
    assert_eq!(lost_slots(flood), 5);
    assert_eq!(lost_slots(logins), 0);
}

#[test]
fn no_address_pushes_out_others_for_more_than_its_share() {
    let pending = PendingLogins::new(20);
    let class = open(&pending, FLOOD, 20);
    let flood = open(&pending, STRANGER, 50);
    assert!((5..=10).contains(&flood.len()), "{} of 20", flood.len());
    assert_eq!(lost_slots(class), flood.len());
}

#[test]
fn an_address_with_one_connection_keeps_it() {
    let pending = PendingLogins::new(3);
    let single: Vec<_> = (1..=3).flat_map(|n| open(&pending, &format!("10.0.1.{n}:5"), 1)).collect();
    assert!(open(&pending, STRANGER, 9).is_empty());
    assert_eq!(lost_slots(single), 0);
}

#[test]
fn a_crowd_makes_room_for_others_of_its_own_address() {
    let pending = PendingLogins::new(MANY);
    let crowd = open(&pending, FLOOD, MANY);
    let one_more = open(&pending, FLOOD, 1);
    assert_eq!((crowd.len(), one_more.len()), (MANY, 1));
    assert_eq!(lost_slots(one_more), 0);
    assert_eq!(lost_slots(crowd), 1);
}

#[test]
fn an_ipv6_network_is_one_address() {
    let pending = PendingLogins::new(8);
    let flood: Vec<_> = (1..=8).flat_map(|n| open(&pending, &format!("[2001:db8:1:2::{n}]:5"), 1)).collect();
    assert!(open(&pending, "[2001:db8:1:2:9::1]:5", 1).is_empty());
    assert_eq!(open(&pending, "[2001:db8:1:3::1]:5", 1).len(), 1);
    assert_eq!(lost_slots(flood), 1);
}

#[test]
fn a_slot_is_free_again_after_a_failed_login_and_kept_after_a_right_one() {
    let pending = PendingLogins::new(4);
    drop(open(&pending, FLOOD, 4));
    let slots: Vec<_> = open(&pending, FLOOD, 4).into_iter().map(|c| c.finish(Ok(()))).collect();
    assert!(slots.iter().all(Result::is_ok));
    assert!(open(&pending, STRANGER, 1).is_empty(), "a client that is logged in never has to go");
    drop(slots);
    assert_eq!(open(&pending, STRANGER, 4).len(), 4);
    assert!(pending.lock().is_empty());
}

#[test]
fn the_evicted_connection_finds_the_end_of_its_input() {
    let pending = PendingLogins::new(2);
    let ends: Vec<_> = (0..2).map(|_| connection()).collect();
    let flood: Vec<_> =
        ends.iter().map(|(server, _)| pending.register(server, FLOOD.parse().unwrap())).collect();
    let login = open(&pending, STRANGER, 1);
    let gone = flood.iter().position(|p| p.as_ref().ok().unwrap().remove().is_none()).unwrap();
    assert_eq!(login.len(), 1);
    assert_eq!((&*ends[gone].0).read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn only_so_many_at_once_are_told_that_the_server_is_full() {
    let pending = PendingLogins::new(0);
    let refuse = || {
        let (server, client) = connection();
        (pending.register(&server, STRANGER.parse().unwrap()).err().unwrap(), server, client)
    };
    let told: Vec<_> = (0..TOLD_AT_ONCE).map(|_| refuse()).collect();
    let is_open = |stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        stream.peek(&mut [0; 1]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
    };
    assert!(told.iter().all(|(_, server, _)| is_open(server)));
    assert!(!is_open(&refuse().1));
    drop(told);
    assert!(is_open(&refuse().1));
}
