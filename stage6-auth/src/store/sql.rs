//! The statements that both databases understand word for word.
//!
//! Every value is a parameter (`?`), so that no text can become SQL: that is
//! the whole defence against injection, and it needs no escaping to be right.

/// Parameters: run, number, sent, name, text.
pub const ADD_MESSAGE: &str = "INSERT INTO messages (run, number, sent, name, text) VALUES (?, ?, ?, ?, ?)";

/// Parameters: run, first number, last number, now.
pub const RETRACT: &str =
    "INSERT INTO retractions (run, first_number, last_number, retracted) VALUES (?, ?, ?, ?)";

/// Newest first. Parameter: how many.
pub const RECENT: &str = "SELECT m.run, m.number, m.sent, m.name, m.text FROM messages m \
     WHERE NOT EXISTS (SELECT 1 FROM retractions r \
         WHERE r.run = m.run AND m.number BETWEEN r.first_number AND r.last_number) \
     ORDER BY m.seq DESC LIMIT ?";

/// Parameter: the name's key.
pub const USER: &str = "SELECT u.id, u.name, u.password, u.role, u.created FROM users u WHERE u.name_key = ?";

/// No parameters.
pub const USERS: &str = "SELECT u.id, u.name, u.password, u.role, u.created FROM users u ORDER BY u.name_key";

/// Parameters: name, the name's key, password, now. The role is the column's default.
pub const ADD_USER: &str = "INSERT INTO users (name, name_key, password, created) VALUES (?, ?, ?, ?)";

/// Parameters: role, the name's key.
pub const SET_ROLE: &str = "UPDATE users SET role = ? WHERE name_key = ?";

/// Parameters: token hash, user id, created, expires.
pub const ADD_SESSION: &str =
    "INSERT INTO sessions (token_hash, user_id, created, expires) VALUES (?, ?, ?, ?)";

/// Parameters: token hash, now.
pub const SESSION_USER: &str = "SELECT u.id, u.name, u.password, u.role, u.created \
     FROM sessions s JOIN users u ON u.id = s.user_id \
     WHERE s.token_hash = ? AND s.expires > ? \
     AND NOT EXISTS (SELECT 1 FROM session_ends e WHERE e.token_hash = s.token_hash)";

/// Fails when it has been ended already. Parameters: token hash, now.
///
/// Not an `INSERT … SELECT … WHERE NOT EXISTS`, which would not fail: on InnoDB
/// that locks the gap where the row is not, and two of them at once deadlock.
pub const END_SESSION: &str = "INSERT INTO session_ends (token_hash, ended) VALUES (?, ?)";

/// No parameters.
pub const VERSION: &str = "SELECT MAX(version) FROM schema_version";

/// Parameters: version, now.
pub const ADD_VERSION: &str = "INSERT INTO schema_version (version, applied) VALUES (?, ?)";
