//! A text that is longer than the screen.

use signal_hook::consts::SIGINT;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where `PAGER` says nothing. `-R` lets colours through.
const USUAL: &str = "less -R";

/// Shows `text` in the pager that the user has chosen; whether there was one.
pub fn show(text: &str) -> bool {
    let chosen = std::env::var("PAGER").unwrap_or_default();
    let pager = if chosen.trim().is_empty() { USUAL } else { chosen.trim() };
    // Ctrl-C is the pager's, as long as it runs: if it ended us, the shell would
    // read the keyboard together with the pager. A handler, unlike an ignored
    // signal, is not passed on to it.
    let _ = signal_hook::flag::register(SIGINT, Arc::new(AtomicBool::new(false)));
    // By a shell, since there may be options and quotes in it; the same as git
    // and man do.
    let child = Command::new("sh").args(["-c", pager]).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return false };
    if let Some(mut input) = child.stdin.take() {
        // The user may close it before the end.
        let _ = input.write_all(text.as_bytes());
    }
    // The shell's word for a command that is not there.
    child.wait().is_ok_and(|status| status.code() != Some(127))
}
