//! What must hold, one rule for each way to break a promise. The promises are those of the
//! book's page on several servers.

/// A rule. Its texts are those of a graded check that fails.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// P1 to P6, and in a sentence.
    pub promise: &'static str,
    /// What is wrong when it is broken.
    pub name: &'static str,
    /// It completes "expected".
    pub expected: &'static str,
    /// The likely cause.
    pub cause: &'static str,
}

const P1: &str = "P1: what a user says arrives in the order in which it was said, everywhere";
const P2: &str = "P2: nothing is shown twice, and what was shown is in the history";
const P3: &str = "P3: after a fault each user that stayed is shown everything, without a new message";
const P4: &str = "P4: a name is in the chat once, on all servers";
const P5: &str =
    "P5: users of a server that died are gone within 10 s, and no server is declared dead wrongly";
const P6: &str =
    "P6: a server without Redis serves on, and tells its users once, and once when Redis is back";

pub static ORDER: Rule = Rule {
    promise: P1,
    name: "a sender's lines are out of order",
    expected: "each sender's lines in the history in the order in which they were said",
    cause: "a late line was stored behind a newer one: it was tried again, or came from an old connection",
};
pub static DISAGREEMENT: Rule = Rule {
    promise: P1,
    name: "lines are shown in another order than that of the history",
    expected: "each user shown the lines in the order of the history",
    cause: "a server shows its own users' lines before it has read what others stored before them",
};
pub static STORED_TWICE: Rule = Rule {
    promise: P2,
    name: "a line is stored twice",
    expected: "each line in the history once",
    cause: "a line whose answer was lost was stored again, and nothing tells that it was there",
};
pub static SHOWN_TWICE: Rule = Rule {
    promise: P2,
    name: "a line is shown twice",
    expected: "each line shown once on a connection",
    cause: "a server that has read the log again shows what it had shown before",
};
pub static NOT_STORED: Rule = Rule {
    promise: P2,
    name: "a line is shown and is not in the history",
    expected: "only lines that are in the history",
    cause: "a line is shown before its commit, or when it is committed and not yet on the disk",
};
pub static REFUSED: Rule = Rule {
    promise: P2,
    name: "a line is refused and stored all the same",
    expected: "a line that is refused not to be in the history",
    cause: "the answer to an INSERT was lost, and that was taken for a failure",
};
pub static NOT_SHOWN: Rule = Rule {
    promise: P3,
    name: "a line is not shown",
    expected: "each user shown all lines since it came in",
    cause: "a server does not go on behind its last entry after a fault, or waits for a message to wake it",
};
pub static LOST: Rule = Rule {
    promise: P3,
    name: "a line is lost, and its sender was not told",
    expected: "each line stored, or its sender told that it is not",
    cause: "what waited in the server when the database went away was dropped without an answer",
};
pub static AWAY: Rule = Rule {
    promise: P3,
    name: "a user cannot come back",
    expected: "each user that tries is let in again when the faults are over",
    cause: "a server does not connect again to the database, or keeps the name of the old connection",
};
pub static NO_ANSWER: Rule = Rule {
    promise: P3,
    name: "a server does not answer /users",
    expected: "an answer to /users when the faults are over",
    cause: "a thread waits for ever, on a connection that is half open or on a lock",
};
pub static TWO_HOLDERS: Rule = Rule {
    promise: P4,
    name: "a name has two holders",
    expected: "one connection for each name",
    cause: "two servers let a user in at the same time, and neither reads of the other's login",
};
pub static UNLISTED: Rule = Rule {
    promise: P4,
    name: "a user has a connection and is not listed",
    expected: "each connected user in the list of every server",
    cause: "a server missed a login, or took out the new login of a user with the old one",
};
pub static GHOST: Rule = Rule {
    promise: P5,
    name: "a user is listed and has no connection",
    expected: "only users with a connection in a list",
    cause: "no server removes the users of a server that has died",
};
pub static WRONGLY_DEAD: Rule = Rule {
    promise: P5,
    name: "a server is declared dead for no reason",
    expected: "no server declared dead while all run and reach the database",
    cause: "life signs go through Redis, or the judge was paused itself",
};
pub static DISCONNECTED: Rule = Rule {
    promise: P5,
    name: "a user is disconnected for no reason",
    expected: "a connection to end only when something was done to its server, its link, or MariaDB",
    cause: "the server was taken for dead, or gave up, though only Redis or another server was away",
};
pub static TOLD_TWICE: Rule = Rule {
    promise: P6,
    name: "a user is told twice that Redis is away, or back",
    expected: "one line when Redis goes, and one when it is back",
    cause: "each failed attempt to connect is told",
};
pub static NOT_TOLD: Rule = Rule {
    promise: P6,
    name: "a user is not told that Redis is back",
    expected: "a line when Redis is back",
    cause: "the server does not connect to Redis again, or does not notice that it is back",
};
