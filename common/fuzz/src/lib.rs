//! What several targets need.

use std::io::{Seek, Write};
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use tempfile::NamedTempFile;

static FILE: LazyLock<Mutex<NamedTempFile>> = LazyLock::new(|| {
    Mutex::new(NamedTempFile::new().expect("the folder for temporary files can be written"))
});

/// Calls `read` with the path of a file that holds these bytes, always the same file.
pub fn with_file(bytes: &[u8], read: impl FnOnce(&Path)) {
    let mut file = FILE.lock().expect("a panic ends the run");
    let file = &mut *file;
    file.as_file()
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(bytes))
        .expect("written");
    read(file.path());
}
