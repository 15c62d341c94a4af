//! The parts of the stages, held against the code: each file is in one part, and
//! each part is a sitting.

use lab::registry::{Part, Registry, Stage};
use lab_tools::parts::{Size, all_files, files, is_of, owners, size};
use lab_tools::sources::Sources;

/// Lines of modules in a part; changed lines in one flow file, and in both.
const USUAL: (usize, usize, usize) = (700, 60, 120);

/// Asks something of each part, and gathers what is wrong.
#[track_caller]
fn each_part(mut wrong_with: impl FnMut(&Sources<'_>, &Stage, &Part) -> Vec<String>) {
    let all = Registry::load();
    let sources = Sources::of_course(&all);
    let parts = all.stages.iter().flat_map(|stage| stage.parts.iter().map(move |part| (stage, part)));
    let wrong: Vec<_> = parts
        .flat_map(|(stage, part)| {
            let of = format!("stage {}, part {}", stage.number, part.name);
            wrong_with(&sources, stage, part).into_iter().map(move |what| format!("{of}: {what}"))
        })
        .collect();
    assert!(wrong.is_empty(), "common/lab/stages.toml\n{}", wrong.join("\n"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn each_module_of_a_stage_belongs_to_one_part() {
    let all = Registry::load();
    let sources = Sources::of_course(&all);
    let mut wrong = Vec::new();
    for stage in &all.stages {
        for file in all_files(&sources, stage) {
            let owners: Vec<_> = owners(stage, &file).iter().map(|part| part.name.as_str()).collect();
            if owners.len() != 1 {
                wrong.push(format!(
                    "{}/src/{} is in the `modules` of {} parts {owners:?}; write it, or its folder, into \
                     those of one",
                    stage.package,
                    file.display(),
                    owners.len()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "common/lab/stages.toml\n{}", wrong.join("\n"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_part_names_no_module_that_is_gone() {
    each_part(|sources, stage, part| {
        let there = all_files(sources, stage);
        let gone = part.modules.iter().filter(|module| !there.iter().any(|file| is_of(file, module)));
        gone.map(|module| format!("`modules` has {module}, and src has no such file: take it out")).collect()
    });
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_part_is_one_sitting() {
    each_part(|sources, stage, part| {
        let Size { modules, flow: [server, client] } = size(sources, stage, part);
        let larger = part.larger.as_ref();
        let (lines, file, both) = USUAL;
        let of_larger = |get: fn(&lab::registry::Larger) -> Option<usize>| larger.and_then(get);
        let (server_limit, client_limit) = (of_larger(|l| l.server), of_larger(|l| l.client));
        let usual = server_limit.is_none() && client_limit.is_none();
        let mut wrong = Vec::new();
        let mut at_most = |what: &str, is: usize, limit: usize| {
            if is > limit {
                wrong.push(format!(
                    "{is} lines of {what}, {limit} allowed; make it smaller, or say in `larger` why"
                ));
            }
        };
        at_most("modules", modules, of_larger(|l| l.lines).unwrap_or(lines));
        at_most("server.rs changed", server, server_limit.unwrap_or(file));
        at_most("client.rs changed", client, client_limit.unwrap_or(file));
        if usual {
            at_most("both flow files changed", server + client, both);
        }
        if larger.is_some_and(|larger| larger.reason.split_whitespace().count() < 4) {
            wrong.push("`larger` has no reason".to_owned());
        }
        let minutes = part.reading + part.writing;
        if !(20..=100).contains(&minutes) {
            wrong.push(format!("{minutes} minutes are no sitting"));
        }
        wrong
    });
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_folder_is_read_from_its_front_and_what_is_taken_out_is_not_in_it() {
    let all = Registry::load();
    let sources = Sources::of_course(&all);
    let stage = all.stage(Some("6")).unwrap();
    let names = |part: &str| -> Vec<_> {
        let files = files(&sources, stage, all.part(stage, part).unwrap());
        files.iter().map(|file| file.path.display().to_string()).collect()
    };
    let store = names("store");
    assert_eq!(store[0], "store/mod.rs");
    assert!(!store.iter().any(|name| name.contains("mysql") || name.contains("tests")), "{store:?}");
    assert_eq!(names("mysql")[0], "store/mysql/mod.rs");
}
