use super::super::{Message, SCHEMA, rows};
use super::*;

fn fresh() -> (tempfile::TempDir, SqliteDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::open(&folder.path().join("chat.db"), &SCHEMA).unwrap();
    (folder, database)
}

/// A weaker setting would pass every other test.
#[test]
fn commits_are_flushed_to_the_disk() {
    let (_folder, database) = fresh();
    let ask = |conn: &Connection, what: &str| {
        conn.query_row(&format!("PRAGMA {what}"), [], |row| row.get::<_, Value>(0)).unwrap()
    };
    let writer = database.writer.lock().unwrap();
    assert_eq!(ask(&writer, "synchronous"), 2.into(), "FULL");
    assert_eq!(ask(&writer, "journal_mode"), "wal".to_owned().into());
    assert_eq!(ask(&writer, "foreign_keys"), 1.into());
}

#[test]
fn a_full_disk_loses_nothing() {
    let (_folder, database) = fresh();
    let limit_pages = |pages: u32| {
        let writer = database.writer.lock().unwrap();
        writer.query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(())).unwrap();
    };
    let append = |number: i64, text: &str| {
        let mut message = Message::new("alice".into(), text.to_owned());
        message.id.number = number;
        database.append(&[], &rows(&[message]))
    };
    let stored = || match database.query("SELECT COUNT(*) FROM messages", &[]).unwrap()[0][0] {
        Value::Integer(number) => number,
        _ => panic!("a count is a number"),
    };
    limit_pages(60);
    let text = "x".repeat(4000);
    let mut appended = 0;
    let error = loop {
        match append(appended, &text) {
            Ok(_) => appended += 1,
            Err(AppendError::NotStored(error) | AppendError::InDoubt(error)) => break error,
        }
        assert!(appended < 1000, "never full");
    };
    assert!(error.to_string().contains("no room left"), "{error:?}");
    assert!(appended > 0);
    assert_eq!(stored(), appended);
    limit_pages(1000);
    assert!(append(9999, "room again").is_ok());
    assert_eq!(stored(), appended + 1);
}
