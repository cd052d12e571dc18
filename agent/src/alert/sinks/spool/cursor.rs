//! How far a receiver has what was spooled for it.

use crate::alert::Gone;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "cursor.json";

/// What is known of the receiver, as the file has it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(in crate::alert::sinks) struct Cursor {
    /// All up to this sequence are the receiver's, or were told of as lost.
    pub confirmed: u64,
    /// The sequence of the next record.
    pub next: u64,
    /// The greatest number of a record.
    pub number: u64,
    /// The digest of the last record, where records are chained.
    #[serde(default)]
    pub last: Option<String>,
    /// What went for want of room, and was not told of yet.
    #[serde(default)]
    pub gaps: Vec<Gap>,
}

/// Records that follow each other and went for want of room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::alert::sinks) struct Gap {
    /// The sequence of the first.
    pub first: u64,
    /// That of the last.
    pub last: u64,
    /// Which they were.
    pub gone: Gone,
}

impl Cursor {
    /// That of a spool; the beginning if there is none.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        match fs::read(Self::path(folder)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Takes the place of the one before, as a whole.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let unfinished = folder.join("cursor.new");
        fs::write(&unfinished, serde_json::to_vec(self)?)?;
        fs::rename(unfinished, Self::path(folder))
    }

    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }
}
