//! `lab-tools`: the commands of `lab` that are built when they are first used.

use std::process::ExitCode;

fn main() -> ExitCode {
    lab_tools::cli::main()
}
