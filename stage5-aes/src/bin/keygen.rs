//! Makes the key file that the users of a chat share.

use clap::Parser;
use stage5_aes::keyfile::{DEFAULT_PATH, KeyFile};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Makes the key file of an encrypted chat. Only its owner can read it.
///
/// Give a copy to every user of the chat and to no other person, in a way that
/// you trust more than the chat.
#[derive(Parser)]
#[command(name = "stage5-keygen", version)]
struct Args {
    /// Path of the new key file
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    out: PathBuf,

    /// Replace an existing key file; messages encrypted with the old key can then
    /// no longer be read
    #[arg(long)]
    force: bool,
}

fn main() -> ExitCode {
    common::cli::run(|| {
        let args = Args::parse();
        KeyFile::random().save(&args.out, args.force)?;
        // The file is made even if standard output is closed.
        let _ = writeln!(std::io::stdout(), "wrote {} (mode 0600)", args.out.display());
        Ok(())
    })
}
