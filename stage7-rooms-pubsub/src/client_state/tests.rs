use super::*;
use crate::commands::commands_with;
use std::thread;
use std::time::Instant;

fn state(lines: &[&str]) -> Arc<ClientState> {
    let fingerprint = CommandInfo { usage: "/fingerprint [USER]", help: "" };
    let state = ClientState::new(&commands_with(&[fingerprint]));
    assert_eq!(state.logged_in("alice"), None);
    for line in lines {
        state.on_line(line);
    }
    state
}

/// What becomes of a line with Tab, for each candidate.
fn tab(state: &ClientState, line: &str) -> Vec<String> {
    let (start, words) = state.complete(line);
    words.into_iter().map(|word| format!("{}{word}", &line[..start])).collect()
}

#[test]
fn commands_are_those_of_the_table() {
    let state = state(&[]);
    assert_eq!(tab(&state, "/j"), ["/join "]);
    assert_eq!(tab(&state, "/su"), ["/subscribe ", "/subs"]);
    assert_eq!(tab(&state, "/q"), ["/quit"]);
    assert_eq!(tab(&state, "/h"), ["/history", "/help"]);
    assert_eq!(tab(&state, "/fi"), ["/fingerprint "]);
    assert_eq!(tab(&state, "/").len(), 16);
    for line in ["", "j", "hello /j", "/x"] {
        assert!(tab(&state, line).is_empty(), "{line:?}");
    }
}

#[test]
fn rooms_and_users_are_completed_where_a_command_takes_one() {
    let state = state(&[
        "[USERS_LIST] alice,bob,Bobby,carol",
        "[ROOMS] lobby 3,rust 2,rustaceans 1",
        "dave: hello",
        "[#garden] erin: hello",
        "[pub] frank: hello",
        "[private] grace: hello",
        "[SUBS] heidi",
    ]);
    assert_eq!(tab(&state, "/join ru"), ["/join rust", "/join rustaceans"]);
    assert_eq!(tab(&state, "/join G"), ["/join garden"]);
    assert_eq!(tab(&state, "/msg BO"), ["/msg Bobby ", "/msg bob "]);
    for name in ["carol", "dave", "erin", "frank", "grace", "heidi"] {
        assert_eq!(tab(&state, &format!("/subscribe {}", &name[..2])), [format!("/subscribe {name}")]);
    }
    // Oneself, another argument, a command that takes none.
    for line in ["/subscribe al", "/msg bob c", "/leave c", "/join bo", "c", "hello bo", "/nothing c"] {
        assert!(tab(&state, line).is_empty(), "{line:?}");
    }
    // Users who left the room, and users of the room that was left, may be elsewhere.
    state.on_line("[SERVER] bob left (3 online)");
    state.on_line("[SERVER] you are in rust (1 online)");
    state.on_line("[USERS_LIST] alice");
    assert_eq!(tab(&state, "/msg b"), ["/msg Bobby ", "/msg bob "]);
}

#[test]
fn what_is_no_name_gets_nowhere_near_the_screen() {
    let evil = "\x1b[2J";
    let long = "x".repeat(33);
    let state = state(&[
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
        assert!(tab(&state, line).is_empty(), "{:?}", tab(&state, line));
    }
    // Not at a boundary of characters.
    assert!(tab(&state, "/msg ü").is_empty());
}

#[test]
fn so_many_names_are_no_burden() {
    let state = state(&[]);
    for n in 0..3 * MOST_REMEMBERED {
        state.on_line(&format!("name{n}: hello"));
    }
    assert!(tab(&state, "/msg ").len() <= MOST_REMEMBERED);
    assert_eq!(tab(&state, &format!("/msg name{}", 3 * MOST_REMEMBERED - 1)).len(), 1);
}

#[test]
fn the_room_is_where_the_server_says() {
    let state = state(&[]);
    assert_eq!(state.wait_for_prompt(), "alice@lobby> ");
    state.typed("/join Rust");
    state.on_line("bob: hello");
    let prompt = "alice@rust> ".to_owned();
    assert_eq!(
        state.on_line("[SERVER] you are in rust (2 online)"),
        StateChange::Moved { prompt: prompt.clone() }
    );
    assert_eq!(state.wait_for_prompt(), prompt);
    state.typed("/join somewhere else");
    state.on_line("[SERVER] error: a room has 1 to 32 of the characters A-Z a-z 0-9 _ . -");
    assert_eq!(state.wait_for_prompt(), "alice@rust> ");
    // No other line can say so.
    state.on_line("bob: [SERVER] you are in a trap (2 online)");
    state.on_line("[SERVER] announcement by bob: you are in trouble (2 online)");
    assert_eq!(state.wait_for_prompt(), "alice@rust> ");
}

#[test]
fn the_room_is_waited_for_and_not_for_ever() {
    let state = state(&[]);
    state.typed("/join rust");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| state.wait_for_prompt());
        state.on_line("bob: still in the lobby");
        state.on_line("[SERVER] you are in rust (1 online)");
        assert_eq!(waiting.join().unwrap(), "alice@rust> ");
    });
    state.typed("/leave");
    let start = Instant::now();
    assert_eq!(state.wait_for_prompt(), "alice@rust> ");
    assert!(start.elapsed() >= PATIENCE);
    // Once is enough.
    let start = Instant::now();
    state.wait_for_prompt();
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn a_client_that_comes_back_goes_on_to_the_room_it_was_in() {
    let state = state(&["[SERVER] you are in rust (1 online)"]);
    assert_eq!(state.logged_in("alice").as_deref(), Some("rust"));
    // Lost again before it was there.
    assert_eq!(state.logged_in("alice").as_deref(), Some("rust"));
    state.on_line("[SERVER] you are in lobby (1 online)");
    assert_eq!(state.logged_in("alice"), None);
}

#[test]
fn a_user_who_was_kicked_knows_it() {
    let state = state(&[]);
    assert_eq!(state.on_line("[SERVER] you were kicked by root"), StateChange::Kicked);
    assert_eq!(state.on_line("root: [SERVER] you were kicked by root"), StateChange::Nothing);
    assert_eq!(state.on_line("[SERVER] announcement by root: you were kicked by root"), StateChange::Nothing);
}
