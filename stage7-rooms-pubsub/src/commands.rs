//! Commands: what a line that begins with `/` asks for.
//!
//! Reading a line and doing what it says are apart. The first needs nothing but
//! the line, and every way of getting it wrong has its answer, with the right
//! form in it. The second is done by the client's own thread as far as that can
//! answer by itself, and goes through the committer where its place among the
//! messages matters.

mod execute;
mod table;

pub use execute::{CommandError, CommandResult, Commands};
pub use table::{COMMANDS, CommandInfo, changed};

use stage6_auth::accounts::check_name;
use thiserror::Error;

/// What somebody says or wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// No command: for the room.
    Say(&'a str),
    /// To another room.
    Join(&'a str),
    /// Back to the lobby.
    Leave,
    /// Which rooms there are.
    Rooms,
    /// Who is in this one.
    Users,
    /// What was said here earlier; so many messages.
    History(Option<usize>),
    /// To the subscribers alone.
    Publish(&'a str),
    /// To hear somebody.
    Subscribe(&'a str),
    /// To hear somebody no more.
    Unsubscribe(&'a str),
    /// Whom one hears.
    Subscriptions,
    /// To one person alone.
    Private(&'a str, &'a str),
    /// Out with somebody.
    Kick(&'a str),
    /// To everybody.
    Announce(&'a str),
    /// What there is.
    Help,
}

/// A line that begins like a command and is none. The text is for its author.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// No such command.
    #[error("unknown command {0}; there are {1}")]
    Unknown(String, String),
    /// Something is missing, or too much; what it needs, and its form.
    #[error("{0} needs {1}: {2}")]
    Needs(&'static str, &'static str, &'static str),
    /// No possible room.
    #[error("a room has 1 to 32 of the characters A-Z a-z 0-9 _ . -")]
    Room,
    /// No possible number of messages.
    #[error("/history takes a number from 1 to {MOST_HISTORY}: /history [N]")]
    History,
}

/// How many earlier messages one may ask for.
pub const MOST_HISTORY: usize = 10_000;

/// The commands' names in a row; `more` are those that a later stage adds.
pub fn names(more: &[&str]) -> String {
    let own = COMMANDS.iter().map(|command| command.usage);
    let name = |usage: &str| usage.split(' ').next().unwrap_or_default().to_owned();
    own.chain(more.iter().copied()).map(name).collect::<Vec<_>>().join(" ")
}

impl<'a> Command<'a> {
    /// Reads a line; `more` are the commands that a later stage adds.
    ///
    /// # Errors
    /// [`Malformed`], for its author.
    pub fn parse(line: &'a str, more: &[&str]) -> Result<Self, Malformed> {
        if !line.starts_with('/') {
            return Ok(Command::Say(line));
        }
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let word = rest.trim();
        let user = |command, form| if word.is_empty() { needs(command, "a user", form) } else { Ok(word) };
        let text = |command, form| if word.is_empty() { needs(command, "a text", form) } else { Ok(rest) };
        Ok(match command {
            "/join" if word.is_empty() => return needs("/join", "a room", "/join ROOM"),
            "/join" => Command::Join(check_name(word).map(|()| word).map_err(|_| Malformed::Room)?),
            "/leave" => Command::Leave,
            "/rooms" => Command::Rooms,
            "/users" => Command::Users,
            "/history" => Command::History(number(word)?),
            "/publish" => Command::Publish(text("/publish", "/publish TEXT")?),
            "/subscribe" => Command::Subscribe(user("/subscribe", "/subscribe USER")?),
            "/unsubscribe" => Command::Unsubscribe(user("/unsubscribe", "/unsubscribe USER")?),
            "/subs" => Command::Subscriptions,
            "/msg" => {
                let (user, text) =
                    addressed(rest).ok_or(Malformed::Needs("/msg", "a user and a text", "/msg USER TEXT"))?;
                Command::Private(user, text)
            }
            "/kick" => Command::Kick(user("/kick", "/kick USER")?),
            "/announce" => Command::Announce(text("/announce", "/announce TEXT")?),
            "/help" => Command::Help,
            unknown => {
                // Cut, since it may be as long as a line.
                let unknown = unknown.chars().take(40).collect();
                return Err(Malformed::Unknown(unknown, names(more)));
            }
        })
    }
}

fn needs<T>(command: &'static str, what: &'static str, form: &'static str) -> Result<T, Malformed> {
    Err(Malformed::Needs(command, what, form))
}

/// `USER TEXT`.
pub fn addressed(rest: &str) -> Option<(&str, &str)> {
    let (user, text) = rest.trim_start().split_once(' ')?;
    (!text.trim().is_empty()).then_some((user, text))
}

fn number(word: &str) -> Result<Option<usize>, Malformed> {
    if word.is_empty() {
        return Ok(None);
    }
    match word.parse() {
        Ok(number @ 1..=MOST_HISTORY) => Ok(Some(number)),
        _ => Err(Malformed::History),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &str) -> Result<Command<'_>, Malformed> {
        Command::parse(line, &["/more THINGS"])
    }

    fn answer(line: &str) -> String {
        parse(line).unwrap_err().to_string()
    }

    #[test]
    fn a_line_that_is_no_command_is_for_the_room() {
        for line in ["hello", " /join rust", "a /join rust", "\\/join"] {
            assert_eq!(parse(line), Ok(Command::Say(line)));
        }
    }

    #[test]
    fn commands_take_what_they_need() {
        assert_eq!(parse("/join rust"), Ok(Command::Join("rust")));
        assert_eq!(parse("/join  R2.D2_x-y "), Ok(Command::Join("R2.D2_x-y")));
        assert_eq!(parse("/history"), Ok(Command::History(None)));
        assert_eq!(parse("/history 7"), Ok(Command::History(Some(7))));
        assert_eq!(parse("/publish  two  words "), Ok(Command::Publish(" two  words ")));
        assert_eq!(parse("/msg bob hello there"), Ok(Command::Private("bob", "hello there")));
        assert_eq!(parse("/msg bob  hello"), Ok(Command::Private("bob", " hello")));
        assert_eq!(parse("/kick bob"), Ok(Command::Kick("bob")));
        assert_eq!(parse("/subs"), Ok(Command::Subscriptions));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_right_form() {
        assert_eq!(answer("/join"), "/join needs a room: /join ROOM");
        assert_eq!(answer("/join a b"), Malformed::Room.to_string());
        assert_eq!(answer(&format!("/join {}", "x".repeat(33))), Malformed::Room.to_string());
        assert_eq!(answer("/msg bob"), "/msg needs a user and a text: /msg USER TEXT");
        assert_eq!(answer("/msg bob  "), "/msg needs a user and a text: /msg USER TEXT");
        assert_eq!(answer("/kick "), "/kick needs a user: /kick USER");
        assert_eq!(answer("/publish  "), "/publish needs a text: /publish TEXT");
        for line in ["/history x", "/history 0", "/history 10001", "/history -1", "/history 1 2"] {
            assert_eq!(parse(line), Err(Malformed::History), "{line}");
        }
        let unknown = answer("/foo bar");
        assert!(unknown.starts_with("unknown command /foo; there are /join /leave "), "{unknown}");
        assert!(unknown.ends_with(" /quit /more"), "{unknown}");
        assert!(answer(&"/x".repeat(2000)).len() < 300);
    }

    proptest! {
        #[test]
        fn any_line_has_an_answer(line in "/[ -~é]{0,60}") {
            if let Err(malformed) = parse(&line) {
                prop_assert!(malformed.to_string().len() < 400);
            }
        }
    }
}
