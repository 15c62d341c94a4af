//! One client sends and one receives: in a room alice and bob, with an echo
//! alice alone.

use super::client_process::{ClientProcess, PrintedLine};
use super::mitm_proxy::MitmProxy;
use super::target::{TIMEOUT, Target};
use std::time::Duration;

/// A conversation under way.
pub struct Conversation {
    /// Who speaks.
    pub alice: ClientProcess,
    /// Who hears it, where it is not alice herself.
    bob: Option<ClientProcess>,
}

impl Conversation {
    /// A proxy in front of the server, and a conversation whose sender, alice, is
    /// connected through it.
    ///
    /// # Errors
    /// When the proxy cannot listen or a client cannot enter.
    pub fn intercepted(target: &Target<'_>) -> anyhow::Result<(MitmProxy, Conversation)> {
        let proxy = target.proxy()?;
        let conversation = Conversation::through(target, &proxy, &[])?;
        Ok((proxy, conversation))
    }

    /// A conversation in which alice's client is connected through `proxy` and has
    /// these options.
    ///
    /// # Errors
    /// When a client cannot enter.
    pub fn through(target: &Target<'_>, proxy: &MitmProxy, options: &[&str]) -> anyhow::Result<Conversation> {
        let bob = if target.protocol.is_room() { Some(target.enter("bob")?) } else { None };
        let mut alice = target.client("alice", proxy.address, options)?;
        target.log_in(&mut alice, "REGISTER")?;
        Ok(Conversation { alice, bob })
    }

    /// The client that receives what alice sends.
    pub fn receiver(&self) -> &ClientProcess {
        self.bob.as_ref().unwrap_or(&self.alice)
    }

    /// alice says it; what is heard of it, which has to come.
    ///
    /// # Errors
    /// When it does not.
    pub fn deliver(&mut self, text: &str) -> anyhow::Result<PrintedLine> {
        let mark = self.receiver().mark();
        self.alice.type_line(text)?;
        self.receiver().expect_line_since(mark, &format!("*{text}"), TIMEOUT)
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
    ) -> anyhow::Result<Option<PrintedLine>> {
        let mark = self.receiver().mark();
        self.alice.type_line(text)?;
        self.receiver().find_line_since(mark, pattern, limit)
    }
}
