//! Why the store cannot be used, and what to do.

use super::FORMAT;
use std::io;
use std::path::{Path, PathBuf};

/// Why the store cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or the file refused.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a folder, or only a link to one.
    #[error(
        "{0} is not a folder, or a symbolic link to one; \
         name a folder itself as the state folder"
    )]
    NotAFolder(PathBuf),
    /// Not a file, or only a link to one.
    #[error("{0} is not a regular file with one name; move it away")]
    NotAFile(PathBuf),
    /// Somebody else could change what is learned.
    #[error(
        "{path} can be written by others (mode {mode:04o}); \
         learned allowlists are only as good as who can write them: chmod go-w {path}"
    )]
    Writable {
        /// The folder or the file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Somebody else could change what is learned.
    #[error("{path} belongs to user {owner}, and neither to root nor to who runs the agent")]
    Owner {
        /// The folder or the file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Two agents cannot share one.
    #[error("another execwarden is using {0}; stop it, or give this one another --state folder")]
    InUse(PathBuf),
    /// Not a store of ours, or damaged.
    #[error(
        "{path} cannot be read: {why}; \
         move it away to start with nothing learned, or put a copy back"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A newer agent has written it.
    #[error(
        "{path} has format {found}, and this version knows {FORMAT} at most; \
         run the newer execwarden that wrote it, or move it away to start with nothing learned"
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A value that has no written form.
    #[error("what is to be kept cannot be written as JSON: {0}")]
    Encode(serde_json::Error),
}

impl StoreError {
    pub(super) fn io(doing: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io {
            doing,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    pub(super) fn corrupt(path: &Path, why: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            why: why.into(),
        }
    }

    pub(super) fn from_redb(doing: &'static str, path: &Path, error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse(path.to_owned()),
            // How redb says "not a database" and "shorter than it says".
            redb::Error::Io(source)
                if matches!(
                    source.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                Self::corrupt(path, source.to_string())
            }
            redb::Error::Io(source) => Self::io(doing, path, source),
            redb::Error::Corrupted(why) => Self::corrupt(path, why),
            foreign @ (redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableDoesNotExist(_)) => Self::corrupt(path, foreign.to_string()),
            // Nothing is known to be wrong with the file.
            other => Self::io(doing, path, io::Error::other(other)),
        }
    }
}
