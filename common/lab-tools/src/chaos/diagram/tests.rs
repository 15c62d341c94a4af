use super::*;
use crate::chaos::check;
use crate::chaos::history::DoneFault;

fn session(user: &str, shown: &[(&str, Millis)], sent: &[(&str, Millis)]) -> Session {
    let lines = |what: &[(&str, Millis)]| what.iter().map(|(line, _)| (*line).to_owned()).collect();
    let times = |what: &[(&str, Millis)]| what.iter().map(|(_, at)| *at).collect();
    Session {
        user: user.to_owned(),
        server: 1,
        shown: lines(shown),
        shown_at: times(shown),
        sent: lines(sent),
        sent_at: times(sent),
        is_open: true,
        ..Session::default()
    }
}

/// alice's line is shown to bob twice.
fn history(line: &str) -> History {
    let fault = DoneFault {
        number: 3,
        place: "Redis".to_owned(),
        may_disconnect: false,
        what: "Redis is stopped (SIGSTOP)".to_owned(),
        begins: 1500,
        ends: 4000,
    };
    let alice = session("alice", &[], &[(line, 2000)]);
    let bob = session("bob", &[(line, 2010), (line, 5000)], &[]);
    let database = vec![line.to_owned()];
    History { database, sessions: vec![alice, bob], faults: vec![fault], ..History::default() }
}

fn drawn(history: &History) -> String {
    draw("seed 1", history, &check::lines(history))
}

#[test]
fn lanes_faults_and_the_way_of_the_wrong_line_are_drawn() {
    let svg = drawn(&history("alice: line 1"));
    let document = roxmltree::Document::parse(&svg).unwrap();
    let with_class =
        |class: &str| document.descendants().filter(|n| n.attribute("class") == Some(class)).count();
    let texts: Vec<_> = document.descendants().filter_map(|n| n.text()).collect();
    for lane in ["alice", "bob", "server-1", "server-2", "server-3", "Redis", "MariaDB", "F3"] {
        assert!(texts.contains(&lane), "{lane}: {texts:?}");
    }
    assert_eq!(with_class("open"), 2);
    assert_eq!(with_class("fault"), 1);
    // Where it was said, and the two places where it was shown.
    assert_eq!(with_class("wrong"), 3);
    assert!(svg.contains("prefers-color-scheme: dark"));
}

#[test]
fn it_has_a_text_alternative_with_the_faults_and_the_broken_promise() {
    let svg = drawn(&history("alice: line 1"));
    let document = roxmltree::Document::parse(&svg).unwrap();
    let text = document.descendants().find(|n| n.has_tag_name("desc")).unwrap().text().unwrap();
    assert!(text.contains("F3: 1.5 s to 4.0 s, Redis is stopped (SIGSTOP)."), "{text}");
    assert!(text.contains("Broken: a line is shown twice: \"alice: line 1\", by bob on server-1"), "{text}");
    assert_eq!(document.root_element().attribute("role"), Some("img"));
}

#[test]
fn a_line_of_any_letters_is_no_tag() {
    let svg = drawn(&history("alice: </text> & \"<\" \u{1}"));
    let document = roxmltree::Document::parse(&svg).unwrap();
    assert!(
        document
            .descendants()
            .any(|n| n.text().is_some_and(|text| text.starts_with("alice: </text> & \"<\"")))
    );
}

#[test]
fn a_run_in_which_nothing_happened_can_be_drawn() {
    roxmltree::Document::parse(&drawn(&History::default())).unwrap();
}
