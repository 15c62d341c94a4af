//! The administrator's program: what needs more rights than the server has, and
//! what must be done before its first start.

mod import;

use crate::accounts::{check_new_name, check_password, hash};
use crate::store::mysql::setup::{Account, init, is_host, is_user};
use crate::store::sqlite;
use crate::store::{DbArgs, DbUrl, NewUser, Role, Schema, Store, open, rfc3339};
use anyhow::{Context, bail};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use common::cli::print_error;
use common::escape::escape;
use common::terminal::{Echo, Questions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Prepares the chat's database and manages its accounts.
#[derive(Parser, Debug)]
#[command(version)]
struct Args {
    #[command(flatten)]
    db: DbArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make the tables, or bring those of an earlier stage or version up to date
    ///
    /// On MySQL and MariaDB, with an administrator's URL, this also makes the
    /// database and the server's account, which can read and add rows and nothing
    /// else, and prints the URL for the server's --db. It can be run again.
    Init {
        /// MySQL: the name of the server's account
        #[arg(long, default_value = "chat", value_parser = account_name, value_name = "NAME")]
        user: String,
        /// MySQL: a further host that the server may connect from (% for any)
        #[arg(long, value_parser = host, value_name = "HOST")]
        from: Vec<String>,
        /// MySQL: give an account that exists another password
        #[arg(long)]
        new_password: bool,
    },
    /// Make an account; asks for the password, or takes it from CHAT_PASSWORD
    Add {
        /// 1 to 32 of the characters A-Z a-z 0-9 _ . - with a letter or digit first
        name: String,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
        /// The cost of a guess: each step doubles it
        #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u32).range(4..=31))]
        bcrypt_cost: u32,
    },
    /// Show all accounts: name, role, when made
    List,
    /// Give an account another role
    Role {
        /// The account, in any case
        name: String,
        /// Its role from the next login on
        role: Role,
    },
    /// Make accounts from a JSON object of name to bcrypt hash, all or none
    Import {
        /// For example {"alice": "$2b$12$…"}
        file: PathBuf,
    },
}

fn account_name(text: &str) -> Result<String, &'static str> {
    if is_user(text) { Ok(text.to_owned()) } else { Err("expected up to 32 letters, digits and _") }
}

fn host(text: &str) -> Result<String, &'static str> {
    if is_host(text) { Ok(text.to_owned()) } else { Err("expected a host name, an address or %") }
}

/// The whole program, under the name and with the tables of its stage.
pub fn main(name: &'static str, schema: &Schema) -> ExitCode {
    let matches = Args::command().name(name).get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    common::cli::run(|| run(args, schema))
}

fn run(args: Args, schema: &Schema) -> anyhow::Result<()> {
    let store = || open(&args.db.db, schema);
    match args.command {
        Command::Init { user, from, new_password } => {
            prepare(&args.db.db, schema, Account { user, hosts: from, new_password })
        }
        Command::Add { name, password_stdin, bcrypt_cost } => {
            check_new_name(&name)?;
            add(store()?, name, password_stdin, bcrypt_cost)
        }
        Command::List => list(store()?.as_ref()),
        Command::Role { name, role } => {
            store()?.set_role(&name, role)?;
            say(format_args!("{name} is now {}", role.as_str()))
        }
        Command::Import { file } => import::import(store()?.as_ref(), &file),
    }
}

fn prepare(db: &DbUrl, schema: &Schema, account: Account) -> anyhow::Result<()> {
    let url = match db {
        DbUrl::Sqlite(path) => {
            sqlite::init(path, schema)?;
            print_error(format_args!("{db} has the tables of version {}", schema.version()));
            return say(db);
        }
        DbUrl::MySql(url) => url,
    };
    let prepared = init(url, schema, &account)?;
    print_error(format_args!("{db} has the tables of version {}", schema.version()));
    for grant in prepared.excess {
        print_error(format_args!("warning: the server's account may do more than it needs: {grant}"));
    }
    let user = &account.user;
    match prepared.url {
        Some(url) => {
            print_error(format_args!(
                "the account {user} can read and add rows; the URL for the server's --db or CHAT_DB:"
            ));
            say(url)
        }
        None => {
            print_error(format_args!(
                "the account {user} exists and keeps its password, which cannot be shown; --new-password makes another"
            ));
            Ok(())
        }
    }
}

fn add(store: Arc<Store>, name: String, password_stdin: bool, cost: u32) -> anyhow::Result<()> {
    // Before a password is typed in vain; the table decides.
    if store.user(&name)?.is_some() {
        bail!("the name {name} is already taken");
    }
    let password = password(password_stdin)?;
    check_password(&password)?;
    store.add_users(&[NewUser { name: name.clone(), password: hash(&password, cost) }])?;
    say(format_args!("added {name}"))
}

fn password(from_stdin: bool) -> anyhow::Result<Zeroizing<String>> {
    if from_stdin {
        let mut line = Zeroizing::new(String::new());
        io::stdin().read_line(&mut line).context("cannot read the password from standard input")?;
        return Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()));
    }
    if let Ok(password) = std::env::var("CHAT_PASSWORD") {
        return Ok(Zeroizing::new(password));
    }
    let mut questions = Questions::open()
        .context("no terminal to ask for the password on; set CHAT_PASSWORD or use --password-stdin")?;
    let mut ask = |prompt| questions.ask(prompt, Echo::Hidden)?.context("no password; nothing was changed");
    let password = ask("Password: ")?;
    if password != ask("The same again: ")? {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(password)
}

fn list(store: &Store) -> anyhow::Result<()> {
    for user in store.users()? {
        say(format_args!("{:<32} {:<6} {}", user.name, user.role.as_str(), rfc3339(user.created)))?;
    }
    Ok(())
}

/// A line on standard output, escaped: a name may come from a file or from a database
/// that another program has written to. Unlike `println!` it does not panic when that is
/// closed, which is an error, since the answer is what was asked for.
fn say(what: impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{}", escape(&what.to_string())).context("cannot write to standard output")
}
