//! A file system of the test's own.

use anyhow::{Result, bail};
use rustix::mount::{UnmountFlags, unmount};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use testbed::find_program;

/// A small ext4, mounted; unmounted when dropped, which frees its loop device.
pub struct Disk(TempDir);

impl Disk {
    /// `None` on a machine that lacks the tool or loop devices.
    pub fn new() -> Result<Option<Self>> {
        let Some(mke2fs) = find_program("mke2fs") else {
            return Ok(None);
        };
        if !Path::new("/dev/loop-control").exists() {
            return Ok(None);
        }
        let disk = Self(TempDir::with_prefix(testbed::unique_name())?);
        let image = disk.0.path().join("image");
        File::create(&image)?.set_len(32 << 20)?;
        std::fs::create_dir(disk.at())?;
        run(Command::new(mke2fs).args(["-q", "-t", "ext4"]).arg(&image))?;
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(disk.at()))?;
        Ok(Some(disk))
    }

    /// Where it is mounted.
    pub fn at(&self) -> PathBuf {
        Path::join(self.0.path(), "mounted")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount(self.at(), UnmountFlags::DETACH);
    }
}

fn run(command: &mut Command) -> Result<()> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        other => bail!("{command:?}: {other:?}"),
    }
}
