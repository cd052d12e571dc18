//! Reading what runtimes left on disk: bounded, and never waiting.

use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

/// The largest file that is read, in bytes. A bundle's `config.json` has some
/// ten thousand.
const FILE_MAX: u64 = 1 << 20;
/// How many entries of a folder are looked at.
const ENTRIES_MAX: usize = 4096;

/// Why a runtime's file could not be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is no plain file of at most {FILE_MAX} bytes", .0.display())]
    NotPlain(PathBuf),
    #[error("{} is not what its runtime writes: {source}", .path.display())]
    Malformed {
        path: PathBuf,
        source: serde_json::Error,
    },
}

/// Reads a JSON file. What is missing is `None`; what is there and cannot be
/// used is logged and `None`, since a container must not go unwatched for it.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    parse_json(path, open(path))
}

/// The same of a file that is open, if it could be opened; `path` is for the log.
pub(super) fn parse_json<T: DeserializeOwned>(path: &Path, file: io::Result<File>) -> Option<T> {
    match try_parse_json(path, file) {
        Ok(value) => Some(value),
        Err(FileError::Unreadable { source, .. })
            if matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            None
        }
        Err(error) => {
            tracing::debug!(%error, "a container goes without the names in this file");
            None
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    // O_NONBLOCK: opening a FIFO must not wait for its writer.
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits())
        .expect("open flags are ints in the kernel's own interface");
    OpenOptions::new()
        .read(true)
        .custom_flags(nonblock)
        .open(path)
}

fn try_parse_json<T: DeserializeOwned>(
    path: &Path,
    file: io::Result<File>,
) -> Result<T, FileError> {
    let unreadable = |source| FileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = file.map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() || meta.len() > FILE_MAX {
        return Err(FileError::NotPlain(path.to_owned()));
    }
    let mut text = Vec::new();
    file.take(FILE_MAX)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    serde_json::from_slice(&text).map_err(|source| FileError::Malformed {
        path: path.to_owned(),
        source,
    })
}

/// The entries of a folder, as far as they have plain names; none if it is
/// missing.
pub(super) fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .take(ENTRIES_MAX)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// `path` as seen below `root`, without a way out of it.
pub(super) fn below(root: &Path, path: &Path) -> PathBuf {
    let plain = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_)));
    root.join(plain.collect::<PathBuf>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(path: &Path) -> String {
        let read = try_parse_json::<Vec<u8>>(path, open(path));
        read.unwrap_err().to_string()
    }

    #[test]
    fn every_refusal_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let (missing, bad, big) = (
            dir.path().join("missing"),
            dir.path().join("bad"),
            dir.path().join("big"),
        );
        fs::write(&bad, "[1, 2").unwrap();
        fs::write(&big, vec![b' '; FILE_MAX as usize + 1]).unwrap();

        for path in [&missing, &bad, &big, &dir.path().to_owned()] {
            let error = error_of(path);
            assert!(error.contains(path.to_str().unwrap()), "{error}");
            assert_eq!(read_json::<Vec<u8>>(path), None);
        }
    }

    #[test]
    fn a_fifo_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();

        assert!(error_of(&fifo).contains("no plain file"));
    }

    #[test]
    fn paths_stay_below_the_root() {
        for (path, expected) in [
            ("/a/b", "/r/a/b"),
            ("a", "/r/a"),
            ("/../../a/./b", "/r/a/b"),
        ] {
            assert_eq!(below(Path::new("/r"), Path::new(path)), Path::new(expected));
        }
    }
}
