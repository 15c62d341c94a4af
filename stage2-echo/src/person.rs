//! The person at the server who types each answer (`--converse`).

use crate::line;
use anyhow::Context;
use common::listener::Listener;
use common::terminal::{self, Input, Output};
use std::io;
use std::sync::Arc;
use std::thread;

/// Who sits at the server; one person, however many clients come.
pub struct Person {
    input: Input,
    output: Output,
}

impl Person {
    /// Opens the terminal for whoever is to answer.
    ///
    /// # Errors
    /// When the terminal cannot be opened, or no thread started.
    pub fn sit_down(listener: &Arc<Listener>) -> anyhow::Result<Person> {
        let (input, output) = terminal::open()?;
        output.hint("You answer each line; !DISCONNECT (or the end of your input) ends the conversation.");
        // Nothing can wake the thread that waits for a person to type, so at a
        // signal another one ends the program.
        let (listener, screen) = (listener.clone(), output.clone());
        thread::Builder::new()
            .name("end".into())
            .spawn(move || {
                listener.wait_for_stop();
                listener.tell_all(line::SHUTTING_DOWN);
                screen.exit(0)
            })
            .context("cannot start a thread")?;
        Ok(Person { input, output })
    }

    /// Shows `text` and waits for the answer; `None` when the person has had
    /// enough.
    ///
    /// # Errors
    /// When the terminal cannot be read or written.
    pub fn answer(&mut self, text: &str) -> io::Result<Option<String>> {
        self.output.received(&format!("client: {text}")).map_err(io::Error::other)?;
        let typed = self.input.next("you> ").map_err(io::Error::other)?;
        Ok(typed.filter(|text| text != line::DISCONNECT && text != "/quit"))
    }
}
