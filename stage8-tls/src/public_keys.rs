//! The users' public keys, in the database.
//!
//! The server keeps the last key that each user has published, and gives it to any
//! client that asks. It cannot vouch for a key: a server that lies gives out another
//! one. To notice that is the task of the clients ([`crate::identity`]).

use crate::identity::PublicKey;
use stage6_auth::store::{STEP_1, Schema, Step, Store, StoreError, now};
use stage7_rooms_pubsub::message_store::{STEP_2, text};

/// What stage 8 needs.
pub const SCHEMA: Schema = Schema { steps: &[STEP_1, STEP_2, STEP_3], program: "stage8-admin" };

/// A new key is a new row, since the server's account on MySQL can add rows and never
/// change one. The last row of a user counts; from the others an administrator sees when
/// the user has changed the key.
pub const STEP_3: Step = Step {
    sqlite: &[
        "CREATE TABLE public_keys (
            id INTEGER PRIMARY KEY,
            user_id INTEGER NOT NULL REFERENCES users (id),
            public_key TEXT NOT NULL,
            published_at INTEGER NOT NULL
        ) STRICT",
        "CREATE INDEX public_keys_user ON public_keys (user_id, id)",
    ],
    mysql: &["CREATE TABLE IF NOT EXISTS public_keys (
            id BIGINT PRIMARY KEY AUTO_INCREMENT,
            user_id BIGINT NOT NULL,
            public_key VARCHAR(44) NOT NULL,
            published_at BIGINT NOT NULL,
            INDEX public_keys_user (user_id, id),
            FOREIGN KEY (user_id) REFERENCES users (id)
        ) ENGINE=InnoDB"],
    renames: &[
        "ALTER TABLE public_keys RENAME COLUMN seq TO id",
        "ALTER TABLE public_keys RENAME COLUMN published TO published_at",
    ],
};

/// Parameters: the user's id, the key, now.
const PUBLISH: &str = "INSERT INTO public_keys (user_id, public_key, published_at) VALUES (?, ?, ?)";

/// Parameter: the user's id.
const KEYS: &str = "SELECT public_key FROM public_keys WHERE user_id = ? ORDER BY id";

/// The most keys that one user can publish, all in all. A user needs another one when
/// an identity file is lost; without a bound, one user could fill the disk.
pub const MAX_KEYS: usize = 100;

/// Stores the key that the user with this id has from now on.
///
/// # Errors
/// What the database says.
pub fn publish(store: &Store, user: i64, key: &PublicKey) -> Result<(), StoreError> {
    store.execute(PUBLISH, vec![user.into(), key.to_string().into(), now().into()])
}

/// Returns the keys that the user with this id has published, as text; the last one
/// counts.
///
/// # Errors
/// When the database cannot be asked.
pub fn published(store: &Store, user: i64) -> Result<Vec<String>, StoreError> {
    store.find(KEYS, &[user.into()], text)
}
