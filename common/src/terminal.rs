//! The client's two sides towards its user: what is typed and what is shown.
//!
//! On a terminal, rustyline edits the line and keeps the history, and what comes
//! in is put above the line being typed. On a pipe there is none of that: lines
//! in, lines out.

mod command_guard;
mod editor;
mod question;
mod screen;
mod style;
mod tty;

pub use command_guard::CommandGuard;
pub use editor::Complete;
pub use question::{Echo, Questions};
pub use style::{Style, notices};

use crate::escape::escape;
use anyhow::Context;
use editor::LineEditor;
use rustyline::error::ReadlineError;
use screen::Screen;
use std::collections::VecDeque;
use std::io::{self, BufRead, IsTerminal, StdinLock};
use std::sync::Arc;
use tty::Quiet;

/// What is typed (or read from a pipe), line by line.
pub struct Input {
    source: Source,
}

enum Source {
    Terminal(Box<Terminal>),
    Pipe(StdinLock<'static>),
}

struct Terminal {
    editor: LineEditor,
    screen: Arc<Screen>,
    /// Lines behind the one that was given out: Ctrl-V Ctrl-J types a line end.
    rest: VecDeque<String>,
    /// While this lives, nothing is shown but what the editor shows.
    quiet: Option<Quiet>,
}

/// What is shown; cheap to clone, so that a thread can have its own.
#[derive(Clone)]
pub struct Output {
    screen: Arc<Screen>,
    interactive: bool,
    colour: bool,
    style: fn(&str) -> Style,
}

/// Opens standard input and output: as a terminal if both are one. From then on
/// Ctrl-C, SIGTERM, SIGHUP and a panic end the program with the terminal as it was.
///
/// # Errors
/// When the terminal cannot be set up.
pub fn open() -> anyhow::Result<(Input, Output)> {
    open_with(notices, None)
}

/// The same, for a server that its operator types at: it handles the signals that
/// end it in its own way, and calls [`Output::exit`].
///
/// # Errors
/// When the terminal cannot be set up.
pub fn open_for_operator() -> anyhow::Result<(Input, Output)> {
    open_streams(notices, None)
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
    let (input, output) = open_streams(style, words)?;
    if output.interactive {
        tty::restore_on_every_way_out().context("cannot set up the terminal")?;
    }
    Ok((input, output))
}

fn open_streams(
    style: fn(&str) -> Style,
    words: Option<Arc<dyn Complete>>,
) -> anyhow::Result<(Input, Output)> {
    let interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
    let screen = Screen::new();
    let source = if interactive {
        let mut editor = editor::open(&screen, words).context("cannot set up the terminal")?;
        // A terminal that rustyline does not know (TERM=dumb) has no printer, and
        // the kernel edits its lines.
        let mut quiet = None;
        if let Ok(printer) = editor.create_external_printer() {
            screen.wake_by(printer)?;
            quiet = Some(Quiet::begin().context("cannot set up the terminal")?);
        }
        let (screen, rest) = (screen.clone(), VecDeque::new());
        Source::Terminal(Box::new(Terminal { editor, screen, rest, quiet }))
    } else {
        Source::Pipe(io::stdin().lock())
    };
    let colour = interactive && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    Ok((Input { source }, Output { screen, interactive, colour, style }))
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
            Source::Terminal(terminal) => terminal.next(prompt),
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

impl Terminal {
    fn next(&mut self, prompt: &str) -> anyhow::Result<Option<String>> {
        if let Some(line) = self.rest.pop_front() {
            return Ok(Some(line));
        }
        self.screen.begin_line();
        // A name in the prompt may have come over the network.
        let (editor, prompt) = (&mut self.editor, escape(prompt));
        let typed = match &self.quiet {
            Some(quiet) => quiet.lifted(|| editor.readline(&*prompt)),
            None => editor.readline(&*prompt),
        };
        self.screen.end_line().context("cannot write to the terminal")?;
        match typed {
            Ok(text) => {
                if !text.trim().is_empty() {
                    let _ = self.editor.add_history_entry(text.as_str());
                }
                self.rest.extend(text.split('\n').map(|l| without_line_end(l.to_owned())));
                Ok(self.rest.pop_front())
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
            Err(e) => Err(e).context("cannot read the terminal"),
        }
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
    /// Returns `true` if a user sits at a terminal: prompts and hints are for users,
    /// not for pipes.
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

    /// Throws away what was typed on the terminal and not read yet: it was not
    /// meant for what comes next.
    pub fn discard_typed_ahead(&self) {
        if self.interactive {
            tty::discard_input();
        }
    }

    /// Changes the prompt of the line being typed: it may be long until the next
    /// one. Where nothing is being typed there is nothing to change.
    pub fn change_prompt(&self, prompt: &str) {
        self.screen.change_prompt(escape(prompt).into_owned());
    }

    /// Tells the user something that did not come over the network. On a
    /// pipe it goes to standard error, since standard output is for what is
    /// received.
    pub fn hint(&self, line: &str) {
        self.show(line, Style::Hint);
    }

    /// The same for what must not be overlooked.
    pub fn alarm(&self, line: &str) {
        self.show(line, Style::Alarm);
    }

    fn show(&self, line: &str, style: Style) {
        if self.interactive {
            // With standard output closed no place is left to show it.
            let _ = self.put(&escape(line), style);
        } else {
            crate::cli::print_error(escape(line));
        }
    }

    fn put(&self, line: &str, style: Style) -> anyhow::Result<()> {
        let rows = match style.begin() {
            begin if self.colour && !begin.is_empty() => format!("{begin}{line}\x1b[0m\n"),
            _ => format!("{line}\n"),
        };
        self.screen.show(&rows).context("cannot write to standard output")
    }

    /// Ends the program from another thread than the one that sits in
    /// [`Input::next`], which nothing can wake. What was shown is on the screen
    /// then, and the terminal as it was first.
    pub fn exit(&self, code: i32) -> ! {
        self.screen.exit(code, None)
    }

    /// The same, because of this error, which is said on standard error.
    pub fn fail(&self, error: &anyhow::Error) -> ! {
        // Some of it may be what a server said.
        self.screen.exit(1, Some(&escape(&format!("error: {error:#}"))))
    }
}
