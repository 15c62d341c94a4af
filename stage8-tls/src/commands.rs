//! The three commands that stage 8 adds, beside those of stage 7: they carry what
//! the clients need to seal a message for each other.

use crate::identity::PublicKey;
use crate::public_keys::{Database, PublicKeys};
use common::log::Log;
use stage6_auth::sessions::presence::Presence;
use stage6_auth::sessions::session::Session;
use stage7_rooms_pubsub::addressed_message::PrivateKind;
use stage7_rooms_pubsub::chat::Chat;
use stage7_rooms_pubsub::commands::{self as stage7, Command, addressed};
use std::io;
use std::sync::Arc;

/// The commands beyond stage 7's.
pub const MORE: [&str; 3] = ["/pubkey BASE64", "/key USER", "/dm USER BASE64"];

/// `/dm`: sealed for its receiver, and stored like everything else that somebody
/// sees. The server cannot tell what it is.
pub const SEALED: PrivateKind = PrivateKind { kind: "dm", before: "[DM] ", between: " " };

/// All commands, as one client may use them.
pub struct Commands<'a> {
    earlier: stage7::Commands<'a>,
    keys: &'a dyn PublicKeys,
    log: &'a Log,
}

impl<'a> Commands<'a> {
    /// For `session`, whose client has just come in.
    pub fn new(
        chat: &'a Chat,
        presence: &'a Presence,
        database: &'a Database,
        session: &Arc<Session>,
        log: &'a Log,
    ) -> Self {
        let earlier = stage7::Commands::new(chat, presence, database, session, log);
        Commands { earlier, keys: &*database.keys, log }
    }

    /// Does what `line` asks for, or says it to the room.
    ///
    /// # Errors
    /// When the committer has stopped, and with it the server.
    pub fn execute(&mut self, line: &str) -> io::Result<()> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let done = match command {
            "/pubkey" => self.publish(rest.trim()),
            "/key" => self.show(rest.trim()),
            "/dm" => match addressed(rest) {
                Some((user, sealed)) => {
                    self.earlier.say_to(user, sealed.trim(), &SEALED).map_err(io::Error::other)?
                }
                None => Err("/dm needs a user and a sealed message: /dm USER BASE64".to_owned()),
            },
            _ => return self.earlier.execute_parsed(Command::parse(line, &MORE), &MORE),
        };
        if let Err(problem) = done {
            self.earlier.report(&problem);
        }
        Ok(())
    }

    /// Silent when it is taken: clients do this each time they log in.
    fn publish(&self, key: &str) -> Result<(), String> {
        let key: PublicKey = key.parse().map_err(|error| format!("/pubkey BASE64: {error}"))?;
        let session = self.earlier.session();
        let known = self.keys.newest(session.user_id).map_err(|error| self.earlier.away(&error))?;
        if known.as_deref() != Some(&key.to_string()) {
            self.keys.publish(session.user_id, &key).map_err(|error| self.earlier.away(&error))?;
            let what = if known.is_some() { "another public key" } else { "a public key" };
            self.log.info(format_args!("{} publishes {what}, from {}", session.name, session.peer));
        }
        Ok(())
    }

    fn show(&self, name: &str) -> Result<(), String> {
        if name.is_empty() {
            return Err("/key needs a user: /key USER".to_owned());
        }
        let user = self.earlier.account(name)?;
        let key = self.keys.newest(user.id).map_err(|error| self.earlier.away(&error))?;
        let key = key.ok_or_else(|| format!("{} has published no key", user.name))?;
        self.earlier.session().send_to(&format!("[KEY] {} {key}", user.name));
        Ok(())
    }
}
