//! A file that records are written to, and that somebody else may move away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// An open file. Where another one, or none, is found in its place, as when logs are
/// rotated, that is written to from then on: no signal is needed.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    /// Opens the file, or makes it: for root alone, since arguments may hold secrets.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            // What stands there may be a pipe, or lead to another file.
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let path = path.to_owned();
        Ok(Self { path, file })
    }

    /// Writes a line whole, or nothing.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if !self.is_in_place()? {
            *self = Self::open(&self.path)?;
        }
        let before = self.file.metadata()?.len();
        let written = self.file.write_all(line);
        if written.is_err() {
            // A part of it would spoil the line that is written when there is room.
            let _ = self.file.set_len(before);
        }
        written
    }

    fn is_in_place(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        Ok(match fs::symlink_metadata(&self.path) {
            Ok(there) => (there.dev(), there.ino()) == (ours.dev(), ours.ino()),
            Err(_) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let moved = folder.path().join("log.1");
        let mut log = LogFile::open(&path).expect("opened");
        log.write(b"one\n").expect("written");

        fs::rename(&path, &moved).expect("moved");
        log.write(b"two\n").expect("written");
        fs::remove_file(&path).expect("removed");
        log.write(b"three\n").expect("written");

        assert_eq!(fs::read(&moved).expect("read"), b"one\n");
        assert_eq!(fs::read(&path).expect("read"), b"three\n");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_there_stays_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        fs::write(&path, "before\n").expect("written");

        let mut log = LogFile::open(&path).expect("opened");
        log.write(b"one\n").expect("written");

        assert_eq!(fs::read(&path).expect("read"), b"before\none\n");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("made");
        assert!(LogFile::open(&link).is_err());
        assert!(LogFile::open(folder.path()).is_err());
    }

    #[test]
    fn a_full_disk_gets_no_part_of_a_line() {
        // The one file that is always full; it is no regular one, so it is opened here.
        let file = OpenOptions::new()
            .append(true)
            .open("/dev/full")
            .expect("opened");
        let path = PathBuf::from("/dev/full");
        let mut log = LogFile { path, file };

        let error = log.write(b"one\n").expect_err("full");

        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
