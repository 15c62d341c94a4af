//! An identity is made once, is its owner's alone, and shows itself to nobody.

use super::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Barrier;
use std::thread;
use tempfile::TempDir;

/// A folder, and in it the path of an identity file that is not there.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.identity");
    (folder, path)
}

fn write(path: &Path, text: &[u8], mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn it_is_made_once_and_then_the_same() {
    let (folder, path) = place();
    let (made, new) = Identity::load_or_make(&path).unwrap();
    assert!(new);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let text = fs::read(&path).unwrap();

    let (loaded, new) = Identity::load_or_make(&path).unwrap();
    assert!(!new);
    assert_eq!(loaded.public(), made.public());
    assert_eq!(fs::read(&path).unwrap(), text);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let (_folder, elsewhere) = place();
    assert_ne!(Identity::load_or_make(&elsewhere).unwrap().0.public(), made.public());
}

#[test]
fn programs_that_start_at_once_agree_on_one() {
    for _ in 0..20 {
        let (_folder, path) = place();
        let start = Barrier::new(4);
        let keys: Vec<_> = thread::scope(|scope| {
            let one = || {
                start.wait();
                Identity::load_or_make(&path).unwrap()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|(identity, _)| identity.public() == keys[0].0.public()));
        assert_eq!(keys.iter().filter(|(_, new)| *new).count(), 1);
    }
}

#[test]
fn a_file_that_others_can_touch_is_refused() {
    let (_folder, path) = place();
    Identity::load_or_make(&path).unwrap();
    for mode in [0o644, 0o640, 0o604, 0o660, 0o602, 0o601] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let said = Identity::load_or_make(&path).unwrap_err().to_string();
        assert!(said.contains(&format!("(mode {mode:04o})")), "{said}");
        assert!(said.contains(&format!("chmod 600 '{}'", path.display())), "{said}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    Identity::load_or_make(&path).unwrap();
}

#[test]
fn a_wrong_file_is_left_alone_and_not_shown() {
    let (_folder, path) = place();
    let (_, _) = Identity::load_or_make(&path).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    let base64 = good.trim_end().strip_prefix(LABEL).unwrap().to_owned();
    for text in [
        String::new(),
        base64.clone(),
        format!(" {LABEL}{base64}"),
        format!("{LABEL}{}\n", &base64[1..]),
        format!("{LABEL}{}\n", base64.trim_end_matches('=')),
        format!("{LABEL}{base64} \n"),
        format!("{LABEL}{base64}\n\n"),
        format!("{LABEL}{base64}\n{LABEL}{base64}\n"),
    ] {
        write(&path, text.as_bytes(), 0o600);
        let error = Identity::load_or_make(&path).unwrap_err();
        assert!(matches!(error, IdentityError::Malformed(_)), "{text:?}: {error}");
        for shown in [format!("{error}"), format!("{error:?}")] {
            assert!(shown.contains("alice.identity") && !shown.contains(&base64[5..15]), "{shown}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    for text in
        [good.clone(), good.trim_end().to_owned(), good.replace('\n', "\r\n"), format!("\u{feff}{good}")]
    {
        write(&path, text.as_bytes(), 0o600);
        assert!(Identity::load_or_make(&path).is_ok(), "{text:?}");
    }
}

#[test]
fn what_cannot_be_a_file_is_an_error() {
    let (folder, path) = place();
    let directory = Identity::load_or_make(folder.path()).unwrap_err();
    assert!(matches!(directory, IdentityError::File(PrivateFileError::Unreadable(..))), "{directory}");

    let nowhere = Identity::load_or_make(&folder.path().join("none/alice.identity")).unwrap_err();
    assert!(matches!(nowhere, IdentityError::File(PrivateFileError::Unwritable(..))), "{nowhere}");

    // A link that leads nowhere is not followed to make a file there.
    symlink(folder.path().join("elsewhere"), &path).unwrap();
    let link = Identity::load_or_make(&path).unwrap_err();
    assert!(matches!(link, IdentityError::File(PrivateFileError::Exists(_))), "{link}");
    assert!(!folder.path().join("elsewhere").exists());
}
