//! What a command does.

use super::{Command, Malformed, names};
use crate::chat::Chat;
use crate::floor::Question;
use crate::message_store::Database;
use crate::rooms::LOBBY;
use crate::said::{PRIVATE, Private, To};
use common::log::Log;
use stage4_multichat::wire::Wire;
use stage6_auth::committer::Stopped;
use stage6_auth::history;
use stage6_auth::people::People;
use stage6_auth::speaker::Speaker;
use stage6_auth::store::{Role, StoreError, User, name_key};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How long one's own messages may take to be in the history that one asks for.
const SETTLING: Duration = Duration::from_secs(5);

/// What somebody is told when the database is away.
const OUT_OF_REACH: &str = "the database is out of reach, try again later";

/// The commands as one person may use them; only its own thread has it.
pub struct Commands<'a, W: Wire + 'static> {
    people: &'a People<W, Chat<W>>,
    database: &'a Database,
    log: &'a Log,
    person: Arc<Speaker<W>>,
    user: User,
    /// How many messages `/history` shows where no number is given.
    history: usize,
    /// The room in which this person is when all that it has said is through: a
    /// message is stored with its room before the floor gets to it.
    room: Arc<str>,
    room_name: Arc<str>,
}

/// What becomes of a command: an error in words is for its author, and the
/// connection goes on.
type Obeyed = Result<Result<(), String>, Stopped>;

impl<'a, W: Wire + 'static> Commands<'a, W> {
    /// For `person`, who has just come in and is `user`.
    pub fn new(
        people: &'a People<W, Chat<W>>,
        database: &'a Database,
        history: usize,
        log: &'a Log,
        person: &Arc<Speaker<W>>,
        user: User,
    ) -> Self {
        let (person, room): (_, Arc<str>) = (person.clone(), LOBBY.into());
        Commands { people, database, log, person, user, history, room_name: room.clone(), room }
    }

    /// Who it is.
    pub fn person(&self) -> &Arc<Speaker<W>> {
        &self.person
    }

    /// Who it is, as the database has it.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Does what `line` asks for, or says it to the room.
    ///
    /// # Errors
    /// When the committer has stopped, and with it the server.
    pub fn obey(&mut self, line: &str) -> io::Result<()> {
        self.obey_or(Command::parse(line, &[]), &[])
    }

    /// The same for a line that is read already, where a later stage has `more`
    /// commands.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn obey_or(&mut self, command: Result<Command<'_>, Malformed>, more: &[&str]) -> io::Result<()> {
        let obeyed = match command {
            Ok(command) => self.act(command, more),
            Err(malformed) => Ok(Err(malformed.to_string())),
        };
        if let Err(problem) = obeyed.map_err(io::Error::other)? {
            self.complain(&problem);
        }
        Ok(())
    }

    /// Tells the person what is wrong.
    pub fn complain(&self, problem: &str) {
        self.person.tell(&format!("[SERVER] error: {problem}"));
    }

    fn act(&mut self, command: Command<'_>, more: &[&str]) -> Obeyed {
        let chat = &self.people.place;
        match command {
            Command::Say(text) => {
                chat.say(&self.person, To::Room(self.room.clone()), text.to_owned()).map(Ok)
            }
            Command::Join(room) => self.go_to(room),
            Command::Leave => self.go_to(LOBBY),
            Command::Rooms => chat.ask(&self.person, Question::Rooms).map(Ok),
            Command::Users => chat.ask(&self.person, Question::Users).map(Ok),
            Command::Subscriptions => chat.ask(&self.person, Question::Subscriptions).map(Ok),
            Command::History(limit) => Ok(self.show_history(limit.unwrap_or(self.history))),
            Command::Publish(text) => chat.say(&self.person, To::Subscribers, text.to_owned()).map(Ok),
            Command::Subscribe(user) => self.subscribe(user, true),
            Command::Unsubscribe(user) => self.subscribe(user, false),
            Command::Private(user, text) => self.say_to(user, text, &PRIVATE),
            Command::Kick(user) => Ok(self.kick(user)),
            Command::Announce(text) => self.announce(text),
            Command::Help => {
                self.person.tell(&format!("[SERVER] commands: {}", names(more)));
                Ok(Ok(()))
            }
        }
    }

    fn go_to(&mut self, room: &str) -> Obeyed {
        let key = name_key(room);
        if *key == *self.room {
            return Ok(Err(format!("you are in {} already", self.room_name)));
        }
        (self.room, self.room_name) = (key.into(), room.into());
        self.log.info(format_args!("{} goes to the room {room}", self.person.name));
        self.people.place.go_to(&self.person, room).map(Ok)
    }

    fn show_history(&self, limit: usize) -> Result<(), String> {
        // What one has just said belongs to it.
        self.person.settle(SETTLING);
        let messages = self.database.messages.history(&self.room, limit).map_err(|e| self.away(&e))?;
        let lines = history::lines(messages.iter(), self.person.outbox.bound());
        if lines.is_empty() {
            self.person.tell(&format!("[SERVER] no earlier messages in {}", self.room_name));
        } else {
            let _ = self.person.outbox.send_lines(&lines);
        }
        Ok(())
    }

    fn subscribe(&self, publisher: &str, begins: bool) -> Obeyed {
        let publisher = match self.other(publisher, "subscribe to") {
            Ok(publisher) => publisher,
            Err(problem) => return Ok(Err(problem)),
        };
        let has = match self.database.messages.subscriptions(&self.person.name) {
            Ok(publishers) => publishers.iter().any(|name| **name == *publisher.name),
            Err(error) => return Ok(Err(self.away(&error))),
        };
        if !has && !begins {
            return Ok(Err(format!("you are not subscribed to {}", publisher.name)));
        }
        if has != begins {
            if let Err(error) = self.database.messages.subscribe(self.user.id, publisher.id, begins) {
                return Ok(Err(self.away(&error)));
            }
            let what = if begins { "subscribes to" } else { "does no longer subscribe to" };
            self.log.info(format_args!("{} {what} {}", self.person.name, publisher.name));
        }
        self.people.place.subscribe(&self.person, &publisher.name, begins).map(Ok)
    }

    /// Says something to one person alone, who must be there.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn say_to(&self, whom: &str, text: &str, how: &'static Private) -> Obeyed {
        if let Err(problem) = self.present(whom, "send a private message to") {
            return Ok(Err(problem));
        }
        self.people.place.say(&self.person, To::Person(name_key(whom).into(), how), text.to_owned()).map(Ok)
    }

    fn announce(&self, text: &str) -> Obeyed {
        if let Err(problem) = self.needs_admin("/announce") {
            return Ok(Err(problem));
        }
        self.log.info(format_args!("{} announces something", self.person.name));
        self.people.place.say(&self.person, To::Everybody, text.to_owned()).map(Ok)
    }

    fn kick(&self, whom: &str) -> Result<(), String> {
        self.needs_admin("/kick")?;
        let whom = self.present(whom, "kick")?;
        self.log.warn(format_args!("{} kicks {} from {}", self.person.name, whom.name, whom.peer));
        self.people.expel(&whom, &format!("[SERVER] you were kicked by {}", self.person.name));
        self.person.tell(&format!("[SERVER] {} was kicked", whom.name));
        Ok(())
    }

    fn needs_admin(&self, command: &str) -> Result<(), String> {
        if self.user.role == Role::Admin {
            return Ok(());
        }
        self.log.warn(format_args!("{} is no admin and tried {command}", self.person.name));
        Err(format!("{command} needs the role admin"))
    }

    /// Somebody else who is in.
    fn present(&self, name: &str, what: &str) -> Result<Arc<Speaker<W>>, String> {
        if name_key(name) == name_key(&self.person.name) {
            return Err(format!("you cannot {what} yourself"));
        }
        if let Some(person) = self.people.find(name) {
            return Ok(person);
        }
        let user = self.other(name, what)?;
        Err(format!("{} is not online", user.name))
    }

    /// Somebody else who has an account.
    fn other(&self, name: &str, what: &str) -> Result<User, String> {
        if name_key(name) == name_key(&self.person.name) {
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
        self.log.error(format_args!("{}: {error}", self.person.name));
        OUT_OF_REACH.to_owned()
    }
}
