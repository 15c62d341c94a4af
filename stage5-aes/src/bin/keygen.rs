//! Makes the key file that the members of a chat share.

use clap::Parser;
use stage5_aes::keyfile::{DEFAULT_PATH, KeyFile};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Makes the key file of an encrypted chat, readable by its owner only.
///
/// Give a copy to everyone who may read along, and to nobody else, over a way
/// that you trust more than the chat.
#[derive(Parser)]
#[command(name = "stage5-keygen", version)]
struct Args {
    /// Where to put the key file
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    out: PathBuf,

    /// Replace a key file that exists; what was encrypted with the old key can
    /// then be read no more
    #[arg(long)]
    force: bool,
}

fn main() -> ExitCode {
    common::cli::run(|| {
        let args = Args::parse();
        KeyFile::random().save(&args.out, args.force)?;
        // With standard output closed, the file is there all the same.
        let _ = writeln!(std::io::stdout(), "wrote {} (mode 0600)", args.out.display());
        Ok(())
    })
}
