//! What is wrong in a folder of documents.

use super::MAX_FILES;
use crate::allowlist::compiled::CompileError;
use crate::allowlist::keyring::{KeyError, Unsigned};
use crate::allowlist::parse::ParseError;
use std::io;
use std::path::PathBuf;

/// What is wrong in a folder of documents. Each names its file.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder cannot be listed.
    #[error("cannot list the allowlists in {}: {source}; what was loaded stays in force", .folder.display())]
    List {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// More than [`MAX_FILES`].
    #[error("{} has {found} allowlists; only the first {MAX_FILES} by name are read", .folder.display())]
    TooMany {
        /// The folder.
        folder: PathBuf,
        /// How many there are.
        found: usize,
    },
    /// A file cannot be read.
    #[error("cannot read the allowlist {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// Nobody who counts has signed a file.
    #[error("{file}: {source}; sign it with a key that counts here: minisign -Sm {name}")]
    Unsigned {
        /// The file.
        file: String,
        /// Its name alone.
        name: String,
        /// Why.
        source: Unsigned,
    },
    /// The keys cannot be read again.
    #[error("{0}; the keys that there were go on to count")]
    Keys(#[from] KeyError),
    /// A file is no valid document.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A document cannot be matched against.
    #[error("{file}: {source}")]
    Compile {
        /// The file.
        file: String,
        /// Why.
        source: CompileError,
    },
    /// Two files are about the same workload.
    #[error(
        "{ignored} is about the workload {workload}, and so is {in_force}, which is in force; keep one of them"
    )]
    Duplicate {
        /// The workload.
        workload: String,
        /// The file that counts: the one that was there first, else the first
        /// by name. With neither in force the workload would be learned anew.
        in_force: String,
        /// The file that does not.
        ignored: String,
    },
}
