//! A server played by the check, to see what a client does from its login on.

use crate::connection::Connection;
use crate::envelope::{Envelope, put_key};
use crate::test_ca::{Identity, TestCa};
use std::io;
use std::net::TcpStream;
use testkit::{Carried, Case, Next, Program, ScriptedServer, Terminal, fail, require, shown};

/// A server played by the check, with the client's key, or with a certificate that
/// the client has reason to trust.
pub struct MockServer<'c> {
    case: &'c Case,
    server: ScriptedServer,
    envelope: Option<Envelope>,
    identity: Option<Identity>,
}

impl<'c> MockServer<'c> {
    /// Listens.
    #[track_caller]
    pub fn open(case: &'c Case) -> Self {
        let server = case.scripted_server();
        if !crate::over_tls(case) {
            return Self { case, server, envelope: Some(Envelope::new(&put_key(case))), identity: None };
        }
        let ca = TestCa::new();
        ca.put(case);
        Self { case, server, envelope: None, identity: Some(ca.issue(&["localhost", "127.0.0.1"])) }
    }

    /// While this is done its address refuses connections, and then it is back.
    ///
    /// # Errors
    /// When another program has taken the address.
    pub fn is_away(self, during: impl FnOnce()) -> io::Result<Self> {
        let closed = self.server.close()?;
        during();
        Ok(Self { server: closed.open()?, ..self })
    }

    /// What the client's lines go through, in stages 6 and 7.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// Where it listens, for `--connect`.
    pub fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// The graded client on a pipe.
    #[track_caller]
    pub fn client(&self) -> Program {
        self.case.client(self.server.address())
    }

    /// Waits for the client's connection, and asks who it is.
    #[track_caller]
    pub fn asks(&self) -> Connection<'c> {
        let line = self.accept();
        line.send("AUTH_REQUIRED");
        line
    }

    /// Waits for the client's connection, and says nothing.
    #[track_caller]
    pub fn accept(&self) -> Connection<'c> {
        self.over(self.server.accept_stream())
    }

    /// The same, or `None` when `given_up` returns `true` before.
    #[track_caller]
    pub fn accept_unless(&self, given_up: impl Fn() -> bool) -> Option<Connection<'c>> {
        self.server.accept_unless(given_up).map(|stream| self.over(stream))
    }

    #[track_caller]
    fn over(&self, stream: TcpStream) -> Connection<'c> {
        let peer = match &self.identity {
            None => {
                let mut peer = self.case.carry("us", Carried::bare(stream));
                peer.read_on();
                peer
            }
            Some(identity) => identity.accept(self.case, stream),
        };
        Connection { case: self.case, peer, envelope: self.envelope.clone(), from_a_client: true }
    }

    /// The graded client on a pipe, logged in as alice.
    #[track_caller]
    pub fn logged_in(&self) -> (Program, Connection<'c>) {
        let mut client = self.client();
        client.try_type(b"LOGIN\nalice\ncorrect horse\n");
        let us = self.asks();
        let login = us.receives_login();
        require(login == "LOGIN alice correct horse", "LOGIN alice correct horse", shown(login));
        us.lets_in("alice", "token-1");
        (client, us)
    }

    /// The graded client on a terminal, logged in as alice.
    #[track_caller]
    pub fn logged_in_on_a_terminal(&self) -> (Terminal, Connection<'c>) {
        let password = ("CHAT_PASSWORD", "correct horse");
        let options = ["--connect", &self.address(), "--login", "alice"];
        let terminal = self.case.terminal_with(&options, &[password]);
        let us = self.asks();
        us.receives_login();
        us.lets_in("alice", "token-1");
        (terminal, us)
    }
}

impl Connection<'_> {
    /// The client's side of the login, in one line or step by step, as one line.
    #[track_caller]
    pub fn receives_login(&self) -> String {
        let mut request = self.receives_some("LOGIN, REGISTER or RESUME", |_| true);
        if request == "LOGIN" || request == "REGISTER" {
            for question in ["ENTER_USERNAME", "ENTER_PASSWORD"] {
                self.send(question);
                match self.next() {
                    Next::Line(answer) => request = format!("{request} {answer}"),
                    other => fail(format!("an answer to {question}"), other.to_string()),
                }
            }
        }
        request
    }

    /// What the server sends to a user that may come in.
    pub fn lets_in(&self, name: &str, token: &str) {
        self.send(&format!("AUTH_SUCCESS {name} {token}"));
        self.send("[HISTORY] 2026-01-31T09:30:00Z bob: said before");
        self.send(&format!("[USERS_LIST] {name},bob"));
    }
}
