//! A chat to check, and people in it who speak the sealed protocol.

use super::envelope::{Envelope, foreign, put_key};
use std::net::IpAddr;
use std::ops::Deref;
use testkit::{Case, End, Next, Peer, Server, fail, require, shown};

/// Everybody's, unless a check is about passwords.
pub const PASSWORD: &str = "correct horse";

pub const REJECTED: &str = "[SERVER] error: message rejected";
pub const WRONG: &str = "AUTH_FAILED wrong name or password";

/// A server with its key.
pub struct Chat<'c> {
    pub case: &'c Case,
    pub server: Server,
    pub envelope: Envelope,
    /// Ends all names: a server in another language may keep its database from
    /// one check to the next.
    suffix: String,
}

impl<'c> Chat<'c> {
    /// The graded server, with its defaults but for a cheap bcrypt.
    #[track_caller]
    pub fn start(case: &'c Case) -> Self {
        Self::start_with(case, &[])
    }

    /// The same with more flags, which a server in another language does not get.
    #[track_caller]
    pub fn start_with(case: &'c Case, flags: &[&str]) -> Self {
        let envelope = Envelope::new(&put_key(case));
        let suffix = hex::encode(rand::random::<[u8; 3]>());
        Self { case, server: serve(case, flags), envelope, suffix }
    }

    /// The server again, on the same database, after it was stopped or killed.
    #[track_caller]
    pub fn again(self, flags: &[&str]) -> Self {
        let Self { case, server, envelope, suffix } = self;
        // Its process goes first: two servers on one database are another check.
        drop(server);
        Self { case, server: serve(case, flags), envelope, suffix }
    }

    /// A name that nobody had in an earlier check.
    pub fn name(&self, who: &str) -> String {
        format!("{who}-{}", self.suffix)
    }

    /// A fresh connection.
    #[track_caller]
    pub fn connect(&self, who: &str) -> Line<'c> {
        self.over(self.case.connect(who, &self.server))
    }

    /// A fresh connection from another address of this machine.
    #[track_caller]
    pub fn connect_from(&self, who: &str, from: IpAddr) -> Line<'c> {
        self.over(self.case.connect_from(who, &self.server, from))
    }

    /// What the peer sends and receives from now on is sealed.
    pub fn over(&self, peer: Peer) -> Line<'c> {
        Line { case: self.case, peer, envelope: self.envelope.clone() }
    }

    /// A connection that has been asked who it is.
    #[track_caller]
    pub fn asked(&self, who: &str) -> Line<'c> {
        let line = self.connect(who);
        line.receives("AUTH_REQUIRED");
        line
    }

    /// Somebody new in the room.
    #[track_caller]
    pub fn register(&self, who: &str) -> Member<'c> {
        self.enter(who, &format!("REGISTER {} {PASSWORD}", self.name(who)))
    }

    /// Somebody who has registered before.
    #[track_caller]
    pub fn login(&self, who: &str) -> Member<'c> {
        self.enter(who, &self.credentials(who))
    }

    /// The line that logs `who` in.
    pub fn credentials(&self, who: &str) -> String {
        format!("LOGIN {} {PASSWORD}", self.name(who))
    }

    /// Comes in by `request`, which must be successful.
    #[track_caller]
    pub fn enter(&self, who: &str, request: &str) -> Member<'c> {
        let line = self.asked(who);
        line.send(request);
        Member::enters(line)
    }

    /// Asks to come in by `request`, which must fail; gives the reason.
    #[track_caller]
    pub fn refuses(&self, who: &str, request: &str) -> String {
        let line = self.asked(who);
        line.send(request);
        line.is_refused()
    }

    /// `N` people in the room, who have heard of each other.
    #[track_caller]
    pub fn room<const N: usize>(&self) -> [Member<'c>; N] {
        let names = ["alice", "bob", "carol", "dave"];
        let members: [Member; N] = std::array::from_fn(|i| self.register(names[i]));
        for (at, member) in members.iter().enumerate() {
            for other in &members[at + 1..] {
                member
                    .hears_some("who joined", |l| l.starts_with(&format!("[SERVER] {} joined", other.name)));
            }
        }
        members
    }
}

#[track_caller]
fn serve(case: &Case, flags: &[&str]) -> Server {
    if foreign("SERVER") {
        return case.server();
    }
    let cheap: &[&str] = if flags.contains(&"--bcrypt-cost") { &[] } else { &["--bcrypt-cost", "4"] };
    case.server_with(&[&["--listen", "127.0.0.1:0"], cheap, flags].concat())
}

/// One end of a connection on which every line is sealed.
pub struct Line<'c> {
    case: &'c Case,
    pub peer: Peer,
    pub envelope: Envelope,
}

impl Line<'_> {
    /// Seals `text` and sends it.
    #[track_caller]
    pub fn send(&self, text: &str) {
        self.case.note(format!("{} seals {}", self.peer.name(), shown(text)));
        self.peer.send(&self.envelope.seal(text));
    }

    /// Sends several lines in one write.
    #[track_caller]
    pub fn send_all(&self, texts: impl IntoIterator<Item = impl AsRef<str>>) {
        let lines: String = texts.into_iter().map(|text| self.envelope.seal(text.as_ref()) + "\n").collect();
        self.peer.send_bytes(lines.as_bytes());
    }

    /// What comes next, opened.
    #[track_caller]
    pub fn next(&self) -> Next {
        match self.peer.next() {
            Next::Line(line) => match self.envelope.open(&line) {
                Ok(text) => {
                    self.case.note(format!("{} opens {}", self.peer.name(), shown(&text)));
                    Next::Line(text)
                }
                Err(why) => fail("a line sealed as the contract says", format!("{}: {why}", shown(line))),
            },
            other => other,
        }
    }

    /// The very next line must satisfy `fits`.
    #[track_caller]
    pub fn receives_some(&self, what: &str, fits: impl FnOnce(&str) -> bool) -> String {
        match self.next() {
            Next::Line(line) if fits(&line) => line,
            other => fail(format!("{} to receive, next, {what}", self.peer.name()), other.to_string()),
        }
    }

    /// The very next line must be `text`.
    #[track_caller]
    pub fn receives(&self, text: &str) {
        self.receives_some(&shown(text), |line| line == text);
    }

    /// All lines up to the first that satisfies `fits`, that one last.
    #[track_caller]
    pub fn lines_to(&self, what: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Next::Line(line) => {
                    lines.push(line);
                    if lines.last().is_some_and(|line| fits(line)) {
                        return lines;
                    }
                }
                other => fail(format!("{} to receive {what}", self.peer.name()), other.to_string()),
            }
        }
    }

    /// Waits for a line that satisfies `fits`, passing over others.
    #[track_caller]
    pub fn hears_some(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        self.lines_to(what, fits).pop().unwrap_or_default()
    }

    /// Waits for the line `text`, passing over others.
    #[track_caller]
    pub fn hears(&self, text: &str) {
        self.hears_some(&shown(text), |line| line == text);
    }

    /// Nothing that contains `text` may come before the line that contains `fence`.
    #[track_caller]
    pub fn never_hears(&self, text: &str, fence: &str) {
        let lines = self.lines_to(&format!("a line with {}", shown(fence)), |line| line.contains(fence));
        if let Some(line) = lines.iter().find(|line| line.contains(text) && !line.contains(fence)) {
            fail(format!("{} never to receive {}", self.peer.name(), shown(text)), shown(line));
        }
    }

    /// All lines until the server closes, which must be in good order.
    #[track_caller]
    pub fn lines_to_the_end(&self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Next::Line(line) => lines.push(line),
                Next::End(End::Closed, rest) if rest.is_empty() => return lines,
                other => fail("a close in good order", other.to_string()),
            }
        }
    }

    /// The very next line is `AUTH_FAILED reason`, and then the server closes at
    /// once; gives that line.
    #[track_caller]
    pub fn is_refused(&self) -> String {
        let fits = |l: &str| l.strip_prefix("AUTH_FAILED ").is_some_and(|reason| !reason.trim().is_empty());
        let line = self.receives_some("\"AUTH_FAILED reason\"", fits);
        match self.next() {
            Next::End(..) => line,
            other => fail("the connection closed at once after AUTH_FAILED", other.to_string()),
        }
    }

    /// The server has seen a line that is not sealed well: it says so, and closes.
    #[track_caller]
    pub fn is_rejected(&self) {
        self.hears(REJECTED);
        match self.next() {
            Next::End(..) => {}
            other => fail("the connection closed after a rejected line", other.to_string()),
        }
    }
}

/// Somebody in the room.
pub struct Member<'c> {
    pub line: Line<'c>,
    /// As `AUTH_SUCCESS` has it.
    pub name: String,
    pub token: String,
    /// The lines `[HISTORY] …` at the beginning.
    pub history: Vec<String>,
    /// The names of the first `[USERS_LIST]`.
    pub users: Vec<String>,
}

impl<'c> Member<'c> {
    /// From the answer to a right password on.
    #[track_caller]
    pub fn enters(line: Line<'c>) -> Self {
        let success = line.receives_some("\"AUTH_SUCCESS name token\"", |l| l.starts_with("AUTH_SUCCESS "));
        let (_, name, token) = match success.split(' ').collect::<Vec<_>>()[..] {
            [first, name, token] if !token.is_empty() => (first, name.to_owned(), token.to_owned()),
            _ => fail("\"AUTH_SUCCESS name token\"", shown(&success)),
        };
        let mut history = line.lines_to("[USERS_LIST] after the history", |l| l.starts_with("[USERS_LIST] "));
        let users = names(&history.pop().unwrap_or_default());
        let other = history.iter().find(|l| !l.starts_with("[HISTORY] "));
        require(
            other.is_none(),
            "history and then the list of users",
            shown(other.cloned().unwrap_or_default()),
        );
        Self { line, name, token, history, users }
    }

    /// Says `text` so that `listener` has heard it.
    #[track_caller]
    pub fn tells(&self, listener: &Line, text: &str) {
        self.send(text);
        listener.hears(&format!("{}: {text}", self.name));
    }

    /// Waits for a list of users that holds exactly `expected`.
    #[track_caller]
    pub fn hears_list(&self, expected: &[&Member]) {
        let mut expected: Vec<_> = expected.iter().map(|m| m.name.as_str()).collect();
        expected.sort_unstable();
        self.hears(&format!("[USERS_LIST] {}", expected.join(",")));
    }
}

impl<'c> Deref for Member<'c> {
    type Target = Line<'c>;

    fn deref(&self) -> &Line<'c> {
        &self.line
    }
}

/// The names in `[USERS_LIST] alice,bob`.
pub fn names(list: &str) -> Vec<String> {
    let names = list.strip_prefix("[USERS_LIST] ").unwrap_or_default();
    names.split(',').map(str::to_owned).collect()
}
