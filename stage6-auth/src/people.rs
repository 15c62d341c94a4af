//! People: everybody who is in, each once, and who has to go for whom.

use crate::door::{Guest, Refusal};
use crate::members::{Hold, Members, OnDuplicate};
use crate::room::Room;
use crate::sessions::Sessions;
use crate::speaker::Speaker;
use common::log::Log;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Instant;

/// What an older connection is told that has to go.
const ELSEWHERE: &str = "[SERVER] you logged in elsewhere";

/// Somebody who is logged in, at the other end of a plain TCP connection.
pub type Person = Speaker<Arc<TcpStream>>;

/// See the [module](self).
pub struct People {
    members: Members<Arc<Person>>,
    on_duplicate: OnDuplicate,
    sessions: Arc<Sessions>,
    /// Where they talk.
    pub room: Room<Arc<TcpStream>>,
    log: Log,
}

/// Somebody's presence: the name is taken, and the place in the room.
pub struct Here<'a> {
    people: &'a People,
    person: Arc<Person>,
    /// Free again when the person has left the room.
    _name: Hold<'a, Arc<Person>>,
}

impl People {
    /// Nobody yet.
    pub fn new(
        on_duplicate: OnDuplicate,
        sessions: &Arc<Sessions>,
        room: Room<Arc<TcpStream>>,
        log: &Log,
    ) -> Self {
        let (members, sessions, log) = (Members::default(), sessions.clone(), log.clone());
        People { members, on_duplicate, sessions, room, log }
    }

    /// Lets somebody in who has proved to be `guest`.
    ///
    /// # Errors
    /// When somebody of that name is in who need not yield.
    pub fn enter(&self, person: &Arc<Person>, guest: &Guest, deadline: Instant) -> Result<Here<'_>, Refusal> {
        let welcome = person.welcome.lock();
        let name = self.hold_name(person, guest.resumed, deadline).inspect_err(|_| {
            if !guest.resumed {
                // Nobody will ever know its token.
                let _ = self.sessions.end(&guest.token);
            }
        })?;
        let resumed = if guest.resumed { ", back with its token" } else { "" };
        self.log.info(format_args!("{} is in, from {}{resumed}", person.name, person.peer));
        person.tell(&format!("AUTH_SUCCESS {} {}", person.name, *guest.token.reveal()));
        drop(welcome);
        let here = Here { people: self, person: person.clone(), _name: name };
        self.room.enter(person).map_err(|stopped| Refusal::Lost(io::Error::other(stopped)))?;
        Ok(here)
    }

    /// Takes the name, from an earlier connection if that has to yield:
    /// - to the same session coming back. The earlier connection is most likely
    ///   dead, which the server may not know for minutes;
    /// - to a login, if the server is set to that. Never to another session's
    ///   coming back: programs do that by themselves, and two of them would throw
    ///   each other out for ever.
    fn hold_name(
        &self,
        person: &Arc<Person>,
        resumed: bool,
        deadline: Instant,
    ) -> Result<Hold<'_, Arc<Person>>, Refusal> {
        let yields = |older: &Arc<Person>| match resumed {
            true => older.token == person.token,
            false => self.on_duplicate == OnDuplicate::Replace,
        };
        let oust = |older: &Arc<Person>| self.oust(older, person);
        Ok(self.members.hold(&person.name, person.clone(), yields, oust, deadline)?)
    }

    fn oust(&self, older: &Person, newer: &Person) {
        self.log.info(format_args!("{} from {} yields to {}", older.name, older.peer, newer.peer));
        if older.token != newer.token
            && let Err(error) = self.sessions.end(&older.token)
        {
            self.log.error(format_args!("the session of {} goes on: {error}", older.name));
        }
        // Not before it was told that it is in.
        drop(older.welcome.lock());
        older.tell(ELSEWHERE);
        older.outbox.end();
        // Its thread reads the end of its input, and leaves the room.
        let _ = older.outbox.wire().shutdown(Shutdown::Read);
    }

    /// Ends the session. Whether that could be done.
    pub fn log_out(&self, person: &Person) -> bool {
        match self.sessions.end(&person.token) {
            Ok(()) => self.log.info(format_args!("{} logged out from {}", person.name, person.peer)),
            Err(error) => {
                self.log.error(format_args!("{} not logged out: {error}", person.name));
                person.tell("[SERVER] error: not logged out, try again");
                return false;
            }
        }
        true
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.people.room.leave(&self.person);
        self.people.log.info(format_args!("{} has left, from {}", self.person.name, self.person.peer));
    }
}
