//! Makes a server's certificates, and shows what stands in one.

use anyhow::anyhow;
use clap::{Parser, Subcommand};
use stage8_tls::certs::{CertificateFolder, VALIDITY_DAYS, Validity, certificate_name, read_certificates};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Makes an authority, and a certificate from it for a server.
///
/// Every client needs a copy of ca.pem, which is no secret. server.key is one: it
/// never leaves the server. The authority's own key is not kept.
#[derive(Parser)]
#[command(name = "stage8-certs", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  stage8-certs --name localhost --name 127.0.0.1
  stage8-certs --name chat.example.org --days 90 --out certs --force
  stage8-certs show certs/server.pem")]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// Host name or IP address by which clients connect; give as many as there are
    #[arg(long = "name", value_name = "NAME", required = true, value_parser = certificate_name)]
    names: Vec<String>,

    /// Folder for ca.pem, server.pem and server.key
    #[arg(long, value_name = "FOLDER", default_value = "certs")]
    out: PathBuf,

    /// Days until they expire; with 0 or less they have expired already, to see what a client says
    #[arg(long, value_name = "N", default_value_t = VALIDITY_DAYS, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(i32).range(-36500..=36500))]
    days: i32,

    /// Make new ones although some exist, which are kept as *.old; every client then needs the new ca.pem
    #[arg(long)]
    force: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Shows a certificate: subject, issuer, names and validity
    Show {
        /// PEM file with one certificate or more
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    common::cli::run(|| {
        let args = Args::parse();
        let text = match &args.command {
            Some(Command::Show { file }) => {
                let seen = read_certificates(file).map_err(|error| anyhow!("{}: {error}", file.display()))?;
                seen.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
            }
            None => {
                let folder = CertificateFolder::new(&args.out);
                folder.make(&args.names, Validity::days(args.days), args.force)?;
                let [ca, server, key] =
                    [folder.ca(), folder.server(), folder.key()].map(|p| p.display().to_string());
                format!(
                    "wrote {ca} (for the clients), {server} and {key} (mode 0600); the authority's key is not kept"
                )
            }
        };
        // The files are there, also when standard output is closed.
        let _ = writeln!(std::io::stdout(), "{text}");
        Ok(())
    })
}
