//! Debian packages.

use crate::command;
use crate::toolchain::find_program;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Asks the mirrors what there is now.
pub fn update() -> Result<()> {
    command::run(apt_get().arg("update"))
}

/// Installs packages, starts no service of theirs, and refuses where another
/// package would have to go.
pub fn install(packages: Vec<&str>) -> Result<()> {
    let quiet = QuietServices::begin()?;
    command::run(
        apt_get()
            .args(["install", "--no-install-recommends", "--no-remove"])
            .args(&packages),
    )?;
    if packages.contains(&"rsyslog") {
        quiet.disable("rsyslog.service")?;
    }
    Ok(())
}

/// Unpacks packages into a folder below `target/setup`, and installs nothing.
pub fn unpack(packages: &[&str], folder: &str) -> Result<()> {
    let folder = testbed::target_folder()?.join("setup").join(folder);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    command::run(
        apt_get()
            .arg("download")
            .args(packages)
            .current_dir(&folder),
    )?;
    let mut files = fs::read_dir(&folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "deb"))
        .peekable();
    files
        .peek()
        .context("apt-get download left no package file")?;
    for package in files {
        command::run(Command::new("dpkg").arg("-x").arg(&package).arg(&folder))?;
        fs::remove_file(&package)
            .with_context(|| format!("cannot remove {}", package.display()))?;
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(["--quiet=2", "--yes"])
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// While it lives, packages start no service: Debian's own switch for that is
/// a program that says no. A machine that has one already keeps its own.
struct QuietServices {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl QuietServices {
    fn begin() -> Result<Self> {
        let ours = !Path::new(POLICY).exists();
        if ours {
            fs::write(POLICY, "#!/bin/sh\nexit 101\n")
                .and_then(|()| fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)))
                .with_context(|| format!("cannot write {POLICY}"))?;
        }
        Ok(Self { ours })
    }

    /// Keeps a new service from starting with the machine.
    fn disable(&self, service: &str) -> Result<()> {
        if find_program("systemctl").is_none() {
            return Ok(());
        }
        let status = Command::new("systemctl")
            .args(["disable", service])
            .status()
            .context("cannot start systemctl")?;
        if !status.success() {
            bail!("`systemctl disable {service}` failed ({status})");
        }
        Ok(())
    }
}

impl Drop for QuietServices {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("cannot remove {POLICY}, which keeps services from starting: {error}");
        }
    }
}
