//! The lines of a login, as a state machine without a socket, a clock or a
//! database: a line goes in, and out comes what the server answers, or what it has
//! to check. So a test can try every order of lines.

use crate::sessions::Token;
use stage2_echo::line::DISCONNECT;
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// The first line of the server.
pub const AUTH_REQUIRED: &str = "AUTH_REQUIRED";

/// How a client wants to log in.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// With name and password.
    Login(Credentials),
    /// With a new account.
    Register(Credentials),
    /// With the token of an earlier login.
    Resume(Token),
}

/// A name and a password as they were typed: neither is checked yet. `{:?}` shows
/// neither, since users do type passwords where names belong.
#[derive(PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub name: String,
    /// The password, wiped when it is dropped.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
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
    Fail(Malformed),
}

/// What is wrong with a line. The texts do not repeat the line, which may hold a
/// password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Its first word.
    #[error("expected LOGIN, REGISTER or RESUME token")]
    Command,
    /// A name and no password, or nothing where the name belongs.
    #[error("expected LOGIN or REGISTER, alone or with name and password in the same line")]
    Credentials,
    /// RESUME with something that is no token.
    #[error("expected RESUME and the token of an earlier login")]
    Token,
}

/// How far a login has come.
#[derive(Default)]
pub struct LoginProtocol(State);

#[derive(Default)]
enum State {
    #[default]
    Command,
    Name(Kind),
    Password(Kind, String),
}

#[derive(Clone, Copy)]
enum Kind {
    Login,
    Register,
}

impl Kind {
    fn check(self, name: &str, password: &str) -> Action {
        let password = Zeroizing::new(password.to_owned());
        let credentials = Credentials { name: name.to_owned(), password };
        Action::Check(match self {
            Kind::Login => Request::Login(credentials),
            Kind::Register => Request::Register(credentials),
        })
    }
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
            State::Command => self.command(line),
            State::Name(kind) => {
                self.0 = State::Password(kind, line.to_owned());
                Action::Ask("ENTER_PASSWORD")
            }
            State::Password(kind, name) => kind.check(&name, line),
        }
    }

    fn command(&mut self, line: &str) -> Action {
        let (command, rest) = match line.split_once(' ') {
            Some((command, rest)) => (command, Some(rest)),
            None => (line, None),
        };
        let kind = match command {
            "LOGIN" => Kind::Login,
            "REGISTER" => Kind::Register,
            "RESUME" => {
                let token = rest.and_then(Token::parse);
                return token
                    .map_or(Action::Fail(Malformed::Token), |token| Action::Check(Request::Resume(token)));
            }
            _ => return Action::Fail(Malformed::Command),
        };
        let Some(rest) = rest else {
            self.0 = State::Name(kind);
            return Action::Ask("ENTER_USERNAME");
        };
        // At the first space: the rest is the password, with all its spaces.
        match rest.split_once(' ') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() => kind.check(name, password),
            _ => Action::Fail(Malformed::Credentials),
        }
    }
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

    fn credentials(name: &str, password: &str) -> Credentials {
        Credentials { name: name.to_owned(), password: Zeroizing::new(password.to_owned()) }
    }

    #[test]
    fn step_by_step_and_in_one_line_are_the_same() {
        for (command, request) in
            [("LOGIN", Request::Login as fn(_) -> _), ("REGISTER", Request::Register as fn(_) -> _)]
        {
            let expected = || Action::Check(request(credentials("alice", "a pass with  spaces ")));
            assert_eq!(all(&[command, "alice", "a pass with  spaces "]), expected());
            assert_eq!(all(&[&format!("{command} alice a pass with  spaces ")]), expected());
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
            assert_eq!(all(&[line]), Action::Fail(Malformed::Command), "{line}");
        }
        for line in ["LOGIN alice", "LOGIN ", "REGISTER alice ", "REGISTER  password"] {
            assert_eq!(all(&[line]), Action::Fail(Malformed::Credentials), "{line}");
        }
        for line in ["RESUME", "RESUME ", "RESUME alice", "RESUME AAAA AAAA"] {
            assert_eq!(all(&[line]), Action::Fail(Malformed::Token), "{line}");
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
            let expected = Action::Check(Request::Login(credentials(&name, &password)));
            prop_assert_eq!(&all(&["LOGIN", &name, &password]), &expected);
            prop_assert_eq!(&all(&[&format!("LOGIN {name} {password}")]), &expected);
            let shown = format!("{expected:?}");
            prop_assert_eq!(shown, "Check(Login(Credentials(…)))");
        }
    }
}
