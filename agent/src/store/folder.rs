//! The state folder: what may be trusted with learned allowlists.
//!
//! The folder is opened once, locked, and everything in it is named relative
//! to that handle, so that nobody can put another in its place. Links are not
//! followed.

use super::StoreError;
use rustix::fs::{self as sys, AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::{DirBuilder, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The state folder, ours alone while this value lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    handle: OwnedFd,
}

impl Folder {
    /// Opens and locks the folder, making it (and what is above it) first
    /// where it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => StoreError::NotAFolder(path.to_owned()),
                _ => StoreError::io("make the state folder", path, error),
            })?;
        Self::open_existing(path)
    }

    /// The same for a folder that has to be there.
    pub(super) fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = sys::open(path, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOTDIR | Errno::LOOP => StoreError::NotAFolder(path.to_owned()),
            error => StoreError::io("open the state folder", path, error),
        })?;
        check_trust(path, &handle)?;
        sys::flock(&handle, FlockOperation::NonBlockingLockExclusive).map_err(
            |error| match error {
                Errno::WOULDBLOCK => StoreError::InUse(path.to_owned()),
                error => StoreError::io("lock the state folder", path, error),
            },
        )?;
        Ok(Self {
            path: path.to_owned(),
            handle,
        })
    }

    pub(super) fn file_path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A file of the folder, or `None` if there is none yet. An empty one is
    /// damaged: it gets its name only once it is whole.
    pub(super) fn open_file(&self, name: &str) -> Result<Option<File>, StoreError> {
        let path = self.file_path(name);
        // Not blocking: what stands there may be a pipe.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match sys::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => {
                return Err(StoreError::NotAFile(path));
            }
            Err(error) => return Err(StoreError::io("open", &path, error)),
        };
        let stat = check_trust(&path, &file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
            return Err(StoreError::NotAFile(path));
        }
        if stat.st_size == 0 {
            return Err(StoreError::corrupt(&path, "it is empty"));
        }
        Ok(Some(file.into()))
    }

    /// A new file that [`Self::finish_file`] gives its name.
    pub(super) fn create_unfinished(&self, name: &str) -> Result<File, StoreError> {
        let unfinished = unfinished(name);
        let path = self.path.join(&unfinished);
        match sys::unlinkat(&self.handle, &unfinished, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(StoreError::io("remove", &path, error)),
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        sys::openat(&self.handle, &unfinished, flags, mode)
            .map(File::from)
            .map_err(|error| StoreError::io("create", &path, error))
    }

    /// Gives the unfinished file its name, for good.
    pub(super) fn finish_file(&self, name: &str) -> Result<(), StoreError> {
        self.rename(&unfinished(name), name)
    }

    /// Gives a file another name, for good.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        sys::renameat(&self.handle, from, &self.handle, to)
            .and_then(|()| sys::fsync(&self.handle))
            .map_err(|error| StoreError::io("create", &self.file_path(to), error))
    }
}

fn unfinished(name: &str) -> String {
    format!("{name}.new")
}

/// Only root and the agent's own user may be able to write there.
fn check_trust(path: &Path, handle: impl AsFd) -> Result<sys::Stat, StoreError> {
    let stat = sys::fstat(handle).map_err(|error| StoreError::io("look at", path, error))?;
    let mode = stat.st_mode & 0o7777;
    if mode & 0o022 != 0 {
        return Err(StoreError::Writable {
            path: path.to_owned(),
            mode,
        });
    }
    if stat.st_uid != 0 && stat.st_uid != geteuid().as_raw() {
        return Err(StoreError::Owner {
            path: path.to_owned(),
            owner: stat.st_uid,
        });
    }
    Ok(stat)
}

/// Thirty-two hex digits from the kernel's random numbers.
pub(super) fn random_id() -> Result<String, StoreError> {
    let path = "/proc/sys/kernel/random/uuid";
    let text = std::fs::read_to_string(path)
        .map_err(|error| StoreError::io("read", Path::new(path), error))?;
    Ok(text.trim().replace('-', ""))
}
