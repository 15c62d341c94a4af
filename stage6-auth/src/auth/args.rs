//! The options of the login.

use super::Authenticator;
use crate::accounts::{Accounts, CHEAP_COST};
use crate::sessions::SessionTokens;
use crate::store::Store;
use common::log::Log;
use std::sync::Arc;
use std::time::Duration;

/// How users log in, and how long that may take.
#[derive(clap::Args, Clone, Debug)]
pub struct AuthArgs {
    /// Cost of a password hash: each step doubles the time of a login, and of a guess
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(4..=31))]
    bcrypt_cost: u32,

    /// Seconds that a login may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    login_timeout: u32,

    /// Failed logins a minute from one address, or for one name, before the next one has to wait; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = 20)]
    login_rate: u32,

    /// Seconds after a login in which a client can reconnect without the password
    #[arg(long, value_name = "SECONDS", default_value_t = 24 * 3600)]
    session_ttl: u32,
}

impl AuthArgs {
    /// The session tokens, with the time that they last.
    pub fn session_tokens(&self, store: &Arc<Store>) -> Arc<SessionTokens> {
        Arc::new(SessionTokens::new(store.clone(), Duration::from_secs(self.session_ttl.into())))
    }

    /// Logs in the users of `store`. Warns when their passwords are cheap to guess.
    pub fn authenticator(&self, store: &Arc<Store>, tokens: Arc<SessionTokens>, log: &Log) -> Authenticator {
        if self.bcrypt_cost < CHEAP_COST {
            log.warn(format_args!(
                "--bcrypt-cost {} makes stolen passwords cheap to guess",
                self.bcrypt_cost
            ));
        }
        Authenticator {
            accounts: Accounts::new(store.clone(), self.bcrypt_cost, self.login_rate),
            tokens,
            timeout: Duration::from_secs(self.login_timeout.into()),
            log: log.clone(),
        }
    }
}
