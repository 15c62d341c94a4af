//! The table of wrong servers is whole. That each of them is caught is tried in `grading.rs`
//! of each stage.

use std::collections::BTreeSet;
use testkit::sessions::rules as plain;
use testkit_chat::model::rules;
use testkit_chat::wrong_servers::all;

#[test]
fn each_change_has_its_place_in_a_right_server() {
    let mut names = BTreeSet::new();
    for server in all() {
        assert!(names.insert((server.stage, server.name.clone())), "{} twice", server.name);
        server.source().unwrap();
    }
}

#[test]
fn every_rule_has_a_server_that_breaks_this_rule_alone() {
    let alone: BTreeSet<_> = all()
        .into_iter()
        .filter(|server| server.rules.len() == 1)
        .map(|server| server.rules[0].clone())
        .collect();
    let names = rules::ALL.iter().map(|rule| rule.name);
    assert_eq!(names.filter(|name| !alone.contains(*name)).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn a_wrong_server_breaks_rules_of_the_contract() {
    let known = |rule: &String| rules::ALL.iter().chain(plain::ALL).any(|known| known.name == *rule);
    for server in all() {
        assert!(server.rules.iter().all(known), "{}: {:?}", server.name, server.rules);
        assert!(server.breaks().is_some(), "{}", server.name);
    }
}

#[test]
fn the_book_has_each_wrong_server_beside_the_rule_that_it_breaks() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/instructors.md");
    let page = std::fs::read_to_string(page).unwrap();
    for server in all() {
        let (rule, stage, name) = (server.breaks().unwrap(), server.stage, &server.name);
        let row = page.lines().find(|line| line.starts_with(&format!("| {stage} | `{rule}` | ")));
        assert!(row.is_some_and(|row| row.contains(&format!("`{name}`"))), "{stage} {rule}: {name}");
    }
}
