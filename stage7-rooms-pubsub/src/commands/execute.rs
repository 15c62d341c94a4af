//! What a command does.

use super::{Command, names};
use crate::addressed_message::{PRIVATE, PrivateKind, Recipient};
use crate::chat::Chat;
use crate::message_store::{self, MAX_CHANGES};
use crate::room_event::{Question, RoomEvent};
use crate::rooms::LOBBY;
use common::log::Log;
use stage4_multichat::queue::QueueClosed;
use stage6_auth::sessions::Presence;
use stage6_auth::sessions::Session;
use stage6_auth::store::{Role, StoreError, User, name_key};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// How long a client's own messages may take to be in the history that it asks for.
const COMMIT_WAIT: Duration = Duration::from_secs(5);

/// The commands as one client may use them; only its reader thread has this.
pub struct Commands<'a> {
    pub(super) chat: &'a Chat,
    presence: &'a Presence,
    log: &'a Log,
    pub(super) session: Arc<Session>,
    /// The key of the room in which the client is when all that it has said is delivered: a
    /// message is stored with its room before the room thread gets to it.
    pub(super) room: Arc<str>,
}

/// Why a command was not executed. The text is for the client that sent it.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It is not possible, or not allowed.
    #[error("{0}")]
    Refused(String),
    /// The database does not answer. The log gets its reason.
    #[error("the database is out of reach, try again later")]
    Database(#[from] StoreError),
    /// The committer takes nothing any longer: the server ends.
    #[error(transparent)]
    Closed(#[from] QueueClosed),
}

impl From<String> for CommandError {
    fn from(problem: String) -> Self {
        CommandError::Refused(problem)
    }
}

/// What becomes of a command.
pub type CommandResult = Result<(), CommandError>;

impl<'a> Commands<'a> {
    /// For `session`, whose client has just come in.
    pub fn new(chat: &'a Chat, presence: &'a Presence, session: &Arc<Session>, log: &'a Log) -> Self {
        Commands { chat, presence, log, session: session.clone(), room: LOBBY.into() }
    }

    /// The session whose commands these are.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Does what `line` asks for, or says it to the room.
    ///
    /// # Errors
    /// When nothing is taken any longer, since the server ends.
    pub fn execute(&mut self, line: &str) -> io::Result<()> {
        let done = self.act(line, &[]);
        self.report(done)
    }

    /// Tells the client what is wrong, if something is. The connection goes on.
    ///
    /// # Errors
    /// When nothing is taken any longer.
    pub fn report(&self, done: CommandResult) -> io::Result<()> {
        let Err(error) = done else { return Ok(()) };
        match &error {
            CommandError::Closed(closed) => return Err(io::Error::other(*closed)),
            CommandError::Database(cause) => self.log.error(format_args!("{}: {cause}", self.session.name)),
            CommandError::Refused(_) => {}
        }
        self.session.send_to(&format!("[SERVER] error: {error}"));
        Ok(())
    }

    /// Does what `line` asks for; `more` are the commands of a later stage.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn act(&mut self, line: &str, more: &[&str]) -> CommandResult {
        match Command::parse(line, more)? {
            Command::Say(text) => self.say(Recipient::Room(self.room.clone()), text),
            Command::Join(room) => self.move_to(room),
            Command::Leave => self.move_to(LOBBY),
            Command::Ask(question) => self.ask(question),
            Command::History(limit) => self.show_history(limit.unwrap_or(self.chat.history)),
            Command::Publish(text) => self.say(Recipient::Subscribers, text),
            Command::Subscribe(user) => self.subscribe(user),
            Command::Unsubscribe(user) => self.unsubscribe(user),
            Command::SayTo(user, text) => self.say_to(user, text, &PRIVATE),
            Command::Kick(user) => self.kick(user),
            Command::Announce(text) => self.announce(text),
            Command::Help => {
                self.session.send_to(&format!("[SERVER] commands: {}", names(more)));
                Ok(())
            }
        }
    }

    fn say(&self, to: Recipient, text: &str) -> CommandResult {
        Ok(self.chat.say(&self.session, to, text.to_owned())?)
    }

    fn ask(&self, question: Question) -> CommandResult {
        Ok(self.chat.submit(RoomEvent::Ask(self.session.clone(), question))?)
    }

    fn move_to(&mut self, room: &str) -> CommandResult {
        let key = name_key(room);
        if *key == *self.room {
            return Err(format!("you are in {} already", self.room_name_when_stored()?).into());
        }
        self.room = key.into();
        self.log.info(format_args!("{} goes to the room {room}", self.session.name));
        Ok(self.chat.submit(RoomEvent::Move(self.session.clone(), room.into()))?)
    }

    /// Waits until all is stored that the client has said, and returns the room's name, as
    /// the user who opened it wrote it.
    pub(super) fn room_name_when_stored(&self) -> Result<Arc<str>, CommandError> {
        let (answer, name) = sync_channel(1);
        self.chat.submit(RoomEvent::RoomName(self.session.clone(), answer))?;
        Ok(name.recv_timeout(COMMIT_WAIT).unwrap_or_else(|_| self.room.clone()))
    }

    fn subscribe(&self, publisher: &str) -> CommandResult {
        let publisher = self.other(publisher, "subscribe to")?;
        let (session, store) = (&self.session, &self.chat.store);
        if !message_store::is_subscribed(store, session.user_id, publisher.id)? {
            if message_store::subscription_changes(store, session.user_id)? >= MAX_CHANGES {
                return Err(format!(
                    "you have changed your subscriptions {MAX_CHANGES} times, and no more can be stored"
                )
                .into());
            }
            message_store::subscribe(store, session.user_id, publisher.id)?;
            self.log.info(format_args!("{} subscribes to {}", session.name, publisher.name));
        }
        Ok(self.chat.submit(RoomEvent::Subscribe(session.clone(), publisher.name.into()))?)
    }

    fn unsubscribe(&self, publisher: &str) -> CommandResult {
        let publisher = self.other(publisher, "subscribe to")?;
        let (session, store) = (&self.session, &self.chat.store);
        if !message_store::is_subscribed(store, session.user_id, publisher.id)? {
            return Err(format!("you are not subscribed to {}", publisher.name).into());
        }
        message_store::unsubscribe(store, session.user_id, publisher.id)?;
        self.log.info(format_args!("{} does no longer subscribe to {}", session.name, publisher.name));
        Ok(self.chat.submit(RoomEvent::Unsubscribe(session.clone(), publisher.name.into()))?)
    }

    /// Says something to one user alone, who must be online.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn say_to(&self, whom: &str, text: &str, how: &'static PrivateKind) -> CommandResult {
        let name = match self.chat.elsewhere(whom) {
            Some(name) => name,
            None => self.present(whom, "send a private message to")?.name.clone(),
        };
        self.say(Recipient::User(name, how), text)
    }

    fn announce(&self, text: &str) -> CommandResult {
        self.needs_admin("/announce")?;
        self.log.info(format_args!("{} announces something", self.session.name));
        self.say(Recipient::AllUsers, text)
    }

    fn kick(&self, whom: &str) -> CommandResult {
        self.needs_admin("/kick")?;
        let name = &self.session.name;
        if let Some(whom) = self.chat.elsewhere(whom) {
            self.log.warn(format_args!("{name} kicks {whom} from another server"));
            self.session.send_to(&format!("[SERVER] {whom} was kicked"));
            return Ok(self.chat.submit(RoomEvent::Kick(self.session.clone(), name_key(&whom).into()))?);
        }
        let whom = self.present(whom, "kick")?;
        self.log.warn(format_args!("{name} kicks {} from {}", whom.name, whom.peer));
        self.presence.expel(&whom, &format!("[SERVER] you were kicked by {name}"));
        self.session.send_to(&format!("[SERVER] {} was kicked", whom.name));
        Ok(())
    }

    fn needs_admin(&self, command: &str) -> CommandResult {
        if self.session.role == Role::Admin {
            return Ok(());
        }
        self.log.warn(format_args!("{} is no admin and tried {command}", self.session.name));
        Err(format!("{command} needs the role admin").into())
    }

    /// Another user that is online.
    fn present(&self, name: &str, what: &str) -> Result<Arc<Session>, CommandError> {
        self.require_another(name, what)?;
        match self.presence.find(name) {
            Some(session) => Ok(session),
            None => Err(format!("{} is not online", self.account(name)?.name).into()),
        }
    }

    /// Another user that has an account.
    fn other(&self, name: &str, what: &str) -> Result<User, CommandError> {
        self.require_another(name, what)?;
        self.account(name)
    }

    fn require_another(&self, name: &str, what: &str) -> CommandResult {
        if name_key(name) == name_key(&self.session.name) {
            return Err(format!("you cannot {what} yourself").into());
        }
        Ok(())
    }

    /// The account of this name.
    ///
    /// # Errors
    /// When there is no such user, or the database does not answer.
    pub fn account(&self, name: &str) -> Result<User, CommandError> {
        // Cut, since it may be as long as a line.
        let unknown = || format!("no user {name:.40}");
        Ok(self.chat.store.user(name)?.ok_or_else(unknown)?)
    }
}
