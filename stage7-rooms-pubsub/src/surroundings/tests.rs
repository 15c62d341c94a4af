use super::*;
use std::thread;
use std::time::Instant;

const HELP: &str = "Type a line.
Rooms
/join ROOM: go into a room
/leave: go back
/history [N]: what was said
/msg USER TEXT: for USER alone
/subscribe USER: see what USER says
/subs: to whom
/fingerprint [USER]: to compare
/quit, !DISCONNECT or Ctrl-D: leave";

fn surroundings(lines: &[&str]) -> Arc<Surroundings> {
    let surroundings = Surroundings::new(HELP);
    for line in lines {
        surroundings.heard(line);
    }
    surroundings
}

/// What becomes of a line with Tab, for each candidate.
fn tab(surroundings: &Surroundings, line: &str) -> Vec<String> {
    let (start, words) = surroundings.complete(line);
    words.into_iter().map(|word| format!("{}{word}", &line[..start])).collect()
}

#[test]
fn commands_are_those_of_the_help() {
    let surroundings = surroundings(&[]);
    assert_eq!(tab(&surroundings, "/j"), ["/join "]);
    assert_eq!(tab(&surroundings, "/su"), ["/subscribe ", "/subs"]);
    assert_eq!(tab(&surroundings, "/q"), ["/quit"]);
    assert_eq!(tab(&surroundings, "/h"), ["/history"]);
    assert_eq!(tab(&surroundings, "/fi"), ["/fingerprint "]);
    assert_eq!(tab(&surroundings, "/").len(), 8);
    for line in ["", "j", "hello /j", "/x"] {
        assert!(tab(&surroundings, line).is_empty(), "{line:?}");
    }
}

#[test]
fn rooms_and_people_are_completed_where_a_command_takes_one() {
    let surroundings = surroundings(&[
        "AUTH_SUCCESS alice token",
        "[USERS_LIST] alice,bob,Bobby,carol",
        "[ROOMS] lobby 3,rust 2,rustaceans 1",
        "dave: hello",
        "[#garden] erin: hello",
        "[pub] frank: hello",
        "[private] grace: hello",
        "[SUBS] heidi",
    ]);
    assert_eq!(tab(&surroundings, "/join ru"), ["/join rust", "/join rustaceans"]);
    assert_eq!(tab(&surroundings, "/join G"), ["/join garden"]);
    assert_eq!(tab(&surroundings, "/msg BO"), ["/msg Bobby ", "/msg bob "]);
    for name in ["carol", "dave", "erin", "frank", "grace", "heidi"] {
        assert_eq!(tab(&surroundings, &format!("/subscribe {}", &name[..2])), [format!("/subscribe {name}")]);
    }
    // Oneself, another argument, a command that takes none.
    for line in ["/subscribe al", "/msg bob c", "/leave c", "/join bo", "c", "hello bo", "/nothing c"] {
        assert!(tab(&surroundings, line).is_empty(), "{line:?}");
    }
    // Those who left the room, and those whom one left there, may be elsewhere.
    surroundings.heard("[SERVER] bob left (3 online)");
    surroundings.heard("[SERVER] you are in rust (1 online)");
    surroundings.heard("[USERS_LIST] alice");
    assert_eq!(tab(&surroundings, "/msg b"), ["/msg Bobby ", "/msg bob "]);
}

#[test]
fn what_is_no_name_gets_nowhere_near_the_screen() {
    let evil = "\x1b[2J";
    let long = "x".repeat(33);
    let surroundings = surroundings(&[
        &format!("[USERS_LIST] {evil},{long},"),
        &format!("[ROOMS] {evil} 1,{long} 2, 3,"),
        &format!("[SUBS] {evil},"),
        &format!("{evil}: hello"),
        &format!("[#{evil}] {evil}: hello"),
        &format!("[SERVER] you are in {evil} (1 online)"),
        "[#] : ",
        "[#",
        "no name here: hello",
        ": hello",
        "grüße: hello",
    ]);
    for line in ["/join ", "/msg "] {
        assert!(tab(&surroundings, line).is_empty(), "{:?}", tab(&surroundings, line));
    }
    // Not at a boundary of characters.
    assert!(tab(&surroundings, "/msg ü").is_empty());
}

#[test]
fn so_many_names_are_no_burden() {
    let surroundings = surroundings(&[]);
    for n in 0..3 * MOST_REMEMBERED {
        surroundings.heard(&format!("name{n}: hello"));
    }
    assert!(tab(&surroundings, "/msg ").len() <= MOST_REMEMBERED);
    assert_eq!(tab(&surroundings, &format!("/msg name{}", 3 * MOST_REMEMBERED - 1)).len(), 1);
}

#[test]
fn the_room_is_where_the_server_says() {
    let surroundings = surroundings(&["AUTH_SUCCESS alice token"]);
    assert_eq!(surroundings.prompt(), "alice@lobby> ");
    surroundings.typed("/join Rust");
    surroundings.heard("bob: hello");
    let prompt = "alice@rust> ".to_owned();
    assert_eq!(
        surroundings.heard("[SERVER] you are in rust (2 online)"),
        News::Moved { prompt: prompt.clone() }
    );
    assert_eq!(surroundings.prompt(), prompt);
    surroundings.typed("/join somewhere else");
    surroundings.heard("[SERVER] error: a room has 1 to 32 of the characters A-Z a-z 0-9 _ . -");
    assert_eq!(surroundings.prompt(), "alice@rust> ");
    // Nobody else can say so.
    surroundings.heard("bob: [SERVER] you are in a trap (2 online)");
    surroundings.heard("[SERVER] announcement by bob: you are in trouble (2 online)");
    assert_eq!(surroundings.prompt(), "alice@rust> ");
}

#[test]
fn the_room_is_waited_for_and_not_for_ever() {
    let surroundings = surroundings(&["AUTH_SUCCESS alice token"]);
    surroundings.typed("/join rust");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| surroundings.prompt());
        surroundings.heard("bob: still in the lobby");
        surroundings.heard("[SERVER] you are in rust (1 online)");
        assert_eq!(waiting.join().unwrap(), "alice@rust> ");
    });
    surroundings.typed("/leave");
    let start = Instant::now();
    assert_eq!(surroundings.prompt(), "alice@rust> ");
    assert!(start.elapsed() >= PATIENCE);
    // Once is enough.
    let start = Instant::now();
    surroundings.prompt();
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn whoever_comes_back_goes_on_to_the_room_it_was_in() {
    let back = "AUTH_SUCCESS alice token-2";
    let surroundings = surroundings(&["AUTH_SUCCESS alice token"]);
    assert_eq!(surroundings.heard(back), News::Nothing);
    surroundings.heard("[SERVER] you are in rust (1 online)");
    let from = "rust".to_owned();
    assert_eq!(surroundings.heard(back), News::BackInLobby { from: from.clone() });
    // Lost again before it was there.
    assert_eq!(surroundings.heard(back), News::BackInLobby { from });
    surroundings.heard("[SERVER] you are in lobby (1 online)");
    assert_eq!(surroundings.heard(back), News::Nothing);
}

#[test]
fn whoever_is_put_out_knows_it() {
    let surroundings = surroundings(&["AUTH_SUCCESS alice token"]);
    assert_eq!(surroundings.heard("[SERVER] you were kicked by root"), News::PutOut);
    assert_eq!(surroundings.heard("root: [SERVER] you were kicked by root"), News::Nothing);
    assert_eq!(surroundings.heard("[SERVER] announcement by root: you were kicked by root"), News::Nothing);
}
