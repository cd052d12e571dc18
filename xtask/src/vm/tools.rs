//! The programs that make and run a virtual machine. They are unpacked below
//! `target/` and run with the libraries they came with: installing them would
//! bring a hundred packages to the machine, and may take others away.

use super::packages::{RELEASE, Suite};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGES: [&str; 4] = ["qemu-system-x86", "e2fsprogs", "cpio", "xz-utils"];

/// The folder they are unpacked in.
pub struct Tools {
    root: PathBuf,
}

impl Tools {
    /// Those that were fetched before, or new ones.
    pub fn get(below: &Path) -> Result<Self> {
        let root = below.join("tools");
        if !root.exists() {
            Suite::update(RELEASE, below)?.unpack_with_dependencies(&PACKAGES, &root)?;
        }
        let tools = Self { root };
        ensure!(
            tools.loader().exists(),
            "{} is incomplete; remove it",
            tools.root.display()
        );
        Ok(tools)
    }

    /// One of them, ready for its arguments.
    pub fn command(&self, program: &str) -> Command {
        let folders = ["usr/bin", "bin", "usr/sbin", "sbin"];
        let file = folders
            .iter()
            .map(|folder| self.root.join(folder).join(program))
            .find(|file| file.exists())
            .unwrap_or_else(|| self.root.join("usr/bin").join(program));
        let mut libraries = std::ffi::OsString::new();
        for folder in ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"] {
            libraries.push(self.root.join(folder));
            libraries.push(":");
        }
        let mut command = Command::new(self.loader());
        command.arg("--library-path").arg(libraries).arg(file);
        // QEMU's emulator is a part of its own.
        let parts = self.root.join("usr/lib/x86_64-linux-gnu/qemu");
        command.env("QEMU_MODULE_DIR", parts);
        command
    }

    /// Where QEMU finds its firmware.
    pub fn firmware(&self) -> [PathBuf; 2] {
        ["usr/share/qemu", "usr/share/seabios"].map(|folder| self.root.join(folder))
    }

    fn loader(&self) -> PathBuf {
        self.root.join("lib64/ld-linux-x86-64.so.2")
    }
}
