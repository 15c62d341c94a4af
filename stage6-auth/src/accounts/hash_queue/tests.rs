use super::*;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::thread;

const LONG: Duration = Duration::from_secs(20);

fn from(address: u8, name: &str) -> Origin {
    Origin::new(Ipv4Addr::new(10, 0, 0, address).into(), Some(name.to_owned()))
}

fn acquire(queue: &HashQueue, purpose: Purpose, origin: Origin) -> Option<Permit<'_>> {
    queue.acquire(purpose, &origin, Instant::now() + LONG)
}

/// The order in which they get their permits, when they arrive in the order given
/// while another one computes.
fn order(before: &[Origin], arrivals: &[(Purpose, Origin)]) -> Vec<usize> {
    let queue = HashQueue::new(1, 0);
    for origin in before {
        drop(acquire(&queue, Purpose::Login, origin.clone()));
    }
    order_in(&queue, arrivals)
}

/// As [`order`], in a queue that others have used before.
fn order_in(queue: &HashQueue, arrivals: &[(Purpose, Origin)]) -> Vec<usize> {
    let computing = acquire(queue, Purpose::Login, from(99, "x"));
    let order = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for (n, (purpose, origin)) in arrivals.iter().enumerate() {
            let order = &order;
            scope.spawn(move || {
                let _permit = acquire(queue, *purpose, origin.clone()).unwrap();
                order.lock().unwrap().push(n);
            });
            while queue.lock().waiting.len() <= n {
                thread::yield_now();
            }
        }
        drop(computing);
    });
    order.into_inner().unwrap()
}

#[test]
fn a_login_goes_before_registrations() {
    use Purpose::{Login, Registration};
    let arrivals = [(Registration, from(1, "a")), (Registration, from(2, "b")), (Login, from(3, "c"))];
    assert_eq!(order(&[], &arrivals)[0], 2);
}

#[test]
fn addresses_are_served_evenly_however_many_connections_each_has() {
    let many = |address| vec![(Purpose::Login, from(address, "a")); 3];
    let arrivals = [many(1), many(2), vec![(Purpose::Login, from(3, "a"))]].concat();
    let addresses: Vec<_> = order(&[], &arrivals).iter().map(|&n| arrivals[n].1.address).collect();
    let mut first: Vec<_> = addresses[..3].to_vec();
    first.sort_unstable();
    first.dedup();
    assert_eq!(first.len(), 3, "each address once before any a second time: {addresses:?}");
}

/// A user who has just registered is not behind a crowd of strangers.
#[test]
fn a_registration_does_not_count_as_a_login() {
    let queue = HashQueue::new(1, 0);
    drop(acquire(&queue, Purpose::Registration, from(1, "a")));
    let state = queue.lock();
    let (wake, _) = sync_channel(1);
    let rank = |number, address| {
        let (purpose, origin, wake) = (Purpose::Login, from(address, "a"), wake.clone());
        state.rank(&Waiting { number, purpose, origin, wake }, Instant::now())
    };
    assert!(rank(2, 1) < rank(1, 2));
}

#[test]
fn an_address_that_was_served_waits_for_those_that_were_not() {
    let login = |address| (Purpose::Login, from(address, "a"));
    assert_eq!(order(&[from(1, "a"), from(2, "a")], &[login(2), login(3), login(1)]), [1, 2, 0]);
}

#[test]
fn within_an_address_names_are_served_evenly() {
    let login = |name| (Purpose::Login, from(1, name));
    assert_eq!(order(&[from(1, "a")], &[login("b"), login("a"), login("a")])[0], 0);
}

#[test]
fn among_strangers_the_newest_goes_first() {
    let arrivals: Vec<_> = (1..=4).map(|address| (Purpose::Login, from(address, "a"))).collect();
    assert_eq!(order(&[], &arrivals), [3, 2, 1, 0]);
}

#[test]
fn a_user_who_comes_back_goes_before_a_crowd_of_strangers() {
    let queue = HashQueue::new(1, 0);
    queue.succeeded(from(1, "alice"));
    let login = |address, name| (Purpose::Login, from(address, name));
    let arrivals = [login(2, "alice"), login(1, "alice"), login(1, "bob"), login(3, "alice")];
    assert_eq!(order_in(&queue, &arrivals)[0], 1);
}

#[test]
fn among_users_who_come_back_addresses_are_served_evenly() {
    let queue = HashQueue::new(1, 0);
    for address in [1, 2] {
        queue.succeeded(from(address, "alice"));
    }
    drop(acquire(&queue, Purpose::Login, from(1, "alice")));
    let login = |address| (Purpose::Login, from(address, "alice"));
    assert_eq!(order_in(&queue, &[login(1), login(2)]), [1, 0], "however often one of them logs in");
}

#[test]
fn to_wait_in_vain_counts_as_served() {
    let queue = HashQueue::new(1, 0);
    let computing = acquire(&queue, Purpose::Login, from(9, "x"));
    for address in [1, 2] {
        assert!(queue.acquire(Purpose::Login, &from(address, "a"), Instant::now()).is_none());
    }
    drop(computing);
    let login = |address| (Purpose::Login, from(address, "a"));
    assert_eq!(
        order_in(&queue, &[login(3), login(2), login(1)]),
        [0, 2, 1],
        "a crowd that comes back is not new"
    );
}

#[test]
fn giving_up_while_being_woken_loses_no_permit() {
    let queue = HashQueue::new(1, 0);
    thread::scope(|scope| {
        for n in 0..4u8 {
            let queue = &queue;
            scope.spawn(move || {
                for _ in 0..2000 {
                    let deadline = Instant::now() + Duration::from_micros(u64::from(n) * 20);
                    drop(queue.acquire(Purpose::Login, &from(n, "a"), deadline));
                }
            });
        }
    });
    assert!(queue.acquire(Purpose::Login, &from(9, "a"), Instant::now()).is_some());
    let state = queue.lock();
    assert_eq!((state.free, state.waiting.len()), (1, 0));
}

#[test]
fn one_address_cannot_fill_the_queue() {
    let queue = HashQueue::new(1, 0);
    let _computing = acquire(&queue, Purpose::Login, from(1, "a"));
    {
        let mut state = queue.lock();
        for number in 0..MOST_OF_ADDRESS as u64 {
            let (wake, _) = sync_channel(1);
            let (purpose, origin) = (Purpose::Registration, from(1, "a"));
            state.waiting.push(Waiting { number: number + 1000, purpose, origin, wake });
        }
    }
    let started = Instant::now();
    assert!(acquire(&queue, Purpose::Login, from(1, "a")).is_none());
    assert!(started.elapsed() < LONG);
    assert!(queue.acquire(Purpose::Login, &from(2, "a"), Instant::now()).is_none(), "waits, and in vain");
}

#[test]
fn registrations_are_bounded_for_each_address_and_each_ipv6_network() {
    let queue = HashQueue::new(1, 0);
    let now = Instant::now();
    let admits = |address: &str| queue.admit_registration(&Origin::new(address.parse().unwrap(), None), now);
    for n in 0..REGISTRATIONS {
        assert!(admits("192.0.2.1") && admits(&format!("2001:db8:1:2::{n:x}")), "{n}");
    }
    assert!(!admits("192.0.2.1") && !admits("2001:db8:1:2:ffff::9"));
    assert!(admits("192.0.2.2") && admits("2001:db8:1:3::1"));
    let origin = Origin::new("192.0.2.1".parse().unwrap(), None);
    assert!(queue.admit_registration(&origin, now + DAY / REGISTRATIONS));
}

#[test]
fn an_address_makes_twenty_thousand_accounts_in_a_day_and_no_more() {
    let (queue, now, home) = (HashQueue::new(1, 0), Instant::now(), from(1, "alice"));
    let at = |second: u32| {
        (0..)
            .take_while(|_| queue.admit_registration(&home, now + Duration::from_secs(second.into())))
            .count()
    };
    assert_eq!(at(0), 10_000);
    assert_eq!((at(8), at(9)), (0, 1));
    let day: usize = (10..24 * 3600).map(at).sum();
    assert!((9_990..10_000).contains(&day), "{day}");
    assert!(queue.admit_registration(&from(2, "bob"), now), "another address");
}

#[test]
fn an_address_with_many_names_does_not_push_out_those_of_others() {
    let queue = HashQueue::new(1, 0);
    let alice = from(1, "alice");
    queue.succeeded(alice.clone());
    (0..2 * MOST).for_each(|n| queue.succeeded(from(2, &format!("name{n}"))));
    let state = queue.lock();
    assert!(state.known.contains_key(&alice) && state.known.len() <= MOST, "{}", state.known.len());
}
