//! The installed binaries, and the data folder that they make.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

/// A data folder as the installer makes it, which takes a second; copying it
/// takes a thirtieth of that. It is made once and kept beside the test programs.
///
/// # Errors
/// When it cannot be made, with what the installer says.
pub fn template() -> Result<PathBuf, String> {
    let program = std::env::current_exe().expect("a test program knows its own path");
    let beside = program.parent().expect("a program lies in a folder");
    let template = beside.join(format!("mariadb-template-{}", version()));
    // One at a time, among all programs of this folder: two installers at once can fail.
    // The lock ends with the file's descriptor, whatever happens to the program.
    let lock = fs::File::create(beside.join("mariadb-template.lock")).and_then(|file| {
        file.lock()?;
        Ok(file)
    });
    let _lock = lock.map_err(|e| format!("cannot write in {}: {e}", beside.display()))?;
    if template.is_dir() {
        return Ok(template);
    }
    let staging =
        tempfile::tempdir_in(beside).map_err(|e| format!("cannot write in {}: {e}", beside.display()))?;
    let data = staging.path().join("data");
    let mut install =
        Command::new(find("mariadb-install-db").expect("`missing` says whether it is installed"));
    install
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .args(["--skip-name-resolve", "--innodb-log-file-size=4M"])
        .arg(format!("--datadir={}", data.display()));
    if fs::metadata(staging.path()).is_ok_and(|folder| folder.uid() == 0) {
        install.arg("--user=root");
    }
    let output = install.output().expect("mariadb-install-db can be started");
    if !output.status.success() {
        return Err(format!("mariadb-install-db failed:\n{}", String::from_utf8_lossy(&output.stdout)));
    }
    // Under its name only when it is complete. That another test program was
    // faster is as good.
    let renamed = fs::rename(&data, &template);
    match renamed {
        Err(error) if !template.is_dir() => Err(format!("cannot keep the fresh data folder: {error}")),
        _ => Ok(template),
    }
}

/// A data folder of one version is not for another.
fn version() -> String {
    let mariadbd = find("mariadbd").expect("`missing` says whether it is installed");
    let output = Command::new(mariadbd).arg("--version").output().expect("mariadbd can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().skip_while(|word| *word != "Ver").nth(1).unwrap_or("unknown");
    version.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').collect()
}

/// Servers are installed where an ordinary user's `PATH` does not lead.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|folder| folder.join(name)).find(|file| file.is_file())
}
