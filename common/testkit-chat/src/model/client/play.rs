//! A session, played with a real client: the check is the server.

use super::contacts::Contacts;
use super::draw;
use super::session::{ClientSession, LineEnd, Outcome, Pieces, Received, Step};
use crate::connection::Connection;
use crate::envelope::Envelope;
use crate::mock_server::MockServer;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use testkit::sessions::rules as plain;
use testkit::sessions::{Broken, Rule, Sessions, escaped};
use testkit::{Case, Next, Program, shown};

/// More bytes than this are not written one by one.
const FEW: usize = 300;

/// Sessions with a client of stage 6, 7 or 8.
pub struct ClientSessions {
    /// Which of them.
    pub stage: u8,
}

impl Sessions for ClientSessions {
    type Session = ClientSession;
    const COUNT: usize = 60;
    const OTHERWISE: Rule = plain::SHOWN;

    /// The last of them may take a second longer.
    fn time(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn draw(&self, seed: u64, number: usize) -> ClientSession {
        draw::session(self.stage, seed, number)
    }

    /// What should not have come is a fault in any case.
    fn is_sure(&self, broken: &Broken) -> bool {
        !broken.is_nothing()
    }

    fn simpler(&self, session: &ClientSession) -> Vec<ClientSession> {
        session.simpler()
    }

    fn play(&self, case: &Case, session: &ClientSession, patience: Duration) -> Result<(), Broken> {
        let server = MockServer::open(case);
        let mut client = server.client();
        let login = &session.login;
        if login.outcome != Outcome::Closes && !login.is_slow {
            let lines = login.typed.iter().chain(&login.early).map(|line| format!("{line}\n"));
            write(lines.collect::<String>().as_bytes(), login.pieces, |piece| client.try_type(piece));
        }
        let us = server.accept();
        let envelope = server.envelope().cloned();
        let mut player = Player {
            stage: self.stage,
            server,
            client,
            us,
            envelope,
            patience,
            name: login.name,
            tokens: 0,
            room: None,
            sent: VecDeque::new(),
            said: Vec::new(),
            is_back: false,
            is_to_publish: false,
            contacts: Contacts::new(),
            question: None,
            optional: Vec::new(),
            remarks: 0,
            remarks_end_in: 0,
            fences: 0,
        };
        if !player.logs_in(login)? {
            return Ok(());
        }
        for step in &session.steps {
            player.remarks_end_in = player.remarks_end_in.saturating_sub(1);
            player = match step {
                Step::Lose(loss, attempt, typed) => match player.loses(*loss, *attempt, typed)? {
                    Some(player) => player,
                    // Another program has taken the address.
                    None => return Ok(()),
                },
                step => {
                    player.step(step)?;
                    player
                }
            };
        }
        player.ends(&session.end)
    }
}

/// The client, and the server's end of its connection.
pub(super) struct Player<'c> {
    pub stage: u8,
    pub server: MockServer<'c>,
    pub client: Program,
    pub us: Connection<'c>,
    pub envelope: Option<Envelope>,
    pub patience: Duration,
    pub name: &'static str,
    /// So many tokens were given out.
    pub tokens: usize,
    /// Where the client is, if not in the lobby.
    pub room: Option<&'static str>,
    /// What the client has sent and was not looked at yet.
    pub sent: VecDeque<Next>,
    /// What was typed and has arrived.
    pub said: Vec<String>,
    /// The client has just come back.
    pub is_back: bool,
    /// It is in, and has not published its key yet.
    pub is_to_publish: bool,
    pub contacts: Contacts,
    /// What is answered when it asks for a key.
    pub question: Option<super::keys::Question>,
    /// Lines that it may show, or not.
    pub optional: Vec<String>,
    /// Lines of its own on standard output.
    pub remarks: usize,
    /// In so many steps it has nothing to say by itself any more.
    pub remarks_end_in: usize,
    pub fences: usize,
}

/// Writes bytes in these pieces.
fn write(bytes: &[u8], pieces: Pieces, mut write: impl FnMut(&[u8])) {
    match pieces {
        Pieces::EachByte if bytes.len() <= FEW => bytes.chunks(1).for_each(write),
        Pieces::Two(thousandth) if bytes.len() > 1 => {
            let (first, second) = bytes.split_at(1.max(bytes.len() * thousandth / 1000));
            write(first);
            std::thread::sleep(Duration::from_millis(1));
            write(second);
        }
        _ => write(bytes),
    }
}

impl Player<'_> {
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    fn step(&mut self, step: &Step) -> Result<(), Broken> {
        match step {
            Step::Receive(lines, pieces) => self.receives(lines, *pieces),
            Step::Type(lines, pieces) => {
                let typed: String = lines.iter().map(|line| format!("{line}\n")).collect();
                write(typed.as_bytes(), *pieces, |piece| self.client.try_type(piece));
                lines.iter().filter(|line| !line.is_empty()).try_for_each(|line| self.sends(line))
            }
            Step::Move(command, result) => {
                self.client.try_type(format!("{command}\n").as_bytes());
                self.sends(command)?;
                match result {
                    Err(error) => self.say(&format!("[SERVER] error: {error}"), plain::SHOWN),
                    Ok(room) => {
                        self.room = Some(*room).filter(|room| *room != "lobby");
                        self.is_in(room)
                    }
                }
            }
            Step::Lose(..) => Ok(()),
            Step::Whisper(whisper) => self.whispers(whisper),
            Step::Mistyped(text) => self.mistypes(text),
            Step::Hear(from, heard) => self.hears(*from, heard),
            Step::Rekey(of) => self.is_given_another(*of),
            Step::InTheClear(text) => self.hears_in_the_clear(text),
        }
    }

    fn receives(&mut self, lines: &[Received], pieces: Pieces) -> Result<(), Broken> {
        let mut bytes = Vec::new();
        for line in lines {
            match line {
                Received::NotUtf8 => bytes.extend(b"bob: caf\xe9\n"),
                Received::Line(text, end) => {
                    self.us.case.note(format!("us, next: {}", shown(text)));
                    bytes.extend(self.us.encoded(text).into_bytes());
                    bytes.extend_from_slice(if matches!(end, LineEnd::CrLf) { b"\r\n" } else { b"\n" });
                }
            }
        }
        write(&bytes, pieces, |piece| drop(self.us.peer.try_send(piece)));
        for line in lines {
            if let Received::Line(text, end) = line {
                // Inside a seal a CR is none of a line end.
                let is_lf = matches!(end, LineEnd::Lf) && self.envelope.is_none();
                let text = if is_lf { text.strip_suffix('\r').unwrap_or(text) } else { text };
                let rule = if escaped(text) == text { plain::SHOWN } else { plain::ESCAPED };
                self.prints(text, rule)?;
            }
        }
        Ok(())
    }

    /// What was typed before this line is sent, and what was sent before is shown.
    pub fn next_fence(&mut self) -> String {
        self.fences += 1;
        format!("so much for {}", self.fences)
    }
}
