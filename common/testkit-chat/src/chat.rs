//! A chat to check, and its users.

use crate::connection::Connection;
use crate::envelope::{Envelope, put_key};
use crate::tls::{self, TrustedCa};
use crate::user::User;
use std::net::{IpAddr, SocketAddr, TcpStream};
use testkit::{Carried, Case, Peer, Server};

/// Every user's password, unless a check is about passwords.
pub const PASSWORD: &str = "correct horse";

/// What a login that fails is told.
pub const WRONG: &str = "AUTH_FAILED wrong name or password";

/// A server, and what it takes to talk to it.
pub struct Chat<'c> {
    /// Where it belongs to.
    pub case: &'c Case,
    /// The program.
    pub server: Server,
    /// What every line goes through, in stages 6 and 7.
    envelope: Option<Envelope>,
    /// What the connections go through from stage 8 on.
    trust: Option<TrustedCa>,
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
        Self::with_all_flags(case, &with_usual(flags))
    }

    /// Our server as it is meant to be run: passwords cost what they cost.
    #[track_caller]
    pub fn start_at_full_cost(case: &'c Case) -> Self {
        Self::with_all_flags(case, &["--listen", "127.0.0.1:0"])
    }

    #[track_caller]
    fn with_all_flags(case: &'c Case, flags: &[&str]) -> Self {
        let envelope = (!crate::over_tls(case)).then(|| Envelope::new(&put_key(case)));
        let suffix = hex::encode(rand::random::<[u8; 3]>());
        Self::serving(case, flags, envelope, suffix)
    }

    #[track_caller]
    fn serving(case: &'c Case, flags: &[&str], envelope: Option<Envelope>, suffix: String) -> Self {
        let server = if case.foreign_server() { case.server() } else { case.server_with(flags) };
        let trust = envelope.is_none().then(|| TrustedCa::of_server(case));
        Self { case, server, envelope, trust, suffix }
    }

    /// The server again, on the same database, after it was stopped or killed.
    #[track_caller]
    pub fn again(self, flags: &[&str]) -> Self {
        let Self { case, server, envelope, suffix, .. } = self;
        // Its process goes first: two servers on one database are another check.
        drop(server);
        Self::serving(case, &with_usual(flags), envelope, suffix)
    }

    /// The same on a certain address.
    #[track_caller]
    pub fn again_on(self, address: SocketAddr) -> Self {
        self.again(&["--listen", &address.to_string()])
    }

    /// A name that no user had in an earlier check.
    pub fn name(&self, who: &str) -> String {
        format!("{who}-{}", self.suffix)
    }

    /// A fresh connection.
    #[track_caller]
    pub fn connect(&self, who: &str) -> Connection<'c> {
        self.over(who, self.case.stream_to(who, self.address()))
    }

    /// Where the server is reached, also when it listens everywhere.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.server.address().port()))
    }

    /// A fresh connection from another address of this machine.
    #[track_caller]
    pub fn connect_from(&self, who: &str, from: IpAddr) -> Connection<'c> {
        self.over(who, self.case.stream_from(who, self.address(), from))
    }

    /// A new connection of a client that never reads, with a small buffer.
    #[track_caller]
    pub fn connect_unread(&self, who: &str) -> Connection<'c> {
        let stream = self.case.stream_with_small_buffer(who, self.address());
        self.line(self.peer(who, stream))
    }

    /// The protocol of the stage over this connection.
    #[track_caller]
    fn over(&self, who: &str, stream: TcpStream) -> Connection<'c> {
        let mut peer = self.peer(who, stream);
        peer.read_on();
        self.line(peer)
    }

    #[track_caller]
    fn peer(&self, who: &str, stream: TcpStream) -> Peer {
        let carried = match &self.trust {
            Some(trust) => trust.connect(who, stream, tls::LOCALHOST),
            None => Carried::bare(stream),
        };
        self.case.carry(who, carried)
    }

    fn line(&self, peer: Peer) -> Connection<'c> {
        Connection { case: self.case, peer, envelope: self.envelope.clone(), from_a_client: false }
    }

    /// The envelope, in the stages that have one.
    pub fn envelope(&self) -> &Envelope {
        self.envelope.as_ref().expect("this check is one of sealed lines")
    }

    /// Talks under another key from now on.
    pub fn set_envelope(&mut self, envelope: Envelope) {
        self.envelope = Some(envelope);
    }

    /// A connection that has been asked who it is.
    #[track_caller]
    pub fn asked(&self, who: &str) -> Connection<'c> {
        let connection = self.connect(who);
        connection.receives("AUTH_REQUIRED");
        connection
    }

    /// A new user in the room.
    #[track_caller]
    pub fn register(&self, who: &str) -> User<'c> {
        self.enter(who, &format!("REGISTER {} {PASSWORD}", self.name(who)))
    }

    /// A user with an account that has left again.
    #[track_caller]
    pub fn registered(&self, who: &str) {
        let user = self.register(who);
        user.send("/quit");
        // Only then is the name free.
        user.lines_to_the_end();
    }

    /// A user that has registered before.
    #[track_caller]
    pub fn login(&self, who: &str) -> User<'c> {
        self.enter(who, &self.credentials(who))
    }

    /// The line that logs `who` in.
    pub fn credentials(&self, who: &str) -> String {
        format!("LOGIN {} {PASSWORD}", self.name(who))
    }

    /// Comes in by `request`, which must be successful.
    #[track_caller]
    pub fn enter(&self, who: &str, request: &str) -> User<'c> {
        let connection = self.asked(who);
        connection.send(request);
        User::enters(connection)
    }

    /// Asks to come in by `request`, which must fail; gives the reason.
    #[track_caller]
    pub fn refuses(&self, who: &str, request: &str) -> String {
        let connection = self.asked(who);
        connection.send(request);
        connection.is_refused()
    }

    /// `N` users in the room, who have heard of each other.
    #[track_caller]
    pub fn room<const N: usize>(&self) -> [User<'c>; N] {
        let names = ["alice", "bob", "carol", "dave"];
        let users: [User; N] = std::array::from_fn(|i| self.register(names[i]));
        for (at, user) in users.iter().enumerate() {
            for other in &users[at + 1..] {
                user.hears_some("who joined", |l| l.starts_with(&format!("[SERVER] {} joined", other.name)));
            }
        }
        users
    }
}

/// These flags and the usual ones that they do not set: a flag may stand there
/// once only.
fn with_usual<'f>(flags: &[&'f str]) -> Vec<&'f str> {
    let usual = [["--listen", "127.0.0.1:0"], ["--bcrypt-cost", "4"]];
    let usual = usual.iter().filter(|[flag, _]| !flags.contains(flag)).flatten().copied();
    usual.chain(flags.iter().copied()).collect()
}
