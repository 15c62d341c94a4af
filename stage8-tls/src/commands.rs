//! The three commands that stage 8 adds to those of stage 7. With them clients publish
//! their keys, ask for another user's, and send a message that is sealed with it.

use crate::identity::PublicKey;
use crate::public_keys::{self, MAX_KEYS};
use common::log::Log;
use stage6_auth::sessions::Presence;
use stage6_auth::sessions::Session;
use stage6_auth::store::Store;
use stage7_rooms_pubsub::addressed_message::{PRIVATE, PrivateKind};
use stage7_rooms_pubsub::chat::Chat;
use stage7_rooms_pubsub::commands::{self as stage7, CommandInfo, CommandResult, addressed};
use std::io;
use std::sync::Arc;

/// What a user can type at the client that stage 7 does not have, or that does something
/// else there.
pub const CLIENT_COMMANDS: [CommandInfo; 3] = [
    CommandInfo { usage: "/msg USER TEXT", help: "for USER alone; the server cannot read it" },
    CommandInfo { usage: "/fingerprint [USER]", help: "what you two compare, to be sure that it is USER" },
    CommandInfo { usage: "/trust USER", help: "accept a changed key of USER, after comparing" },
];

/// The commands of the server beyond stage 7's: clients send them.
pub const SERVER_COMMANDS: [&str; 3] = ["/pubkey BASE64", "/key USER", "/dm USER BASE64"];

/// `/dm`: sealed for one user, and stored like every other message. The server cannot
/// read it.
pub const SEALED: PrivateKind = PrivateKind { kind: "dm", before: "[DM] ", between: " " };

/// All ways of saying something in private: stage 7's, and this one.
pub const PRIVATE_KINDS: &[&PrivateKind] = &[&PRIVATE, &SEALED];

/// All commands, as one client may use them.
pub struct Commands<'a> {
    base: stage7::Commands<'a>,
    store: &'a Store,
    log: &'a Log,
}

impl<'a> Commands<'a> {
    /// For `session`, whose client has just come in.
    pub fn new(chat: &'a Chat, presence: &'a Presence, session: &Arc<Session>, log: &'a Log) -> Self {
        let base = stage7::Commands::new(chat, presence, session, log);
        Commands { base, store: &chat.store, log }
    }

    /// Executes the command in `line`, or says the line to the room.
    ///
    /// # Errors
    /// When the committer has stopped, and with it the server.
    pub fn execute(&mut self, line: &str) -> io::Result<()> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let done = match command {
            "/pubkey" => self.publish(rest.trim()),
            "/key" => self.show(rest.trim()),
            "/dm" => self.pass_on(rest),
            _ => self.base.act(line, &SERVER_COMMANDS),
        };
        self.base.report(done)
    }

    /// No answer if the key is stored or known: a client sends this after each login.
    fn publish(&self, key: &str) -> CommandResult {
        let key: PublicKey = key.parse().map_err(|error| format!("/pubkey BASE64: {error}"))?;
        let session = self.base.session();
        let known = public_keys::published(self.store, session.user_id)?;
        if known.last() == Some(&key.to_string()) {
            return Ok(());
        }
        if known.len() >= MAX_KEYS {
            return Err(format!(
                "/pubkey: you have published {MAX_KEYS} keys already, and no more can be stored"
            )
            .into());
        }
        public_keys::publish(self.store, session.user_id, &key)?;
        let what = if known.is_empty() { "a public key" } else { "another public key" };
        self.log.info(format_args!("{} publishes {what}, from {}", session.name, session.peer));
        Ok(())
    }

    fn show(&self, name: &str) -> CommandResult {
        if name.is_empty() {
            return Err("/key needs a user: /key USER".to_owned().into());
        }
        let user = self.base.account(name)?;
        let key = public_keys::published(self.store, user.id)?.pop();
        let key = key.ok_or_else(|| format!("{} has published no key", user.name))?;
        self.base.session().send_to(&format!("[KEY] {} {key}", user.name));
        Ok(())
    }

    fn pass_on(&self, rest: &str) -> CommandResult {
        let Some((user, sealed)) = addressed(rest) else {
            return Err("/dm needs a user and a sealed message: /dm USER BASE64".to_owned().into());
        };
        self.base.say_to(user, sealed, &SEALED)
    }
}
