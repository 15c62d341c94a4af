//! The rules about lines (the contract, "Lines (stages 2 to 8)"), for the stages
//! in which a line comes out again as plain text: 2, 3 and 4.

use crate::fail;
use std::time::Duration;

/// The most that a line may hold before its line end.
const LONGEST: usize = 4096;
const TOO_LONG: &str = "[SERVER] error: line longer than 4096 bytes";
const NOT_UTF8: &str = "[SERVER] error: line is not valid UTF-8";
/// Between two pieces of one line, so that they arrive apart. A right server
/// passes however long this is; a wrong one might pass without it.
const APART: Duration = Duration::from_millis(25);

checks! {
/// What a line is, and what becomes of bytes that are none.
pub lines:

/// The server splits what it receives at `\n`, keeps the rest for the next
/// read, and delivers the text as it came.
wire(server) fn a_line_is_delivered_unchanged(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    for text in ["hello", "  spaces at both ends  ", "[odd] (punctuation) \\n %s {} $HOME", "/slash"] {
        path.sender.send(text);
        path.delivers(text);
    }
}

/// Text is UTF-8 from end to end: count bytes, never cut inside a character.
wire(server) fn any_utf8_text_is_delivered_unchanged(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    for text in ["grüße, 日本語, 🦀🦀", "e\u{301} \u{200f}rtl \u{feff}bom", "tab\tbell\u{7}esc\u{1b}[31m"] {
        path.sender.send(text);
        path.delivers(text);
    }
}

/// `\r\n` ends a line as `\n` does (telnet and Windows send it): take off one
/// `\r` before the `\n`.
wire(server) fn a_line_ended_by_cr_lf_is_delivered_without_the_cr(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send_bytes(b"with a carriage return\r\n");
    path.delivers("with a carriage return");
}

/// TCP is a stream without messages: one read may hold half a line. Keep what
/// has no line end yet and put the next bytes behind it.
wire(server) fn a_line_sent_in_pieces_is_one_line(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    for piece in ["one li", "ne in thr", "ee pieces\n"] {
        path.sender.send_bytes(piece.as_bytes());
        std::thread::sleep(APART);
    }
    path.delivers("one line in three pieces");
}

/// A read may end inside a character of several bytes: decode whole lines only.
wire(server) fn a_character_sent_in_pieces_is_one_character(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    for piece in [&b"a crab \xf0\x9f"[..], b"\xa6", b"\x80 cut in three\n"] {
        path.sender.send_bytes(piece);
        std::thread::sleep(APART);
    }
    path.delivers("a crab 🦀 cut in three");
}

/// The line end too may come in two pieces, `\r` in one read and `\n` in the next.
wire(server) fn a_cr_lf_sent_in_pieces_is_one_line_end(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send_bytes(b"first\r");
    std::thread::sleep(APART);
    path.sender.send_bytes(b"\nsecond\r\n");
    path.delivers("first");
    path.delivers("second");
}

/// TCP is a stream without messages: one read may hold several lines. Loop over
/// all line ends in the buffer, not over reads.
wire(server) fn several_lines_in_one_packet_are_several_lines(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send_bytes(b"first\nsecond\r\nthird\n");
    for text in ["first", "second", "third"] {
        path.delivers(text);
    }
}

/// The limit is 4096 bytes before the line end, and 4096 is still within it;
/// neither `\n` nor `\r\n` counts.
wire(server) fn a_line_of_4096_bytes_is_delivered(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    let longest = "x".repeat(LONGEST);
    path.sender.send(&longest);
    path.delivers(&longest);
    path.sender.send_bytes(format!("{longest}\r\n").as_bytes());
    path.delivers(&longest);
}

/// 4097 bytes are one too many: tell the sender, then close. Close only after
/// the error has been written, and read what came with it first, or a reset
/// may destroy the error on its way.
wire(server) fn a_line_of_4097_bytes_gets_an_error_and_the_end(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send(&"x".repeat(LONGEST + 1));
    path.sender.hears(TOO_LONG);
    path.sender.sees_the_end();
}

/// The limit counts bytes, not characters: 1366 times `€` are 4098 bytes.
wire(server) fn the_limit_counts_bytes_not_characters(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send(&"€".repeat(1366));
    path.sender.hears(TOO_LONG);
    path.sender.sees_the_end();
}

/// The limit holds before a line end has come: or one client fills the
/// server's memory. Check the length of what is kept, not of finished lines. What is
/// unread when a socket is closed makes a reset: read on until the client has closed, or
/// for a second.
wire(server) fn a_flood_without_line_end_gets_an_error_and_the_end(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    // The server may close at any time from the 4097th byte on.
    let _ = path.sender.try_send(&vec![b'x'; 512 * 1024]);
    path.sender.hears(TOO_LONG);
    path.sender.sees_a_clean_end();
}

/// Bytes that are no UTF-8 get an error, and the connection goes on with the
/// next line. Decode each line by itself, and catch the decoder's error.
wire(server) fn invalid_utf8_gets_an_error_and_the_connection_goes_on(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    for bytes in [&b"caf\xe9\n"[..], b"\xc0\xaf\n", b"\xed\xa0\x80\n", b"cut \xf0\x9f\xa6\n"] {
        path.sender.send_bytes(bytes);
        path.sender.hears(NOT_UTF8);
    }
    path.sender.send("still here");
    path.delivers("still here");
}

/// A line that is no UTF-8 is dropped as a whole, not mended and passed on.
wire(server) fn invalid_utf8_is_not_delivered(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send_bytes(b"almost \xff right\n");
    path.did_not_deliver("almost");
}

/// What stands before the end of the stream is a line, also without a line end:
/// look into the buffer once more when the read returns nothing.
wire(server) fn a_last_line_without_line_end_counts(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send_bytes(b"a whole line\nand the last words");
    path.sender.half_close();
    path.delivers("a whole line");
    path.delivers("and the last words");
}

/// A client that closes its sending half has said all it will: deliver it, then
/// close too. A read of nothing means the end, not "try again".
wire(server) fn a_half_closed_connection_is_closed_in_good_order(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send("last words");
    path.sender.half_close();
    path.receiver().hears_of("last words");
    path.sender.sees_a_clean_end();
}

/// `!DISCONNECT` ends the connection from the client's side: the server closes,
/// in good order, having delivered what came before. However much comes after it is read
/// and thrown away: unread, it would make a reset.
wire(server) fn disconnect_ends_the_connection_in_good_order(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    let _ = path.sender.try_send(&[b"goodbye\n!DISCONNECT\n", &b"too late\n".repeat(40_000)[..]].concat());
    path.receiver().hears_of("goodbye");
    path.sender.sees_a_clean_end();
}

/// `!DISCONNECT` is a command to the server: no client gets it as a message, not
/// even the sender.
wire(server) fn disconnect_is_not_delivered(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send("!DISCONNECT");
    path.sender.sees_the_end();
    if !case.echoes() {
        case.connect("fence", &server).send("the fence");
        path.receiver().hears_of("the fence");
    }
    if String::from_utf8_lossy(&path.receiver().everything()).contains("!DISCONNECT") {
        fail("!DISCONNECT not to be delivered", format!("{} received it", path.receiver().name()));
    }
}

/// Nothing is lost and nothing overtakes, however fast the lines come. Look for
/// a write that takes less than all of the bytes (`send` instead of `sendall`).
wire(server) fn two_thousand_lines_arrive_all_and_in_order(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    let filler = "x".repeat(100);
    for block in 0..20 {
        let lines: Vec<_> = (0..100).map(|n| format!("line {} {filler}", block * 100 + n)).collect();
        path.sender.send_bytes((lines.join("\n") + "\n").as_bytes());
        lines.iter().for_each(|line| path.delivers(line));
    }
}
}
