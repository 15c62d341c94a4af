//! `lab diff`: on a pipe, on a terminal, and as a page.

use assert_cmd::Command;
use lab::registry::Registry;
use rexpect::session::spawn_command;
use std::fs;
use tempfile::TempDir;

fn diff(args: &[&str]) -> assert_cmd::assert::Assert {
    Command::new(env!("CARGO_BIN_EXE_lab-tools"))
        .arg("diff")
        .args(args)
        .timeout(std::time::Duration::from_secs(20))
        .assert()
}

fn shown(args: &[&str]) -> String {
    String::from_utf8(diff(args).success().get_output().stdout.clone()).unwrap()
}

/// Whether the parts stand in the text in this order.
#[track_caller]
fn in_order(text: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        let at = text[from..].find(part);
        from +=
            at.unwrap_or_else(|| panic!("{part:?} is not there, or not in its place:\n{text}")) + part.len();
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn first_the_sentences_then_the_lines() {
    let text = shown(&["4"]);
    let parts = [
        "Stage 4, multichat (against stage 3, threads)\n",
        "\nNew\n  room ",
        "  outbox ",
        "\nChanged\n  server.rs  A thread that reads",
        "\nNo longer imported\n",
        "stage3_threads::experiments",
        "\n--- stage3-threads/src/server.rs\n+++ stage4-multichat/src/server.rs\n@@ -1,",
        "-use crate::workers::{CLIENT_STACK, Workers};\n",
        "+use crate::outbox::{Outbox, OutboxConfig};\n",
        // Stage 3 imports this file, so it is stage 2's.
        "\n--- stage2-echo/src/client.rs\n+++ stage4-multichat/src/client.rs\n",
    ];
    in_order(&text, &parts);
    assert!(!text.contains('\x1b'), "no colour on a pipe");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn the_hunks_are_a_patch() {
    let folder = TempDir::new().unwrap();
    let root = lab::workspace::root();
    for (old, new) in [("stage1-handshake", "stage2-echo"), ("stage2-echo", "stage3-threads")] {
        let number = &new[5..6];
        let file = folder.path().join("server.rs");
        fs::copy(root.join(old).join("src/server.rs"), &file).unwrap();
        let text = shown(&[number]);
        let from = text.find("--- ").unwrap();
        let to = text.find("\nclient.rs").or(text[from..].find("\n--- ").map(|at| from + at)).unwrap();
        let mut patch = Command::new("patch");
        patch.arg(&file).write_stdin(&text[from..=to]);
        // Not on every machine.
        if std::process::Command::new("patch").arg("--version").output().is_err() {
            return;
        }
        patch.assert().success();
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            fs::read_to_string(root.join(new).join("src/server.rs")).unwrap()
        );
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_flow_that_is_imported_is_said_to_be() {
    let text = shown(&["5"]);
    let said =
        "\nserver.rs  Stage 5 imports it: it is stage 4's, unchanged (stage4-multichat/src/server.rs).\n";
    in_order(&text, &[said, "--- stage4-multichat/src/client.rs\n+++ stage5-aes/src/client.rs\n"]);
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn two_stages_have_the_sentences_of_all_between_them() {
    let text = shown(&["4", "6"]);
    let parts = [
        "(against stage 4, multichat)",
        "5  cipher",
        "6  envelope",
        "5  server.rs",
        "6  server.rs",
        "--- stage4-multichat/src/server.rs\n+++ stage6-auth/src/server.rs",
    ];
    in_order(&text, &parts);
    assert_eq!(text, shown(&["6", "4"]), "whichever is said first");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn the_first_stage_is_new_from_its_first_line() {
    let text = shown(&["1"]);
    in_order(
        &text,
        &[
            "Stage 1, handshake (the first one",
            "New\n  handshake",
            "--- /dev/null\n+++ stage1-handshake/src/server.rs\n@@ -0,0 +1,",
        ],
    );
    assert!(!text.contains("\n-use"), "{text}");
}

#[test]
fn wrong_usage_is_one_line() {
    for (args, about) in [
        (&["99"][..], "no stage '99'; there are: 1 2 3"),
        (&["4", "x"], "no part 'x'; stage 4 has: room"),
        (&[], "which stage?"),
        (&["4", "4"], "stage 4 does not differ from itself"),
    ] {
        let output = diff(args).code(2).get_output().clone();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(about) && error.lines().count() == 1 && output.stdout.is_empty(), "{error}");
    }
    let error = diff(&["4", "--html", "/nonexistent/page.html"]).code(1).get_output().stderr.clone();
    assert!(String::from_utf8_lossy(&error).contains("cannot write /nonexistent/page.html"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn the_page_has_it_all_and_asks_for_nothing() {
    let folder = TempDir::new().unwrap();
    for stage in Registry::load().stages {
        let file = folder.path().join("page.html");
        let said = shown(&[&stage.number.to_string(), "--html", file.to_str().unwrap()]);
        assert_eq!(said, format!("{} is a page for a browser\n", file.display()));
        let page = fs::read_to_string(&file).unwrap();
        in_order(
            &page,
            &[
                "<!doctype html>",
                &format!("Stage {}, {}", stage.number, stage.title),
                "<h2>New</h2>",
                "<code>server.rs</code>",
                "<code>client.rs</code>",
                "</html>",
            ],
        );
        // A module's source may name an address; the page itself links to its own parts only.
        let own: String =
            page.split("<pre>").map(|piece| piece.split_once("</pre>").map_or(piece, |p| p.1)).collect();
        let own = own.replace("href=\"#", "");
        for from_elsewhere in ["http:", "https:", "src=", "href=", "url(", "@import", "<script"] {
            assert!(!own.contains(from_elsewhere), "{from_elsewhere}");
        }
        for tag in ["table", "tr", "td", "section", "details", "dl", "b"] {
            let opened =
                page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}

/// A `lab diff` on a terminal.
fn on_a_terminal(pager: &str, no_color: &str) -> String {
    let mut lab = std::process::Command::new(env!("CARGO_BIN_EXE_lab-tools"));
    lab.args(["diff", "3"]).env("PAGER", pager).env("NO_COLOR", no_color).env("TERM", "xterm");
    let mut session = spawn_command(lab, Some(20_000)).unwrap();
    session.exp_eof().unwrap()
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn on_a_terminal_it_is_coloured_and_goes_through_the_pager() {
    let folder = TempDir::new().unwrap();
    let seen = folder.path().join("seen");
    let shown = on_a_terminal(&format!("cat > '{}'; echo the pager was here", seen.display()), "");
    assert!(shown.contains("the pager was here") && !shown.contains("Stage 3"), "{shown}");
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("\x1b[1mStage 3, threads\x1b[0m"), "{seen}");
    assert!(seen.contains("\x1b[31m-\x1b[0m") && seen.contains("\x1b[32m+\x1b[0m"), "{seen}");
    assert!(seen.contains("\x1b[31;7m"), "words that changed are set off: {seen}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn no_color_is_respected() {
    let shown = on_a_terminal("cat", "1");
    assert!(shown.contains("Stage 3, threads (against") && !shown.contains('\x1b'), "{shown}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn without_a_pager_it_is_printed() {
    assert!(on_a_terminal("/nonexistent/pager", "").contains("Stage 3, threads"));
    // One that has seen enough at once is no failure either.
    assert!(!on_a_terminal("true", "").contains("error"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_part_shows_its_own_changes_and_what_to_read() {
    let text = shown(&["4", "limits"]);
    let parts = [
        "Stage 4, multichat, part 3 of 3: limits (against stage 3, threads)\n",
        "\nNew\n  limits ",
        "\nstage4-multichat/src/server.rs\n@@ ",
        "LineLimiter::new(",
        "\nstage4-multichat/src/server.rs, imports and options\n@@ ",
        "\nTo read, in this order\n  stage4-multichat/src/limits.rs ",
        "  stage4-multichat/src/token_bucket.rs ",
    ];
    in_order(&text, &parts);
    assert!(!text.contains("No longer imported") && !text.contains("src/outbox.rs"), "{text}");
    let whole = shown(&["4"]);
    in_order(
        &whole,
        &["\nParts (make diff 4 PART shows one)\n  room ", "  slow-clients ", "  limits ", "\nNew\n"],
    );
    let error = |part| String::from_utf8(diff(&["4", part]).code(2).get_output().stderr.clone()).unwrap();
    assert!(error("limit").contains("no part 'limit'; stage 4 has: room slow-clients limits"));
    assert!(error("accounts").contains("part 'accounts' is stage 6's"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn each_change_of_a_flow_is_in_one_part() {
    let folder = TempDir::new().unwrap();
    let page = folder.path().join("page.html");
    for stage in Registry::load().stages.iter().filter(|stage| stage.parts.len() > 1) {
        shown(&[&stage.number.to_string(), "--html", page.to_str().unwrap()]);
        let html = fs::read_to_string(&page).unwrap();
        for part in &stage.parts {
            assert!(html.contains(&format!("id=\"{}\"", part.name)), "{}", part.name);
            assert!(html.contains(&format!("href=\"#{}\"", part.name)), "{}", part.name);
        }
        // An inserted line has its sign once in all of the page.
        let whole = shown(&[&stage.number.to_string()]);
        let inserted = whole.lines().filter(|l| l.starts_with('+') && !l.starts_with("+++")).count();
        assert_eq!(html.matches("<td class=\"no new\">").count(), inserted, "stage {}", stage.number);
        assert!(
            html.contains("<details class=\"module\"><summary><code>")
                && html.contains("prefers-color-scheme")
        );
    }
}
