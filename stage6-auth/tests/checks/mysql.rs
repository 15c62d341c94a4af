//! What the server's account on MariaDB may do.

use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder};
use testkit::{checks, require};
use testkit_chat::checks::prepared;

checks! { pub account:

/// SELECT and INSERT and nothing else, so that an attacker in the server cannot
/// change stored messages.
ours(tool) fn the_servers_account_can_only_select_and_insert(case) {
    let (_database, url) = prepared(case);
    let options = OptsBuilder::from_opts(Opts::from_url(&url).expect("a URL")).prefer_socket(false);
    let mut connection = Conn::new(options).expect("the account can connect");
    for statement in ["DELETE FROM messages", "UPDATE users SET role = 'admin'", "DROP TABLE messages",
        "TRUNCATE messages", "CREATE TABLE t (a INT)", "ALTER TABLE users ADD a INT", "SELECT * FROM mysql.user",
        "GRANT ALL ON *.* TO CURRENT_USER"]
    {
        let denied = connection.query_drop(statement).is_err_and(|e| e.to_string().contains("denied"));
        require(denied, format!("{statement} denied"), "that it is allowed");
    }
    require(connection.query_drop("SELECT * FROM messages").is_ok(), "SELECT allowed", "that it is denied");
}
}
