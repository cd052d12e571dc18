//! A folder of documents, and what of it is in force.
//!
//! A file is swapped in whole or not at all: while it is broken, or not signed as it
//! has to be, what was loaded from it before stays in force. So does everything while
//! the folder itself cannot be read.

mod error;

pub use error::FolderError;

use super::compiled::Allowlist;
use super::document::{Document, MAX_BYTES};
use super::file::{self, printable};
use super::keyring::Keyring;
use super::parse::parse;
use super::signature::KeyId;
use crate::model::WorkloadId;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The most documents that are read from one folder: twice as many as a node
/// can have workloads.
pub const MAX_FILES: usize = 4096;

/// A document that was loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The document.
    pub document: Document,
    /// It, ready to judge by.
    pub allowlist: Allowlist,
    /// Who has signed it, where somebody has to.
    pub signed_by: Option<KeyId>,
}

/// A folder of documents.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// One of these has to have signed each document; `None`: nobody has to.
    keys: Option<Keyring>,
    files: BTreeMap<OsString, Loaded>,
    in_force: BTreeMap<WorkloadId, OsString>,
}

/// What a reload found.
#[derive(Debug, Default)]
pub struct Reload {
    /// The workloads whose document came, went or changed.
    pub changed: BTreeSet<WorkloadId>,
    /// Everything that is wrong now, in the order of the files' names: the
    /// same again at the next reload, until somebody mends it.
    pub errors: Vec<FolderError>,
    /// The folder does not exist, and nothing was ever loaded from it. Worth a
    /// note: it may be a typing error.
    pub missing: bool,
}

impl Folder {
    /// Nothing is read before the first [`Folder::reload`].
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::signed(path, None)
    }

    /// The same with keys of which one has to have signed each document, whatever
    /// that says of itself.
    pub fn signed(path: impl Into<PathBuf>, keys: Option<Keyring>) -> Self {
        Self {
            path: path.into(),
            keys,
            files: BTreeMap::new(),
            in_force: BTreeMap::new(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its documents have to be signed.
    pub fn is_signed(&self) -> bool {
        self.keys.is_some()
    }

    /// The document that is in force for a workload.
    pub fn get(&self, workload: &WorkloadId) -> Option<&Loaded> {
        self.files.get(self.in_force.get(workload)?)
    }

    /// The file of that document.
    pub fn file_of(&self, workload: &WorkloadId) -> Option<PathBuf> {
        Some(self.path.join(self.in_force.get(workload)?))
    }

    /// The documents in force of this name, whatever they are about.
    pub fn named<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a Loaded> + use<'a, 'n> {
        let loaded = self.in_force.values();
        loaded
            .filter_map(|file| self.files.get(file))
            .filter(move |loaded| loaded.document.metadata.name == name)
    }

    /// Every document in force, with its file, sorted by workload.
    pub fn iter(&self) -> impl Iterator<Item = (PathBuf, &Loaded)> {
        self.in_force
            .values()
            .filter_map(|name| Some((self.path.join(name), self.files.get(name)?)))
    }

    /// Reads every document again: files `*.yaml` and `*.yml` that are not
    /// hidden. A ConfigMap's own folders are hidden, and the links to them are
    /// followed. The keys are read before.
    pub fn reload(&mut self) -> Reload {
        let mut reload = Reload::default();
        let keys = self.keys.as_mut().map_or(Ok(()), Keyring::reload);
        reload.errors.extend(keys.err().map(FolderError::Keys));
        let names = match self.names() {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.files.is_empty() => {
                reload.missing = true;
                return reload;
            }
            Err(source) => {
                let folder = self.path.clone();
                reload.errors.push(FolderError::List { folder, source });
                return reload;
            }
        };
        if names.len() > MAX_FILES {
            reload.errors.push(FolderError::TooMany {
                folder: self.path.clone(),
                found: names.len(),
            });
        }

        let mut before = std::mem::take(&mut self.files);
        let before_in_force = std::mem::take(&mut self.in_force);
        let mut replaced = BTreeMap::new();
        for name in names.into_iter().take(MAX_FILES) {
            let old = before.remove(&name);
            match load(&self.path.join(&name), self.keys.as_ref()) {
                Ok(new) => {
                    self.files.insert(name.clone(), new);
                    replaced.extend(old.map(|old| (name, old)));
                }
                Err(error) => {
                    reload.errors.push(error);
                    self.files.extend(old.map(|old| (name, old)));
                }
            }
        }
        // What was in force, from files that are gone or were read anew.
        before.append(&mut replaced);

        self.choose(&before_in_force, &mut reload.errors);
        reload.changed = self.changed(&before, &before_in_force);
        reload
    }

    fn names(&self) -> io::Result<BTreeSet<OsString>> {
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let bytes = name.as_bytes();
            let is_yaml = bytes.ends_with(b".yaml") || bytes.ends_with(b".yml");
            if is_yaml && !bytes.starts_with(b".") {
                names.insert(name);
            }
        }
        Ok(names)
    }

    /// Decides which file counts for each workload: the one that did before,
    /// else the first by name.
    fn choose(&mut self, before: &BTreeMap<WorkloadId, OsString>, errors: &mut Vec<FolderError>) {
        for (workload, name) in before {
            let file = self.files.get(name);
            if file.is_some_and(|file| file.document.spec.workload == *workload) {
                self.in_force.insert(workload.clone(), name.clone());
            }
        }
        for (name, loaded) in &self.files {
            let workload = &loaded.document.spec.workload;
            let first = self
                .in_force
                .entry(workload.clone())
                .or_insert_with(|| name.clone());
            if first != name {
                errors.push(FolderError::Duplicate {
                    workload: workload.to_string(),
                    in_force: printable(&self.path.join(first)),
                    ignored: printable(&self.path.join(name)),
                });
            }
        }
    }

    /// The workloads whose document differs from before. `replaced` has the
    /// documents that are no longer in `self.files`.
    fn changed(
        &self,
        replaced: &BTreeMap<OsString, Loaded>,
        before_in_force: &BTreeMap<WorkloadId, OsString>,
    ) -> BTreeSet<WorkloadId> {
        let was = |workload: &WorkloadId| {
            let name = before_in_force.get(workload)?;
            let loaded = replaced.get(name).or_else(|| self.files.get(name))?;
            Some(&loaded.document)
        };
        before_in_force
            .keys()
            .chain(self.in_force.keys())
            .filter(|workload| was(workload) != self.get(workload).map(|now| &now.document))
            .cloned()
            .collect()
    }
}

/// Reads a file once: what is verified is what is parsed.
fn load(path: &Path, keys: Option<&Keyring>) -> Result<Loaded, FolderError> {
    let file = printable(path);
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(source) => return Err(FolderError::Read { file, source }),
    };
    let signer = keys.map(|keys| keys.signer_of(path, &bytes)).transpose();
    let signed_by = signer.map_err(|source| FolderError::Unsigned {
        file: file.clone(),
        name: printable(Path::new(path.file_name().unwrap_or_default())),
        source,
    })?;
    let document = parse(&file, &bytes)?;
    match Allowlist::new(&document) {
        Ok(allowlist) => Ok(Loaded {
            document,
            allowlist,
            signed_by,
        }),
        Err(source) => Err(FolderError::Compile { file, source }),
    }
}

/// The bytes of a document.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    file::read(path, MAX_BYTES)
}

#[cfg(test)]
mod signed_tests;
#[cfg(test)]
mod tests;
