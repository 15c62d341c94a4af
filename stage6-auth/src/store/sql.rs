//! The statements that both databases understand word for word.
//!
//! Every value is a parameter (`?`), so no text can become SQL. That is the whole
//! defence against injection, and it depends on no escaping.

/// No parameters. The id of the newest message, 0 without any.
pub const LAST_ID: &str = "SELECT COALESCE(MAX(id), 0) FROM messages";

/// Parameters: id, run, number, time, name, text.
pub const ADD_MESSAGE: &str =
    "INSERT INTO messages (id, run, number, sent_at, username, message) VALUES (?, ?, ?, ?, ?, ?)";

/// Parameters: run, first number, last number, now.
pub const RETRACT: &str =
    "INSERT INTO retractions (run, first_number, last_number, retracted_at) VALUES (?, ?, ?, ?)";

/// Newest first. Parameter: how many.
pub const RECENT: &str = "SELECT m.run, m.number, m.sent_at, m.username, m.message FROM messages m \
     WHERE NOT EXISTS (SELECT 1 FROM retractions r \
         WHERE r.run = m.run AND m.number BETWEEN r.first_number AND r.last_number) \
     ORDER BY m.id DESC LIMIT ?";

/// Parameter: the name's key.
pub const USER: &str =
    "SELECT u.id, u.username, u.password_hash, u.role, u.created_at FROM users u WHERE u.username_key = ?";

/// No parameters.
pub const USERS: &str =
    "SELECT u.id, u.username, u.password_hash, u.role, u.created_at FROM users u ORDER BY u.username_key";

/// Parameters: name, the name's key, password, now. The role is the column's default.
pub const ADD_USER: &str =
    "INSERT INTO users (username, username_key, password_hash, created_at) VALUES (?, ?, ?, ?)";

/// Parameters: role, the name's key.
pub const SET_ROLE: &str = "UPDATE users SET role = ? WHERE username_key = ?";

/// Parameters: token hash, user id, created, expires.
pub const ADD_SESSION: &str =
    "INSERT INTO sessions (token_hash, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)";

/// Parameters: token hash, now.
pub const SESSION_USER: &str = "SELECT u.id, u.username, u.password_hash, u.role, u.created_at \
     FROM sessions s JOIN users u ON u.id = s.user_id \
     WHERE s.token_hash = ? AND s.expires_at > ? \
     AND NOT EXISTS (SELECT 1 FROM session_ends e WHERE e.token_hash = s.token_hash)";

/// Fails when it has been ended already. Parameters: token hash, now.
///
/// Not an `INSERT … SELECT … WHERE NOT EXISTS`, which would not fail: on InnoDB
/// that locks the gap where the row is not, and two of them at once deadlock.
pub const END_SESSION: &str = "INSERT INTO session_ends (token_hash, ended_at) VALUES (?, ?)";

/// No parameters.
pub const VERSION: &str = "SELECT MAX(version) FROM schema_version";

/// Parameters: version, now.
pub const ADD_VERSION: &str = "INSERT INTO schema_version VALUES (?, ?)";
