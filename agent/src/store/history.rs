//! Alerts, decisions and allowances, in one redb file of their own:
//! `history.redb`.
//!
//! What is in it is evidence, and the end of an allowance; nothing is enforced
//! by it. So a file that is damaged does not keep the agent from starting: it
//! is moved aside, and a new one begun.

use super::StoreError;
use super::database::{self, write};
use super::folder::check_trust;
use crate::history::{AlertRow, Allowance, Decision, Detail, Index, Pending};
use crate::model::WorkloadId;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use rustix::fs::{self as sys, FileType, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::path::{Path, PathBuf};

const FILE: &str = "history.redb";
/// What a damaged file is moved to; one that was there before is replaced.
const DAMAGED: &str = "history.redb.damaged";
/// The most rows of the journal of decisions; the oldest give way.
const MAX_DECISIONS: u64 = 10_000;

/// An alert's id to its [`AlertRow`].
const ALERTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("alerts");
/// An alert's id to its [`Detail`].
const DETAILS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("details");
/// A row's number to its [`Decision`].
const DECISIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("decisions");
/// A workload as JSON to its [`Allowance`].
const ALLOWANCES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("allowances");

/// The open history. After a crash it holds the last commit that returned.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    /// `None` after an error: redb refuses all further work on that handle.
    database: Option<Database>,
    /// `None` until it is known what is written.
    index: Option<Index>,
}

impl History {
    /// Opens or makes the file in `folder`, which only root may write.
    ///
    /// # Errors
    /// The folder or the file refuses. A damaged file is moved aside instead.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let mut history = Self {
            database: None,
            index: None,
            path,
        };
        match history.prepare() {
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(%error, "the history of alerts and decisions begins anew; the damaged one is moved to {DAMAGED}");
                std::fs::rename(&history.path, folder.join(DAMAGED))
                    .map_err(|error| StoreError::io("move aside", &history.path, error))?;
                history.database = None;
                history.prepare()?;
            }
            prepared => prepared?,
        }
        Ok(history)
    }

    /// Makes the tables, so that each can be read from then on.
    fn prepare(&mut self) -> Result<(), StoreError> {
        self.write("prepare", |transaction| {
            transaction.open_table(ALERTS)?;
            transaction.open_table(DETAILS)?;
            transaction.open_table(DECISIONS)?;
            transaction.open_table(ALLOWANCES)?;
            Ok(())
        })
    }

    /// Writes what happened of alerts, and what passed of allowances, in one
    /// commit; the oldest alerts give way to what is new.
    pub fn save(&mut self, pending: &Pending, allowances: &[&Allowance]) -> Result<(), StoreError> {
        let mut index = match self.index.take() {
            Some(index) => index,
            None => self.read_index()?,
        };
        let allowances = allowances
            .iter()
            .map(|allowance| Ok((key(&allowance.workload)?, encode(allowance)?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        self.write("save alerts", |transaction| {
            let mut rows = transaction.open_table(ALERTS)?;
            let mut details = transaction.open_table(DETAILS)?;
            for (id, seen) in pending.iter() {
                let key = id.to_string();
                let row = rows.get(key.as_str())?;
                let row = row.and_then(|row| serde_json::from_slice(row.value()).ok());
                let is_new = row.is_none();
                let Some(row) = AlertRow::after(row, *id, seen) else {
                    continue;
                };
                let Ok(bytes) = serde_json::to_vec(&row) else {
                    continue;
                };
                rows.insert(key.as_str(), bytes.as_slice())?;
                let mut taken = index.bytes_of(&key);
                if let Some(told) = &seen.told
                    && is_new
                    && let Ok(detail) = serde_json::to_vec(&told.detail)
                {
                    details.insert(key.as_str(), detail.as_slice())?;
                    taken = (bytes.len() + detail.len()) as u64;
                }
                index.put(&key, row.last, taken);
            }
            for id in index.take_over() {
                rows.remove(id.as_str())?;
                details.remove(id.as_str())?;
            }
            let mut table = transaction.open_table(ALLOWANCES)?;
            for (key, value) in &allowances {
                table.insert(key.as_str(), value.as_slice())?;
            }
            Ok(())
        })?;
        self.index = Some(index);
        Ok(())
    }

    /// Every alert, in the order in which they last came.
    pub fn alerts(&mut self) -> Result<Vec<AlertRow>, StoreError> {
        let mut rows: Vec<AlertRow> = self.read("read the alerts", |transaction| {
            values(transaction.open_table(ALERTS)?.iter()?)
        })?;
        rows.sort_by(|a, b| (a.last, &a.id).cmp(&(b.last, &b.id)));
        Ok(rows)
    }

    /// The alerts whose id begins so, at most `most`.
    pub fn alerts_like(&mut self, prefix: &str, most: usize) -> Result<Vec<AlertRow>, StoreError> {
        self.read("read the alerts", |transaction| {
            let table = transaction.open_table(ALERTS)?;
            let mut found = Vec::new();
            for row in table.range(prefix..)? {
                let (id, value) = row?;
                if !id.value().starts_with(prefix) || found.len() == most {
                    break;
                }
                found.extend(serde_json::from_slice(value.value()).ok());
            }
            Ok(found)
        })
    }

    /// All that is kept of the alert of this id.
    pub fn detail(&mut self, id: &str) -> Result<Option<Detail>, StoreError> {
        self.read("read an alert", |transaction| {
            let table = transaction.open_table(DETAILS)?;
            let value = table.get(id)?;
            Ok(value.and_then(|value| serde_json::from_slice(value.value()).ok()))
        })
    }

    /// Appends rows to the journal, all or none of them, and numbers them.
    pub fn decide(&mut self, decisions: &[Decision]) -> Result<(), StoreError> {
        self.write("write the journal of decisions", |transaction| {
            let mut table = transaction.open_table(DECISIONS)?;
            let mut number = table.last()?.map_or(0, |(number, _)| number.value());
            for decision in decisions {
                number += 1;
                let decision = Decision {
                    number,
                    ..decision.clone()
                };
                if let Ok(bytes) = serde_json::to_vec(&decision) {
                    table.insert(number, bytes.as_slice())?;
                }
            }
            let first = number.saturating_sub(MAX_DECISIONS);
            table.retain_in(..=first, |_, _| false)?;
            Ok(())
        })
    }

    /// The journal, oldest first.
    pub fn decisions(&mut self) -> Result<Vec<Decision>, StoreError> {
        self.read("read the journal of decisions", |transaction| {
            values(transaction.open_table(DECISIONS)?.iter()?)
        })
    }

    /// The allowances that nobody has ended.
    pub fn allowances(&mut self) -> Result<Vec<Allowance>, StoreError> {
        self.read("read the allowances", |transaction| {
            values(transaction.open_table(ALLOWANCES)?.iter()?)
        })
    }

    /// An allowance has ended.
    pub fn end_allowance(&mut self, workload: &WorkloadId) -> Result<(), StoreError> {
        let key = key(workload)?;
        self.write("end an allowance", |transaction| {
            transaction.open_table(ALLOWANCES)?.remove(key.as_str())?;
            Ok(())
        })
    }

    fn read_index(&mut self) -> Result<Index, StoreError> {
        self.read("read the alerts", |transaction| {
            let details = transaction.open_table(DETAILS)?;
            let mut index = Index::default();
            for row in transaction.open_table(ALERTS)?.iter()? {
                let (id, value) = row?;
                let id = id.value();
                let detail = details.get(id)?.map_or(0, |detail| detail.value().len());
                let last = serde_json::from_slice::<AlertRow>(value.value()).map(|row| row.last);
                // One that cannot be read goes first.
                let last = last.unwrap_or(jiff::Timestamp::MIN);
                index.put(id, last, (value.value().len() + detail) as u64);
            }
            Ok(index)
        })
    }

    fn read<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.with_database(doing, |database| work(&database.begin_read()?))
    }

    fn write(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), StoreError> {
        self.with_database(doing, |database| write(database, work))
    }

    fn with_database<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => database::open(&self.path, open_file(&self.path)?)?,
        };
        match work(&database) {
            Ok(done) => {
                self.database = Some(database);
                Ok(done)
            }
            Err(error) => {
                // What is written is not known any more.
                self.index = None;
                Err(StoreError::from_redb(doing, &self.path, error))
            }
        }
    }
}

/// Root's alone, and no link.
fn open_file(path: &Path) -> Result<File, StoreError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Not blocking: what stands there may be a pipe.
    let flags = flags | OFlags::NONBLOCK;
    let file = sys::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|error| match error {
        Errno::LOOP | Errno::ISDIR | Errno::NXIO => StoreError::NotAFile(path.to_owned()),
        error => StoreError::io("open", path, error),
    })?;
    let stat = check_trust(path, &file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
        return Err(StoreError::NotAFile(path.to_owned()));
    }
    Ok(file.into())
}

fn key(workload: &WorkloadId) -> Result<String, StoreError> {
    serde_json::to_string(workload).map_err(StoreError::Encode)
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(StoreError::Encode)
}

/// Every value that can be read; of evidence, what cannot is left out.
fn values<T: DeserializeOwned, K: redb::Key + 'static>(
    rows: redb::Range<'_, K, &'static [u8]>,
) -> Result<Vec<T>, redb::Error> {
    let mut found = Vec::new();
    for row in rows {
        let (_, value) = row?;
        found.extend(serde_json::from_slice(value.value()).ok());
    }
    Ok(found)
}

#[cfg(test)]
#[path = "tests/history.rs"]
mod tests;
