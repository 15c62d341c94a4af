use super::*;
use crate::store::SCHEMA;
use crate::store::sqlite::SqliteStore;
use std::net::Ipv4Addr;
use std::time::Duration;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const COST: u32 = 4;

fn accounts(login_rate: u32) -> (tempfile::TempDir, Accounts) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("chat.db"), &SCHEMA).unwrap();
    (folder, Accounts::new(Arc::new(store), COST, login_rate))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn login(accounts: &Accounts, name: &str, password: &str) -> Result<User, AuthError> {
    accounts.login(name, password, HOME, soon())
}

fn is_wrong(result: Result<User, AuthError>) -> bool {
    matches!(result, Err(AuthError::WrongNameOrPassword))
}

#[test]
fn who_registered_can_log_in_and_nobody_else() {
    let (_folder, accounts) = accounts(0);
    let made = accounts.register("Alice", "correct horse", soon()).unwrap();
    assert_eq!(login(&accounts, "aLICE", "correct horse").unwrap(), made);
    assert_eq!(made.name, "Alice");
    assert!(made.password.0.starts_with("$2b$04$"));
    for (name, password) in [("Alice", "Correct horse"), ("Alice", ""), ("bob", "correct horse"), ("", "x")] {
        let error = login(&accounts, name, password).unwrap_err();
        assert_eq!(error.to_string(), "wrong name or password", "{name} {password}");
    }
    let again = accounts.register("ALICE", "another one", soon());
    assert!(matches!(again, Err(AuthError::NameTaken)));
}

#[test]
fn names_have_bounds() {
    for name in ["a", "A.b-c_9", &"x".repeat(32), "..", "-"] {
        assert!(check_name(name).is_ok(), "{name}");
    }
    for name in ["", &"x".repeat(33), "a b", "a\n", "é", "a,b", "[SERVER]", "a\0", "ａ"] {
        assert!(check_name(name).is_err(), "{name}");
    }
}

/// bcrypt by itself would let 80 bytes in whose first 72 are right.
#[test]
fn passwords_have_bounds_in_bytes() {
    let (_folder, accounts) = accounts(0);
    for (n, password) in ["x".repeat(8), "x".repeat(72), "é".repeat(36)].iter().enumerate() {
        let name = format!("user{n}");
        accounts.register(&name, password, soon()).unwrap();
        assert!(login(&accounts, &name, password).is_ok(), "{password}");
        assert!(is_wrong(login(&accounts, &name, &format!("{password}x"))), "one more byte");
        assert!(is_wrong(login(&accounts, &name, &password[2..])));
    }
    for password in ["x".repeat(7), "x".repeat(73), "é".repeat(37), "with\0a NUL".into(), String::new()] {
        assert!(matches!(accounts.register("bob", &password, soon()), Err(AuthError::BadPassword)));
    }
    // To bcrypt alone this would be the same as eight times x.
    assert!(is_wrong(login(&accounts, "user0", &format!("{0}\0{0}", "x".repeat(8)))));
}

/// Hashes from elsewhere: `htpasswd -nbB` writes $2y$, Python's bcrypt $2b$, old systems $2a$.
#[test]
fn imported_hashes_work_in_all_three_spellings() {
    let (_folder, accounts) = accounts(0);
    let ours = hash("correct horse", COST).0;
    for kind in ["2a", "2b", "2y"] {
        let theirs = ours.replacen("2b", kind, 1);
        assert_eq!(check_hash(&theirs), Ok(()));
        let new = NewUser { name: format!("user{kind}"), password: PasswordHash(theirs) };
        accounts.store.add_users(&[new]).unwrap();
        assert!(login(&accounts, &format!("user{kind}"), "correct horse").is_ok());
        assert!(is_wrong(login(&accounts, &format!("user{kind}"), "wrong horse")));
    }
}

#[test]
fn hashes_that_cannot_be_imported() {
    let good = hash("correct horse", COST).0;
    for wrong in [
        "",
        "secret",
        &good[..59],
        &format!("{good}x"),
        &good.replacen("$2b$", "$2x$", 1),
        &good.replacen("$2b$", "$1$$", 1),
        &good.replacen("$04$", "$03$", 1),
        &good.replacen("$04$", "$31$", 1),
        &good.replacen("$04$", "$+4$", 1),
        &format!("{}é", &good[..58]),
    ] {
        assert!(check_hash(wrong).is_err(), "{wrong}");
    }
}

/// Not timed, since time is unreliable: the same function with the same cost.
#[test]
fn an_unknown_name_costs_a_full_verification() {
    for cost in [4, 12] {
        let parts: bcrypt::HashParts = dummy_hash(cost).0.parse().unwrap();
        assert_eq!(parts.get_cost(), cost);
    }
    assert!(!bcrypt::verify("anything", &dummy_hash(COST).0).unwrap());
}

#[test]
fn guessing_is_slowed_and_success_is_not() {
    let (_folder, accounts) = accounts(3);
    accounts.register("alice", "correct horse", soon()).unwrap();
    for _ in 0..20 {
        assert!(login(&accounts, "alice", "correct horse").is_ok());
    }
    for _ in 0..3 {
        assert!(is_wrong(login(&accounts, "alice", "guess")));
    }
    // Twenty seconds would have to pass; the deadline comes first.
    let started = Instant::now();
    let patience = Duration::from_millis(200);
    assert!(is_wrong(accounts.login("alice", "guess", HOME, started + patience)));
    assert!(started.elapsed() >= patience);
    // Another address and another name are not concerned.
    let elsewhere = "10.0.0.1".parse().unwrap();
    accounts.register("bob", "correct horse", soon()).unwrap();
    assert!(accounts.login("bob", "correct horse", elsewhere, soon()).is_ok());
}

/// With many connections at once a guesser gets no more guesses than with one.
#[test]
fn parallel_guesses_do_not_slip_through() {
    let (_folder, accounts) = accounts(5);
    accounts.register("alice", "correct horse", soon()).unwrap();
    let deadline = Instant::now() + Duration::from_millis(500);
    thread::scope(|scope| {
        for n in 0..40 {
            let accounts = &accounts;
            scope.spawn(move || accounts.login("alice", &format!("guess {n}"), HOME, deadline));
        }
    });
    // Each guess that was computed is 12 s to work off; 60 s are free. Up to
    // one for each processor may have been in flight when the last free one went.
    let processors = thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let wait = accounts.limiter.wait(HOME, "alice", Instant::now());
    assert!(wait > Duration::ZERO);
    assert!(wait <= Duration::from_secs(12 * (processors + 1)), "{wait:?} to wait");
}

#[test]
fn a_login_that_finds_no_place_in_time_is_told_so() {
    let (_folder, accounts) = accounts(0);
    let all: Vec<_> = std::iter::from_fn(|| accounts.hashing.acquire(Instant::now())).collect();
    assert!(!all.is_empty());
    let late = Instant::now() + Duration::from_millis(20);
    assert!(matches!(accounts.login("alice", "x", HOME, late), Err(AuthError::Busy)));
}
