//! A client that has lost its connection comes back.

use super::play::Player;
use super::rules;
use super::session::{Attempt, Loss};
use crate::connection::Connection;
use crate::mock_server::MockServer;
use crate::model::world::TLS;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use testkit::sessions::rules as plain;
use testkit::sessions::{Broken, NOTHING};
use testkit::{Next, Program, shown};

/// So long there is no server. A client tries to connect meanwhile.
const AWAY: Duration = Duration::from_millis(400);

impl<'c> Player<'c> {
    /// It comes back. `None`: another program has taken the address, and that is no fault.
    pub fn loses(mut self, loss: Loss, attempt: Attempt, typed: &[String]) -> Result<Option<Self>, Broken> {
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
        player.types(typed);
        player.sends_nothing_yet()?;
        player.is_back = true;
        player.comes_in()?;
        typed.iter().filter(|line| !line.is_empty()).try_for_each(|line| player.sends(line))?;
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
            other => Err(Broken::new(rules::COMES_BACK, shown(expected), &other)),
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
