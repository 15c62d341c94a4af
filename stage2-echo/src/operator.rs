//! The operator at the server's terminal, who types each answer (`--converse`).

use crate::line;
use anyhow::Context;
use common::listener::Listener;
use common::terminal::{self, Input, Output};
use std::io;
use std::sync::Arc;
use std::thread;

/// The operator: one terminal, however many clients come one after the other.
pub struct Operator {
    input: Input,
    output: Output,
}

impl Operator {
    /// Opens the terminal at which the operator answers.
    ///
    /// # Errors
    /// When the terminal cannot be opened, or no thread started.
    pub fn open(listener: &Arc<Listener>) -> anyhow::Result<Operator> {
        let (input, output) = terminal::open_for_operator()?;
        output.hint("You answer each line; !DISCONNECT (or the end of your input) ends the conversation.");
        // Nothing can wake a thread that waits for the operator to type. So
        // another thread waits for the signal and ends the program.
        let (listener, screen) = (listener.clone(), output.clone());
        thread::Builder::new()
            .name("end".into())
            .spawn(move || {
                listener.wait_for_stop();
                listener.broadcast_best_effort(line::SHUTTING_DOWN);
                screen.exit(0)
            })
            .context("cannot start a thread")?;
        Ok(Operator { input, output })
    }

    /// Shows `text` and waits for the operator's answer; `None` when the operator
    /// ends the conversation.
    ///
    /// # Errors
    /// When the terminal cannot be read or written.
    pub fn answer(&mut self, text: &str) -> io::Result<Option<String>> {
        self.output.received(&format!("client: {text}")).map_err(io::Error::other)?;
        let typed = self.input.next("you> ").map_err(io::Error::other)?;
        Ok(typed.filter(|text| text != line::DISCONNECT && text != "/quit"))
    }
}
