use super::*;
use crate::store::{DbUrl, PasswordHash, SCHEMA, open};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const COST: u32 = 4;

fn accounts(login_rate: u32) -> (tempfile::TempDir, Accounts) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&DbUrl::Sqlite(folder.path().join("chat.db")), &SCHEMA).unwrap();
    (folder, Accounts::new(store, COST, login_rate))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn login(accounts: &Accounts, name: &str, password: &str) -> Result<User, AccountError> {
    accounts.login(name, password, HOME, soon())
}

fn register(accounts: &Accounts, name: &str, password: &str) -> Result<User, AccountError> {
    accounts.register(name, password, HOME, soon())
}

fn is_wrong(result: Result<User, AccountError>) -> bool {
    matches!(result, Err(AccountError::WrongNameOrPassword { .. }))
}

#[test]
fn who_registered_can_log_in_and_nobody_else() {
    let (_folder, accounts) = accounts(0);
    let made = register(&accounts, "Alice", "correct horse").unwrap();
    assert_eq!(login(&accounts, "aLICE", "correct horse").unwrap(), made);
    assert_eq!(made.name, "Alice");
    assert!(made.password.0.starts_with("$2b$04$"));
    for (name, password) in [("Alice", "Correct horse"), ("Alice", ""), ("bob", "correct horse"), ("", "x")] {
        let error = login(&accounts, name, password).unwrap_err();
        assert_eq!(error.to_string(), "wrong name or password", "{name} {password}");
    }
    let again = register(&accounts, "ALICE", "another one");
    assert!(matches!(again, Err(AccountError::NameTaken)));
}

#[test]
fn names_have_bounds() {
    for name in ["a", "A.b-c_9", &"x".repeat(32), "9lives", "servers"] {
        assert!(check_new_name(name).is_ok(), "{name}");
    }
    for name in ["", &"x".repeat(33), "a b", "a\n", "é", "a,b", "[SERVER]", "a\0", "ａ"] {
        assert!(matches!(check_new_name(name), Err(AccountError::BadName)), "{name}");
    }
    for name in [".", "..", "-rf", "_a", ".ssh"] {
        assert!(matches!(check_new_name(name), Err(AccountError::BadFirstCharacter)), "{name}");
    }
    for name in ["server", "SERVER", "Server"] {
        assert!(matches!(check_new_name(name), Err(AccountError::NameTaken)), "{name}");
    }
}

/// Such names could be registered once.
#[test]
fn an_older_account_whose_name_is_reserved_now_still_logs_in() {
    let (_folder, accounts) = accounts(0);
    for name in ["SERVER", "-rf", ".."] {
        let new = NewUser { name: name.to_owned(), password: hash("correct horse", COST) };
        accounts.store.add_users(&[new]).unwrap();
        assert!(login(&accounts, name, "correct horse").is_ok(), "{name}");
    }
}

#[test]
fn a_password_is_one_line() {
    for password in ["correct\nhorse", "correct horse\n", "correct horse\r"] {
        assert!(matches!(check_password(password), Err(AccountError::PasswordWithLineEnd)), "{password:?}");
    }
}

/// bcrypt by itself would let 80 bytes in whose first 72 are right.
#[test]
fn passwords_have_bounds_in_bytes() {
    let (_folder, accounts) = accounts(0);
    for (n, password) in ["x".repeat(8), "x".repeat(72), "é".repeat(36)].iter().enumerate() {
        let name = format!("user{n}");
        register(&accounts, &name, password).unwrap();
        assert!(login(&accounts, &name, password).is_ok(), "{password}");
        assert!(is_wrong(login(&accounts, &name, &format!("{password}x"))), "one more byte");
        assert!(is_wrong(login(&accounts, &name, &password[2..])));
    }
    for password in ["x".repeat(7), "x".repeat(73), "é".repeat(37), "with\0a NUL".into(), String::new()] {
        assert!(matches!(register(&accounts, "bob", &password), Err(AccountError::BadPassword)));
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
    register(&accounts, "alice", "correct horse").unwrap();
    for _ in 0..20 {
        assert!(login(&accounts, "alice", "correct horse").is_ok());
    }
    for _ in 0..3 {
        assert!(is_wrong(login(&accounts, "alice", "guess")));
    }
    // Twenty seconds would have to pass; the deadline comes first. A right
    // password that is not looked at is not called wrong.
    let started = Instant::now();
    let limit = Duration::from_millis(200);
    for password in ["guess", "correct horse"] {
        let result = accounts.login("alice", password, HOME, started + limit);
        assert!(matches!(result, Err(AccountError::Busy)), "{result:?}");
    }
    assert!(started.elapsed() >= limit);
    // Another address and another name are not concerned.
    register(&accounts, "bob", "correct horse").unwrap();
    for name in ["alice", "bob"] {
        assert!(accounts.login(name, "correct horse", address(1), soon()).is_ok());
    }
}

fn address(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, n).into()
}

/// With many connections at once a guesser gets no more guesses than with one.
#[test]
fn parallel_guesses_do_not_slip_through() {
    let (_folder, accounts) = accounts(5);
    register(&accounts, "alice", "correct horse").unwrap();
    let deadline = Instant::now() + Duration::from_millis(500);
    let looked_at = thread::scope(|scope| {
        let guess = |n: u32| accounts.login("alice", &format!("guess {n}"), HOME, deadline);
        let guesses: Vec<_> = (0..40).map(|n| scope.spawn(move || is_wrong(guess(n)))).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).filter(|&wrong| wrong).count()
    });
    // Up to one for each processor may have been computed when the last free one failed.
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    assert!((5..5 + processors).contains(&looked_at), "{looked_at} guesses");
}

/// Guessers at many addresses, each with a guess on its way all the time, and
/// registrations beside them. The owner of the name is in before the guessers
/// have been served twice each, and so is everybody else.
#[test]
fn guessers_and_registrations_keep_nobody_out() {
    let (_folder, accounts) = accounts(20);
    for name in ["alice", "bob"] {
        register(&accounts, name, "correct horse").unwrap();
    }
    let (stop, computed) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for n in 0..60 {
            let (accounts, stop, computed) = (&accounts, &stop, &computed);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let deadline = Instant::now() + Duration::from_millis(50);
                    if n % 2 == 0 {
                        let _ = accounts.register(&format!("new{n}"), "wrong horse", address(n), deadline);
                    } else {
                        let _ = accounts.login("alice", "guess", address(n), deadline);
                    }
                    computed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while computed.load(Ordering::Relaxed) < 60 {
            thread::yield_now();
        }
        for name in ["alice", "bob", "alice"] {
            let result = accounts.login(name, "correct horse", address(200), soon());
            assert!(result.is_ok(), "{name}: {result:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_login_that_gets_no_permit_in_time_is_told_so() {
    let (_folder, accounts) = accounts(0);
    let origin = Origin::new(HOME, None);
    let all: Vec<_> =
        std::iter::from_fn(|| accounts.queue.acquire(Purpose::Login, &origin, Instant::now())).collect();
    assert!(!all.is_empty());
    let late = Instant::now() + Duration::from_millis(20);
    assert!(matches!(accounts.login("alice", "x", HOME, late), Err(AccountError::Busy)));
}

#[test]
fn an_address_that_has_made_too_many_accounts_is_told_so_and_still_logs_in() {
    let (_folder, accounts) = accounts(0);
    register(&accounts, "alice", "correct horse").unwrap();
    // All of them in a moment that is still to come, so that none is worked off meanwhile.
    let (origin, later) = (Origin::new(HOME, None), Instant::now() + Duration::from_secs(3600));
    while accounts.queue.admit_registration(&origin, later) {}
    assert!(matches!(register(&accounts, "mallory", "correct horse"), Err(AccountError::TooManyAccounts)));
    login(&accounts, "alice", "correct horse").unwrap();
    accounts.register("bob", "correct horse", address(2), soon()).unwrap();
}
