//! What a client says before it has a name, drawn at random: most of it is right.

use super::draw::Draw;
use super::inputs::{self, SUFFIX};
use super::session::Act;
use super::world::END_WORDS;

impl Draw {
    /// An answer to AUTH_REQUIRED, or the whole login.
    pub(super) fn login(&mut self) -> Vec<Act> {
        if self.random.one_in(6) {
            return vec![self.leaves()];
        }
        if self.random.one_in(5) {
            return vec![Act::say(*self.random.pick(inputs::BAD_REQUESTS))];
        }
        let tokens = self.world.tokens.len();
        if tokens > 0 && self.random.one_in(4) {
            return vec![Act::say(format!("RESUME #{}{SUFFIX}", self.random.below(tokens)))];
        }
        let (word, name, password) = self.credentials();
        if self.random.one_in(2) {
            return vec![self.say_all(vec![format!("{word} {name} {password}")], true)];
        }
        let mut texts = vec![word.to_owned(), name, password];
        if self.random.one_in(3) {
            texts.insert(self.random.below(3), self.no_text());
        }
        if self.random.one_in(6) {
            texts.insert(1 + self.random.below(2), (*self.random.pick(&END_WORDS)).to_owned());
        }
        if self.random.one_in(2) {
            return vec![self.say_all(texts, true)];
        }
        texts.into_iter().map(Act::say).collect()
    }

    /// What a client says who it is by. Most are right.
    fn credentials(&mut self) -> (&'static str, String, String) {
        let random = &mut self.random;
        let accounts: Vec<_> = self.world.accounts.values().cloned().collect();
        if random.one_in(3) || accounts.len() < 2 {
            let password = if random.one_in(4) { inputs::BAD_PASSWORDS } else { inputs::PASSWORDS };
            let name = if random.one_in(3) { inputs::BAD_NAMES } else { inputs::NAMES };
            return ("REGISTER", self.some_case(name), (*self.random.pick(password)).to_owned());
        }
        let account = random.pick(&accounts).clone();
        let name = self.some_case(&[&account.name]);
        match self.random.below(8) {
            0 => ("LOGIN", self.random.pick(&inputs::nearly(&name)).clone(), account.password),
            1 => ("LOGIN", "nobody~".to_owned(), account.password),
            2 | 3 => ("LOGIN", name, self.nearly(&account.password)),
            _ => ("LOGIN", name, account.password),
        }
    }

    /// What a server might take for this password.
    fn nearly(&mut self, password: &str) -> String {
        let wrong = [
            password.to_uppercase(),
            format!("{password} "),
            format!(" {password}"),
            password.trim().to_owned() + "x",
            password.chars().take(8).collect::<String>() + "y",
            password.split(' ').next().unwrap_or_default().to_owned() + "z",
            password.split(' ').next().unwrap_or_default().to_owned(),
        ];
        self.random.pick(&wrong).clone()
    }
}
