//! The lines of a login, as a state machine without a socket, a clock or a
//! database: a line goes in, and out comes what the server answers, or what it has
//! to check. So a test can try every order of lines.

use crate::sessions::Token;
use stage2_echo::line::DISCONNECT;
use std::fmt;
use zeroize::Zeroizing;

/// The first line of the server.
pub const AUTH_REQUIRED: &str = "AUTH_REQUIRED";

/// How a client proves who its user is.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// With name and password.
    Password(PasswordLogin),
    /// With the token of an earlier login.
    Resume(Token),
}

/// A name and a password as they were typed: neither is checked yet. `{:?}` shows
/// neither, since users do type passwords where names belong.
#[derive(PartialEq, Eq)]
pub struct PasswordLogin {
    /// Whether the account exists already.
    pub command: Command,
    /// The name.
    pub name: String,
    /// The password, wiped when it is dropped.
    pub password: Zeroizing<String>,
}

/// What a client says before name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// There is such an account.
    Login,
    /// Make such an account.
    Register,
}

impl Command {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Command::Login => "LOGIN",
            Command::Register => "REGISTER",
        }
    }

    /// The command that this is the word of.
    pub fn parse(word: &str) -> Option<Command> {
        [Command::Login, Command::Register].into_iter().find(|command| command.word() == word)
    }
}

impl fmt::Debug for PasswordLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (…)", self.command)
    }
}

/// What the server does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this line, and read the next one.
    Ask(&'static str),
    /// Read the next line.
    Ignore,
    /// Check this: nothing is missing.
    Check(Request),
    /// Close the connection: the client wants to leave.
    Quit,
    /// Refuse the client, for this reason.
    Fail(&'static str),
}

// What is wrong with a line. The texts do not repeat it: it may hold a password.
const BAD_COMMAND: &str = "expected LOGIN, REGISTER or RESUME token";
const BAD_CREDENTIALS: &str = "expected LOGIN or REGISTER, alone or with name and password in the same line";
const BAD_TOKEN: &str = "expected RESUME and the token of an earlier login";

/// How far a login has come.
#[derive(Default)]
pub struct LoginProtocol(State);

#[derive(Default)]
enum State {
    #[default]
    Start,
    Name(Command),
    Password(Command, String),
}

impl LoginProtocol {
    /// Takes the next line. After [`Action::Check`], [`Action::Quit`] and
    /// [`Action::Fail`] the login takes no more lines.
    pub fn line(&mut self, line: &str) -> Action {
        // As everywhere in the chat: an empty line does not count, both words leave.
        match line {
            "" => return Action::Ignore,
            "/quit" | DISCONNECT => return Action::Quit,
            _ => {}
        }
        match std::mem::take(&mut self.0) {
            State::Start => self.command(line),
            State::Name(command) => {
                self.0 = State::Password(command, line.to_owned());
                Action::Ask("ENTER_PASSWORD")
            }
            State::Password(command, name) => check(command, &name, line),
        }
    }

    fn command(&mut self, line: &str) -> Action {
        let (word, rest) = match line.split_once(' ') {
            Some((word, rest)) => (word, Some(rest)),
            None => (line, None),
        };
        if word == "RESUME" {
            let token = rest.and_then(Token::parse);
            return token.map_or(Action::Fail(BAD_TOKEN), |token| Action::Check(Request::Resume(token)));
        }
        let Some(command) = Command::parse(word) else { return Action::Fail(BAD_COMMAND) };
        let Some(rest) = rest else {
            self.0 = State::Name(command);
            return Action::Ask("ENTER_USERNAME");
        };
        // At the first space: the rest is the password, with all its spaces.
        match rest.split_once(' ') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                check(command, name, password)
            }
            _ => Action::Fail(BAD_CREDENTIALS),
        }
    }
}

fn check(command: Command, name: &str, password: &str) -> Action {
    let password = Zeroizing::new(password.to_owned());
    Action::Check(Request::Password(PasswordLogin { command, name: name.to_owned(), password }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(lines: &[&str]) -> Action {
        let mut protocol = LoginProtocol::default();
        let mut last = Action::Ask(AUTH_REQUIRED);
        for line in lines {
            assert!(matches!(last, Action::Ask(_) | Action::Ignore), "over before {line:?}: {last:?}");
            last = protocol.line(line);
        }
        last
    }

    #[test]
    fn step_by_step_and_in_one_line_are_the_same() {
        for (command, expected) in [("LOGIN", Command::Login), ("REGISTER", Command::Register)] {
            let expected = check(expected, "alice", "a pass with  spaces ");
            assert_eq!(all(&[command, "alice", "a pass with  spaces "]), expected);
            assert_eq!(all(&[&format!("{command} alice a pass with  spaces ")]), expected);
            assert_eq!(all(&[command]), Action::Ask("ENTER_USERNAME"));
            assert_eq!(all(&[command, "alice"]), Action::Ask("ENTER_PASSWORD"));
        }
    }

    #[test]
    fn a_token_resumes() {
        let text = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let token = Token::parse(text).unwrap();
        assert_eq!(all(&[&format!("RESUME {text}")]), Action::Check(Request::Resume(token)));
    }

    #[test]
    fn what_does_not_belong_there_says_what_does() {
        for line in ["hello", "login alice x", "LOGINALL", "LOGIN\talice", " LOGIN", "AUTH_SUCCESS alice x"] {
            assert_eq!(all(&[line]), Action::Fail(BAD_COMMAND), "{line}");
        }
        for line in ["LOGIN alice", "LOGIN ", "REGISTER alice ", "REGISTER  password"] {
            assert_eq!(all(&[line]), Action::Fail(BAD_CREDENTIALS), "{line}");
        }
        for line in ["RESUME", "RESUME ", "RESUME alice", "RESUME AAAA AAAA"] {
            assert_eq!(all(&[line]), Action::Fail(BAD_TOKEN), "{line}");
        }
    }

    #[test]
    fn empty_lines_count_nowhere_and_leaving_is_possible_everywhere() {
        for before in [&[][..], &["LOGIN"], &["REGISTER", "alice"]] {
            assert_eq!(all(&[before, &[""]].concat()), Action::Ignore);
            assert_eq!(all(&[before, &["/quit"]].concat()), Action::Quit);
            assert_eq!(all(&[before, &["!DISCONNECT"]].concat()), Action::Quit);
        }
        assert_eq!(all(&["LOGIN", "", "alice", ""]), Action::Ignore);
    }

    proptest! {
        /// Whatever comes in, three lines that are not empty are always enough,
        /// and nothing typed is found in what is shown or logged.
        #[test]
        fn any_lines_come_to_an_end(lines in prop::collection::vec("[ -~]{1,40}", 3)) {
            let mut protocol = LoginProtocol::default();
            let actions: Vec<Action> = lines.iter().map(|line| protocol.line(line)).collect();
            prop_assert!(actions.iter().any(|action| !matches!(action, Action::Ask(_))));
        }

        #[test]
        fn what_was_typed_comes_out_as_it_was(name in "[!-~]{1,40}", password in "[!-~][ -~]{0,80}") {
            prop_assume!(name != "/quit" && name != DISCONNECT && password != "/quit" && password != DISCONNECT);
            let expected = check(Command::Login, &name, &password);
            prop_assert_eq!(&all(&["LOGIN", &name, &password]), &expected);
            prop_assert_eq!(&all(&[&format!("LOGIN {name} {password}")]), &expected);
            let shown = format!("{expected:?}");
            prop_assert_eq!(shown, "Check(Password(Login (…)))");
        }
    }
}
