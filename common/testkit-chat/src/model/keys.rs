//! The commands of stage 8, by which clients exchange keys and sealed messages ("Commands
//! for private messages" in the contract).

use super::draw::Draw;
use super::expected::{Stream, What};
use super::inputs;
use super::rules;
use super::world::{User, World};

/// A public key is 32 bytes in base64.
const KEY_LENGTH: usize = 44;

impl World {
    /// `/pubkey`, `/key` or `/dm`.
    pub(super) fn of_keys(&mut self, client: usize, user: &User, command: &str, rest: &str) {
        match command {
            "/pubkey" => self.publish_key(client, user, rest),
            "/key" => self.key(client, rest),
            _ => self.private_sealed(client, user, rest),
        }
    }

    fn publish_key(&mut self, client: usize, user: &User, key: &str) {
        self.about = rules::PUBLIC_KEY;
        if key.len() != KEY_LENGTH {
            return self.wrong(client, rules::PUBLIC_KEY);
        }
        let account = self.accounts.get_mut(&user.name.to_ascii_lowercase());
        account.expect("a user has an account").public_key = Some(key.to_owned());
    }

    fn key(&mut self, client: usize, name: &str) {
        let account = self.accounts.get(&name.to_ascii_lowercase());
        match account.and_then(|account| Some((&account.name, account.public_key.as_ref()?))) {
            Some((name, key)) => {
                let line = format!("[KEY] {name} {key}");
                self.line(client, rules::PUBLIC_KEY, line);
            }
            None => self.wrong(client, rules::PUBLIC_KEY),
        }
    }

    fn private_sealed(&mut self, client: usize, user: &User, rest: &str) {
        let to = rest.split_once(' ').and_then(|(name, sealed)| Some((self.connection_of(name)?, sealed)));
        match to {
            Some((other, sealed)) if other != client && !sealed.is_empty() => {
                self.about = rules::SEALED_PRIVATE;
                let line = format!("[DM] {} {sealed}", user.name);
                self.must(other, rules::SEALED_PRIVATE, Stream::Of(user.name.clone()), What::Line(line));
            }
            _ => self.wrong(client, rules::SEALED_PRIVATE),
        }
    }
}

impl Draw {
    /// One of these commands, for the user `name`. No answer shows that a key was taken, so
    /// that it is asked for at once.
    pub(super) fn command_of_keys(&mut self, user: &User, name: &str) -> Vec<String> {
        let key = (*self.random.pick(inputs::PUBLIC_KEYS)).to_owned();
        match self.random.below(8) {
            0..=2 => vec![format!("/pubkey {key}"), format!("/key {}", user.name)],
            3 | 4 => vec![format!("/key {name}")],
            5 => vec![format!("/dm {name} {key}")],
            // What one user says arrives in the order said, however it is said.
            6 => vec![
                format!("/dm {name} {key}"),
                "behind it".to_owned(),
                format!("/msg {name} and behind that"),
            ],
            _ => vec![(*self.random.pick(inputs::NO_COMMANDS_OF_KEYS)).to_owned()],
        }
    }
}
