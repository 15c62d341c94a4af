//! The rules of the model are those of the contract.

use testkit::sessions::not_in_the_contract;
use testkit_chat::model::rules;

#[test]
fn the_contract_names_every_rule_of_stages_6_and_7() {
    assert_eq!(not_in_the_contract(rules::ALL), Vec::<&str>::new());
}
