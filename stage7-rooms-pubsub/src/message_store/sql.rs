//! The statements that both databases understand word for word.

/// Newest first, in stage 6's columns. Parameters: the room's key, how many.
pub const HISTORY: &str = "SELECT m.run, m.number, m.sent_at, m.username, m.message FROM messages m \
     WHERE m.place = ? AND m.kind = 'room' AND NOT EXISTS (SELECT 1 FROM retractions r \
         WHERE r.run = m.run AND m.number BETWEEN r.first_number AND r.last_number) \
     ORDER BY m.id DESC LIMIT ?";

/// Parameters: subscriber, publisher, whether it begins, now.
pub const SUBSCRIBE: &str =
    "INSERT INTO subscriptions (subscriber, publisher, begins, changed_at) VALUES (?, ?, ?, ?)";

/// The last row of a pair counts. Parameters: subscriber, publisher.
pub const IS_SUBSCRIBED: &str =
    "SELECT begins FROM subscriptions WHERE subscriber = ? AND publisher = ? ORDER BY id DESC LIMIT 1";

/// Parameter: the subscriber.
pub const CHANGES: &str = "SELECT COUNT(*) FROM subscriptions WHERE subscriber = ?";

/// Parameter: the subscriber's name's key.
pub const SUBSCRIPTIONS: &str = "SELECT p.username FROM subscriptions s \
     JOIN users u ON u.id = s.subscriber JOIN users p ON p.id = s.publisher \
     WHERE u.username_key = ? AND s.begins = 1 AND NOT EXISTS (SELECT 1 FROM subscriptions later \
         WHERE later.subscriber = s.subscriber AND later.publisher = s.publisher AND later.id > s.id) \
     ORDER BY p.username_key";
