//! What a key file may look like, what is said of every other, and that none is
//! ever half written or open to others.

use super::*;
use proptest::prelude::*;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
const IV: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

/// A folder with a key file `chat.key` of the given contents and mode.
fn key_file(text: &[u8], mode: u32) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DEFAULT_PATH);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    (folder, path)
}

/// What is said about a key file of these contents, less its folder.
fn complaint(text: &[u8], mode: u32) -> String {
    let (folder, path) = key_file(text, mode);
    let error = KeyFile::load(&path).expect_err("a wrong key file was accepted");
    let folder = format!("{}/", folder.path().display());
    error.to_string().replace(&folder, "")
}

#[test]
fn what_was_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("any.key");
    let made = KeyFile::random();
    made.save(&path, false).unwrap();

    let loaded = KeyFile::load(&path).unwrap();
    assert_eq!(loaded.key.as_bytes(), made.key.as_bytes());
    assert_eq!(loaded.iv, made.iv);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.len(), 4 + 64 + 1 + 3 + 32 + 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn line_ends_are_taken_as_they_come() {
    for text in [
        format!("key={KEY}\niv={IV}\n"),
        format!("key={KEY}\niv={IV}"),
        format!("key={KEY}\r\niv={IV}\r\n"),
        format!("key={KEY}\r\niv={IV}"),
        format!("\u{feff}key={KEY}\niv={IV}\n"),
        format!("key={}\niv={}\n", KEY.to_lowercase(), IV.to_uppercase()),
    ] {
        for mode in [0o600, 0o400] {
            let (_folder, path) = key_file(text.as_bytes(), mode);
            let file = KeyFile::load(&path).unwrap();
            assert_eq!(hex::encode(file.key.as_bytes()), KEY.to_lowercase());
            assert_eq!(hex::encode(file.iv), IV);
        }
    }
}

#[test]
fn a_wrong_file_is_told_where_and_what_to_do() {
    let expected_key = "line 1: expected `key=` and 64 hexadecimal digits";
    let expected_iv = "line 2: expected `iv=` and 32 hexadecimal digits";
    let table = [
        (String::new(), expected_key),
        ("\n".to_owned(), expected_key),
        (format!("iv={IV}\nkey={KEY}\n"), expected_key),
        (format!(" key={KEY}\niv={IV}\n"), expected_key),
        (format!("KEY={KEY}\niv={IV}\n"), expected_key),
        ("key\n".to_owned(), expected_key),
        (format!("key={KEY}"), expected_iv),
        (format!("key={KEY}\n"), expected_iv),
        (format!("key={KEY}\n\niv={IV}\n"), expected_iv),
        (format!("key={}\niv={IV}\n", &KEY[1..]), "line 1: `key=` needs 64 hexadecimal digits, not 63"),
        (format!("key={KEY}00\niv={IV}\n"), "line 1: `key=` needs 64 hexadecimal digits, not 66"),
        (format!("key={KEY}\niv=\n"), "line 2: `iv=` needs 32 hexadecimal digits, not 0"),
        (format!("key= {}\niv={IV}\n", &KEY[1..]), "line 1: character 5 is not a hexadecimal digit"),
        (format!("key={KEY}\niv={} \n", &IV[1..]), "line 2: character 35 is not a hexadecimal digit"),
        (format!("key={KEY}\niv={IV}\n\n"), "line 3: nothing may follow the two lines `key=` and `iv=`"),
    ];
    for (text, problem) in table {
        assert_eq!(
            complaint(text.as_bytes(), 0o600),
            format!("key file chat.key, {problem}; make it with stage5-keygen"),
            "{text:?}"
        );
    }
}

#[test]
fn a_file_that_others_can_touch_is_refused() {
    let text = format!("key={KEY}\niv={IV}\n");
    for mode in [0o644, 0o640, 0o604, 0o660, 0o620, 0o610, 0o602, 0o601] {
        let said = complaint(text.as_bytes(), mode);
        assert!(said.contains(&format!("(mode {mode:04o})")), "{said}");
        assert!(said.contains("chmod 600 '"), "{said}");
    }
}

#[test]
fn missing_and_unreadable_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let missing = KeyFile::load(&folder.path().join("no.key")).unwrap_err();
    assert!(matches!(missing, KeyFileError::Missing(_)), "{missing}");
    assert!(missing.to_string().contains("make it with stage5-keygen"));

    let directory = KeyFile::load(folder.path()).unwrap_err();
    assert!(matches!(directory, KeyFileError::File(PrivateFileError::Unreadable(..))), "{directory}");

    // Nobody is kept from reading what is theirs by mode 0000 but by being
    // somebody else; the superuser not even by that.
    let (_folder, path) = key_file(b"", 0o000);
    if File::open(&path).is_err() {
        let error = KeyFile::load(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::File(PrivateFileError::Unreadable(..))), "{error}");
    }
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let error = KeyFile::load(Path::new("/dev/zero")).unwrap_err();
    assert!(matches!(error, KeyFileError::Malformed { line: 1, .. }));
}

#[test]
fn nothing_is_overwritten_unless_told() {
    let (folder, path) = key_file(b"precious", 0o600);
    let error = KeyFile::random().save(&path, false).unwrap_err();
    assert!(matches!(error, KeyFileError::Exists(_)), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");

    // Not through a link that leads nowhere yet, either.
    let link = folder.path().join("link.key");
    symlink(folder.path().join("elsewhere"), &link).unwrap();
    let error = KeyFile::random().save(&link, false).unwrap_err();
    assert!(matches!(error, KeyFileError::Exists(_)), "{error}");
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn replacing_leaves_a_new_private_file_and_nothing_else() {
    let (folder, path) = key_file(b"old", 0o644);
    // Whoever has the old file open keeps the old one, whole.
    let mut old = File::open(&path).unwrap();
    KeyFile::random().save(&path, true).unwrap();
    KeyFile::load(&path).unwrap();
    let mut read = String::new();
    old.read_to_string(&mut read).unwrap();
    assert_eq!(read, "old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none").join("chat.key");
    let error = KeyFile::random().save(&path, true).unwrap_err();
    assert!(matches!(error, KeyFileError::File(PrivateFileError::Unwritable(..))), "{error}");
}

#[test]
fn neither_debug_nor_errors_show_the_key() {
    let file = parse(format!("key={KEY}\niv={IV}\n").as_bytes()).unwrap();
    assert!(format!("{file:?}").contains("Key(secret)"));
    // One digit short, it is still most of a key.
    let short = format!("key={}\niv={IV}\n", &KEY[1..]);
    let (_folder, path) = key_file(short.as_bytes(), 0o600);
    let error = KeyFile::load(&path).unwrap_err();
    for shown in [format!("{error}"), format!("{error:?}")] {
        assert!(!shown.contains("0405"), "{shown}");
    }
}

proptest! {
    #[test]
    fn any_contents_come_back(key: [u8; KEY_LEN], iv: Iv) {
        let file = KeyFile { key: Key::new(key), iv };
        let parsed = parse(file.to_text().as_bytes()).unwrap();
        prop_assert_eq!(parsed.key.as_bytes(), &key);
        prop_assert_eq!(parsed.iv, iv);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = parse(&bytes);
    }

    #[test]
    fn nothing_near_a_key_file_makes_it_panic(text in "(key=|iv=|[0-9a-f]{32}|[0-9a-z]|\r|\n|é){0,12}") {
        let _ = parse(text.as_bytes());
    }
}
