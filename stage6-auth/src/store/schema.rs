//! The tables, as steps from one version to the next.
//!
//! Version n is what the first n steps make. A later stage appends steps (say
//! `ALTER TABLE messages ADD COLUMN room …`) to those of this stage, so that its
//! admin program brings a database of this stage up to date without loss.

/// One step, for each database as a list of statements.
///
/// On MySQL, where every change of a table commits by itself, a step can be
/// interrupted half-way and is then run again from its start: its statements
/// must bear that. A table has its `IF NOT EXISTS`; where MySQL has no such word,
/// for a column or an index, the error that it is there already counts as done.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// For SQLite.
    pub sqlite: &'static [&'static str],
    /// For MySQL and MariaDB; `{exact}` stands for the collation under which
    /// only equal bytes are equal.
    pub mysql: &'static [&'static str],
}

/// What a program expects of a database.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// From nothing to the version that the program needs.
    pub steps: &'static [Step],
    /// The program whose `init` runs the steps, for error messages.
    pub program: &'static str,
}

impl Schema {
    /// The version after all steps.
    pub fn version(&self) -> u32 {
        self.steps.len() as u32
    }
}

/// What stage 6 needs.
pub const SCHEMA: Schema = Schema { steps: &[STEP_1], program: "stage6-admin" };

/// Times are milliseconds since 1970 UTC. `messages.seq` is the order of the
/// history; `(run, number)` is the name that the server gave a message before
/// the database saw it. `session_ends` and `retractions` are tables of their
/// own because the server's account on MySQL can add rows and never change one.
pub const STEP_1: Step = Step {
    sqlite: &[
        "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied INTEGER NOT NULL) STRICT",
        "CREATE TABLE users (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            name_key TEXT NOT NULL UNIQUE,
            password TEXT NOT NULL,
            role TEXT NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'admin')),
            created INTEGER NOT NULL
        ) STRICT",
        "CREATE TABLE messages (
            seq INTEGER PRIMARY KEY,
            run INTEGER NOT NULL,
            number INTEGER NOT NULL,
            sent INTEGER NOT NULL,
            name TEXT NOT NULL,
            text TEXT NOT NULL,
            UNIQUE (run, number)
        ) STRICT",
        "CREATE TABLE retractions (
            seq INTEGER PRIMARY KEY,
            run INTEGER NOT NULL,
            first_number INTEGER NOT NULL,
            last_number INTEGER NOT NULL,
            retracted INTEGER NOT NULL
        ) STRICT",
        "CREATE INDEX retractions_run ON retractions (run, first_number)",
        "CREATE TABLE sessions (
            token_hash BLOB PRIMARY KEY,
            user_id INTEGER NOT NULL REFERENCES users (id),
            created INTEGER NOT NULL,
            expires INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID",
        "CREATE TABLE session_ends (
            token_hash BLOB PRIMARY KEY,
            ended INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID",
    ],
    mysql: &[
        "CREATE TABLE IF NOT EXISTS schema_version (version INT PRIMARY KEY, applied BIGINT NOT NULL) ENGINE=InnoDB",
        "CREATE TABLE IF NOT EXISTS users (
            id BIGINT PRIMARY KEY AUTO_INCREMENT,
            name VARCHAR(32) NOT NULL,
            name_key VARCHAR(32) NOT NULL UNIQUE,
            password VARCHAR(60) NOT NULL,
            role VARCHAR(16) NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'admin')),
            created BIGINT NOT NULL
        ) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE {exact}",
        "CREATE TABLE IF NOT EXISTS messages (
            seq BIGINT PRIMARY KEY AUTO_INCREMENT,
            run BIGINT NOT NULL,
            number BIGINT NOT NULL,
            sent BIGINT NOT NULL,
            name VARCHAR(32) NOT NULL,
            text TEXT NOT NULL,
            UNIQUE (run, number)
        ) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE {exact}",
        "CREATE TABLE IF NOT EXISTS retractions (
            seq BIGINT PRIMARY KEY AUTO_INCREMENT,
            run BIGINT NOT NULL,
            first_number BIGINT NOT NULL,
            last_number BIGINT NOT NULL,
            retracted BIGINT NOT NULL,
            INDEX retractions_run (run, first_number)
        ) ENGINE=InnoDB",
        "CREATE TABLE IF NOT EXISTS sessions (
            token_hash BINARY(32) PRIMARY KEY,
            user_id BIGINT NOT NULL,
            created BIGINT NOT NULL,
            expires BIGINT NOT NULL,
            FOREIGN KEY (user_id) REFERENCES users (id)
        ) ENGINE=InnoDB",
        "CREATE TABLE IF NOT EXISTS session_ends (
            token_hash BINARY(32) PRIMARY KEY,
            ended BIGINT NOT NULL
        ) ENGINE=InnoDB",
    ],
};
