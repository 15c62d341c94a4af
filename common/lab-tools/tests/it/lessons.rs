//! The sentences of `lessons.toml`, held against the code: each thing that a
//! stage brings or lets go of has one, and nothing else has.

use lab::registry::Registry;
use lab_tools::diff::{gone, news};
use lab_tools::lessons::{Lessons, Why};
use lab_tools::sources::Sources;

/// What `list` lacks, and what it has too much.
fn differences(what: &str, of: &str, list: &[Why], mut real: Vec<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut listed: Vec<_> = list.iter().map(|w| w.name.clone()).collect();
    listed.sort_unstable();
    real.sort_unstable();
    wrong.extend(real.iter().filter(|n| !listed.contains(n)).map(|n| format!("{of}: `{what}` lacks {n}")));
    wrong.extend(
        listed
            .iter()
            .filter(|n| !real.contains(n))
            .map(|n| format!("{of}: `{what}` has {n}, which is not so")),
    );
    wrong.extend(
        listed.windows(2).filter(|w| w[0] == w[1]).map(|w| format!("{of}: `{what}` has {} twice", w[0])),
    );
    wrong
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn whatever_is_new_or_gone_has_its_sentence_and_nothing_else_has() {
    let (all, lessons) = (Registry::load(), Lessons::load());
    let sources = Sources::of_course(&all);
    let mut wrong = Vec::new();
    for stage in &all.stages {
        let lesson = lessons.of(stage).unwrap_or_else(|| panic!("lessons.toml: stage {}?", stage.number));
        wrong.extend(differences("new", &stage.package, &lesson.new, news(&sources, stage)));
        let gone = sources.below(stage).map(|below| gone(&sources, &all, below, stage));
        wrong.extend(differences("gone", &stage.package, &lesson.gone, gone.unwrap_or_default()));
    }
    assert!(wrong.is_empty(), "lessons.toml\n{}", wrong.join("\n"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_sentence_is_one() {
    for lesson in Lessons::load().stages {
        let points = lesson.new.iter().chain(&lesson.gone).map(|w| (w.name.as_str(), w.why.as_str()));
        for (name, why) in
            points.chain([("server", lesson.server.as_str()), ("client", lesson.client.as_str())])
        {
            let good = why.split_whitespace().count() >= 4 && why.ends_with('.') && !why.contains('\n');
            assert!(good, "lessons.toml, stage {}, {name}: {why:?}", lesson.number);
        }
    }
}
