//! The client's two sides towards a person: what is typed and what is shown.
//!
//! On a terminal, rustyline edits the line and keeps the history, and its
//! external printer puts what comes in above the line being typed and draws
//! that again. On a pipe there is none of that: lines in, lines out.

mod completion;
mod style;

pub use completion::Complete;
pub use style::{Style, notices};

use crate::text::escape;
use anyhow::Context;
use completion::Words;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Editor, ExternalPrinter};
use std::collections::VecDeque;
use std::io::{self, BufRead, IsTerminal, StdinLock, StdoutLock, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// What is typed (or read from a pipe), line by line.
pub struct Input {
    source: Source,
}

enum Source {
    Terminal { editor: Box<Editor<Words, DefaultHistory>>, pasted: VecDeque<String> },
    Pipe(StdinLock<'static>),
}

/// What is shown; cheap to clone, so that a thread can have its own.
#[derive(Clone)]
pub struct Output {
    screen: Arc<Mutex<Screen>>,
    interactive: bool,
    style: fn(&str) -> Style,
}

struct Screen {
    /// `None`: write to standard output directly.
    printer: Option<Box<dyn ExternalPrinter + Send>>,
    colour: bool,
    /// The terminal's settings from before rustyline changed them.
    before: Option<Termios>,
}

/// Opens standard input and output: as a terminal if both are one.
///
/// # Errors
/// When the terminal cannot be set up.
pub fn open() -> anyhow::Result<(Input, Output)> {
    open_with(notices, None)
}

/// The same, for a program that knows more kinds of lines than the server's
/// notices, and with what Tab completes, if it does.
///
/// # Errors
/// When the terminal cannot be set up.
pub fn open_with(
    style: fn(&str) -> Style,
    words: Option<Arc<dyn Complete>>,
) -> anyhow::Result<(Input, Output)> {
    let interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
    let (source, printer, before) = if interactive {
        let before = tcgetattr(io::stdin()).ok();
        let editor = Editor::with_config(completion::config()).context("cannot set up the terminal")?;
        let mut editor = Box::new(editor);
        editor.set_helper(words.map(Words));
        // A terminal that rustyline does not know (TERM=dumb) has no printer.
        let printer = editor.create_external_printer().ok().map(|p| Box::new(p) as Box<_>);
        (Source::Terminal { editor, pasted: VecDeque::new() }, printer, before)
    } else {
        (Source::Pipe(io::stdin().lock()), None, None)
    };
    let colour = interactive && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let screen = Arc::new(Mutex::new(Screen { printer, colour, before }));
    Ok((Input { source }, Output { screen, interactive, style }))
}

impl Input {
    /// The next line without its line end; `None` at the end of input: Ctrl-D,
    /// Ctrl-C, or the end of the pipe. On a pipe a line is passed on as it is,
    /// whatever its length; only bytes that are not UTF-8 are an error.
    ///
    /// # Errors
    /// When standard input cannot be read.
    pub fn next(&mut self, prompt: &str) -> anyhow::Result<Option<String>> {
        match &mut self.source {
            Source::Terminal { editor, pasted } => typed(editor, pasted, prompt),
            Source::Pipe(stdin) => {
                let mut line = String::new();
                if stdin.read_line(&mut line).context("cannot read standard input")? == 0 {
                    return Ok(None);
                }
                Ok(Some(without_line_end(line)))
            }
        }
    }
}

fn typed(
    editor: &mut Editor<Words, DefaultHistory>,
    pasted: &mut VecDeque<String>,
    prompt: &str,
) -> anyhow::Result<Option<String>> {
    if let Some(line) = pasted.pop_front() {
        return Ok(Some(line));
    }
    // A name in it may have come over the network.
    match editor.readline(&*escape(prompt)) {
        Ok(text) => {
            if !text.trim().is_empty() {
                let _ = editor.add_history_entry(text.as_str());
            }
            // A paste can hold several lines, and a line of the protocol cannot.
            pasted.extend(text.split('\n').map(|l| without_line_end(l.to_owned())));
            Ok(pasted.pop_front())
        }
        Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
        Err(e) => Err(e).context("cannot read the terminal"),
    }
}

fn without_line_end(mut line: String) -> String {
    if line.ends_with('\n') {
        line.pop();
    }
    if line.ends_with('\r') {
        line.pop();
    }
    line
}

impl Output {
    /// Whether a person sits there: prompts and hints are for people only.
    pub fn interactive(&self) -> bool {
        self.interactive
    }

    /// Shows one line that came over the network: control characters escaped,
    /// and on a terminal coloured by what kind of line it is.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn received(&self, line: &str) -> anyhow::Result<()> {
        self.put(&escape(line), (self.style)(line))
    }

    /// Tells the person something that did not come over the network. On a
    /// pipe it goes to standard error, since standard output is for what is
    /// received.
    pub fn hint(&self, line: &str) {
        self.tell(line, Style::Hint);
    }

    /// The same for what must not be overlooked.
    pub fn alarm(&self, line: &str) {
        self.tell(line, Style::Alarm);
    }

    fn tell(&self, line: &str, style: Style) {
        if self.interactive {
            // With standard output closed there is nobody to tell.
            let _ = self.put(&escape(line), style);
        } else {
            crate::program::complain(escape(line));
        }
    }

    fn put(&self, line: &str, style: Style) -> anyhow::Result<()> {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match style.begin() {
            begin if screen.colour && !begin.is_empty() => format!("{begin}{line}\x1b[0m\n"),
            _ => format!("{line}\n"),
        };
        match &mut screen.printer {
            Some(printer) => printer.print(text).context("cannot write to the terminal"),
            None => print(io::stdout().lock(), &text).context("cannot write to standard output"),
        }
    }

    /// Ends the program from another thread than the one that sits in
    /// [`Input::next`], which nothing can wake: gives the terminal back as it
    /// was first, or the shell would find it without echo.
    pub fn exit(&self, code: i32) -> ! {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = &screen.before {
            let _ = io::stdout().write_all(b"\r\n");
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, before);
        }
        std::process::exit(code)
    }
}

fn print(mut out: StdoutLock<'_>, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes())?;
    // Whoever reads our pipe waits for this line, not for a full buffer.
    out.flush()
}
