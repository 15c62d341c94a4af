//! `stage6-client`: see [`stage6_auth::client`].

fn main() -> ExitCode {}
