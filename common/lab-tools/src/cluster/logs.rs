//! The servers' logs, as they grow.

use super::servers::Server;
use common::escape::escape;
use lab::say;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Log files, each with how far it was read.
pub struct Logs {
    files: Vec<(String, PathBuf, u64)>,
}

impl Logs {
    /// From the beginning of each log.
    pub fn of(servers: &[Server]) -> Logs {
        Logs { files: servers.iter().map(|s| (s.name.clone(), s.log.clone(), 0)).collect() }
    }

    /// From what these files have by now on; each with the name of its server.
    pub fn from_now(files: Vec<(String, PathBuf)>) -> Logs {
        let length = |path: &PathBuf| path.metadata().map_or(0, |file| file.len());
        Logs { files: files.into_iter().map(|(name, path)| (name, path.clone(), length(&path))).collect() }
    }

    /// The whole lines that have come since the last call, with the name of their server.
    pub fn take(&mut self) -> Vec<(String, String)> {
        let mut new = Vec::new();
        for (name, path, read) in &mut self.files {
            let mut text = Vec::new();
            let file = File::open(path).and_then(|mut file| {
                file.seek(SeekFrom::Start(*read))?;
                file.read_to_end(&mut text)
            });
            // A log that cannot be read has no lines; the end of a line may come later.
            let end = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            if file.is_ok() {
                *read += end as u64;
                let lines = String::from_utf8_lossy(&text[..end]).into_owned();
                new.extend(lines.lines().map(|line| (name.clone(), line.to_owned())));
            }
        }
        // Each begins with its time.
        new.sort_by(|(_, one), (_, other)| one.cmp(other));
        new
    }

    /// Shows what has come since the last call.
    pub fn show(&mut self) {
        self.take().iter().for_each(|(name, line)| print_line(name, ':', line));
    }
}

/// One line of a transcript, of a client or of a server.
pub fn print_line(who: &str, mark: char, text: &str) {
    say!("{who:<8} {mark} {}", escape(text));
}
