//! A connection of a scripted user, and what the server has said on it.

use super::history::{Line, Millis, Session};
use common::poison::IgnorePoison;
use std::net::TcpStream;
use std::sync::{Condvar, Mutex, MutexGuard};

const NOT_STORED: &str = "[SERVER] error: message not stored, try again";

const REDIS_AWAY: &str = "[SERVER] Redis is away";
const REDIS_BACK: &str = "[SERVER] Redis is back";

/// What is known of a connection; its reader thread writes it.
#[derive(Default)]
pub struct Known {
    /// For the checks.
    pub session: Session,
    /// With which the user can come back.
    pub token: Option<String>,
    /// Returns `true` if the login is complete.
    pub logged_in: bool,
    /// Returns `true` if it was refused.
    pub failed: bool,
    /// Returns `true` if nothing comes any more.
    pub ended: bool,
}

/// A connection. Its user writes to the stream, its reader thread reads.
pub struct Connection {
    /// To the link of the server.
    pub stream: TcpStream,
    known: Mutex<Known>,
    /// Something has come.
    pub changed: Condvar,
}

impl Connection {
    /// Over this stream, the `number`th of `user`, to the server of this number.
    pub fn new(stream: TcpStream, user: &str, number: usize, server: usize) -> Connection {
        let session = Session { user: user.to_owned(), number, server, ..Session::default() };
        let known = Mutex::new(Known { session, ..Known::default() });
        Connection { stream, known, changed: Condvar::new() }
    }

    /// What is known by now.
    pub fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().ignore_poison()
    }
}

impl Known {
    /// Returns `true` if it is logged in and has not ended.
    pub fn is_open(&self) -> bool {
        self.logged_in && !self.ended
    }

    /// The user says this.
    pub fn says(&mut self, line: Line, at: Millis) {
        self.session.sent.push(line);
        self.session.sent_at.push(at);
    }

    /// Nothing comes any more.
    pub fn end(&mut self, at: Millis) {
        self.ended = true;
        self.session.ends = Some(at);
    }

    /// A line of the server, by the contract.
    pub fn take_in(&mut self, text: &str, at: Millis) {
        if let Some(success) = text.strip_prefix("AUTH_SUCCESS ") {
            self.token = success.split(' ').nth(1).map(str::to_owned);
        } else if text.starts_with("AUTH_FAILED ") {
            self.failed = true;
        } else if let Some(list) = text.strip_prefix("[USERS_LIST] ") {
            self.session.list = list.split(',').map(str::to_owned).collect();
            // The last line of the greeting.
            if !self.logged_in {
                self.session.begins = at;
            }
            self.logged_in = true;
        } else if let Some(earlier) = text.strip_prefix("[HISTORY] ") {
            // Behind the time.
            self.session.earlier.extend(earlier.split_once(' ').map(|(_, line)| line.to_owned()));
        } else if text == NOT_STORED {
            self.session.refused += 1;
        } else if text.starts_with(REDIS_AWAY) || text.starts_with(REDIS_BACK) {
            self.session.redis_away.push(text.starts_with(REDIS_AWAY));
        } else if text.contains(": ") && !text.starts_with("[SERVER] ") {
            self.session.shown.push(text.to_owned());
            self.session.shown_at.push(at);
        }
    }
}
