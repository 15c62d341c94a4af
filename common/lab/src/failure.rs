//! How a command fails, and the exit code that says so.

use crate::run_context::Interrupted;
use common::cli::print_error;
use std::process::ExitCode;

/// Why a command failed.
pub enum Failure {
    /// The command line is wrong: one line, exit code 2.
    Usage(String),
    /// Exit code 1, or the signal that ended the command.
    Other(anyhow::Error),
    /// Exit code 1; everything is printed already.
    Reported,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Other(error)
    }
}

/// Prints the error, if there is one, and returns the exit code.
pub fn exit_code(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(why)) => {
            print_error(format_args!("error: {why}"));
            ExitCode::from(2)
        }
        Err(Failure::Reported) => ExitCode::FAILURE,
        Err(Failure::Other(error)) => {
            if let Some(Interrupted(signal)) = error.downcast_ref() {
                // Everything is cleaned up by now. Our parent is to see that it
                // was this signal.
                let _ = signal_hook::low_level::emulate_default_handler(*signal);
            }
            print_error(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
