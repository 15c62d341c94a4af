//! The rules of the model are those of the contract.

use testkit::sessions::not_in_the_contract;
use testkit_chat::model::{client, rules};

#[test]
fn the_contract_names_every_rule_of_stages_6_and_7() {
    assert_eq!(not_in_the_contract(rules::ALL), Vec::<&str>::new());
}

#[test]
fn the_contract_names_every_rule_for_clients() {
    assert_eq!(not_in_the_contract(client::rules::ALL), Vec::<&str>::new());
}

/// `grading.rs` of stages 6 and 8 tries that sessions at random name it.
#[test]
fn every_rule_for_clients_has_a_client_that_breaks_it() {
    let tables = [
        include_str!("../../../stage6-auth/tests/grading.rs"),
        include_str!("../../../stage8-tls/tests/grading.rs"),
    ];
    let proven = |name: &str| {
        let of_its_own = format!("\", \"rule {name}\"),");
        let behind =
            tables.map(|table| table.split_once("const CLIENT_RULES").map_or("", |(_, rules)| rules));
        tables.iter().any(|table| table.contains(&of_its_own))
            || behind.iter().any(|rules| rules.contains(&format!("\", \"{name}\"),")))
    };
    let names = client::rules::ALL.iter().map(|rule| rule.name);
    assert_eq!(names.filter(|name| !proven(name)).collect::<Vec<_>>(), Vec::<&str>::new());
}
