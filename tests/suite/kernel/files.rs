//! Folders and programs for one test.

use anyhow::{Context, Result};
use execwarden::model::{Identity, Layer};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use testbed::intruders;

/// A folder on the node's root file system, gone when dropped: what is in it
/// is of layer `image` to a container on that root.
pub struct Folder(TempDir);

impl Folder {
    /// An empty one.
    pub fn new() -> Result<Self> {
        // The testbed sweeps away what killed runs left under such names.
        let prefix = format!("execwarden-test-{}-kernel-", std::process::id());
        // The folder for temporary files is a tmpfs on some systems.
        let root = fs::metadata("/")?.dev();
        let on_root = [std::env::temp_dir(), "/var/tmp".into()]
            .into_iter()
            .find(|folder| fs::metadata(folder).is_ok_and(|it| it.dev() == root))
            .context("neither TMPDIR nor /var/tmp is on the root file system")?;
        let folder = TempDir::with_prefix_in(prefix, &on_root)
            .with_context(|| format!("cannot make a folder in {}", on_root.display()))?;
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
