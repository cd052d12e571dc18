//! The journal's file, `journal.redb`: bounded by size and age, the oldest hours
//! go first.
//!
//! It is evidence, and nothing is decided by it: where it cannot be read it is
//! moved aside and begins anew, and a row that cannot be read is left out and
//! counted.

use super::database::Database;
use super::folder::Folder;
use super::{Store, StoreError};
use crate::journal::record::SubjectId;
use crate::journal::{Batch, Cursor, Gap, Head, Hour, Page, Ran};
use jiff::Timestamp;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The format of everything in the file; a file of another is moved aside.
const FORMAT: &str = "1";
const FILE: &str = "journal.redb";
/// Where a file goes that cannot be read.
const ASIDE: &str = "journal.redb.damaged";

/// Since when none is kept, though there is one.
const PAUSED: &str = "paused";

/// `format`, `begins` and [`PAUSED`], as text.
const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
/// The hour (big-endian) and the subject's name to what is known, as JSON.
const HOURS: TableDefinition<'_, &[u8; 20], &[u8]> = TableDefinition::new("hours");
/// A subject's name to the subject, as JSON.
const SUBJECTS: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("subjects");
/// When a gap began (seconds since 1970, big-endian) to the gap, as JSON.
const GAPS: TableDefinition<'_, &[u8; 8], &[u8]> = TableDefinition::new("gaps");

/// How much more room the file takes than what is in it: redb's pages are half
/// empty after many changes, a change is written beside the old, and the file
/// doubles when it is full. A test holds it.
const OVERHEAD: u64 = 8;

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Bytes of the file, about.
    pub size: u64,
    /// How long an hour is kept.
    pub age: Duration,
}

/// The open journal.
#[derive(Debug)]
pub struct JournalStore {
    database: Database,
    bounds: Bounds,
    /// What is in the file; `None` after an error, until it was looked at again.
    index: Option<Index>,
}

/// What is in the file, as far as it matters for what goes.
#[derive(Debug, Default)]
struct Index {
    /// The bytes of each hour's rows.
    hours: BTreeMap<Hour, u64>,
    /// Of each subject its bytes and the last hour that names it.
    subjects: HashMap<SubjectId, (u64, Hour)>,
    bytes: u64,
}

impl JournalStore {
    /// Opens the journal beside a store that is open, making it where it is
    /// missing. The sentence says why an older one was moved aside.
    ///
    /// # Errors
    /// The folder or the file refused.
    pub fn beside(
        store: &Store,
        bounds: Bounds,
        now: Timestamp,
    ) -> Result<(Self, Option<String>), StoreError> {
        let folder = store.database.folder();
        match Self::open(folder, bounds, now) {
            Err(StoreError::Corrupt { why, .. }) => {
                folder.rename(FILE, ASIDE)?;
                Ok((Self::open(folder, bounds, now)?, Some(why)))
            }
            opened => Ok((opened?, None)),
        }
    }

    fn open(folder: &Arc<Folder>, bounds: Bounds, now: Timestamp) -> Result<Self, StoreError> {
        let fill = |transaction: &WriteTransaction| {
            let mut meta = transaction.open_table(META)?;
            meta.insert("format", FORMAT)?;
            meta.insert("begins", now.to_string().as_str())?;
            transaction.open_table(HOURS)?;
            transaction.open_table(SUBJECTS)?;
            transaction.open_table(GAPS)?;
            Ok(())
        };
        let mut journal = Self {
            database: Database::open(Arc::clone(folder), FILE, fill)?,
            bounds,
            index: None,
        };
        journal.check_format()?;
        journal.look_through()?;
        Ok(journal)
    }

    /// Opens the journal of a state folder that no agent uses; `None` if there is
    /// none. Nothing is changed.
    ///
    /// # Errors
    /// An agent uses it, or it cannot be read.
    pub fn of_folder(dir: &Path) -> Result<Option<Self>, StoreError> {
        let folder = Arc::new(Folder::open_existing(dir)?);
        let Some(database) = Database::open_existing(folder, FILE)? else {
            return Ok(None);
        };
        let bounds = Bounds {
            size: u64::MAX,
            age: Duration::MAX,
        };
        let mut journal = Self {
            database,
            bounds,
            index: None,
        };
        journal.check_format()?;
        Ok(Some(journal))
    }

    fn check_format(&mut self) -> Result<(), StoreError> {
        let found = self.meta("format")?.unwrap_or_default();
        match found == FORMAT {
            true => Ok(()),
            false => {
                let why = format!("it has format {found:?}, and this version reads {FORMAT}");
                Err(StoreError::corrupt(self.database.path(), why))
            }
        }
    }

    /// Writes all of a batch or nothing, and lets the oldest hours go that are
    /// too old or have no room. A commit.
    ///
    /// # Errors
    /// The file refused; everything is as before, and can be tried again.
    pub fn write(&mut self, batch: &Batch, now: Timestamp) -> Result<(), StoreError> {
        self.look_through()?;
        let mut index = self.index.take().unwrap_or_default();
        let bounds = self.bounds;
        self.database.write("write the journal", |transaction| {
            write_rows(transaction, batch, &mut index)?;
            write_gaps(transaction, batch)?;
            let oldest = index.oldest_to_keep(bounds, now);
            if index
                .hours
                .keys()
                .next()
                .is_some_and(|first| *first < oldest)
            {
                forget_before(transaction, &mut index, oldest)?;
            }
            Ok(())
        })?;
        self.index = Some(index);
        Ok(())
    }

    /// The part of the journal behind `after`, from `since` on.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn page(&mut self, since: Hour, after: Option<Cursor>) -> Result<Page, StoreError> {
        let head = self.head()?;
        self.database.read("read the journal", |transaction| {
            let mut page = Page::new(head);
            let (hours, subjects) = (
                transaction.open_table(HOURS)?,
                transaction.open_table(SUBJECTS)?,
            );
            let from = match after {
                Some(last) => Bound::Excluded(row_key(last)),
                None => Bound::Included(row_key(Cursor {
                    hour: since,
                    id: SubjectId([0; 16]),
                })),
            };
            let range = (from.as_ref(), Bound::Unbounded);
            let mut last = after;
            for row in hours.range::<&[u8; 20]>(range)? {
                if page.is_full() {
                    page.next = last.map(|last| last.to_string());
                    break;
                }
                let (key, value) = row?;
                let at = cursor(key.value());
                last = Some(at);
                let Some(ran) = read_ran(value.value()) else {
                    page.damaged += 1;
                    continue;
                };
                if page.has(at.id) {
                    page.push(at, ran, None);
                } else {
                    let subject = subjects.get(&at.id.0)?;
                    page.push(at, ran, subject.as_ref().map(|subject| subject.value()));
                }
            }
            Ok(page)
        })
    }

    /// Notes that no journal is kept from now on, if there is one.
    ///
    /// # Errors
    /// The file refused.
    pub fn pause(store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let folder = Arc::clone(store.database.folder());
        let Some(mut database) = Database::open_existing(folder, FILE)? else {
            return Ok(());
        };
        database.write("note that no journal is kept", |transaction| {
            let mut meta = transaction.open_table(META)?;
            if meta.get(PAUSED)?.is_none() {
                meta.insert(PAUSED, now.to_string().as_str())?;
            }
            Ok(())
        })
    }

    /// Since when no journal was kept; `None` if it always was.
    ///
    /// # Errors
    /// The file refused.
    pub fn resume(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let Some(text) = self.meta(PAUSED)? else {
            return Ok(None);
        };
        self.database
            .write("note that the journal is kept", |transaction| {
                transaction.open_table(META)?.remove(PAUSED)?;
                Ok(())
            })?;
        Ok(text.parse().ok())
    }

    /// What the journal says of itself.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn head(&mut self) -> Result<Head, StoreError> {
        let begins = self.meta("begins")?.unwrap_or_default();
        let begins: Timestamp = begins.parse().map_err(|_| {
            let why = format!("{begins:?} in it is not a time");
            StoreError::corrupt(self.database.path(), why)
        })?;
        let gaps = self
            .database
            .read("read the journal's gaps", |transaction| {
                let table = transaction.open_table(GAPS)?;
                let mut gaps = Vec::new();
                for row in table.iter()? {
                    gaps.extend(serde_json::from_slice::<Gap>(row?.1.value()).ok());
                }
                Ok(gaps)
            })?;
        Ok(Head { begins, gaps })
    }

    fn meta(&mut self, key: &str) -> Result<Option<String>, StoreError> {
        self.database
            .read("read the journal's head", |transaction| {
                let table = transaction.open_table(META)?;
                Ok(table.get(key)?.map(|value| value.value().to_owned()))
            })
    }

    /// Finds out what is in the file, if that is not known.
    fn look_through(&mut self) -> Result<(), StoreError> {
        if self.index.is_some() {
            return Ok(());
        }
        let index = self
            .database
            .read("look through the journal", |transaction| {
                let mut index = Index::default();
                for row in transaction.open_table(SUBJECTS)?.iter()? {
                    let (key, value) = row?;
                    index.add_subject(SubjectId(*key.value()), value.value().len());
                }
                for row in transaction.open_table(HOURS)?.iter()? {
                    let (key, value) = row?;
                    index.add_row(cursor(key.value()), value.value().len());
                }
                Ok(index)
            })?;
        self.index = Some(index);
        Ok(())
    }
}

impl Index {
    fn add_subject(&mut self, id: SubjectId, bytes: usize) {
        let bytes = bytes as u64 + 16;
        if self.subjects.insert(id, (bytes, Hour(0))).is_none() {
            self.bytes += bytes;
        }
    }

    fn add_row(&mut self, at: Cursor, bytes: usize) {
        let bytes = bytes as u64 + 20;
        *self.hours.entry(at.hour).or_default() += bytes;
        self.bytes += bytes;
        if let Some((_, last)) = self.subjects.get_mut(&at.id) {
            *last = at.hour.max(*last);
        }
    }

    /// The first hour that is young enough, and behind which there is room for
    /// all: three quarters of it, so that not every write has to make room.
    fn oldest_to_keep(&self, bounds: Bounds, now: Timestamp) -> Hour {
        let age = jiff::SignedDuration::try_from(bounds.age).unwrap_or(jiff::SignedDuration::MAX);
        let young = now.checked_sub(age).map_or(Hour(0), Hour::of);
        let room = bounds.size / OVERHEAD;
        if self.bytes <= room {
            return young;
        }
        let mut gain = self.hours.clone();
        for (bytes, last) in self.subjects.values() {
            *gain.entry(*last).or_default() += bytes;
        }
        let mut left = self.bytes;
        // The hour that is being filled stays in any case.
        let older = gain.iter().rev().skip(1).rev();
        let full = older
            .filter(|(_, bytes)| {
                let is_over = left > room / 4 * 3;
                left = left.saturating_sub(if is_over { **bytes } else { 0 });
                is_over
            })
            .last();
        full.map_or(young, |(hour, _)| young.max(Hour(hour.0.saturating_add(1))))
    }
}

/// Adds what is new to what is there.
fn write_rows(
    transaction: &WriteTransaction,
    batch: &Batch,
    index: &mut Index,
) -> Result<(), redb::Error> {
    let mut hours = transaction.open_table(HOURS)?;
    let mut subjects = transaction.open_table(SUBJECTS)?;
    for (hour, id, ran, subject) in &batch.rows {
        let at = Cursor {
            hour: *hour,
            id: *id,
        };
        match subject {
            Some(subject) if !index.subjects.contains_key(id) => {
                let bytes = subject.encode();
                subjects.insert(&id.0, bytes.as_slice())?;
                index.add_subject(*id, bytes.len());
            }
            // Of more that is counted, what it was went with its hours.
            None if !index.subjects.contains_key(id) => continue,
            Some(_) | None => {}
        }
        let before = hours.get(&row_key(at))?;
        let before = before.map(|value| (value.value().len(), read_ran(value.value())));
        let all = match &before {
            Some((_, Some(before))) => before.and(*ran),
            Some((_, None)) | None => *ran,
        };
        let bytes = serde_json::to_vec(&all).expect("numbers and words are JSON");
        hours.insert(&row_key(at), bytes.as_slice())?;
        if before.is_none() {
            index.add_row(at, bytes.len());
        }
    }
    Ok(())
}

fn write_gaps(transaction: &WriteTransaction, batch: &Batch) -> Result<(), redb::Error> {
    let mut gaps = transaction.open_table(GAPS)?;
    for gap in &batch.gaps {
        let bytes = serde_json::to_vec(gap).expect("times and a word are JSON");
        let key = gap.from.as_second().to_be_bytes();
        gaps.insert(&key, bytes.as_slice())?;
    }
    let keys: Vec<[u8; 8]> = gaps
        .iter()?
        .map(|row| row.map(|(key, _)| *key.value()))
        .collect::<Result<_, _>>()?;
    for key in keys.iter().rev().skip(Head::MAX_GAPS) {
        gaps.remove(key)?;
    }
    Ok(())
}

/// Forgets every hour before `oldest`, and the subjects that none names any
/// more. From then on the journal begins there.
fn forget_before(
    transaction: &WriteTransaction,
    index: &mut Index,
    oldest: Hour,
) -> Result<(), redb::Error> {
    let mut hours = transaction.open_table(HOURS)?;
    let end = row_key(Cursor {
        hour: oldest,
        id: SubjectId([0; 16]),
    });
    hours.retain_in::<&[u8; 20], _>(..&end, |_, _| false)?;
    let kept = index.hours.split_off(&oldest);
    index.bytes -= index.hours.values().sum::<u64>();
    index.hours = kept;

    let mut subjects = transaction.open_table(SUBJECTS)?;
    let named = index.subjects.iter();
    let gone: BTreeSet<SubjectId> = named
        .filter(|(_, (_, last))| *last < oldest)
        .map(|(id, _)| *id)
        .collect();
    for id in gone {
        subjects.remove(&id.0)?;
        let bytes = index.subjects.remove(&id).map_or(0, |(bytes, _)| bytes);
        index.bytes -= bytes;
    }

    let begins = oldest.start();
    let mut gaps = transaction.open_table(GAPS)?;
    gaps.retain(|_, value| {
        let gap = serde_json::from_slice::<Gap>(value);
        gap.is_ok_and(|gap| gap.to > begins)
    })?;
    let mut meta = transaction.open_table(META)?;
    let before = meta.get("begins")?;
    let before = before.and_then(|text| text.value().parse::<Timestamp>().ok());
    // One that began within the hour does not begin before.
    if before.is_none_or(|before| before < begins) {
        meta.insert("begins", begins.to_string().as_str())?;
    }
    Ok(())
}

fn read_ran(bytes: &[u8]) -> Option<Ran> {
    serde_json::from_slice(bytes).ok()
}

fn row_key(at: Cursor) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&at.hour.0.to_be_bytes());
    key[4..].copy_from_slice(&at.id.0);
    key
}

fn cursor(key: &[u8; 20]) -> Cursor {
    let (mut hour, mut id) = ([0; 4], [0; 16]);
    hour.copy_from_slice(&key[..4]);
    id.copy_from_slice(&key[4..]);
    Cursor {
        hour: Hour(u32::from_be_bytes(hour)),
        id: SubjectId(id),
    }
}

#[cfg(test)]
#[path = "tests/journal.rs"]
mod tests;
