//! From `AUTH_REQUIRED` to a name ("The login" and "Sessions" in the contract).

use super::expected::{Stream, What};
use super::history::History;
use super::rules;
use super::session::token_number;
use super::world::{Account, LOBBY, Phase, ROOMS, Token, TokenState, User, World};
use testkit::sessions::Rule;

/// So many messages a newcomer gets.
pub(super) const HISTORY: usize = 20;
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=72;

/// What the server waits for.
#[derive(Clone, Debug)]
pub(super) enum LoginState {
    First,
    Name(Request),
    Password(Request, String),
}

/// What the client has asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Request {
    Login,
    Register,
}

/// Why a login fails: some reasons have words of their own, all others begin with
/// `AUTH_FAILED`.
const WRONG: &str = "AUTH_FAILED wrong name or password";
const TAKEN: &str = "AUTH_FAILED name already taken";
const ALREADY_IN: &str = "AUTH_FAILED already logged in";

impl World {
    pub(super) fn login_line(&mut self, client: usize, state: LoginState, text: &str) {
        match state {
            LoginState::First => self.request(client, text),
            LoginState::Name(request) => {
                let question = "ENTER_PASSWORD".to_owned();
                // A name that cannot be may fail at once.
                let question = if is_name(text) { What::Line(question) } else { What::Perhaps(question) };
                self.asks(client, question, LoginState::Password(request, text.to_owned()));
            }
            LoginState::Password(request, name) => self.proof(client, request, &name, text),
        }
    }

    fn asks(&mut self, client: usize, question: What, next: LoginState) {
        self.about = rules::QUESTIONS;
        self.must(client, rules::QUESTIONS, Stream::Login, question);
        self.clients[client].phase = Phase::Login(next);
    }

    fn request(&mut self, client: usize, text: &str) {
        let (word, rest) = text.split_once(' ').map_or((text, None), |(word, rest)| (word, Some(rest)));
        let request = match word {
            "LOGIN" => Request::Login,
            "REGISTER" => Request::Register,
            "RESUME" => return self.resume(client, rest.unwrap_or_default()),
            _ => return self.fails(client, rules::REQUEST, None),
        };
        match rest.map(|rest| rest.split_once(' ').unwrap_or((rest, ""))) {
            None => {
                self.asks(client, What::Line("ENTER_USERNAME".to_owned()), LoginState::Name(request));
            }
            Some((name, password)) if name.is_empty() || password.is_empty() => {
                self.fails(client, rules::REQUEST, None);
            }
            Some((name, password)) => self.proof(client, request, name, password),
        }
    }

    fn proof(&mut self, client: usize, request: Request, name: &str, password: &str) {
        let key = name.to_ascii_lowercase();
        let account = self.accounts.get(&key).cloned();
        let password_fits = PASSWORD.contains(&password.len()) && !password.contains('\0');
        match (request, account) {
            (Request::Register, _) if !is_name(name) => self.fails(client, rules::NAME_RULES, None),
            (Request::Register, _) if !password_fits => self.fails(client, rules::PASSWORD_RULES, None),
            (Request::Register, Some(_)) => self.fails(client, rules::ONE_ACCOUNT, Some(TAKEN)),
            (Request::Register, None) => {
                let (name_of_it, password) = (name.to_owned(), password.to_owned());
                let account = Account { name: name_of_it, password, public_key: None };
                self.accounts.insert(key, account);
                self.enter(client, name, None);
            }
            (Request::Login, Some(account)) if account.password == password => {
                self.enter(client, &account.name, None);
            }
            (Request::Login, Some(account)) => {
                self.wrong += 1;
                // Perhaps the server took another part of the line for the password.
                let part = account.password.contains(password) || password.contains(&account.password);
                let rule = if part { rules::PASSWORD_IS_THE_REST } else { rules::WRONG };
                self.fails(client, rule, Some(WRONG));
            }
            (Request::Login, None) => {
                self.wrong += 1;
                self.fails(client, rules::WRONG, Some(WRONG));
            }
        }
    }

    fn resume(&mut self, client: usize, token: &str) {
        match token_number(token).and_then(|number| Some((number, self.tokens.get(number)?.clone()))) {
            Some((number, Token { name, state: TokenState::Good })) => {
                self.enter(client, &name, Some(number))
            }
            Some(_) => self.fails(client, rules::SESSION_OVER, None),
            None => self.fails(client, rules::REQUEST, None),
        }
    }

    /// A client has proven its name: by a password, or by the token of this number.
    fn enter(&mut self, client: usize, name: &str, token: Option<usize>) {
        if let Some(older) = self.connection_of(name) {
            let its_token = self.user(older).map(|user| user.token);
            let may_replace = match token {
                Some(_) => token == its_token,
                None => self.stage >= ROOMS,
            };
            if !may_replace {
                return self.fails(client, rules::ONE_NAME, Some(ALREADY_IN));
            }
            if let (None, Some(over)) = (token, its_token) {
                self.tokens[over].state = TokenState::Over;
            }
            let told = What::Line("[SERVER] you logged in elsewhere".to_owned());
            self.must(older, rules::ONE_NAME, Stream::End, told);
            self.ends(older, rules::ONE_NAME, false);
        }
        let rule = if token.is_some() { rules::SAME_TOKEN } else { self.rule_of_entering(name) };
        let token = token.unwrap_or_else(|| self.new_token(name));
        self.about = rule;
        self.must(client, rule, Stream::Login, What::Success(name.to_owned(), token));
        let known = self.said.get(LOBBY).cloned().unwrap_or_default();
        let history = History { known, limit: HISTORY, got: Vec::new() };
        self.must(client, rules::HISTORY, Stream::Login, What::History(history));
        self.clients[client].phase = Phase::In(User { name: name.to_owned(), token, room: LOBBY.to_owned() });
        self.comes(client);
        let list = self.list(LOBBY);
        self.must(client, rules::LIST, Stream::Login, What::Line(list));
    }

    fn new_token(&mut self, name: &str) -> usize {
        if self.stage >= ROOMS {
            let good = |token: &&mut Token| token.name == name && token.state == TokenState::Good;
            self.tokens.iter_mut().filter(good).for_each(|token| token.state = TokenState::Open);
        }
        self.tokens.push(Token { name: name.to_owned(), state: TokenState::Good });
        self.tokens.len() - 1
    }

    /// The rule that most likely is broken when this name does not come in.
    fn rule_of_entering(&self, name: &str) -> Rule {
        let password = self.accounts.get(&name.to_ascii_lowercase()).map(|account| account.password.as_str());
        match password {
            Some(password) if password.contains([' ', '\t']) => rules::PASSWORD_IS_THE_REST,
            Some(password) if !password.is_ascii() || password.len() == 8 || password.len() == 72 => {
                rules::PASSWORD_RULES
            }
            _ => rules::AS_REGISTERED,
        }
    }

    fn fails(&mut self, client: usize, rule: Rule, words: Option<&str>) {
        let what = match words {
            Some(words) => What::Line(words.to_owned()),
            None => What::Starts("AUTH_FAILED ".to_owned()),
        };
        self.must(client, rule, Stream::Login, what);
        self.ends(client, rules::FAILED, true);
        self.about = rule;
    }
}

/// Returns `true` if a new account may have this name.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    // The suffix stands for the one of this run, which is longer.
    let real = super::inputs::with_suffix(name, "-000000");
    (1..=32).contains(&real.len())
        && real.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !name.eq_ignore_ascii_case("server")
}
