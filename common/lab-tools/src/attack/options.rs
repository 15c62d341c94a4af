//! The options of `lab attack`, made sense of before anything starts.

use super::catalog::{ATTACKS, Attack};
use super::protocol::Protocol;
use super::target::ExternalServer;
use crate::loopback;
use clap::Args;
use common::endpoint::Endpoint;
use lab::registry::Stage;
use std::path::PathBuf;

/// What to attack, and with what.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    make attack 5                       all attacks on stage 5, a line each\n  \
    make attack 5 ARGS=bit-flip         one of them, with what the attacker sees\n  \
    make attack 5 ARGS=--help           this text\n  \
    make attack 4 ARGS=\"spoof --target 127.0.0.1:9004\"\n                                      \
    a server that runs already, in any language; on this machine only\n  \
    make attack 6 ARGS=\"replay --target 127.0.0.1:9006 --key chat.key\"\n\n\
    As a make target: make attack 5, make attack 5 ARGS=bit-flip")]
pub struct Options {
    /// The stage's number
    pub stage: Option<String>,
    /// One attack; without a name all of them
    attack: Option<String>,
    /// List the attacks
    #[arg(long, exclusive = true)]
    pub list: bool,
    /// Try every attack on every stage and print the book's table
    #[arg(long, conflicts_with_all = ["stage", "attack", "target"])]
    pub table: bool,
    /// Write the table into the book
    #[arg(long, requires = "table")]
    pub write: bool,
    /// Attack this server instead of starting one; this machine's addresses only
    #[arg(long, value_name = "HOST:PORT")]
    target: Option<Endpoint>,
    /// The key file of that server's users, in stages 5 to 7
    #[arg(long, value_name = "FILE", requires = "target")]
    key: Option<PathBuf>,
    /// The certificate of that server's authority, from stage 8 on
    #[arg(long, value_name = "FILE", requires = "target")]
    ca: Option<PathBuf>,
}

impl Options {
    /// The attack that was named, if one was.
    ///
    /// # Errors
    /// One sentence with those there are.
    pub fn attack(&self) -> Result<Option<&'static Attack>, String> {
        let Some(name) = &self.attack else { return Ok(None) };
        let found = ATTACKS.iter().find(|attack| attack.name == name);
        let names = || ATTACKS.map(|attack| attack.name).join(" ");
        let missing = || format!("no attack '{}'; there are: {}", name.escape_debug(), names());
        found.map(Some).ok_or_else(missing)
    }

    /// The server that runs already, if one was named.
    ///
    /// # Errors
    /// One sentence: it is not on this machine, or a file is missing without
    /// which nobody gets in there.
    pub fn target(&self, stage: &Stage) -> Result<Option<ExternalServer>, String> {
        let Some(endpoint) = &self.target else { return Ok(None) };
        let address = loopback::only(endpoint, "`make attack` attacks")?;
        let protocol = Protocol::of(stage);
        if protocol == Protocol::Silent {
            return Err("a server of stage 1 ends with its first client: there is nothing to attack".into());
        }
        if protocol.has_shared_key() && self.key.is_none() {
            return Err("its clients need the server's key file: --key chat.key".into());
        }
        if protocol == Protocol::Tls && self.ca.is_none() {
            return Err(
                "its clients need the certificate of the server's authority: --ca certs/ca.pem".into()
            );
        }
        Ok(Some(ExternalServer { address, key: self.key.clone(), ca: self.ca.clone() }))
    }
}
