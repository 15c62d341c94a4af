//! What a folder is found to be, and what is no submission.

use super::*;
use std::fs;
use tempfile::TempDir;

fn put(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// All our sources, as an archive from Windows has them: CR LF, here and there
/// a byte order mark.
fn from_windows(to: &Path, all: &Registry) {
    for stage in &all.stages {
        let src = root().join(&stage.package).join("src");
        let mut folders = vec![src.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let text = fs::read_to_string(entry.path()).unwrap().replace('\n', "\r\n");
                let mark = if entry.file_name() == "lib.rs" { "\u{feff}" } else { "" };
                let inside = entry.path().strip_prefix(&src).unwrap().to_owned();
                put(&to.join(&stage.package).join("src").join(inside), format!("{mark}{text}"));
            }
        }
    }
}

/// What Finder, Explorer and editors add.
fn litter(folder: &Path, stage: &str) {
    let src = folder.join(stage).join("src");
    for name in [".DS_Store", "._server.rs", "server.rs~", ".server.rs.swp", "#client.rs#", "lib.rs.bak"] {
        put(&src.join(name), "no source");
    }
    put(&folder.join("__MACOSX").join(stage).join("src/._lib.rs"), [0, 5, 22, 7]);
    put(&folder.join("desktop.ini"), "[.ShellClassInfo]");
}

fn stage_of(folder: &Path, all: &Registry) -> Result<u16, String> {
    let found = look(folder, &Brought::default(), all);
    found.map(|submission| submission.stage.number).map_err(|error| format!("{error:#}"))
}

#[test]
fn line_ends_marks_and_litter_are_no_difference_and_a_changed_line_is() {
    let (all, folder) = (Registry::load(), TempDir::new().unwrap());
    let inside = folder.path().join("anna/final version");
    from_windows(&inside, &all);
    litter(&inside, "stage4-multichat");
    litter(folder.path(), "stage4-multichat");
    let wrapped = folder.path();
    // `litter` makes the stage's folder beside the one that holds it all.
    fs::remove_dir_all(wrapped.join("stage4-multichat")).unwrap();
    let error = stage_of(wrapped, &all).unwrap_err();
    assert!(error.contains("no stage's src differs"), "{error}");
    let server = inside.join("stage4-multichat/src/server.rs");
    let text = fs::read_to_string(&server).unwrap();
    put(&server, format!("{text}// mine\r\n"));
    assert_eq!(stage_of(wrapped, &all), Ok(4));
}

#[test]
fn a_command_that_is_named_is_not_empty() {
    let (all, folder) = (Registry::load(), TempDir::new().unwrap());
    for (line, what) in
        [("server = \"\"", "server"), ("client = ' '", "client"), ("build = '''\n'''", "build")]
    {
        let more = if what == "server" { "" } else { "server = 'python3 server.py'\n" };
        put(&folder.path().join(FILE), format!("stage = 4\n{more}{line}\n"));
        let error = stage_of(folder.path(), &all).unwrap_err();
        assert!(error.contains(&format!("grade.toml: {what} is empty")), "{error}");
    }
    put(&folder.path().join(FILE), "\u{feff}stage = 4\r\nserver = 'python3 server.py {port}'\r\n");
    assert_eq!(stage_of(folder.path(), &all), Ok(4));
}

/// A link on the way to a file leads out as one in the file's place does.
#[test]
fn nothing_is_read_through_a_link() {
    let (all, folder, outside) = (Registry::load(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let stage = folder.path().join("stage4-multichat");
    put(&stage.join("src/server.rs"), "// mine");
    put(&outside.path().join("config.toml"), "[build]");
    put(&outside.path().join("checks.rs"), "fn main() {}");
    for name in [".cargo", "tests"] {
        std::os::unix::fs::symlink(outside.path(), stage.join(name)).unwrap();
    }
    let found = look(folder.path(), &Brought::default(), &all).unwrap();
    assert!(found.notes.is_empty(), "{:?}", found.notes);
    fs::remove_dir_all(&stage).unwrap();
    put(&outside.path().join("src/server.rs"), "// not mine");
    std::os::unix::fs::symlink(outside.path(), &stage).unwrap();
    let error = stage_of(folder.path(), &all).unwrap_err();
    assert!(error.contains("stage4-multichat/src is a link, and links are not followed"), "{error}");
}
