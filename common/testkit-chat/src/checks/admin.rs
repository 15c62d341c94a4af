//! `stageN-admin`, as far as the server sees what it did.

use crate::chat::{Chat, WRONG};
use std::fs;
use std::process::Command;
use testkit::{Case, Program, checks, require};

/// bcrypt of "correct horse" at cost 4, made by Python's bcrypt.
const HASH: &str = "04$lwOTi4mterR9lCQtvA0swOh1mC/WX4zEtP02i3HxZvLJlgs0.2fqe";

/// Runs `stageN-admin` in the case's folder.
#[track_caller]
pub fn run(case: &Case, arguments: &[&str]) -> Program {
    with_password(case, "", arguments)
}

#[track_caller]
fn with_password(case: &Case, password: &str, arguments: &[&str]) -> Program {
    // Through a shell: what the case starts itself has no CHAT_PASSWORD.
    let mut shell = Command::new("sh");
    let script = if password.is_empty() { "exec \"$@\"" } else { "CHAT_PASSWORD=$0 exec \"$@\"" };
    shell.args(["-c", script, password]).arg(case.our_tool("admin")).args(arguments);
    case.run("admin", shell)
}

checks! {
/// The administrator's program.
pub admin:

/// An account made by the administrator is one like any other; the server need
/// not be stopped for it.
ours(tool) fn an_added_account_can_log_in(case) {
    let chat = Chat::start(case);
    let bob = chat.register("bob");
    with_password(case, "a secret of carols", &["add", "Carol", "--bcrypt-cost", "4"]).exits(0);
    let carol = chat.enter("carol", "LOGIN carol a secret of carols");
    require(carol.name == "Carol", "Carol", &carol.name);
    carol.tells(&bob, "hello");
    let again = with_password(case, "another secret", &["add", "CAROL", "--bcrypt-cost", "4"]);
    again.exits(1);
    require(again.errors().starts_with("error: "), "error: … already taken", again.errors());
}

/// With an imported hash, of each of the three kinds, a user logs in with the
/// password.
ours(tool) fn imported_accounts_can_log_in(case) {
    let chat = Chat::start(case);
    let users = format!(r#"{{"ann": "$2a${HASH}", "ben": "$2b${HASH}", "Yve": "$2y${HASH}"}}"#);
    fs::write(case.folder().join("users.json"), users).expect("it is ours");
    run(case, &["import", "users.json"]).exits(0);
    for (name, shown) in [("ann", "ann"), ("ben", "ben"), ("yve", "Yve")] {
        let line = chat.refuses("eve", &format!("LOGIN {name} incorrect horse"));
        require(line == WRONG, WRONG, line);
        let user = chat.enter(name, &format!("LOGIN {name} correct horse"));
        require(user.name == shown, shown, &user.name);
    }
}

/// `list` shows all accounts and their roles.
ours(tool) fn registered_accounts_are_listed_with_their_roles(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    run(case, &["role", &alice.name.to_uppercase(), "admin"]).exits(0);
    run(case, &["role", "nobody", "admin"]).exits(1);
    let list = run(case, &["list"]);
    list.exits(0);
    let roles: Vec<_> = list.output().lines().map(|l| l.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    require(roles == [format!("{} admin", alice.name), format!("{} member", bob.name)], "both, with their roles", list.output());
}
}
