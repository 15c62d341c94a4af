//! The command line of every program: arguments, errors, exit codes.

use crate::escape::escape;
use crate::log::{Level, Log, LogGuard};
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs a program's body and turns its result into an exit code: 0 for success;
/// 1 for an error, with `error: …` on standard error. Wrong usage ends with 2 and
/// never comes here, since clap ends the program first.
pub fn run(body: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    match body() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a message on standard error, escaped: it may have a part that comes from a
/// file or from the network. (A line end in there has to be escaped before; the message
/// may have some of its own.) Unlike `eprintln!` it does not panic when standard error
/// is closed: no place is left where the error could be shown.
pub fn print_error(what: impl std::fmt::Display) {
    let what = what.to_string();
    let safe = what.split('\n').map(escape).collect::<Vec<_>>().join("\n");
    let _ = writeln!(io::stderr(), "{safe}");
}

/// `--log-level`, for every server.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// How much to log on standard error
    #[arg(long, value_enum, default_value_t = Level::Info, value_name = "LEVEL")]
    pub log_level: Level,
}

/// `--log-level`, `--log-file` and `--no-log-file`, from stage 4 on.
#[derive(Args, Clone, Debug)]
pub struct LogFileArgs {
    #[command(flatten)]
    level: LogArgs,

    /// Also append the log to this file
    #[arg(long, default_value = "server_logs.txt", value_name = "PATH")]
    log_file: PathBuf,

    /// Do not write a log file
    #[arg(long, conflicts_with = "log_file")]
    no_log_file: bool,
}

impl LogFileArgs {
    /// Starts the log. It is written until the guard is dropped.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, or no thread can be started.
    pub fn start(&self) -> io::Result<(Log, LogGuard)> {
        let file = (!self.no_log_file).then_some(self.log_file.as_path());
        Log::start(self.level.log_level, file)
    }
}
