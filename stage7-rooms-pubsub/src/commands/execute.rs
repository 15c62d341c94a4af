//! What a command does.

use super::{Command, Malformed, names};
use crate::addressed_message::{PRIVATE, PrivateKind, Recipient};
use crate::chat::Chat;
use crate::message_store::{Database, MAX_CHANGES};
use crate::room_state::Question;
use crate::rooms::LOBBY;
use common::log::Log;
use stage6_auth::committer::Stopped;
use stage6_auth::room::stream_history;
use stage6_auth::sessions::presence::Presence;
use stage6_auth::sessions::session::Session;
use stage6_auth::store::{Role, StoreError, User, name_key};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one's own messages may take to be in the history that one asks for.
const COMMIT_WAIT: Duration = Duration::from_secs(5);

/// How long a client may take to read the history that it asks for.
const HISTORY_WAIT: Duration = Duration::from_secs(20);

/// What somebody is told when the database is away.
const OUT_OF_REACH: &str = "the database is out of reach, try again later";

/// The commands as one client may use them; only its reader thread has this.
pub struct Commands<'a> {
    chat: &'a Chat,
    presence: &'a Presence,
    database: &'a Database,
    log: &'a Log,
    session: Arc<Session>,
    /// The room in which this person is when all that it has said is through: a
    /// message is stored with its room before the room thread gets to it.
    room: Arc<str>,
    room_name: Arc<str>,
}

/// What becomes of a command: an error in words is for its author, and the
/// connection goes on.
type CommandResult = Result<Result<(), String>, Stopped>;

impl<'a> Commands<'a> {
    /// For `session`, whose client has just come in.
    pub fn new(
        chat: &'a Chat,
        presence: &'a Presence,
        database: &'a Database,
        session: &Arc<Session>,
        log: &'a Log,
    ) -> Self {
        let (session, room): (_, Arc<str>) = (session.clone(), LOBBY.into());
        Commands { chat, presence, database, log, session, room_name: room.clone(), room }
    }

    /// Whose commands these are.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Does what `line` asks for, or says it to the room.
    ///
    /// # Errors
    /// When the committer has stopped, and with it the server.
    pub fn execute(&mut self, line: &str) -> io::Result<()> {
        self.execute_parsed(Command::parse(line, &[]), &[])
    }

    /// The same for a line that is read already, where a later stage has `more`
    /// commands.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn execute_parsed(
        &mut self,
        command: Result<Command<'_>, Malformed>,
        more: &[&str],
    ) -> io::Result<()> {
        let done = match command {
            Ok(command) => self.act(command, more),
            Err(malformed) => Ok(Err(malformed.to_string())),
        };
        if let Err(problem) = done.map_err(io::Error::other)? {
            self.report(&problem);
        }
        Ok(())
    }

    /// Tells the person what is wrong.
    pub fn report(&self, problem: &str) {
        self.session.send_to(&format!("[SERVER] error: {problem}"));
    }

    fn act(&mut self, command: Command<'_>, more: &[&str]) -> CommandResult {
        let chat = self.chat;
        match command {
            Command::Say(text) => {
                chat.say(&self.session, Recipient::Room(self.room.clone()), text.to_owned()).map(Ok)
            }
            Command::Join(room) => self.move_to(room),
            Command::Leave => self.move_to(LOBBY),
            Command::Rooms => chat.ask(&self.session, Question::Rooms).map(Ok),
            Command::Users => chat.ask(&self.session, Question::Users).map(Ok),
            Command::Subscriptions => chat.ask(&self.session, Question::Subscriptions).map(Ok),
            Command::History(limit) => Ok(self.show_history(limit.unwrap_or(self.chat.history_limit()))),
            Command::Publish(text) => {
                chat.say(&self.session, Recipient::Subscribers, text.to_owned()).map(Ok)
            }
            Command::Subscribe(user) => self.subscribe(user, true),
            Command::Unsubscribe(user) => self.subscribe(user, false),
            Command::Private(user, text) => self.say_to(user, text, &PRIVATE),
            Command::Kick(user) => match self.chat.elsewhere(user) {
                Some(name) => self.kick_elsewhere(&name),
                None => Ok(self.kick(user)),
            },
            Command::Announce(text) => self.announce(text),
            Command::Help => {
                self.session.send_to(&format!("[SERVER] commands: {}", names(more)));
                Ok(Ok(()))
            }
        }
    }

    fn move_to(&mut self, room: &str) -> CommandResult {
        let key = name_key(room);
        if *key == *self.room {
            return Ok(Err(format!("you are in {} already", self.room_name)));
        }
        (self.room, self.room_name) = (key.into(), room.into());
        self.log.info(format_args!("{} goes to the room {room}", self.session.name));
        self.chat.move_to(&self.session, room).map(Ok)
    }

    fn show_history(&self, limit: usize) -> Result<(), String> {
        // What one has just said belongs to it.
        self.session.wait_idle(COMMIT_WAIT);
        let messages = self.database.messages.history(&self.room, limit).map_err(|e| self.away(&e))?;
        if messages.is_empty() {
            self.session.send_to(&format!("[SERVER] no earlier messages in {}", self.room_name));
        }
        match stream_history(&messages, &self.session.outbox, Instant::now() + HISTORY_WAIT) {
            0 => Ok(()),
            left => Err(format!("you read too slowly; /history {left} shows the messages that are left out")),
        }
    }

    fn subscribe(&self, publisher: &str, begins: bool) -> CommandResult {
        let publisher = match self.other(publisher, "subscribe to") {
            Ok(publisher) => publisher,
            Err(problem) => return Ok(Err(problem)),
        };
        if let Err(problem) = self.store_subscription(&publisher, begins) {
            return Ok(Err(problem));
        }
        self.chat.subscribe(&self.session, &publisher.name, begins).map(Ok)
    }

    fn store_subscription(&self, publisher: &User, begins: bool) -> Result<(), String> {
        let (subscriber, store) = (self.session.user_id, &self.database.messages);
        let has = store.is_subscribed(subscriber, publisher.id).map_err(|e| self.away(&e))?;
        if has == begins {
            return if has { Ok(()) } else { Err(format!("you are not subscribed to {}", publisher.name)) };
        }
        if begins && store.subscription_changes(subscriber).map_err(|e| self.away(&e))? >= MAX_CHANGES {
            return Err(format!(
                "you have changed your subscriptions {MAX_CHANGES} times, and no more can be stored"
            ));
        }
        store.subscribe(subscriber, publisher.id, begins).map_err(|e| self.away(&e))?;
        let what = if begins { "subscribes to" } else { "does no longer subscribe to" };
        self.log.info(format_args!("{} {what} {}", self.session.name, publisher.name));
        Ok(())
    }

    /// Says something to one person alone, who must be there.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn say_to(&self, whom: &str, text: &str, how: &'static PrivateKind) -> CommandResult {
        if !self.chat.is_elsewhere(whom)
            && let Err(problem) = self.present(whom, "send a private message to")
        {
            return Ok(Err(problem));
        }
        self.chat.say(&self.session, Recipient::User(name_key(whom).into(), how), text.to_owned()).map(Ok)
    }

    fn announce(&self, text: &str) -> CommandResult {
        if let Err(problem) = self.needs_admin("/announce") {
            return Ok(Err(problem));
        }
        self.log.info(format_args!("{} announces something", self.session.name));
        self.chat.say(&self.session, Recipient::Everybody, text.to_owned()).map(Ok)
    }

    fn kick(&self, whom: &str) -> Result<(), String> {
        self.needs_admin("/kick")?;
        let whom = self.present(whom, "kick")?;
        self.log.warn(format_args!("{} kicks {} from {}", self.session.name, whom.name, whom.peer));
        self.presence.expel(&whom, &format!("[SERVER] you were kicked by {}", self.session.name));
        self.session.send_to(&format!("[SERVER] {} was kicked", whom.name));
        Ok(())
    }

    fn kick_elsewhere(&self, whom: &str) -> CommandResult {
        if let Err(problem) = self.needs_admin("/kick") {
            return Ok(Err(problem));
        }
        self.log.warn(format_args!("{} kicks {whom} from another server", self.session.name));
        self.session.send_to(&format!("[SERVER] {whom} was kicked"));
        self.chat.kick_elsewhere(&self.session, whom).map(Ok)
    }

    fn needs_admin(&self, command: &str) -> Result<(), String> {
        if self.session.role == Role::Admin {
            return Ok(());
        }
        self.log.warn(format_args!("{} is no admin and tried {command}", self.session.name));
        Err(format!("{command} needs the role admin"))
    }

    /// Somebody else who is in.
    fn present(&self, name: &str, what: &str) -> Result<Arc<Session>, String> {
        if name_key(name) == name_key(&self.session.name) {
            return Err(format!("you cannot {what} yourself"));
        }
        if let Some(person) = self.presence.find(name) {
            return Ok(person);
        }
        let user = self.other(name, what)?;
        Err(format!("{} is not online", user.name))
    }

    /// Somebody else who has an account.
    fn other(&self, name: &str, what: &str) -> Result<User, String> {
        if name_key(name) == name_key(&self.session.name) {
            return Err(format!("you cannot {what} yourself"));
        }
        self.account(name)
    }

    /// The account of this name.
    ///
    /// # Errors
    /// In words for the person: there is none, or the database is away.
    pub fn account(&self, name: &str) -> Result<User, String> {
        let user = self.database.users.user(name).map_err(|error| self.away(&error))?;
        // Cut, since it may be as long as a line.
        user.ok_or_else(|| format!("no user {}", name.chars().take(40).collect::<String>()))
    }

    /// What the person is told when the database does not answer; the log gets more.
    pub fn away(&self, error: &StoreError) -> String {
        self.log.error(format_args!("{}: {error}", self.session.name));
        OUT_OF_REACH.to_owned()
    }
}
