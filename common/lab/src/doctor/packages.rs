//! The names of things in the package managers that students have.

use super::find;

/// Something that a package brings.
#[derive(Clone, Copy)]
pub enum Package {
    Compiler,
    Make,
    Python,
    MariaDb,
    Redis,
    OpenSsl,
}

/// How this system installs things.
pub struct PackageManager {
    command: String,
    /// The names of the packages, in the order of [`Package`].
    names: [&'static str; 6],
}

impl PackageManager {
    /// The one that this system has.
    pub fn here() -> PackageManager {
        let known = [
            (
                "apt-get",
                "apt-get install -y",
                [
                    "build-essential",
                    "make",
                    "python3",
                    "mariadb-server-core mariadb-client-core",
                    "redis-server",
                    "openssl",
                ],
            ),
            (
                "dnf",
                "dnf install -y",
                ["gcc", "make", "python3", "mariadb-server mariadb", "redis", "openssl"],
            ),
            ("pacman", "pacman -S --needed", ["base-devel", "make", "python", "mariadb", "redis", "openssl"]),
            (
                "apk",
                "apk add",
                ["build-base", "make", "python3", "mariadb mariadb-client", "redis", "openssl"],
            ),
            (
                "zypper",
                "zypper install -y",
                ["gcc", "make", "python3", "mariadb mariadb-client", "redis", "openssl"],
            ),
        ];
        // Root needs no sudo, and in a container there often is none.
        let sudo = if rustix::process::geteuid().is_root() { "" } else { "sudo " };
        for (program, install, names) in known {
            if find(program).is_some() {
                return PackageManager { command: format!("{sudo}{install}"), names };
            }
        }
        let names = ["gcc", "make", "python3", "mariadb", "redis", "openssl"];
        // Homebrew refuses to run as root.
        PackageManager { command: "brew install".to_owned(), names }
    }

    /// The command that installs `package`.
    pub fn install(&self, package: Package) -> String {
        format!("{} {}", self.command, self.names[package as usize])
    }
}
