//! What happens to a client from its start to its end.

/// A session.
#[derive(Clone, Debug)]
pub struct ClientSession {
    pub(super) login: Login,
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
}

/// How bytes are cut into writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pieces {
    Whole,
    /// If they are not too many.
    EachByte,
    /// In two, at this thousandth.
    Two(usize),
}

/// From the start to `AUTH_SUCCESS`.
#[derive(Clone, Debug)]
pub(super) struct Login {
    /// The first lines of the input: the answers, empty lines, and (stage 8) private messages,
    /// which are none.
    pub typed: Vec<String>,
    /// Each answer is typed some time after its question.
    pub is_slow: bool,
    /// What the server is to get, as one line.
    pub request: String,
    /// Typed together with it, for the room.
    pub early: Vec<String>,
    pub pieces: Pieces,
    /// The name as it was registered.
    pub name: &'static str,
    pub outcome: Outcome,
}

/// What the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    In,
    Failed(&'static str),
    /// It closes in good order, in place of an answer to nothing: nothing is typed.
    Closes,
    /// Its first line does not open.
    Forged(Forgery),
    /// The input ends before the last answer.
    InputEnds,
    /// What is typed for an answer does not fit into a line.
    TooLong,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The server sends these lines.
    Receive(Vec<Received>, Pieces),
    /// These lines are typed.
    Type(Vec<String>, Pieces),
    /// A command, and the room in which the user is then, or an error.
    Move(&'static str, Result<&'static str, &'static str>),
    /// The connection is lost. When the client is about to come back, these lines are typed.
    Lose(Loss, Attempt, Vec<String>),
    /// `/msg`, as it should be.
    Whisper(Whisper),
    /// A line that begins with `/msg` and is no command.
    Mistyped(String),
    /// Sealed messages of a user.
    Hear(usize, Vec<Heard>),
    /// Another key of this user.
    Rekey(usize),
    /// A private message that was not sealed.
    InTheClear(String),
}

#[derive(Clone, Debug)]
pub(super) enum Received {
    Line(String, LineEnd),
    /// Stage 8.
    NotUtf8,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum LineEnd {
    Lf,
    CrLf,
}

/// How a connection is lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loss {
    /// By a reset, over TLS by a cut.
    Breaks,
    Closed,
    Shutdown,
}

/// What happens before the client is back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attempt {
    /// The first one succeeds.
    Succeeds,
    /// This many are accepted, and reset.
    AreReset(usize),
    /// For a while there is no server.
    AreRefused,
}

/// `/msg NAME TEXT`.
#[derive(Clone, Debug)]
pub(super) struct Whisper {
    pub to: usize,
    /// The name as it is typed.
    pub spelled: String,
    pub text: String,
    pub before: Before,
    pub answer: Answer,
}

/// What the server says before it answers the question for a key.
#[derive(Clone, Debug)]
pub(super) enum Before {
    Nothing,
    /// Another user's key.
    KeyOf(usize),
    Line(&'static str),
}

/// The server's answer to `/key NAME`, where the client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Key,
    NoUser,
    NoKey,
    /// What is none.
    Nonsense(&'static str),
    /// Another one than before.
    Another,
}

#[derive(Clone, Debug)]
pub(super) enum Heard {
    Text(String),
    /// What was opened last, once more.
    Again,
    Bad(Seal),
}

/// What is wrong with a sealed message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seal {
    ByAnotherKey,
    ForAnotherUser,
    ForAnotherKey,
    Changed,
    Cut,
    Short,
    NoBase64,
    NoPadding,
    SpareBits,
}

impl Seal {
    pub const ALL: [Seal; 9] = [
        Seal::ByAnotherKey,
        Seal::ForAnotherUser,
        Seal::ForAnotherKey,
        Seal::Changed,
        Seal::Cut,
        Seal::Short,
        Seal::NoBase64,
        Seal::NoPadding,
        Seal::SpareBits,
    ];
}

/// What is wrong with a line of stages 6 and 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forgery {
    Plain,
    IvChanged,
    TagChanged,
    AnotherKey,
    Cut,
    NoPadding,
    NotUtf8,
    /// CR CR LF at its end: the first CR is none of base64.
    TwoCrs,
}

impl Forgery {
    pub const ALL: [Forgery; 8] = [
        Forgery::Plain,
        Forgery::IvChanged,
        Forgery::TagChanged,
        Forgery::AnotherKey,
        Forgery::Cut,
        Forgery::NoPadding,
        Forgery::NotUtf8,
        Forgery::TwoCrs,
    ];
}

/// How a session ends.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// Of the input, behind this text without a line end.
    OfInput(String),
    Word(&'static str),
    Logout,
    /// The server says this, and closes.
    Told(&'static str),
    /// The connection is lost, and the token refused for this reason.
    TokenRefused(&'static str),
    /// A text that is too long.
    TooLong(String),
    PrivateTooLong(String),
    InputNotUtf8,
    Forged(Forgery),
}

impl ClientSession {
    /// All sessions that are one step shorter or simpler, the boldest first.
    pub(super) fn simpler(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self)| {
            let mut other = self.clone();
            change(&mut other);
            all.push(other);
        };
        let count = self.steps.len();
        if count > 1 {
            with(&|s| s.steps.truncate(count / 2));
            with(&|s| drop(s.steps.drain(..count / 2)));
        }
        for at in 0..count {
            with(&|s| drop(s.steps.remove(at)));
        }
        if !matches!(&self.end, End::OfInput(text) if text.is_empty()) && self.login.outcome == Outcome::In {
            with(&|s| s.end = End::OfInput(String::new()));
        }
        if self.login.typed.len() > 1 && self.login.outcome == Outcome::In {
            with(&|s| s.login.typed = vec![s.login.request.clone()]);
        }
        if !self.login.early.is_empty() {
            with(&|s| s.login.early.clear());
        }
        if self.login.is_slow {
            with(&|s| s.login.is_slow = false);
        }
        if !matches!(self.login.pieces, Pieces::Whole) {
            with(&|s| s.login.pieces = Pieces::Whole);
        }
        for (at, step) in self.steps.iter().enumerate() {
            for simpler in step.simpler() {
                with(&|s| s.steps[at] = simpler.clone());
            }
        }
        all
    }
}

impl Step {
    fn simpler(&self) -> Vec<Self> {
        fn fewer<T: Clone>(all: &[T]) -> Vec<Vec<T>> {
            let without = |at: usize| [&all[..at], &all[at + 1..]].concat();
            if all.len() > 1 { (0..all.len()).map(without).collect() } else { Vec::new() }
        }
        match self {
            Step::Receive(lines, pieces) => {
                let whole =
                    (!matches!(pieces, Pieces::Whole)).then(|| Step::Receive(lines.clone(), Pieces::Whole));
                fewer(lines).into_iter().map(|lines| Step::Receive(lines, *pieces)).chain(whole).collect()
            }
            Step::Type(lines, pieces) => {
                let whole =
                    (!matches!(pieces, Pieces::Whole)).then(|| Step::Type(lines.clone(), Pieces::Whole));
                fewer(lines).into_iter().map(|lines| Step::Type(lines, *pieces)).chain(whole).collect()
            }
            Step::Lose(loss, Attempt::AreReset(_) | Attempt::AreRefused, typed) => {
                vec![Step::Lose(*loss, Attempt::Succeeds, typed.clone())]
            }
            Step::Lose(loss, Attempt::Succeeds, typed) if !typed.is_empty() => {
                vec![Step::Lose(*loss, Attempt::Succeeds, Vec::new())]
            }
            Step::Hear(from, heard) => {
                fewer(heard).into_iter().map(|heard| Step::Hear(*from, heard)).collect()
            }
            Step::Whisper(whisper) if !matches!(whisper.before, Before::Nothing) => {
                vec![Step::Whisper(Whisper { before: Before::Nothing, ..whisper.clone() })]
            }
            _ => Vec::new(),
        }
    }
}
