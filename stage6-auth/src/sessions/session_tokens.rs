//! Session tokens: how a client resumes a session without the password.
//!
//! A client that loses its connection would otherwise keep the password in memory,
//! or ask for it again. Instead a login yields a token, which is good for this one
//! session, ends after a day, and can be ended before.
//!
//! The database keeps only the SHA-256 of a token, so a reader of the table, or of a
//! backup, cannot log in with it. A fast hash is enough: 256 random bits cannot be
//! guessed at any speed, as a password can. Nor does the time of a comparison help
//! an attacker: tokens are found by their hash, which the attacker does not control.

use crate::store::{Store, StoreError, TokenHash, User, now};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use stage5_aes::cipher::random_bytes;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// 256 bits.
const TOKEN_BYTES: usize = 32;

/// A session's secret: 43 characters of base64url on the wire. `{:?}` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<[u8; TOKEN_BYTES]>);

impl Token {
    /// From the system's random numbers.
    fn random() -> Self {
        Token(Zeroizing::new(random_bytes()))
    }

    /// Reads what [`Token::reveal`] wrote; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?);
        Some(Token(Zeroizing::new(bytes.as_slice().try_into().ok()?)))
    }

    /// As it goes over the wire: for its own client, and for no log.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    /// What the database has in its place.
    pub fn hash(&self) -> TokenHash {
        Sha256::digest(self.0.as_slice()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Starts, resumes and ends sessions.
pub struct SessionTokens {
    store: Arc<Store>,
    ttl: Duration,
}

impl SessionTokens {
    /// Sessions that end `ttl` after their login, however often they are resumed.
    pub fn new(store: Arc<Store>, ttl: Duration) -> Self {
        SessionTokens { store, ttl }
    }

    /// Starts a session for `user`, who has just logged in.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn start(&self, user: &User) -> Result<Token, StoreError> {
        let token = Token::random();
        let ttl = i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX);
        self.store.save_session(&token.hash(), user, now().saturating_add(ttl))?;
        Ok(token)
    }

    /// The user whose session it is; `None` when it is unknown or has ended.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub fn user_of(&self, token: &Token) -> Result<Option<User>, StoreError> {
        self.store.session_user(&token.hash(), now())
    }

    /// Ends the session: its token is not accepted from now on.
    ///
    /// # Errors
    /// When that cannot be stored. Then the session goes on.
    pub fn end(&self, token: &Token) -> Result<(), StoreError> {
        self.store.end_session(&token.hash(), now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{DbUrl, NewUser, PasswordHash, SCHEMA, open};

    fn sessions(ttl: Duration) -> (tempfile::TempDir, SessionTokens, User) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&DbUrl::Sqlite(folder.path().join("chat.db")), &SCHEMA).unwrap();
        store.add_users(&[NewUser { name: "alice".into(), password: PasswordHash("x".into()) }]).unwrap();
        let alice = store.user("alice").unwrap().unwrap();
        (folder, SessionTokens::new(store, ttl), alice)
    }

    #[test]
    fn a_token_is_random_and_survives_the_wire() {
        let (a, b) = (Token::random(), Token::random());
        assert_ne!(a, b);
        let text = a.reveal();
        assert_eq!(text.len(), 43);
        assert!(text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_'));
        assert_eq!(Token::parse(&text), Some(a));
        for wrong in ["", &text[1..], &format!("{}=", *text), &format!("{}A", *text), "'; DROP TABLE"] {
            assert_eq!(Token::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_session_lasts_until_it_is_ended() {
        let (_folder, sessions, alice) = sessions(Duration::from_secs(3600));
        let (kept, ended) = (sessions.start(&alice).unwrap(), sessions.start(&alice).unwrap());
        sessions.end(&ended).unwrap();
        assert_eq!(sessions.user_of(&ended).unwrap(), None);
        for _ in 0..2 {
            assert_eq!(sessions.user_of(&kept).unwrap().as_ref(), Some(&alice));
        }
        assert_eq!(sessions.user_of(&Token::random()).unwrap(), None);
    }

    #[test]
    fn a_session_ends_by_itself() {
        let (_folder, sessions, alice) = sessions(Duration::ZERO);
        let token = sessions.start(&alice).unwrap();
        assert_eq!(sessions.user_of(&token).unwrap(), None);
    }

    #[test]
    fn the_database_holds_no_token() {
        let (folder, sessions, alice) = sessions(Duration::from_secs(3600));
        let token = sessions.start(&alice).unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let holds = |what: &[u8]| bytes.windows(what.len()).any(|w| w == what);
            assert!(!holds(token.0.as_slice()) && !holds(token.reveal().as_bytes()));
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
