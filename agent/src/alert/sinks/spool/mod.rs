//! What a sink's receiver does not have yet, on disk: it outlives the agent, and is
//! bounded.
//!
//! A folder of segments, each some entries long, and a file that says how far the
//! receiver has them (`cursor.json`). Every agent begins a segment of its own, and
//! nothing that is written is ever changed, so that what is damaged costs itself
//! alone. Where there is no room the oldest segment goes. One file beside all spools
//! (`committed`) has the number of the last record that all of them have: what an
//! agent that was killed wrote behind it is cut off.
//!
//! Synchronous: it belongs to the keeper's thread.

mod committed;
mod cursor;
mod format;
mod segment;

pub(super) use committed::Committed;
pub(super) use cursor::{Cursor, Gap};

use super::entry::{Encoded, Entry};
use crate::model::Digest;
use format::Header;
use segment::Segment;
use std::collections::VecDeque;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A spool is of so many segments: what has to go for want of room is one of them.
const SEGMENTS: u64 = 16;

/// An open spool.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    bound: u64,
    /// Oldest first. The last one is written to; there is always one.
    segments: VecDeque<Segment>,
    cursor: Cursor,
    dirty: bool,
}

/// What an earlier agent left.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Left {
    /// How far the receiver has it, and what went for want of room.
    pub cursor: Cursor,
    /// The sequence of the next record.
    pub next: u64,
    /// The sequence of the last one that is there.
    pub kept: u64,
    /// The greatest number of a record.
    pub number: u64,
    /// The digest of the last record.
    pub last: Option<Digest>,
    /// One sentence for each file that could not be read.
    pub damaged: Vec<String>,
}

impl Spool {
    /// Opens the spool in a folder, or makes it, for at most `bound` bytes. Records
    /// behind the number `committed` are cut off, as if they had never been written.
    pub(super) fn open(
        folder: &Path,
        bound: u64,
        committed: Option<u64>,
    ) -> io::Result<(Self, Left)> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut damaged = Vec::new();
        let mut segments = VecDeque::new();
        for path in Segment::paths(folder)? {
            match Segment::open(&path, committed.unwrap_or(u64::MAX)) {
                Ok(segment) if segment.is_empty() => segment.remove()?,
                Ok(segment) => segments.push_back(segment),
                Err(error) => {
                    damaged.push(format!("{}: {error}", path.display()));
                    Segment::set_aside(&path)?;
                }
            }
        }
        let cursor = Cursor::read(folder).unwrap_or_else(|error| {
            damaged.push(format!("{}: {error}", Cursor::path(folder).display()));
            Cursor::default()
        });
        let number = { segments.iter() }.map(|segment| segment.number);
        let number = number.fold(cursor.number, u64::max);
        let kept = { segments.iter() }.map(|segment| segment.next - 1);
        let kept = kept.fold(0, u64::max);
        let next = cursor.next.max(kept + 1);
        let last = { segments.iter() }.rev().find_map(|segment| segment.last);
        let last = last.or_else(|| cursor.last.as_ref()?.parse().ok());
        let header = Header {
            first: next,
            number,
        };
        segments.push_back(Segment::create(folder, header)?);
        let left = Left {
            cursor: cursor.clone(),
            next,
            kept,
            number,
            last,
            damaged,
        };
        let spool = Self {
            folder: folder.to_owned(),
            bound,
            segments,
            cursor,
            dirty: false,
        };
        Ok((spool, left))
    }

    /// Writes entries that follow those before.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let last = self.segments.back();
        let full = last.is_none_or(|last| last.length >= self.bound / SEGMENTS);
        if full {
            let header = Header {
                first: first.sequence,
                number: last.map_or(0, |last| last.number),
            };
            if let Some(last) = last {
                last.sync()?;
            }
            self.segments
                .push_back(Segment::create(&self.folder, header)?);
        }
        if let Some(last) = self.segments.back_mut() {
            last.append(entries)?;
        }
        self.dirty = true;
        Ok(())
    }

    /// Entries from the sequence `from` on that are about `most` bytes together: of
    /// one segment, without what is damaged. None: there are no more.
    pub(super) fn read(&mut self, from: u64, most: usize) -> io::Result<Vec<Encoded>> {
        for segment in &mut self.segments {
            if segment.next > from {
                let found = segment.read(from, most)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
        }
        Ok(Vec::new())
    }

    /// Removes the oldest segments as long as all together are more than the bound,
    /// and gives back what of them the receiver does not have.
    pub(super) fn make_room(&mut self) -> io::Result<Vec<Encoded>> {
        let mut gone = Vec::new();
        while self.bytes() > self.bound && self.segments.len() > 1 {
            let Some(mut oldest) = self.segments.pop_front() else {
                break;
            };
            let from = self.cursor.confirmed + 1;
            // What cannot be read is told of by the gap that it leaves.
            gone.extend(oldest.read(from, usize::MAX).unwrap_or_default());
            oldest.remove()?;
        }
        Ok(gone)
    }

    /// Notes how far the receiver has it, and removes what it has.
    pub(super) fn note(&mut self, cursor: Cursor) -> io::Result<()> {
        if self.cursor != cursor {
            cursor.write(&self.folder)?;
            self.cursor = cursor;
        }
        while self.segments.len() > 1 && { self.segments.front() }
            .is_some_and(|first| first.next <= self.cursor.confirmed + 1)
        {
            if let Some(first) = self.segments.pop_front() {
                first.remove()?;
            }
        }
        Ok(())
    }

    /// Whether something was written since the disk was waited for, or the receiver
    /// has more.
    pub(super) fn is_news(&self, cursor: &Cursor) -> bool {
        self.dirty || self.cursor != *cursor
    }

    /// The greatest number of a record in it.
    pub(super) fn number(&self) -> u64 {
        self.segments.back().map_or(0, |last| last.number)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The most that it may take on disk, but for what is not confirmed of its
    /// last segment.
    pub(super) fn bound(&self) -> u64 {
        self.bound
    }

    /// Waits until the disk has all of it.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty)
            && let Some(last) = self.segments.back()
        {
            last.sync()?;
        }
        Ok(())
    }

    /// How much it takes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.length).sum()
    }
}

#[cfg(test)]
mod tests;
