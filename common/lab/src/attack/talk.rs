//! Somebody speaks and somebody hears it: in a room alice and bob, with an echo
//! alice alone.

use super::arena::PATIENCE;
use super::form::Form;
use super::person::{Heard, Person};
use super::site::Site;
use std::net::SocketAddr;
use std::time::Duration;

/// A conversation under way.
pub struct Talk {
    /// Who speaks.
    pub alice: Person,
    /// Who hears it, where it is not alice herself.
    bob: Option<Person>,
}

impl Talk {
    /// Brings bob in, and alice by way of `at`.
    ///
    /// # Errors
    /// When one of them does not come in.
    pub fn begin(site: &Site<'_>, at: SocketAddr, form: Form, options: &[&str]) -> anyhow::Result<Talk> {
        let bob = if form.is_room() { Some(site.enter("bob")?) } else { None };
        let mut alice = site.client("alice", at, options)?;
        site.settle(&mut alice, "REGISTER")?;
        Ok(Talk { alice, bob })
    }

    /// Who hears what alice says.
    pub fn hearer(&self) -> &Person {
        self.bob.as_ref().unwrap_or(&self.alice)
    }

    /// alice says it; what is heard of it, which has to come.
    ///
    /// # Errors
    /// When it does not.
    pub fn deliver(&mut self, text: &str) -> anyhow::Result<Heard> {
        let mark = self.hearer().mark();
        self.alice.say(text)?;
        self.hearer().must_hear_since(mark, &format!("*{text}"), PATIENCE)
    }

    /// alice says it; what is heard that is like `pattern`, if anything.
    ///
    /// # Errors
    /// When alice cannot speak.
    pub fn try_to_deliver(
        &mut self,
        text: &str,
        pattern: &str,
        limit: Duration,
    ) -> anyhow::Result<Option<Heard>> {
        let mark = self.hearer().mark();
        self.alice.say(text)?;
        self.hearer().hears_since(mark, pattern, limit)
    }
}
