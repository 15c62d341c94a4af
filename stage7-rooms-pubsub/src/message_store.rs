//! What stage 7 keeps beyond stage 6: the recipients of each message, and the
//! subscriptions.
//!
//! Both databases of stage 6 stay in use. Its [`Store`] runs any statement, so this
//! stage brings its statements, and the tables one more step.

use stage6_auth::store::{Message, STEP_1, Schema, Step, Store, StoreError, Value, name_key, now};
use std::sync::Arc;

/// What stage 7 needs.
pub const SCHEMA: Schema = Schema { steps: &[STEP_1, STEP_2], program: "stage7-admin" };

/// The messages of stage 6's only room become messages in the lobby. The end of a
/// subscription is a new row, since the server's account on MySQL can add rows and
/// never change one: the last row of a pair of users counts.
pub const STEP_2: Step = Step {
    sqlite: &[
        "ALTER TABLE messages ADD COLUMN kind TEXT NOT NULL DEFAULT 'room'",
        "ALTER TABLE messages ADD COLUMN place TEXT NOT NULL DEFAULT 'lobby'",
        "CREATE INDEX messages_place ON messages (place, kind, id)",
        "CREATE TABLE subscriptions (
            id INTEGER PRIMARY KEY,
            subscriber INTEGER NOT NULL REFERENCES users (id),
            publisher INTEGER NOT NULL REFERENCES users (id),
            begins INTEGER NOT NULL CHECK (begins IN (0, 1)),
            changed_at INTEGER NOT NULL
        ) STRICT",
        "CREATE INDEX subscriptions_pair ON subscriptions (subscriber, publisher, id)",
    ],
    mysql: &[
        "ALTER TABLE messages
            ADD COLUMN kind VARCHAR(12) NOT NULL DEFAULT 'room',
            ADD COLUMN place VARCHAR(32) NOT NULL DEFAULT 'lobby',
            ADD INDEX messages_place (place, kind, id)",
        "CREATE TABLE IF NOT EXISTS subscriptions (
            id BIGINT PRIMARY KEY AUTO_INCREMENT,
            subscriber BIGINT NOT NULL,
            publisher BIGINT NOT NULL,
            begins TINYINT NOT NULL CHECK (begins IN (0, 1)),
            changed_at BIGINT NOT NULL,
            INDEX subscriptions_pair (subscriber, publisher, id),
            FOREIGN KEY (subscriber) REFERENCES users (id),
            FOREIGN KEY (publisher) REFERENCES users (id)
        ) ENGINE=InnoDB",
    ],
    renames: &[
        "ALTER TABLE subscriptions RENAME COLUMN seq TO id",
        "ALTER TABLE subscriptions RENAME COLUMN changed TO changed_at",
    ],
};

/// The most changes of subscriptions that one user can make, all in all. Each is a row
/// that the server cannot remove, so without a bound one user could fill the disk.
pub const MAX_CHANGES: i64 = 2000;

/// Newest first, in stage 6's columns. Parameters: the room's key, how many.
const HISTORY: &str = "SELECT m.run, m.number, m.sent_at, m.username, m.message FROM messages m \
     WHERE m.place = ? AND m.kind = 'room' AND NOT EXISTS (SELECT 1 FROM retractions r \
         WHERE r.run = m.run AND m.number BETWEEN r.first_number AND r.last_number) \
     ORDER BY m.id DESC LIMIT ?";

/// Parameters: subscriber, publisher, 1 if it begins or 0 if it ends, now.
const SUBSCRIBE: &str =
    "INSERT INTO subscriptions (subscriber, publisher, begins, changed_at) VALUES (?, ?, ?, ?)";

/// The last row of a pair counts. Parameters: subscriber, publisher.
const IS_SUBSCRIBED: &str =
    "SELECT begins FROM subscriptions WHERE subscriber = ? AND publisher = ? ORDER BY id DESC LIMIT 1";

/// Parameter: the subscriber.
const CHANGES: &str = "SELECT COUNT(*) FROM subscriptions WHERE subscriber = ?";

/// Parameter: the subscriber's name's key.
const SUBSCRIPTIONS: &str = "SELECT p.username FROM subscriptions s \
     JOIN users u ON u.id = s.subscriber JOIN users p ON p.id = s.publisher \
     WHERE u.username_key = ? AND s.begins = 1 AND NOT EXISTS (SELECT 1 FROM subscriptions later \
         WHERE later.subscriber = s.subscriber AND later.publisher = s.publisher AND later.id > s.id) \
     ORDER BY p.username_key";

/// The last `limit` messages of the room with this key that are not retracted, oldest
/// first.
///
/// # Errors
/// When the database cannot be asked; so for all functions here.
pub fn room_history(store: &Store, room: &str, limit: usize) -> Result<Vec<Message>, StoreError> {
    store.history(HISTORY, &[room.to_owned().into(), Value::Integer(limit as i64)])
}

/// Returns `true` if the user with the id `subscriber` has subscribed to the one
/// with the id `publisher`. Takes the same time however many subscriptions there are.
pub fn is_subscribed(store: &Store, subscriber: i64, publisher: i64) -> Result<bool, StoreError> {
    Ok(store.find(IS_SUBSCRIBED, &[subscriber, publisher].map(Value::Integer), number)? == [1])
}

/// How many rows [`subscribe`] and [`unsubscribe`] have added for this user; see
/// [`MAX_CHANGES`].
pub fn subscription_changes(store: &Store, subscriber: i64) -> Result<i64, StoreError> {
    Ok(store.find(CHANGES, &[subscriber.into()], number)?.pop().unwrap_or(0))
}

/// The user with the id `subscriber` hears the one with the id `publisher` from now on.
pub fn subscribe(store: &Store, subscriber: i64, publisher: i64) -> Result<(), StoreError> {
    store.execute(SUBSCRIBE, [subscriber, publisher, 1, now()].map(Value::Integer).to_vec())
}

/// Ends that.
pub fn unsubscribe(store: &Store, subscriber: i64, publisher: i64) -> Result<(), StoreError> {
    store.execute(SUBSCRIBE, [subscriber, publisher, 0, now()].map(Value::Integer).to_vec())
}

/// The names of the users to whom the user of this name has subscribed.
pub fn subscriptions(store: &Store, subscriber: &str) -> Result<Vec<Arc<str>>, StoreError> {
    store.find(SUBSCRIPTIONS, &[name_key(subscriber).into()], |row| text(row).map(Arc::from))
}

/// A row that is a number.
fn number(row: &[Value]) -> Option<i64> {
    if let [Value::Integer(number)] = row { Some(*number) } else { None }
}

/// A row that is a text.
pub fn text(row: &[Value]) -> Option<String> {
    if let [Value::Text(text)] = row { Some(text.clone()) } else { None }
}
