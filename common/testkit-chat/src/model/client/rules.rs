//! The rules for clients of stages 6, 7 and 8, by the names that `docs/src/contract.md` gives
//! them. `shown`, `escaped`, `typed`, `client-words`, `end-of-input` and `server-closes` are
//! those of stage 4.

testkit::rules! {
SEALED "sealed":
    "Every line that a client sends is sealed, from the first one on, the word that ends the connection too",
    "Send through one function that seals: only stage 5 had a word in the clear.";
LOGS_IN "logs-in":
    "The first lines of a client's input that are not empty answer the login, a line for each question or one in place of all three; the rest is sent after AUTH_SUCCESS",
    "Give the server a line when it asks, and keep all others back until AUTH_SUCCESS has come.";
REFUSED "refused":
    "AUTH_FAILED, whatever the reason and whenever it comes, is shown and ends the client with 1",
    "Look at the word AUTH_FAILED alone: the reason behind it is for people.";
FORGED "forged":
    "A line that does not open is not shown, and ends the client with 1",
    "Compare the tag before anything else, and end when it is wrong: this is not the server, or not its key.";
TEXT_LIMIT "text-limit":
    "A text of more than 3023 bytes, in stage 8 of more than 4096, is not sent; the longest is; bytes count, not characters",
    "Compare the length of the encoded text, not of the string.";
COMES_BACK "comes-back":
    "A client that was logged in and loses its connection comes back with RESUME and the token that it got last, and tries again when an attempt fails",
    "Put the connecting into the loop as well: a refused connection is an attempt that failed, too.";
NOT_AGAIN "not-again":
    "A line that may have arrived is not sent a second time",
    "What was given to the socket is gone; only what was never sent is for the next connection.";
STAYS_AWAY "stays-away":
    "After /logout, after what the server says of a login elsewhere or of a kick, and after the end of its input a client ends and does not come back",
    "Compare whole lines, and only those that begin with [SERVER]: another user may say the same.";
ROOM_AGAIN "room-again":
    "A client that comes back goes to the room in which it was, as the server said it, before anything that was typed; from the lobby it goes nowhere",
    "Learn the room from `[SERVER] you are in ROOM (N online)`, which also answers /leave, and not from what was typed.";
PUBLISHES "publishes":
    "After every AUTH_SUCCESS a client sends /pubkey with its key, before anything that was typed",
    "Send it where AUTH_SUCCESS is handled, on every connection.";
NEVER_IN_THE_CLEAR "never-in-the-clear":
    "A line that begins with /msg, in any case, is never sent; where it is not sealed the user is told",
    "Compare the beginning in lower case, before the login too.";
KEY_ASKED "key-asked":
    "/msg NAME TEXT is sent as /dm, sealed with the key that the server gives for this name, whatever comes before the answer, in the order of what was typed",
    "Look at the name in `[KEY] NAME BASE64`: the answer to another question may come first.";
NO_KEY "no-key":
    "Where there is no key, or one that is none, nothing is sent, the user is told, and what was typed next is sent",
    "An error about this name is an answer as well; do not wait for another.";
PRIVATE_LIMIT "private-limit":
    "A private text of more than 2994 bytes is not sent; one of 2994 is; bytes count, not characters",
    "Compare the length of the encoded text, before it is sealed.";
FIRST_KEY "first-key":
    "A client keeps the first key of a name: when the server gives out another one it warns, sends nothing to this name, and opens nothing that was sealed with the new one",
    "Never write over a key that is known: remember that the name has two, and stop there.";
OPENED "opened":
    "What was sealed for this user is shown as `[private] NAME: TEXT`, escaped after opening; the key is asked for where it is not known",
    "Keep all messages that wait for a key, not the last one alone.";
NOT_OPENED "not-opened":
    "What cannot be opened is shown as such, nothing of it is, and the client goes on",
    "Say in a line of its own whose message could not be opened; saying nothing hides an attack.";
SHOWN_ONCE "shown-once":
    "A sealed message that comes twice is shown once, on another connection too",
    "Remember all base64 that was shown, as long as the program runs.";
MARKED "marked":
    "A private message that was not sealed is shown with a mark, and ends with its text",
    "The server could read it: [private] alone means that it could not.";
}
