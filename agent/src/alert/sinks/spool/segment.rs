//! One file of a spool.

use super::super::entry::{Encoded, Entry};
use super::format::{self, Entries, HEADER, Header, MAX_PAYLOAD};
use crate::model::Digest;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const SUFFIX: &str = ".spool";
/// How much of a file is read at once.
const CHUNK: usize = 2 * MAX_PAYLOAD;

/// A file of entries that follow each other.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    pub header: Header,
    /// The sequence behind its last entry.
    pub next: u64,
    /// The greatest number of a record until its end.
    pub number: u64,
    /// The digest of its last entry's text, of one that an earlier agent wrote.
    pub last: Option<Digest>,
    /// How much of the file is whole.
    pub length: u64,
    /// Where reading goes on, and the sequence from which on.
    reading: (u64, u64),
}

impl Segment {
    /// Makes one for the entries from `header.first` on.
    pub(super) fn create(folder: &Path, header: Header) -> io::Result<Self> {
        let path = folder.join(format!("{:020}{SUFFIX}", header.first));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let bytes = header.encode();
        if let Err(error) = file.write_all(&bytes) {
            // Without its header it is nothing.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self {
            path,
            file,
            header,
            next: header.first,
            number: header.number,
            last: None,
            length: bytes.len() as u64,
            reading: (bytes.len() as u64, header.first),
        })
    }

    /// Opens one that an earlier agent wrote, and goes through it. From the first
    /// record on whose number is greater than `up_to` it is cut off.
    pub(super) fn open(path: &Path, up_to: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)?;
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0)?;
        let header = Header::decode(&header)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its header is damaged"))?;
        let begin = (HEADER as u64, header.first);
        let mut segment = Self {
            path: path.to_owned(),
            file,
            header,
            next: header.first,
            number: header.number,
            last: None,
            length: HEADER as u64,
            reading: begin,
        };
        segment.length = segment.file.metadata()?.len();
        while let Some(chunk) = segment.chunk()? {
            let committed = |entry: &&Encoded| entry.number <= up_to;
            let kept = chunk.entries.iter().take_while(committed).count();
            for entry in &chunk.entries[..kept] {
                segment.next = segment.next.max(entry.sequence + 1);
                segment.number = segment.number.max(entry.number);
            }
            if let Some(last) = chunk.entries[..kept].last() {
                segment.last = Some(Digest::of(&last.text));
            }
            if let Some(beyond) = chunk.entries.get(kept) {
                segment.next = beyond.sequence;
                segment.cut(chunk.begins[kept])?;
                break;
            }
            // What cannot be read is one that was lost, not one that never was.
            segment.next += chunk.damaged;
            segment.reading = (chunk.end, segment.next);
        }
        segment.reading = begin;
        Ok(segment)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&self.path)?;
        file.set_len(length)?;
        self.length = length;
        // It must not come back behind what this agent commits.
        file.sync_all()
    }

    /// The segments in a folder, oldest first.
    pub(super) fn paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(SUFFIX) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// Gives one that cannot be read a name under which nobody looks for it again.
    pub(super) fn set_aside(path: &Path) -> io::Result<()> {
        fs::rename(path, path.with_extension("damaged"))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next == self.header.first
    }

    /// Writes entries to its end: all, or none.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for entry in entries {
            format::encode(entry, &mut bytes);
        }
        if let Err(error) = self.file.write_all_at(&bytes, self.length) {
            // What was written of it is written over by the next.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += bytes.len() as u64;
        for entry in entries {
            self.next = entry.sequence + 1;
            self.number = self.number.max(entry.number);
        }
        Ok(())
    }

    /// Entries from `from` on that are about `most` bytes together, one at least if
    /// there is one.
    pub(super) fn read(&mut self, from: u64, most: usize) -> io::Result<Vec<Encoded>> {
        if from < self.reading.1 {
            self.reading = (HEADER as u64, self.header.first);
        }
        let mut found = Vec::new();
        let mut bytes = 0;
        while let Some(chunk) = self.chunk()? {
            let (mut at, mut next) = self.reading;
            for (entry, end) in chunk.entries.into_iter().zip(chunk.ends) {
                if bytes >= most {
                    self.reading = (at, next);
                    return Ok(found);
                }
                (at, next) = (end, entry.sequence + 1);
                if entry.sequence >= from {
                    bytes += entry.text.len();
                    found.push(entry);
                }
            }
            self.reading = (chunk.end, next);
        }
        Ok(found)
    }

    /// What can be read at once from where reading goes on; `None` at the end.
    fn chunk(&self) -> io::Result<Option<Chunk>> {
        let (at, _) = self.reading;
        let left = self.length.saturating_sub(at);
        let mut bytes = vec![0; left.min(CHUNK as u64) as usize];
        self.file.read_exact_at(&mut bytes, at)?;
        let mut reader = Entries::of(&bytes);
        let (mut entries, mut begins, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(entry) = reader.next() {
            entries.push(entry);
            begins.push(at + reader.begin() as u64);
            ends.push(at + reader.read() as u64);
        }
        Ok((reader.read() > 0).then(|| Chunk {
            entries,
            begins,
            ends,
            damaged: reader.damaged(),
            end: at + reader.read() as u64,
        }))
    }

    /// Waits until the disk has it.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Some entries of a file, each with where it begins and ends.
struct Chunk {
    entries: Vec<Encoded>,
    begins: Vec<u64>,
    ends: Vec<u64>,
    /// How many behind the last are damaged.
    damaged: u64,
    end: u64,
}
