//! The rules that hold from stage 6 on; each stage takes the groups that it owes.

mod accounts;
mod admin;
mod client;
mod client_options;
mod coming_back;
mod dialogue;
mod hardship;
mod history;
mod key_files;
mod lines;
mod mysql;
mod options;
mod room;
mod sealed;
mod sealed_client;
mod sessions;
mod storage;

pub use accounts::{login_rate, names, passwords};
pub use admin::{admin, run as run_admin};
pub use client::client;
pub use client_options::client_options;
pub use coming_back::coming_back;
pub use dialogue::dialogue;
pub use hardship::hardship;
pub use history::history;
pub use key_files::key_files;
pub use lines::lines;
pub use mysql::{mysql, prepared};
pub use options::options;
pub use room::{messages, notices};
pub use sealed::{envelope, key_option};
pub use sealed_client::sealed_client;
pub use sessions::{duplicates_rejected, duplicates_replaced, session_options, sessions, taking_over};
pub use storage::{audit, durability, stores_again};
