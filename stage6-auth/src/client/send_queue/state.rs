//! What the send queue knows: what is to be sent, and what may be sent now.

use stage2_echo::line::DISCONNECT;
use stage4_multichat::transport::Transport;
use std::collections::VecDeque;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Questions in a login: LOGIN or REGISTER, the name, the password.
pub(super) const MAX_ANSWERS: u8 = 3;

/// Behind the lock of the queue.
#[derive(Default)]
pub(super) struct State {
    /// What was typed and is not sent. Only the sender takes lines out.
    pub lines: VecDeque<Zeroizing<String>>,
    /// The first of them is just being sent.
    pub sending: bool,
    pub connection: Option<Arc<dyn Transport>>,
    pub allowed: Allowed,
    /// Answers that this connection's login may still ask for.
    pub answers_left: u8,
    pub session: Option<ClientSession>,
    /// Nothing more will be typed.
    pub input_ended: bool,
    /// A connection that ends was not lost: the user leaves, or has to.
    pub leaving: bool,
}

/// What the sender may send now.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Allowed {
    #[default]
    Nothing,
    /// The server has asked a question.
    OneAnswer,
    /// The user is logged in.
    Everything,
}

/// What the server has said when it let the user in.
#[derive(Clone)]
pub struct ClientSession {
    /// The name as registered.
    pub name: String,
    /// With it the client comes back after a lost connection.
    pub token: Zeroizing<String>,
}

impl State {
    /// The first line is about to be sent. What that changes is changed now: the
    /// server may answer before the sender is back. Returns `true` if the line is
    /// an answer to a question.
    pub fn begin_sending(&mut self, line: &str) -> bool {
        self.sending = true;
        self.leaving |= line == DISCONNECT || line == "/logout";
        let answer = self.allowed == Allowed::OneAnswer;
        if answer {
            self.allowed = Allowed::Nothing;
            // These answer all questions at once.
            if ["LOGIN ", "REGISTER ", "RESUME "].iter().any(|word| line.starts_with(word)) {
                self.answers_left = 0;
            }
        }
        answer
    }
}
