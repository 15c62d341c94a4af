//! The screen, on which two threads want to write.
//!
//! While a line is being typed the terminal belongs to the editor, which alone
//! knows where the cursor is. So what comes in meanwhile waits here, and the
//! editor puts it above its prompt whenever it draws that anew, which it is asked
//! to do at once. Between two lines there is no editor at work, and a thread with
//! something to show writes it directly.
//!
//! rustyline has a printer that could be given the text itself. The trap: what it
//! was given when Enter or Ctrl-D ended the line lies there until the next line is
//! begun. Till then it is missing or, what is worse, what came later is shown
//! first; and with two texts under way the thread with the second one waits, maybe
//! for ever. So the printer is only used to wake the editor, by a thread that has
//! nothing else to do, and each line is in one place and shown once, in order.

use super::tty;
use crate::poison::IgnorePoison;
use rustyline::ExternalPrinter;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// Bytes that wait for the editor. It may be long in coming: while a search in
/// the history waits for a key, for one.
const MOST_WAITING: usize = 1 << 20;

/// How long the last words may take to get on the screen.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// What the printer is given: one row up, and down again. It wants to print
/// something that ends a row.
const NOTHING: &str = "\x1b[A\n";

/// See the [module](self).
pub(super) struct Screen {
    /// Written by the editor's thread and by all that have something to show. It
    /// is held while writing, too, so that no other thread writes in between.
    state: Mutex<State>,
    /// Something of it has changed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// There is an editor that can be woken.
    has_editor: bool,
    /// It has the terminal.
    editing: bool,
    /// What it is to show: whole rows.
    waiting: String,
    /// The prompt in place of the one that its line was begun with.
    prompt: Option<String>,
    /// It is to draw.
    wanted: bool,
    /// How often it has begun to draw.
    drawings: u64,
    /// The program ends, as soon as all that was shown is on the screen.
    leaving: bool,
}

impl Screen {
    /// A screen without an editor.
    pub fn new() -> Arc<Self> {
        Arc::new(Screen { state: Mutex::default(), changed: Condvar::new() })
    }

    /// From now on there is an editor, which `printer` wakes.
    pub fn wake_by(self: &Arc<Self>, printer: impl ExternalPrinter + Send + 'static) -> io::Result<()> {
        let screen = self.clone();
        thread::Builder::new().name("screen".into()).spawn(move || screen.wake_editor(printer))?;
        self.lock().has_editor = true;
        Ok(())
    }

    /// Runs as long as the program, and waits for the editor in the printer when
    /// that has to be; no thread waits for this one.
    fn wake_editor(&self, mut printer: impl ExternalPrinter) {
        loop {
            let mut state = self.lock();
            while !(state.wanted && state.editing) {
                state = self.wait(state);
            }
            state.wanted = false;
            drop(state);
            if printer.print(NOTHING.to_owned()).is_err() {
                return;
            }
        }
    }

    /// Shows `rows`, which end with a line end.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn show(&self, rows: &str) -> io::Result<()> {
        let mut state = self.lock();
        while state.editing && state.waiting.len() >= MOST_WAITING {
            state = self.wait(state);
        }
        if !state.editing {
            return write(rows);
        }
        state.waiting.push_str(rows);
        state.wanted = true;
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// The line being typed, if there is one, has this prompt from now on.
    pub fn change_prompt(&self, prompt: String) {
        let mut state = self.lock();
        if state.editing {
            (state.prompt, state.wanted) = (Some(prompt), true);
            drop(state);
            self.changed.notify_all();
        }
    }

    /// The editor begins a line.
    pub fn begin_line(&self) {
        let mut state = self.lock();
        state.editing = state.has_editor;
        state.prompt = None;
    }

    /// The editor has ended its line.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn end_line(&self) -> io::Result<()> {
        let mut state = self.lock();
        (state.editing, state.wanted) = (false, false);
        let written = write(&std::mem::take(&mut state.waiting));
        drop(state);
        self.changed.notify_all();
        written
    }

    /// The editor draws its prompt, the usual one or another: what it is to draw in
    /// its place.
    pub fn with_what_waits(&self, prompt: &str, usual: bool) -> String {
        let mut state = self.lock();
        state.drawings += 1;
        state.wanted = state.leaving;
        let mut rows = std::mem::take(&mut state.waiting);
        match &state.prompt {
            Some(new) if usual => rows.push_str(&fitted(new, prompt.chars().count())),
            _ => rows.push_str(prompt),
        }
        drop(state);
        self.changed.notify_all();
        rows
    }

    /// Ends the program from another thread than the editor's, which nothing can
    /// wake: gives the terminal back as it was first, or the shell would find it
    /// without echo. Before that it says `last`, below all else.
    pub fn exit(&self, code: i32, last: Option<&str>) -> ! {
        let mut state = self.lock();
        if state.editing {
            (state.leaving, state.wanted) = (true, true);
            self.changed.notify_all();
            // When it begins to draw once more, what it drew before is there.
            let enough = state.drawings + 2;
            let on_its_way = |state: &mut State| state.editing && state.drawings < enough;
            let waited = self.changed.wait_timeout_while(state, FLUSH_TIMEOUT, on_its_way);
            state = waited.ignore_poison().0;
            let _ = write("\n").and_then(|()| write(&state.waiting));
        }
        tty::restore();
        last.inspect(|last| crate::cli::print_error(last));
        std::process::exit(code)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).ignore_poison()
    }

    /// Small changes of independent fields; nothing to repair.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}

/// A prompt for a place of this width, which the editor has measured when the line
/// was begun. The last two characters separate it from what is typed.
fn fitted(prompt: &str, width: usize) -> String {
    let length = prompt.chars().count();
    if length <= width {
        return format!("{prompt}{}", " ".repeat(width - length));
    }
    let kept = prompt.chars().take(width.saturating_sub(3));
    kept.chain(['…']).chain(prompt.chars().skip(length - 2)).take(width).collect()
}

fn write(rows: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(rows.as_bytes())?;
    // The reader of our pipe waits for this line, not for a full buffer.
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::fitted;

    #[test]
    fn a_changed_prompt_takes_the_place_of_the_old_one() {
        let width = "alice@lobby> ".len();
        assert_eq!(fitted("alice@rust> ", width), "alice@rust>  ");
        assert_eq!(fitted("alice@lobby> ", width), "alice@lobby> ");
        assert_eq!(fitted("alice@rustaceans> ", width), "alice@rust…> ");
        for width in 0..4 {
            assert_eq!(fitted("alice@rust> ", width).chars().count(), width);
        }
    }
}
