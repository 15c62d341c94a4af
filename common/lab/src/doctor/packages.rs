//! The names of things in the package managers that students have.

use super::find;

/// How this system installs things.
pub struct PackageManager {
    command: String,
    column: usize,
}

/// The managers: the program, what installs a package, and its column in
/// [`NAMES`]. The last one is taken where none of the others is found.
const MANAGERS: [(&str, &str); 6] = [
    ("apt-get", "apt-get install -y"),
    ("dnf", "dnf install -y"),
    ("pacman", "pacman -S --needed"),
    ("apk", "apk add"),
    ("zypper", "zypper install -y"),
    ("brew", "brew install"),
];

/// What a thing is called by each of them; "" where it does not exist there.
const NAMES: [(&str, [&str; 6]); 15] = [
    ("cc", ["build-essential", "gcc", "base-devel", "build-base", "gcc", "gcc"]),
    ("make", ["make", "make", "make", "make", "make", "make"]),
    ("python3", ["python3", "python3", "python", "python3", "python3", "python3"]),
    ("git", ["git", "git", "git", "git", "git", "git"]),
    ("nc", ["netcat-openbsd", "nmap-ncat", "openbsd-netcat", "netcat-openbsd", "netcat-openbsd", "netcat"]),
    ("ss", ["iproute2", "iproute", "iproute2", "iproute2", "iproute2", ""]),
    ("strace", ["strace", "strace", "strace", "strace", "strace", ""]),
    ("sqlite3", ["sqlite3", "sqlite", "sqlite", "sqlite", "sqlite3", "sqlite"]),
    ("xxd", ["xxd", "vim-common", "tinyxxd", "xxd", "vim", "vim"]),
    ("tshark", ["tshark", "wireshark-cli", "wireshark-cli", "tshark", "wireshark", "wireshark"]),
    ("openssl", ["openssl", "openssl", "openssl", "openssl", "openssl", "openssl"]),
    (
        "mariadb",
        [
            "mariadb-server-core mariadb-client-core",
            "mariadb-server mariadb",
            "mariadb",
            "mariadb mariadb-client",
            "mariadb mariadb-client",
            "mariadb",
        ],
    ),
    ("redis-server", ["redis-server", "redis", "redis", "redis", "redis", "redis"]),
    ("chromium", ["chromium", "chromium", "chromium", "chromium", "chromium", "--cask chromium"]),
    ("mdbook", ["", "", "mdbook", "", "", "mdbook"]),
];

impl PackageManager {
    /// The one that this system has.
    pub fn detect() -> PackageManager {
        let column = MANAGERS.iter().position(|(program, _)| find(program).is_some());
        let column = column.unwrap_or(MANAGERS.len() - 1);
        // Root needs no sudo, and in a container there often is none; Homebrew
        // refuses to run as root.
        let (program, install) = MANAGERS[column];
        let sudo = if rustix::process::geteuid().is_root() || program == "brew" { "" } else { "sudo " };
        PackageManager { command: format!("{sudo}{install}"), column }
    }

    /// The command that installs `thing`, or a sentence if no package has it.
    pub fn install(&self, thing: &str) -> String {
        let name =
            NAMES.iter().find(|(known, _)| *known == thing).map_or("", |(_, names)| names[self.column]);
        match (name, thing) {
            ("", "mdbook") => "cargo install mdbook --locked".to_owned(),
            ("", _) => "not available on this system".to_owned(),
            (name, _) => format!("{} {name}", self.command),
        }
    }
}
