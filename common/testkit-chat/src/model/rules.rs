//! The rules of stages 6, 7 and 8, by the names that `docs/src/contract.md` gives them.

testkit::rules! {
REJECTED "rejected":
    "A line that does not open gets `[SERVER] error: message rejected`, the same for every cause, and the connection is closed",
    "Catch every error of opening in one place: one answer to that client alone, and the end.";
SEALED_LIMIT "sealed-limit":
    "A line of more than 4096 bytes gets an error and the end; a text of 3023 bytes fits",
    "Count the bytes of the line as it came, before you open it, and let 4096 pass.";
NO_TEXT "no-text":
    "An empty line, or a sealed text of no bytes, counts nowhere: not as an answer during the login, nor as a message",
    "Skip empty texts where you read a line, so that the login and the room both have it.";
QUESTIONS "questions":
    "The login is AUTH_REQUIRED, ENTER_USERNAME and ENTER_PASSWORD in this order, or one line in place of all three answers",
    "Read with one buffer from the first line on: several lines may come in one packet, the first messages with them.";
REQUEST "request":
    "LOGIN, REGISTER and RESUME stand in upper case with one blank after them; anything else fails",
    "Compare the word before the first blank with ==: no upper(), no strip().";
PASSWORD_IS_THE_REST "password-is-the-rest":
    "The name ends at the first blank; everything after it is the password, blanks included",
    "Split at the first blank twice, and no more: split(' ', 2).";
NAME_RULES "name-rules":
    "A new name has 1 to 32 of the characters A-Z a-z 0-9 _ . -, begins with a letter or a digit, and is not server",
    "Match the whole name against [A-Za-z0-9][A-Za-z0-9_.-]{0,31}, and compare it with server in lower case.";
PASSWORD_RULES "password-rules":
    "A new password has 8 to 72 bytes and no NUL",
    "Count bytes of UTF-8, not characters.";
ONE_ACCOUNT "one-account":
    "A name is registered once, whatever its case: `AUTH_FAILED name already taken`",
    "Keep the name in lower case as the key of the account.";
AS_REGISTERED "as-registered":
    "A user is shown by the name as it was registered, and logs in with it in any case",
    "Look the account up in lower case, and use the name that is stored there.";
WRONG "wrong":
    "A wrong password and an unknown name are told the same, `AUTH_FAILED wrong name or password`",
    "Compare with the stored hash; one answer for both cases.";
FAILED "failed":
    "What fails during the login is one line, `AUTH_FAILED reason`, and then the connection is closed in good order",
    "Send the reason, shut down the sending half, read what is still under way, and close.";
SAME_TOKEN "same-token":
    "RESUME brings the session back: AUTH_SUCCESS repeats the name and the same token, and every login has a token of its own",
    "Make a token at a login only; store its hash with the name.";
SESSION_OVER "session-over":
    "A session is over when its client says /logout, and the sessions of other logins of the same name go on",
    "Delete the one session by its token, not all of the name.";
ONE_NAME "one-name":
    "One name is one connection: who has to go is told `[SERVER] you logged in elsewhere` and leaves before the other comes in",
    "Stage 6 refuses a second LOGIN, stage 7 ends the older connection and its session; RESUME needs the token of that connection.";
NAMELESS "nameless":
    "A client that is not logged in gets nothing from the room, cannot send to it, and is not counted",
    "Put a connection on the room's list after AUTH_SUCCESS, and not before.";
HISTORY "history":
    "A newcomer gets the last messages, oldest first, 20 at most, `[HISTORY] TIME name: TEXT`, before the list of users",
    "Read the newest 20 and turn them round; write TIME in RFC 3339 with a Z.";
LIST "list":
    "`[USERS_LIST]` has all users of the room, the new one included, in the order of their bytes, separated by commas without a blank",
    "Sort the names as they are, and join them with a comma.";
LATER_LIST "later-list":
    "After a change the users of the room get a new list soon",
    "Send a list to everybody when a user has come or gone, after 250 ms at most.";
SAID "said":
    "What a user says reaches all others in the room once, as `name: TEXT`, unchanged",
    "Send the text as it was opened: no strip, no escape, no split at other line ends.";
NOT_BACK "not-back":
    "No user gets a message of his own, and no user gets a message twice",
    "Leave the author out, and send each user one form of a message.";
COMES "comes":
    "All others in the room are told `[SERVER] name joined (N online)`, and not the one who came",
    "Tell those who are in the room before you add the new one.";
GOES "goes":
    "All others in the room are told `[SERVER] name left (N online)`, once, after the last message; N counts after the change",
    "Take the user off the list, count, and tell the others, in one place that every way out reaches.";
ENDS "ends":
    "/quit and !DISCONNECT, alone and in these letters, end the connection at every step, without an answer; what comes after is thrown away",
    "Compare the whole text, during the login too, and leave the loop over what was read.";
NOTHING_MORE "nothing-more":
    "A server sends what the contract names and nothing else",
    "No banner, no confirmation: other programs read these lines.";
SHUTS_DOWN "shuts-down":
    "At SIGTERM everybody, during the login too, gets `[SERVER] server is shutting down` as the last line, and then the end in good order",
    "Keep a list of all connections, not only of those in the room.";
COMMAND "command":
    "A line that begins with / is a command or gets `[SERVER] error: …`, never reaches another user, and the connection goes on",
    "Look at the first character: a blank in front makes it a message.";
JOIN "join":
    "/join ROOM and /leave answer `[SERVER] you are in ROOM (N online)` and the room's list; both rooms are told",
    "Leave the old room, tell it, enter the new one, tell it, and answer with the new room's count and list.";
ONE_ROOM "one-room":
    "A user is in one room: the lobby after every login, RESUME included; the same in upper and lower case, shown as the user who opened it wrote it",
    "Keep the room of each connection, by its name in lower case; a room without users is forgotten.";
ROOMS "rooms":
    "/rooms lists the rooms with users in them and their numbers, sorted",
    "Count the users by room when asked, so that an empty room is not on the list.";
ROOM_HISTORY "room-history":
    "/history [N] sends the last N messages of the room, oldest first; no publication, no private message",
    "Store the room with each message, and select by it.";
SUBSCRIPTIONS "subscriptions":
    "/subscribe, /unsubscribe and /subs answer the user who asks and nobody else; subscriptions belong to the name and outlive the connection",
    "Store the pair of names; subscribing twice is no error.";
ELSEWHERE "elsewhere":
    "Subscribers in other rooms get what is said as `[#ROOM] name: TEXT`",
    "One form for each receiver: in the room as all get it, elsewhere with the room in front.";
PUBLISH "publish":
    "/publish TEXT reaches the subscribers in whichever room as `[pub] name: TEXT`, unchanged, and nobody else",
    "Take the subscribers alone, whatever room they are in, and do not answer the author.";
PRIVATE "private":
    "/msg USER TEXT reaches that user in whichever room as `[private] name: TEXT`, unchanged, and nobody else",
    "Find the user among all rooms, in any case of the name; no answer to the author.";
PUBLIC_KEY "public-key":
    "/pubkey BASE64 takes a key without an answer, in place of an earlier one; /key USER answers `[KEY] USER BASE64` with the last one, or an error",
    "Keep one key for each name, and show the name as it was registered.";
SEALED_PRIVATE "sealed-private":
    "/dm USER BASE64 reaches that user in whichever room as `[DM] name BASE64`, unchanged, and nobody else",
    "It is /msg with another word in front: do not look into what is sealed.";
}
