//! The tables that stage 7 adds.

use stage6_auth::store::{STEP_1, Schema, Step};

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
