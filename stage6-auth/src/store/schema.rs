//! The tables, as steps from one version to the next.
//!
//! Each stage adds one step: its admin program brings a database of an earlier
//! stage up to date without loss. The first step makes version 4. Versions 1 to
//! 3 were the tables of stages 6 to 8 before their columns got the names that
//! they have now; [`Step::renames`] brings those up to date.

/// The last version of the old layout: today's tables begin after it.
const OLD_LAYOUT: u32 = 3;

/// One step, for each database as a list of statements.
///
/// On MySQL every change of a table commits by itself. A step that was
/// interrupted is run again from its start, so its statements must bear that: a
/// table has its `IF NOT EXISTS`, and the error that a column or an index is
/// there already counts as done.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// For SQLite.
    pub sqlite: &'static [&'static str],
    /// For MySQL and MariaDB; `{exact}` stands for the collation under which
    /// only equal bytes are equal.
    pub mysql: &'static [&'static str],
    /// From the old layout's tables of the same stage to these, for both.
    pub renames: &'static [&'static str],
}

/// What a program expects of a database.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// From nothing to the version that the program needs.
    pub steps: &'static [Step],
    /// The program whose `init` runs the steps, for error messages.
    pub program: &'static str,
}

/// What has to be done to tables of some version.
pub(super) enum Change {
    /// Nothing: they are as this program needs them.
    None,
    /// A later stage made them; their version, as it is counted today.
    TooNew(u32),
    /// Run these statements, which make the version after them.
    Run(Vec<&'static str>, u32),
}

impl Schema {
    /// The version after all steps.
    pub fn version(&self) -> u32 {
        OLD_LAYOUT + self.steps.len() as u32
    }

    /// What is to be done next to tables of version `found`, 0 for none.
    /// `statements` are those of a step for one of the two databases.
    pub(super) fn next(&self, found: u32, statements: fn(&Step) -> &'static [&'static str]) -> Change {
        // What the version would be called today.
        let today =
            if (1..=OLD_LAYOUT).contains(&found) { found + OLD_LAYOUT } else { found.max(OLD_LAYOUT) };
        let made = (today - OLD_LAYOUT) as usize;
        if today > self.version() {
            Change::TooNew(today)
        } else if today != found && found > 0 {
            Change::Run(self.steps[..made].iter().flat_map(|step| step.renames).copied().collect(), today)
        } else if today == self.version() {
            Change::None
        } else {
            Change::Run(statements(&self.steps[made]).to_vec(), today + 1)
        }
    }
}

/// What stage 6 needs.
pub const SCHEMA: Schema = Schema { steps: &[STEP_1], program: "stage6-admin" };

/// Times are milliseconds since 1970 UTC. `messages.id` is 1, 2, 3, … in the
/// order of the history; `(run, number)` is the name that the server gave a
/// message before the database saw it. `session_ends` and `retractions` are
/// tables of their own because the server's account on MySQL can add rows and
/// never change one.
pub const STEP_1: Step = Step {
    sqlite: &[
        "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT",
        "CREATE TABLE users (
            id INTEGER PRIMARY KEY,
            username TEXT NOT NULL,
            username_key TEXT NOT NULL UNIQUE,
            password_hash TEXT NOT NULL,
            role TEXT NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'admin')),
            created_at INTEGER NOT NULL
        ) STRICT",
        "CREATE TABLE messages (
            id INTEGER PRIMARY KEY,
            run INTEGER NOT NULL,
            number INTEGER NOT NULL,
            sent_at INTEGER NOT NULL,
            username TEXT NOT NULL,
            message TEXT NOT NULL,
            UNIQUE (run, number)
        ) STRICT",
        "CREATE TABLE retractions (
            id INTEGER PRIMARY KEY,
            run INTEGER NOT NULL,
            first_number INTEGER NOT NULL,
            last_number INTEGER NOT NULL,
            retracted_at INTEGER NOT NULL
        ) STRICT",
        "CREATE INDEX retractions_run ON retractions (run, first_number)",
        "CREATE TABLE sessions (
            token_hash BLOB PRIMARY KEY,
            user_id INTEGER NOT NULL REFERENCES users (id),
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID",
        "CREATE TABLE session_ends (
            token_hash BLOB PRIMARY KEY,
            ended_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID",
    ],
    mysql: &[
        "CREATE TABLE IF NOT EXISTS schema_version (version INT PRIMARY KEY, applied_at BIGINT NOT NULL) ENGINE=InnoDB",
        "CREATE TABLE IF NOT EXISTS users (
            id BIGINT PRIMARY KEY AUTO_INCREMENT,
            username VARCHAR(32) NOT NULL,
            username_key VARCHAR(32) NOT NULL UNIQUE,
            password_hash VARCHAR(60) NOT NULL,
            role VARCHAR(16) NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'admin')),
            created_at BIGINT NOT NULL
        ) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE {exact}",
        "CREATE TABLE IF NOT EXISTS messages (
            id BIGINT PRIMARY KEY,
            run BIGINT NOT NULL,
            number BIGINT NOT NULL,
            sent_at BIGINT NOT NULL,
            username VARCHAR(32) NOT NULL,
            message TEXT NOT NULL,
            UNIQUE (run, number)
        ) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE {exact}",
        "CREATE TABLE IF NOT EXISTS retractions (
            id BIGINT PRIMARY KEY AUTO_INCREMENT,
            run BIGINT NOT NULL,
            first_number BIGINT NOT NULL,
            last_number BIGINT NOT NULL,
            retracted_at BIGINT NOT NULL,
            INDEX retractions_run (run, first_number)
        ) ENGINE=InnoDB",
        "CREATE TABLE IF NOT EXISTS sessions (
            token_hash BINARY(32) PRIMARY KEY,
            user_id BIGINT NOT NULL,
            created_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL,
            FOREIGN KEY (user_id) REFERENCES users (id)
        ) ENGINE=InnoDB",
        "CREATE TABLE IF NOT EXISTS session_ends (
            token_hash BINARY(32) PRIMARY KEY,
            ended_at BIGINT NOT NULL
        ) ENGINE=InnoDB",
    ],
    renames: &[
        "ALTER TABLE users RENAME COLUMN name TO username",
        "ALTER TABLE users RENAME COLUMN name_key TO username_key",
        "ALTER TABLE users RENAME COLUMN password TO password_hash",
        "ALTER TABLE users RENAME COLUMN created TO created_at",
        "ALTER TABLE messages RENAME COLUMN seq TO id",
        "ALTER TABLE messages RENAME COLUMN sent TO sent_at",
        "ALTER TABLE messages RENAME COLUMN name TO username",
        "ALTER TABLE messages RENAME COLUMN text TO message",
        "ALTER TABLE retractions RENAME COLUMN seq TO id",
        "ALTER TABLE retractions RENAME COLUMN retracted TO retracted_at",
        "ALTER TABLE sessions RENAME COLUMN created TO created_at",
        "ALTER TABLE sessions RENAME COLUMN expires TO expires_at",
        "ALTER TABLE session_ends RENAME COLUMN ended TO ended_at",
        "ALTER TABLE schema_version RENAME COLUMN applied TO applied_at",
    ],
};

#[test]
fn the_way_from_any_version_ends_at_the_programs_own() {
    const SEVEN: Schema = Schema { steps: &[STEP_1, STEP_1], program: "stage7-admin" };
    let next = |schema: &Schema, found| match schema.next(found, |step| step.sqlite) {
        Change::None => "none".to_owned(),
        Change::TooNew(version) => format!("too new: {version}"),
        Change::Run(statements, version) => {
            format!("{} to {version}", statements[0].split(' ').next().unwrap())
        }
    };
    let all =
        |schema, versions: &[u32]| versions.iter().map(|&found| next(schema, found)).collect::<Vec<_>>();
    assert_eq!(all(&SEVEN, &[0, 4, 5]), ["CREATE to 4", "CREATE to 5", "none"]);
    assert_eq!(all(&SEVEN, &[1, 2]), ["ALTER to 4", "ALTER to 5"]);
    assert_eq!(all(&SEVEN, &[3, 6, 121]), ["too new: 6", "too new: 6", "too new: 121"]);
    assert_eq!(
        all(&SCHEMA, &[0, 1, 2, 4, 5]),
        ["CREATE to 4", "ALTER to 4", "too new: 5", "none", "too new: 5"]
    );
}
