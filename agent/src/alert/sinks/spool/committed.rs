//! Up to which number every spool has what it is to have.
//!
//! One file beside all spools: the number, and its CRC-32, both little-endian. It is
//! written over by one small write, so that an agent that is killed leaves the number
//! before it or the number behind it.

use bytes::{Buf, BufMut};
use crc32fast::hash;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const FILE: &str = "committed";

/// The file, and how it is written.
#[derive(Debug)]
pub(in crate::alert::sinks) struct Committed {
    path: PathBuf,
    /// `None`: there is none yet that can be written over.
    file: Option<File>,
    dirty: bool,
}

impl Committed {
    /// That of the spools in a folder; nothing is made yet.
    pub(in crate::alert::sinks) fn of(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path);
        Self {
            path,
            // What is wrong with it is said when it is read or written.
            file: file.ok(),
            dirty: false,
        }
    }

    /// What an earlier agent wrote, if one did.
    pub(in crate::alert::sinks) fn read(&self) -> io::Result<Option<u64>> {
        match fs::read(&self.path) {
            Ok(bytes) => match decode(&bytes) {
                Some(number) => Ok(Some(number)),
                None => Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a number: over the one before, or where that cannot be, a new file that
    /// takes its place as a whole.
    pub(in crate::alert::sinks) fn write(&mut self, number: u64) -> io::Result<()> {
        let bytes = encode(number);
        let is_over =
            { self.file.as_ref() }.is_some_and(|file| file.write_all_at(&bytes, 0).is_ok());
        if !is_over {
            self.file = None;
            self.file = Some(self.create(&bytes)?);
        }
        self.dirty = true;
        Ok(())
    }

    fn create(&self, bytes: &[u8]) -> io::Result<File> {
        let unfinished = self.path.with_extension("new");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all_at(bytes, 0)?;
        fs::rename(unfinished, &self.path)?;
        Ok(file)
    }

    /// Waits until the disk has it.
    pub(in crate::alert::sinks) fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty)
            && let Some(file) = &self.file
        {
            file.sync_data()?;
        }
        Ok(())
    }
}

fn encode(number: u64) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.put_u32_le(hash(&bytes));
    bytes
}

/// `None` if it is damaged.
fn decode(bytes: &[u8]) -> Option<u64> {
    let (mut number, mut sum) = bytes.get(..12)?.split_at(8);
    (hash(number) == sum.get_u32_le()).then(|| number.get_u64_le())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_agent_reads_what_was_written_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut committed = Committed::of(folder.path());
        assert_eq!(committed.read().expect("read"), None);

        for number in [7, 300, u64::MAX] {
            committed.write(number).expect("written");
            let next = Committed::of(folder.path());
            assert_eq!(next.read().expect("read"), Some(number));
        }

        committed.sync().expect("synced");
        let files = fs::read_dir(folder.path()).expect("listed").count();
        assert_eq!(files, 1);
    }

    #[test]
    fn what_is_damaged_is_no_number_and_is_written_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut committed = Committed::of(folder.path());
        committed.write(7).expect("written");
        let path = folder.path().join(FILE);
        let whole = fs::read(&path).expect("read");
        let mut flipped = whole.clone();
        flipped[1] ^= 1;
        let other = b"something else altogether";
        for damaged in [&whole[..0], &whole[..11], &flipped, other] {
            fs::write(&path, damaged).expect("written");
            let mut next = Committed::of(folder.path());
            assert!(next.read().is_err(), "{damaged:?}");

            next.write(8).expect("written");

            assert_eq!(next.read().expect("read"), Some(8));
        }
    }

    #[test]
    fn where_there_is_no_folder_nothing_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut committed = Committed::of(&folder.path().join("absent"));

        assert!(committed.write(7).is_err());

        assert_eq!(committed.read().expect("read"), None);
    }
}
