//! Commands: what a line that begins with `/` asks for.
//!
//! To parse a line and to execute it are two steps. The first needs nothing but the
//! line; for each mistake it has an answer with the right form in it. The second is
//! done by the client's reader thread itself if that can answer, and goes through the
//! committer where the place among the messages matters.

mod execute;
mod history;
mod table;

pub use execute::{CommandError, CommandResult, Commands};
pub use table::{COMMANDS, CommandInfo, commands_with};

use crate::room_event::Question;
use stage6_auth::accounts::check_name;

/// What a client says or wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Not a command: say it to the room.
    Say(&'a str),
    /// Go to another room.
    Join(&'a str),
    /// Go back to the lobby.
    Leave,
    /// A question that only the room thread can answer.
    Ask(Question),
    /// Show what was said here earlier; so many messages.
    History(Option<usize>),
    /// Say it to the subscribers alone.
    Publish(&'a str),
    /// Subscribe to a user.
    Subscribe(&'a str),
    /// No longer subscribe to a user.
    Unsubscribe(&'a str),
    /// Say it to one user alone.
    SayTo(&'a str, &'a str),
    /// Disconnect a user.
    Kick(&'a str),
    /// Say it to all users.
    Announce(&'a str),
    /// Show which commands there are.
    Help,
}

/// How many earlier messages a client may ask for.
pub const MOST_HISTORY: usize = 10_000;

/// The commands' names in a row; `more` are those that a later stage adds.
pub fn names(more: &[&str]) -> String {
    let usages = COMMANDS.iter().map(|command| command.usage).chain(more.iter().copied());
    usages.map(|usage| usage.split(' ').next().unwrap_or(usage)).collect::<Vec<_>>().join(" ")
}

impl<'a> Command<'a> {
    /// Reads a line; `more` are the commands that a later stage adds.
    ///
    /// # Errors
    /// What is wrong with it, for its author.
    pub fn parse(line: &'a str, more: &[&str]) -> Result<Self, String> {
        if !line.starts_with('/') {
            return Ok(Command::Say(line));
        }
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        // Cut, since it may be as long as a line.
        let unknown = || format!("unknown command {command:.40}; there are {}", names(more));
        let info = COMMANDS.iter().find(|info| info.name() == command).ok_or_else(unknown)?;
        let word = rest.trim();
        let needs = |what| format!("{} needs {what}: {}", info.name(), info.usage);
        let user = || if word.is_empty() { Err(needs("a user")) } else { Ok(word) };
        let text = || if word.is_empty() { Err(needs("a text")) } else { Ok(rest) };
        Ok(match command {
            "/join" if word.is_empty() => return Err(needs("a room")),
            "/join" if check_name(word).is_err() => {
                return Err("a room has 1 to 32 of the characters A-Z a-z 0-9 _ . -".to_owned());
            }
            "/join" => Command::Join(word),
            "/leave" => Command::Leave,
            "/rooms" => Command::Ask(Question::Rooms),
            "/users" => Command::Ask(Question::Users),
            "/history" => Command::History(number(word)?),
            "/publish" => Command::Publish(text()?),
            "/subscribe" => Command::Subscribe(user()?),
            "/unsubscribe" => Command::Unsubscribe(user()?),
            "/subs" => Command::Ask(Question::Subscriptions),
            "/msg" => {
                let (user, text) = addressed(rest).ok_or_else(|| needs("a user and a text"))?;
                Command::SayTo(user, text)
            }
            "/kick" => Command::Kick(user()?),
            "/announce" => Command::Announce(text()?),
            "/help" => Command::Help,
            // With something behind them, `/quit` and `/logout` are unknown, too.
            _ => return Err(unknown()),
        })
    }
}

/// `USER TEXT`.
pub fn addressed(rest: &str) -> Option<(&str, &str)> {
    let (user, text) = rest.trim_start().split_once(' ')?;
    (!text.trim().is_empty()).then_some((user, text))
}

fn number(word: &str) -> Result<Option<usize>, String> {
    if word.is_empty() {
        return Ok(None);
    }
    // `parse` alone would take `+5`.
    match word.parse() {
        Ok(number @ 1..=MOST_HISTORY) if !word.starts_with('+') => Ok(Some(number)),
        _ => Err(format!("/history takes a number from 1 to {MOST_HISTORY}: /history [N]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &str) -> Result<Command<'_>, String> {
        Command::parse(line, &["/more THINGS"])
    }

    fn answer(line: &str) -> String {
        parse(line).unwrap_err()
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
        assert_eq!(parse("/msg bob hello there"), Ok(Command::SayTo("bob", "hello there")));
        assert_eq!(parse("/msg bob  hello"), Ok(Command::SayTo("bob", " hello")));
        assert_eq!(parse("/kick bob"), Ok(Command::Kick("bob")));
        assert_eq!(parse("/subs"), Ok(Command::Ask(Question::Subscriptions)));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_right_form() {
        assert_eq!(answer("/join"), "/join needs a room: /join ROOM");
        for room in ["a b", &"x".repeat(33)] {
            assert!(answer(&format!("/join {room}")).starts_with("a room has 1 to 32 of"), "{room}");
        }
        assert_eq!(answer("/msg bob"), "/msg needs a user and a text: /msg USER TEXT");
        assert_eq!(answer("/msg bob  "), "/msg needs a user and a text: /msg USER TEXT");
        assert_eq!(answer("/kick "), "/kick needs a user: /kick USER");
        assert_eq!(answer("/publish  "), "/publish needs a text: /publish TEXT");
        for line in
            ["/history x", "/history 0", "/history 10001", "/history -1", "/history +5", "/history 1 2"]
        {
            assert!(answer(line).starts_with("/history takes a number from 1 to 10000"), "{line}");
        }
        let unknown = answer("/foo bar");
        assert!(unknown.starts_with("unknown command /foo; there are /join /leave "), "{unknown}");
        assert!(unknown.ends_with(" /quit /more"), "{unknown}");
        assert!(answer(&"/x".repeat(2000)).len() < 300);
    }

    proptest! {
        #[test]
        fn any_line_has_an_answer(line in "/[ -~é]{0,60}") {
            prop_assert!(parse(&line).err().is_none_or(|problem| problem.len() < 400));
        }
    }
}
