//! A chat to check, and people in it who speak the sealed protocol.

use super::envelope::{Envelope, foreign, put_key};
use super::line::Line;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use testkit::{Case, Peer, Server, fail, require, shown};

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

    /// The same on a certain address.
    #[track_caller]
    pub fn again_on(self, address: SocketAddr) -> Self {
        self.again(&["--listen", &address.to_string()])
    }

    /// A name that nobody had in an earlier check.
    pub fn name(&self, who: &str) -> String {
        format!("{who}-{}", self.suffix)
    }

    /// A fresh connection.
    #[track_caller]
    pub fn connect(&self, who: &str) -> Line<'c> {
        // One that listens everywhere is reached here.
        let here = SocketAddr::from(([127, 0, 0, 1], self.server.address().port()));
        self.over(self.case.connect_to(who, here))
    }

    /// A fresh connection from another address of this machine.
    #[track_caller]
    pub fn connect_from(&self, who: &str, from: IpAddr) -> Line<'c> {
        let here = SocketAddr::from(([127, 0, 0, 1], self.server.address().port()));
        self.over(self.case.connect_from(who, here, from))
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

    /// Somebody with an account who has left again.
    #[track_caller]
    pub fn registered(&self, who: &str) {
        let member = self.register(who);
        member.send("/quit");
        // Only then is the name free.
        member.lines_to_the_end();
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
    // A flag may stand there once only.
    let usual = [["--listen", "127.0.0.1:0"], ["--bcrypt-cost", "4"]];
    let usual = usual.iter().filter(|[flag, _]| !flags.contains(flag)).flatten().copied();
    case.server_with(&usual.chain(flags.iter().copied()).collect::<Vec<_>>())
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
