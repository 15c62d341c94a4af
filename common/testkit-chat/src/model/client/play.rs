//! A session, played with a real client: the check is the server.

use super::contacts::Contacts;
use super::draw;
use super::rules;
use super::session::{
    Attempt, ClientSession, Forgery, LineEnd, Login, Loss, Outcome, Pieces, Received, Step,
};
use crate::connection::Connection;
use crate::envelope::Envelope;
use crate::mock_server::MockServer;
use crate::model::world::TLS;
use crate::wire::Key;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use testkit::sessions::rules as plain;
use testkit::sessions::{Broken, NOTHING, Rule, Sessions, escaped};
use testkit::{Case, Exit, Next, Program, shown};

/// Between two looks at what the client sends while something is to be shown.
const POLL: Duration = Duration::from_millis(5);
/// What is sent too early comes within this.
const EARLY: Duration = Duration::from_millis(15);
/// So long there is no server. A client tries to connect meanwhile.
const AWAY: Duration = Duration::from_millis(400);
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
        broken.got != NOTHING
    }

    fn simpler(&self, session: &ClientSession) -> Vec<ClientSession> {
        session.simpler()
    }

    fn play(&self, case: &Case, session: &ClientSession, patience: Duration) -> Result<(), Broken> {
        let server = MockServer::open(case);
        let mut client = server.client();
        let login = &session.login;
        let lines: String = login.typed.iter().chain(&login.early).map(|line| format!("{line}\n")).collect();
        if login.outcome != Outcome::Closes {
            write(lines.as_bytes(), login.pieces, |piece| client.try_type(piece));
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
                Step::Lose(loss, attempt) => match player.loses(*loss, *attempt)? {
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
    server: MockServer<'c>,
    pub client: Program,
    pub us: Connection<'c>,
    envelope: Option<Envelope>,
    pub patience: Duration,
    pub name: &'static str,
    /// So many tokens were given out.
    tokens: usize,
    /// Where the client is, if not in the lobby.
    room: Option<&'static str>,
    /// What the client has sent and was not looked at yet.
    sent: VecDeque<Next>,
    /// What was typed and has arrived.
    said: Vec<String>,
    /// The client has just come back.
    is_back: bool,
    /// It is in, and has not published its key yet.
    is_to_publish: bool,
    pub contacts: Contacts,
    /// What is answered when it asks for a key.
    pub question: Option<super::private::Question>,
    /// Lines that it may show, or not.
    pub optional: Vec<String>,
    /// Lines of its own on standard output.
    pub remarks: usize,
    /// In so many steps it has nothing to say by itself any more.
    pub remarks_end_in: usize,
    fences: usize,
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

pub(super) fn broken(rule: Rule, expected: impl Into<String>, got: &Next) -> Broken {
    let got = if *got == Next::Nothing { NOTHING.to_owned() } else { got.to_string() };
    Broken { rule, expected: expected.into(), got }
}

impl Player<'_> {
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// From the first line to the room. Returns `false` if that was all.
    fn logs_in(&mut self, login: &Login) -> Result<bool, Broken> {
        if let Outcome::Forged(forgery) = login.outcome {
            return self.is_forged(forgery).map(|()| false);
        }
        let no_answers = login.typed.iter().filter(|line| line.starts_with("/msg")).count();
        if no_answers > 0 {
            self.begins_to_say();
        }
        self.say("AUTH_REQUIRED", plain::SHOWN)?;
        if login.outcome == Outcome::Closes {
            self.us.peer.half_close();
            return self.exits(None, plain::SERVER_CLOSES).map(|()| false);
        }
        let mut request = self.answer("LOGIN, REGISTER, or all in one line")?;
        if ["LOGIN", "REGISTER"].contains(&request.as_str()) {
            for question in ["ENTER_USERNAME", "ENTER_PASSWORD"] {
                self.say(question, plain::SHOWN)?;
                let answer = self.answer(question)?;
                request = format!("{request} {answer}");
            }
        }
        if request != login.request {
            let expected = format!("the answers {}", shown(&login.request));
            return Err(Broken { rule: rules::LOGS_IN, expected, got: shown(&request) });
        }
        let is_told = self.has_told(0, no_answers)?;
        let expected = "a word that /msg is not sent before the login".to_owned();
        self.must_have_told(is_told, rules::NEVER_IN_THE_CLEAR, expected)?;
        if !login.early.is_empty() || login.outcome != Outcome::In {
            match self.next_sent(Instant::now() + EARLY)? {
                Next::Nothing => {}
                other => return Err(broken(rules::LOGS_IN, "nothing more before AUTH_SUCCESS", &other)),
            }
        }
        match login.outcome {
            Outcome::Failed(reason) => {
                self.say(&format!("AUTH_FAILED {reason}"), rules::REFUSED)?;
                self.us.peer.half_close();
                return self.exits(Some(1), rules::REFUSED).map(|()| false);
            }
            Outcome::In | Outcome::Closes | Outcome::Forged(_) => {}
        }
        self.comes_in()?;
        login.early.iter().filter(|line| !line.is_empty()).try_for_each(|line| self.sends(line))?;
        Ok(true)
    }

    /// The next answer of the login. What is no answer is never sent.
    fn answer(&mut self, question: &str) -> Result<String, Broken> {
        match self.next_sent(self.deadline())? {
            Next::Line(line) => Ok(line),
            other => Err(broken(rules::LOGS_IN, format!("an answer to {question}"), &other)),
        }
    }

    /// It is let in, publishes its key, and goes to its room.
    fn comes_in(&mut self) -> Result<(), Broken> {
        self.tokens += 1;
        self.is_to_publish = self.stage >= TLS;
        let name = self.name;
        let lines = [
            format!("AUTH_SUCCESS {name} token-{}", self.tokens),
            "[HISTORY] 2026-01-31T09:30:00Z bob: said before".to_owned(),
            format!("[USERS_LIST] {name},bob"),
        ];
        lines.iter().for_each(|line| self.us.send(line));
        lines.iter().try_for_each(|line| self.prints(line, plain::SHOWN))?;
        let mut joins = self.room.filter(|_| self.is_back);
        while self.is_to_publish || joins.is_some() {
            let (rule, expected) = match joins {
                Some(room) if !self.is_to_publish => (rules::ROOM_AGAIN, format!("/join {room}")),
                _ => (rules::PUBLISHES, "/pubkey BASE64".to_owned()),
            };
            match self.next_sent(self.deadline())? {
                Next::Line(line) if self.is_to_publish && line.starts_with("/pubkey ") => {
                    self.is_published(&line["/pubkey ".len()..])?;
                }
                Next::Line(line)
                    if joins.is_some_and(|room| line.eq_ignore_ascii_case(&format!("/join {room}"))) =>
                {
                    joins = None;
                }
                other => return Err(broken(rule, expected, &other)),
            }
        }
        if let Some(room) = self.room.filter(|_| self.is_back) {
            self.is_in(room)?;
        }
        Ok(())
    }

    fn is_in(&mut self, room: &str) -> Result<(), Broken> {
        self.say(&format!("[SERVER] you are in {room} (2 online)"), plain::SHOWN)?;
        self.say(&format!("[USERS_LIST] {},bob", self.name), plain::SHOWN)
    }

    fn is_published(&mut self, key: &str) -> Result<(), Broken> {
        // Opening asks for a key of the right form first.
        let refused = self.contacts.all[0].identity.open(self.name, key, "AAAA").err().unwrap_or_default();
        let is_another = !self.contacts.key.is_empty() && self.contacts.key != key;
        if refused.contains("key published") || is_another {
            let expected = if is_another { "the same key as before" } else { "a key, base64 of 32 bytes" };
            return Err(Broken { rule: rules::PUBLISHES, expected: expected.to_owned(), got: shown(key) });
        }
        key.clone_into(&mut self.contacts.key);
        self.is_to_publish = false;
        Ok(())
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

    /// Sends a line, which must be shown.
    pub fn say(&mut self, text: &str, rule: Rule) -> Result<(), Broken> {
        self.us.send(text);
        self.prints(text, rule)
    }

    /// `text` must be the next line on standard output.
    pub fn prints(&mut self, text: &str, rule: Rule) -> Result<(), Broken> {
        let (expected, deadline) = (escaped(text), self.deadline());
        loop {
            match self.client.next_line(deadline.min(Instant::now() + POLL)) {
                Next::Line(line) if line == expected => return Ok(()),
                Next::Line(line) if self.may_show(&line)? => {}
                Next::Nothing if Instant::now() < deadline => self.looks_at_questions()?,
                other => return Err(broken(rule, format!("{} on stdout", shown(&expected)), &other)),
            }
        }
    }

    /// Returns `true` for a line that the contract leaves to the client.
    pub fn may_show(&mut self, line: &str) -> Result<bool, Broken> {
        if let Some(rule) = self.contacts.rule_about(line) {
            let expected = "nothing of what cannot be opened, or was shown before".to_owned();
            return Err(Broken { rule, expected, got: shown(line) });
        }
        let is_plain = !line.chars().any(char::is_control);
        if let Some(at) = self.optional.iter().position(|optional| escaped(optional) == line) {
            self.optional.remove(at);
            // The server's own words say it as well.
            self.remarks += usize::from(line.starts_with("[SERVER] error: "));
            return Ok(true);
        }
        let is_remark = self.remarks_end_in > 0 && is_plain;
        self.remarks += usize::from(is_remark);
        Ok(is_remark)
    }

    /// The client may ask for a key at any time, from stage 8 on.
    pub fn looks_at_questions(&mut self) -> Result<(), Broken> {
        if self.stage >= TLS {
            let next = self.next_over_there(Instant::now())?;
            if next != Next::Nothing {
                self.sent.push_back(next);
            }
        }
        Ok(())
    }

    /// What the client sends next, opened.
    pub fn next_sent(&mut self, deadline: Instant) -> Result<Next, Broken> {
        match self.sent.pop_front() {
            Some(next) => Ok(next),
            None => self.next_over_there(deadline),
        }
    }

    fn next_over_there(&mut self, deadline: Instant) -> Result<Next, Broken> {
        loop {
            let next = match self.us.peer.next_by(deadline) {
                Next::Line(line) => Next::Line(self.opened(line)?),
                other => other,
            };
            if let (Next::Line(line), true) = (&next, self.stage >= TLS) {
                if line.to_lowercase().starts_with("/msg") {
                    return Err(broken(rules::NEVER_IN_THE_CLEAR, "nothing that begins with /msg", &next));
                }
                // It may say so once more.
                let is_its_key = !self.is_to_publish && *line == format!("/pubkey {}", self.contacts.key);
                if is_its_key || self.answers_question(line) {
                    continue;
                }
            }
            return Ok(next);
        }
    }

    fn opened(&self, line: String) -> Result<String, Broken> {
        let line = line.strip_suffix('\r').map(str::to_owned).unwrap_or(line);
        let Some(envelope) = &self.envelope else { return Ok(line) };
        match envelope.open(&line) {
            Ok(text) => {
                self.us.case.note(format!("us, opened: {}", shown(&text)));
                Ok(text)
            }
            Err(why) => Err(Broken {
                rule: rules::SEALED,
                expected: "a line sealed as the contract says".to_owned(),
                got: format!("{}: {why}", shown(line)),
            }),
        }
    }

    /// A line of the input must be the next one that the client sends.
    pub fn sends(&mut self, text: &str) -> Result<(), Broken> {
        loop {
            match self.next_sent(self.deadline())? {
                Next::Line(line) if line == text => {
                    self.said.push(line);
                    self.is_back = false;
                    return Ok(());
                }
                Next::Line(line) if self.is_back && line.eq_ignore_ascii_case("/join lobby") => {}
                other => {
                    let rule = match &other {
                        Next::Line(line) if self.is_back && line.starts_with("/join ") => rules::ROOM_AGAIN,
                        Next::Line(line) if self.is_back && self.said.contains(line) => rules::NOT_AGAIN,
                        _ => plain::TYPED,
                    };
                    return Err(broken(rule, format!("the client to send {}", shown(text)), &other));
                }
            }
        }
    }

    /// What was typed before this line is sent, and what was sent before is shown.
    pub fn next_fence(&mut self) -> String {
        self.fences += 1;
        format!("so much for {}", self.fences)
    }

    /// A line that nobody with the key has sealed.
    pub fn is_forged(&mut self, forgery: Forgery) -> Result<(), Broken> {
        let envelope = self.us.envelope().clone();
        let text = "bob: forged";
        let changed = |at: usize| {
            let sealed = envelope.seal(text);
            let letter = if sealed[at..].starts_with('A') { "B" } else { "A" };
            format!("{}{letter}{}", &sealed[..at], &sealed[at + 1..])
        };
        let sealed = envelope.seal(text);
        let line = match forgery {
            Forgery::Plain => text.to_owned(),
            Forgery::IvChanged => changed(0),
            Forgery::TagChanged => changed(sealed.len() - 8),
            Forgery::AnotherKey => Envelope::new(&Key::random()).seal(text),
            Forgery::Cut => sealed[..sealed.len() - 4].to_owned(),
            Forgery::NoPadding => envelope.seal("bob: forged!").trim_end_matches('=').to_owned(),
            Forgery::NotUtf8 => envelope.seal(b"bob: forged \xff"),
        };
        self.us.case.note(format!("us, next: {forgery:?}, which does not open"));
        let _ = self.us.peer.try_send((line + "\n").as_bytes());
        self.exits(Some(1), rules::FORGED)
    }

    /// The client ends, and shows nothing more.
    pub fn exits(&mut self, code: Option<i32>, rule: Rule) -> Result<(), Broken> {
        let deadline = self.deadline();
        let exit = loop {
            if let Some(exit) = self.client.ended() {
                break exit;
            }
            if Instant::now() > deadline {
                let expected = "the client to end".to_owned();
                return Err(Broken { rule, expected, got: NOTHING.to_owned() });
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        loop {
            match self.client.next_line(self.deadline()) {
                Next::Line(line) if self.may_show(&line)? => {}
                Next::End(..) => break,
                other => {
                    let rule = if rule == rules::FORGED { rule } else { plain::SHOWN };
                    return Err(broken(rule, "nothing more on stdout", &other));
                }
            }
        }
        match code {
            Some(code) if exit != Exit::Code(code) => {
                Err(Broken { rule, expected: format!("exit code {code}"), got: exit.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// What the client has yet to send comes, and then its end.
    pub fn sends_its_end(&mut self, rule: Rule, words: &[&str]) -> Result<(), Broken> {
        loop {
            match self.next_sent(self.deadline())? {
                Next::Line(line) if words.contains(&line.as_str()) => {}
                Next::End(testkit::End::Closed, rest) if rest.is_empty() => return Ok(()),
                other => return Err(broken(rule, "the client to close its sending half", &other)),
            }
        }
    }
}

impl<'c> Player<'c> {
    /// It comes back. `None`: another program has taken the address, and that is no fault.
    fn loses(mut self, loss: Loss, attempt: Attempt) -> Result<Option<Self>, Broken> {
        if matches!(loss, Loss::Shutdown) {
            self.say("[SERVER] server is shutting down", plain::SHOWN)?;
        }
        let over_tls = self.stage >= TLS;
        let Self { mut server, us, .. } = self;
        let lose = || match loss {
            Loss::Breaks if over_tls => us.peer.truncate(),
            Loss::Breaks => us.peer.reset(),
            Loss::Closed | Loss::Shutdown => us.peer.half_close(),
        };
        match attempt {
            Attempt::Succeeds => lose(),
            Attempt::AreReset(count) => {
                lose();
                for _ in 0..count {
                    connects(&server, &self.client, self.patience)?.peer.reset();
                }
            }
            Attempt::AreRefused => {
                let away = server.is_away(|| {
                    lose();
                    std::thread::sleep(AWAY);
                });
                match away {
                    Ok(back) => server = back,
                    Err(_) => return Ok(None),
                }
            }
        }
        let us = connects(&server, &self.client, self.patience)?;
        let mut player = Self { server, us, sent: VecDeque::new(), optional: Vec::new(), ..self };
        player.say("AUTH_REQUIRED", plain::SHOWN)?;
        player.resumes()?;
        player.is_back = true;
        player.comes_in()?;
        let fence = player.next_fence();
        player.client.try_type(format!("{fence}\n").as_bytes());
        player.sends(&fence)?;
        Ok(Some(player))
    }

    /// The token is refused when it comes back.
    pub fn comes_back_in_vain(self, reason: &str) -> Result<(), Broken> {
        self.us.peer.truncate();
        let us = connects(&self.server, &self.client, self.patience)?;
        let mut player = Self { us, sent: VecDeque::new(), ..self };
        player.say("AUTH_REQUIRED", plain::SHOWN)?;
        player.resumes()?;
        player.say(&format!("AUTH_FAILED {reason}"), rules::REFUSED)?;
        player.us.peer.half_close();
        player.exits(Some(1), rules::REFUSED)
    }

    fn resumes(&mut self) -> Result<(), Broken> {
        let expected = format!("RESUME token-{}", self.tokens);
        match self.next_sent(self.deadline())? {
            Next::Line(line) if line == expected => Ok(()),
            other => Err(broken(rules::COMES_BACK, shown(expected), &other)),
        }
    }
}

/// The client connects once more.
fn connects<'c>(
    server: &MockServer<'c>,
    client: &Program,
    patience: Duration,
) -> Result<Connection<'c>, Broken> {
    let deadline = Instant::now() + patience;
    let given_up = || Instant::now() > deadline || client.ended().is_some();
    server.accept_unless(given_up).ok_or_else(|| Broken {
        rule: rules::COMES_BACK,
        expected: "the client to connect again".to_owned(),
        got: client.ended().map_or(NOTHING.to_owned(), |exit| format!("its end: {exit}")),
    })
}
