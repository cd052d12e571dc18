//! Folders and programs for one test.

use anyhow::{Context, Result};
use execwarden::model::{Identity, Layer};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use testbed::intruders;

/// A folder of the node's root, gone when dropped.
pub struct Folder(TempDir);

impl Folder {
    /// An empty one.
    pub fn new() -> Result<Self> {
        // The testbed sweeps away what killed runs left under such names.
        let prefix = format!("execwarden-test-{}-kernel-", std::process::id());
        let folder = TempDir::with_prefix(prefix).context("cannot make a folder")?;
        Ok(Self(folder))
    }

    /// One with the program `hello` in it, and that program's path.
    pub fn with_hello() -> Result<(Self, String)> {
        let folder = Self::new()?;
        let hello = folder.hello("hello")?;
        Ok((folder, hello))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of a name in it.
    pub fn at(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    /// Adds the program `hello` under a name.
    pub fn hello(&self, name: &str) -> Result<String> {
        self.intruder("hello", name)
    }

    /// Adds an intruder under a name.
    pub fn intruder(&self, intruder: &str, name: &str) -> Result<String> {
        let path = PathBuf::from(self.at(name));
        fs::copy(intruders::build(intruder)?, &path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(self.at(name))
    }

    /// Adds an executable script.
    pub fn script(&self, name: &str, text: &str) -> Result<String> {
        use std::os::unix::fs::PermissionsExt;

        let path = self.at(name);
        fs::write(&path, text).with_context(|| format!("cannot write {path}"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }
}

/// A program by its path and layer.
pub fn file(path: &str, layer: Layer) -> Identity {
    Identity {
        layer,
        ..Identity::image(path)
    }
}
