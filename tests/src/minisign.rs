//! A real minisign, and keys of its own without a password.

use crate::places;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A pair of keys.
#[derive(Debug)]
pub struct Signer {
    folder: TempDir,
}

impl Signer {
    /// Has minisign make one.
    pub fn new() -> Result<Self> {
        let signer = Self {
            folder: places::folder("keys")?,
        };
        signer.run(&["-GW".as_ref(), "-p".as_ref(), signer.public().as_os_str()])?;
        Ok(signer)
    }

    /// The file of the public key.
    pub fn public(&self) -> PathBuf {
        self.folder.path().join("minisign.pub")
    }

    /// Signs a file; the signature is beside it.
    pub fn sign(&self, file: &Path) -> Result<()> {
        self.run(&["-Sm".as_ref(), file.as_os_str()])
    }

    fn run(&self, args: &[&OsStr]) -> Result<()> {
        let program = places::find_program("minisign")
            .context("minisign is not installed; run cargo xtask setup")?;
        let mut command = Command::new(program);
        command.args(args);
        command
            .arg("-s")
            .arg(self.folder.path().join("minisign.key"));
        places::succeed(&mut command).map(drop)
    }
}
