//! Questions to the user: what the line editor must not see, because it keeps a
//! history and copies of what was typed. A password is one, and so is all that is
//! typed before the login.
//!
//! Keys are read one by one from the terminal, so nothing that was typed ahead
//! lies in a buffer of ours: it is the answer to the next question, or
//! [thrown away](super::Output::discard_typed_ahead).

use super::tty::{self, Quiet};
use crate::escape::escape;
use std::fs::File;
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

/// The longest answer, in bytes. More than any name or password may have.
const MAX_ANSWER: usize = 4096;

/// What is shown of an answer while it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// As with any other line.
    Shown,
    /// A password.
    Hidden,
}

/// Asks the user questions. See the [module](self). While one of these lives, the
/// terminal does not show what is typed, but for the answers.
pub struct Questions {
    tty: File,
    _quiet: Quiet,
}

/// What a key is for.
enum Key {
    Enter,
    /// Ctrl-C, or the terminal was closed.
    Interrupt,
    EndOfInput,
    Suspend,
    Erase,
    EraseAll,
    Text(u8),
    Ignored,
}

impl Questions {
    /// On the terminal that the user sits at, even if standard input is a pipe.
    ///
    /// # Errors
    /// When there is no terminal.
    pub fn open() -> io::Result<Self> {
        tty::restore_on_every_way_out()?;
        let quiet = Quiet::begin()?;
        Ok(Questions { tty: tty::open()?, _quiet: quiet })
    }

    /// The answer to one question; `None` for Ctrl-C and Ctrl-D. Ctrl-Z suspends
    /// the program and shows the question again afterwards.
    ///
    /// # Errors
    /// When the terminal cannot be read, or what was typed is not UTF-8.
    pub fn ask(&mut self, prompt: &str, echo: Echo) -> io::Result<Option<Zeroizing<String>>> {
        let answer = tty::keys_are_signals(&self.tty, false).and_then(|()| self.read_answer(prompt, echo));
        tty::keys_are_signals(&self.tty, true)?;
        self.tty.write_all(b"\n")?;
        answer
    }

    fn read_answer(&mut self, prompt: &str, echo: Echo) -> io::Result<Option<Zeroizing<String>>> {
        // All its room from the start: a buffer that grows leaves copies of a
        // password behind in memory.
        let mut answer = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
        let mut width = self.draw(prompt, &answer, echo, 0)?;
        loop {
            match self.next_key()? {
                Key::Enter => break,
                Key::Interrupt => return Ok(None),
                Key::EndOfInput if answer.is_empty() => return Ok(None),
                Key::EndOfInput | Key::Ignored => continue,
                Key::Suspend => tty::suspend(&self.tty)?,
                Key::Erase => while answer.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
                Key::EraseAll => answer.clear(),
                Key::Text(byte) if answer.len() < MAX_ANSWER => answer.push(byte),
                Key::Text(_) => continue,
            }
            width = self.draw(prompt, &answer, echo, width)?;
        }
        match str::from_utf8(&answer) {
            Ok(text) => Ok(Some(Zeroizing::new(text.to_owned()))),
            Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "what was typed is not UTF-8")),
        }
    }

    /// Draws the row anew, over an answer of `before` columns; its columns now.
    /// Blanks wipe out the rest, since not every terminal knows escape sequences.
    fn draw(&mut self, prompt: &str, answer: &[u8], echo: Echo, before: usize) -> io::Result<usize> {
        let shown = match echo {
            Echo::Shown => escape(&String::from_utf8_lossy(answer)).into_owned(),
            Echo::Hidden => String::new(),
        };
        let row = format!("\r{}{shown}", escape(prompt));
        let width = shown.chars().count();
        let rest = before.saturating_sub(width);
        if rest > 0 {
            self.tty.write_all(format!("{row}{}", " ".repeat(rest)).as_bytes())?;
        }
        self.tty.write_all(row.as_bytes())?;
        Ok(width)
    }

    fn next_key(&mut self) -> io::Result<Key> {
        Ok(match self.next_byte()? {
            None | Some(0x03) => Key::Interrupt,
            Some(0x04) => Key::EndOfInput,
            Some(b'\n' | b'\r') => Key::Enter,
            Some(0x1a) => Key::Suspend,
            Some(0x08 | 0x7f) => Key::Erase,
            Some(0x15) => Key::EraseAll,
            Some(0x1b) => self.rest_of_escape_sequence()?,
            Some(..0x20) => Key::Ignored,
            Some(byte) => Key::Text(byte),
        })
    }

    /// An arrow or the like: `ESC [ … X` or `ESC O X` (ECMA-48, 5.4). There is
    /// nothing to be done with it, and it is no part of an answer.
    fn rest_of_escape_sequence(&mut self) -> io::Result<Key> {
        if let Some(b'[' | b'O') = self.next_byte()? {
            while self.next_byte()?.is_some_and(|byte| !(0x40..=0x7e).contains(&byte)) {}
        }
        Ok(Key::Ignored)
    }

    fn next_byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        loop {
            match self.tty.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => return Ok(Some(byte[0])),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The terminal was closed: SIGHUP is on its way.
                Err(e) if e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
    }
}
