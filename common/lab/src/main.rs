//! `lab`: runs, checks and measures the stages of the course.

use std::process::ExitCode;

fn main() -> ExitCode {
    lab::cli::main()
}
