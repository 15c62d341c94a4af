//! People: everybody who is in, each once, and who has to go for whom.

use crate::auth::{AuthenticatedUser, LoginError};
use crate::committer::Stopped;
use crate::members::{Hold, Members, OnDuplicate};
use crate::sessions::SessionTokens;
use crate::speaker::Speaker;
use common::log::Log;
use stage4_multichat::wire::Wire;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What an older connection is told that has to go.
const ELSEWHERE: &str = "[SERVER] you logged in elsewhere";

/// How long a departure may take: longer than a database that hangs.
const DEPARTURE: Duration = Duration::from_secs(30);

/// Where people are once they are in.
pub trait Place<W: Wire> {
    /// Lets `speaker` in, in its turn, with a greeting.
    ///
    /// # Errors
    /// When that cannot be done any more.
    fn enter(&self, speaker: &Arc<Speaker<W>>) -> Result<(), LoginError>;

    /// Takes `speaker` out, behind the last of its messages. Does not wait for that.
    ///
    /// # Errors
    /// When nothing is taken any more.
    fn leave(&self, speaker: &Arc<Speaker<W>>) -> Result<(), Stopped>;
}

/// See the [module](self).
pub struct People<W: Wire, P> {
    members: Members<Arc<Speaker<W>>>,
    on_duplicate: OnDuplicate,
    sessions: Arc<SessionTokens>,
    /// Where they talk.
    pub place: P,
    log: Log,
}

/// Somebody's presence: the name is taken, and the place in the room.
pub struct Here<'a, W: Wire, P: Place<W>> {
    people: &'a People<W, P>,
    person: Arc<Speaker<W>>,
    /// Free again when the person has left the room.
    _name: Hold<'a, Arc<Speaker<W>>>,
}

impl<W: Wire, P: Place<W>> People<W, P> {
    /// Nobody yet.
    pub fn new(on_duplicate: OnDuplicate, sessions: &Arc<SessionTokens>, place: P, log: &Log) -> Self {
        let (members, sessions, log) = (Members::default(), sessions.clone(), log.clone());
        People { members, on_duplicate, sessions, place, log }
    }

    /// Lets somebody in who has proved to be `login`.
    ///
    /// # Errors
    /// When somebody of that name is in who need not yield.
    pub fn enter(
        &self,
        person: &Arc<Speaker<W>>,
        login: &AuthenticatedUser,
        deadline: Instant,
    ) -> Result<Here<'_, W, P>, LoginError> {
        let welcome = person.welcome.lock();
        let name = self.hold_name(person, login.resumed, deadline).inspect_err(|_| {
            if !login.resumed {
                // Nobody will ever know its token.
                let _ = self.sessions.end(&login.token);
            }
        })?;
        let resumed = if login.resumed { ", back with its token" } else { "" };
        self.log.info(format_args!("{} is in, from {}{resumed}", person.name, person.peer));
        person.tell(&format!("AUTH_SUCCESS {} {}", person.name, *login.token.reveal()));
        drop(welcome);
        let here = Here { people: self, person: person.clone(), _name: name };
        self.place.enter(person)?;
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
        person: &Arc<Speaker<W>>,
        resumed: bool,
        deadline: Instant,
    ) -> Result<Hold<'_, Arc<Speaker<W>>>, LoginError> {
        let yields = |older: &Arc<Speaker<W>>| match resumed {
            true => older.token == person.token,
            false => self.on_duplicate == OnDuplicate::Replace,
        };
        let oust = |older: &Arc<Speaker<W>>| self.oust(older, person);
        Ok(self.members.hold(&person.name, person.clone(), yields, oust, deadline)?)
    }

    fn oust(&self, older: &Speaker<W>, newer: &Speaker<W>) {
        self.log.info(format_args!("{} from {} yields to {}", older.name, older.peer, newer.peer));
        if older.token == newer.token {
            self.see_off(older, ELSEWHERE);
        } else {
            self.expel(older, ELSEWHERE);
        }
    }

    /// The one of this name, in whatever case, if it is in.
    pub fn find(&self, name: &str) -> Option<Arc<Speaker<W>>> {
        self.members.get(name)
    }

    /// Has `person` go for a reason that it is told, and its session end: its
    /// client cannot come back by itself.
    pub fn expel(&self, person: &Speaker<W>, why: &str) {
        if let Err(error) = self.sessions.end(&person.token) {
            self.log.error(format_args!("the session of {} goes on: {error}", person.name));
        }
        self.see_off(person, why);
    }

    fn see_off(&self, person: &Speaker<W>, why: &str) {
        // Not before it was told that it is in.
        drop(person.welcome.lock());
        person.tell(why);
        person.outbox.end();
        // Its thread reads the end of its input, and leaves the room.
        person.outbox.wire().stop_reading();
    }

    /// Ends the session. Whether that could be done.
    pub fn log_out(&self, person: &Speaker<W>) -> bool {
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

impl<W: Wire, P: Place<W>> Drop for Here<'_, W, P> {
    fn drop(&mut self) {
        if self.people.place.leave(&self.person).is_ok() {
            self.person.settle(DEPARTURE);
        }
        self.people.log.info(format_args!("{} has left, from {}", self.person.name, self.person.peer));
    }
}
