//! The built program under circumstances that it is not meant for. Its
//! arguments are still to be added.

use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tempfile::TempDir;
use testbed::agent::binary;
use testbed::find_program;

/// In a mount namespace of its own, after a line of shell.
pub fn with_mounts(line: &str) -> Result<Command> {
    let unshare = find_program("unshare").context("unshare is not installed")?;
    let mut command = Command::new(unshare);
    let line = format!("{line} && exec \"$0\" \"$@\"");
    command.args(["--mount", "sh", "-c", &line]).arg(binary()?);
    Ok(command)
}

/// As a user without any right, from a folder that has to stay until the end.
pub fn as_nobody() -> Result<(TempDir, Command)> {
    // Cargo's folder may be closed to others.
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let program = folder.path().join("execwarden");
    fs::copy(binary()?, &program)?;
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(program);
    Ok((folder, command))
}

/// As root without these capabilities, by setpriv's names: `bpf`.
pub fn without_capabilities(names: &[&str]) -> Result<Command> {
    let dropped: Vec<_> = names.iter().map(|name| format!("-{name}")).collect();
    let mut command = Command::new("setpriv");
    command
        .args(["--bounding-set", &dropped.join(",")])
        .arg(binary()?);
    Ok(command)
}
