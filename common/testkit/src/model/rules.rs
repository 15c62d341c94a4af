//! The rules of the contract, by the names that `docs/src/contract.md` gives them.

/// A rule marked *wire*.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Its name in the contract.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// The mistake behind most failures.
    pub hint: &'static str,
}

/// Writes rules down: `NAME "name": "what it says", "the mistake behind most failures";`.
/// `ALL` holds all of them.
#[macro_export]
macro_rules! rules {
    ($($constant:ident $name:literal: $says:literal, $hint:literal;)*) => {
        $(
            #[doc = $says]
            pub const $constant: $crate::sessions::Rule =
                $crate::sessions::Rule { name: $name, says: $says, hint: $hint };
        )*
        /// All of these rules.
        pub const ALL: &[$crate::sessions::Rule] = &[$($constant),*];
    };
}

rules! {
LINE_END "line-end":
    "A line ends with LF. One CR directly before it belongs to the line end, any other CR to the text",
    "Split at b'\\n' only, and take off one CR, not all that stand there; many languages' own line readers also split at CR, U+0085 or U+2028.";
LIMIT "limit":
    "A line holds up to 4096 bytes before its line end, characters or not",
    "Count bytes before the line end, CR LF not included, and let 4096 pass.";
TOO_LONG "too-long":
    "More than 4096 bytes get an error, line end or not, and then the connection is closed in good order",
    "Tell the sender alone; then say that nothing more comes (shutdown), and read what is still under way before you close.";
NOT_UTF8 "not-utf8":
    "Bytes that are not UTF-8 get an error; nobody gets any of that line, and the next one counts",
    "Decode each line by itself, strictly, and catch the error: the good lines in the same packet are still lines.";
CUTS "cuts":
    "However the network cuts the stream, the lines are the same",
    "Keep what has no line end yet, as bytes, and put the next bytes behind it.";
LAST_LINE "last-line":
    "What a client sent before the end of its stream is delivered, a last line without a line end too",
    "Read on until the read returns nothing, and look into the buffer once more then.";
EMPTY_LINE "empty-line":
    "From stage 4 on an empty line is no message",
    "Leave out lines of no bytes, and only those: a blank is a text.";
END_WORDS "end-words":
    "!DISCONNECT (from stage 4 on also /quit), alone on a line and in these letters, ends the connection; all else is text",
    "Compare the whole line with ==: no strip, no lower, no startswith.";
AFTER_THE_END "after-the-end":
    "What comes after the line that ends the connection is thrown away",
    "Leave the loop over the lines of a read at the word that ends the connection.";
GOOD_ORDER "good-order":
    "The server ends a connection after all that it sent, without a reset",
    "A close with unread input sends a reset. Shut down the sending half, then read to the end, then close.";
ONE_CONNECTION "one-connection":
    "What one client does ends its own connection at most, and only for a reason that the contract names",
    "Catch errors where the connection is served. A living client may say nothing for as long as it likes.";
BYTE_BY_BYTE "byte-by-byte":
    "The text is passed on as it is: blanks, control characters, NUL, BOM, brackets, quotes",
    "Do not strip, escape, decode or format what you pass on.";
TO_ALL_OTHERS "to-all-others":
    "A text reaches all others, once",
    "Copy the list of clients under its lock, and write to each of them but the sender.";
NOT_TO_THE_SENDER "not-to-the-sender":
    "A text never comes back to its sender",
    "The sender knows what it said: leave it out.";
PREFIX "prefix":
    "`[IP:PORT] ` stands before the text, the sender's address as the server sees it",
    "Take the address from accept or getpeername of the sender's connection.";
ARRIVAL "arrival":
    "All others are told of an arrival, `[SERVER] IP:PORT joined (N online)`, and not the one who came",
    "Tell those who are on the list before you add the new client, or leave it out.";
DEPARTURE "departure":
    "All others are told of a departure, however it came, once: `[SERVER] IP:PORT left (N online)`",
    "One place that takes a client off the list and tells the others, reached on every way out.";
COUNT "count":
    "N counts everybody after the change",
    "Change the list, count it, and queue the notice under one lock.";
ORDER "order":
    "All receivers see one sender's lines in the order in which they were sent",
    "One queue for each receiver, filled under the same lock by everybody; no task or thread for each line.";
NOT_FROM_BEFORE "not-from-before":
    "A client is sent nothing from before it came",
    "No history, no replay: that is stage 6.";
NOTHING_ELSE "nothing-else":
    "A server sends what the contract names and nothing else",
    "No banner, no prompt, no confirmation: other programs read these lines.";
ERROR_TO_THE_SENDER "error-to-the-sender":
    "An error goes to the client whose line it was, and to nobody else",
    "Write errors to that one connection, not through the function that tells the room.";
PAUSE "pause":
    "A client that pauses, within the bound of its queue, loses nothing",
    "Queue what a socket does not take now; do not skip the client.";
SHUTDOWN "shutdown":
    "At SIGTERM everybody gets `[SERVER] server is shutting down`, as the last line, and then the end in good order",
    "Stop reading, queue the notice of the shutdown behind all that is queued, write it all, shut down, and only then exit.";
SHOWN "shown":
    "Each line that a client receives is one line of its standard output, at once, and nothing else is",
    "Read bytes, split at LF, print the line and flush: no prompt, no prefix, no line reader that also splits elsewhere.";
ESCAPED "escaped":
    "A client shows control characters as `\\xNN`, what is not seen as `\\u{NNNN}`, and all else as it is",
    "Escape U+0000 to U+001F and U+007F to U+009F, then separators, direction marks and invisible characters; a backslash stays.";
TYPED "typed":
    "Each line of a client's input is sent as it is, from stage 4 on but for empty ones",
    "Take off the line end alone, and compare with the words that end the client as they are.";
CLIENT_WORDS "client-words":
    "/quit and !DISCONNECT in its input end a client: nothing typed after them is sent, and what still comes is shown",
    "Send !DISCONNECT, close the sending half only, and read on to the end of the stream.";
END_OF_INPUT "end-of-input":
    "At the end of its input a client closes its sending half, shows what still comes, and ends when the server has closed",
    "shutdown(SHUT_WR), not close: the other direction is still open.";
SERVER_CLOSES "server-closes":
    "When the server closes, the client ends, though its input may still be open",
    "The thread that reads the server ends the program; it does not wait for another line of input.";
}

/// Which rule about lines a text is about that was not delivered as it is.
pub(crate) fn about_text(text: &str) -> Rule {
    let splitters = ['\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    if text.contains(splitters) {
        LINE_END
    } else if text.len() > 4000 {
        LIMIT
    } else if ["/quit", "!disconnect"].iter().any(|word| text.to_lowercase().contains(word)) {
        END_WORDS
    } else {
        BYTE_BY_BYTE
    }
}

/// The rules among `all` that the contract does not name, in these words.
pub fn not_in_the_contract(all: &[Rule]) -> Vec<&'static str> {
    let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/contract.md");
    let contract = std::fs::read_to_string(contract).expect("the contract is part of the repository");
    let is_missing = |rule: &&Rule| !contract.contains(&format!("| `{}` | {} |", rule.name, rule.says));
    all.iter().filter(is_missing).map(|rule| rule.name).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_contract_names_every_rule() {
        assert_eq!(super::not_in_the_contract(super::ALL), Vec::<&str>::new());
    }
}
