//! Alerts, decisions and allowances, in one redb file of their own:
//! `history.redb`.
//!
//! What is in it is evidence, and the end of an allowance; nothing is enforced
//! by it. So a file that is damaged does not keep the agent from starting: it
//! is moved aside, and a new one begun.

use super::StoreError;
use super::database::Database;
use super::folder::Folder;
use crate::history::{AlertRow, Allowance, Decision, Detail, Entry, Index, Pending};
use crate::model::WorkloadId;
use redb::{ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::Arc;

const FILE: &str = "history.redb";
/// What a damaged file is moved to; one that was there before is replaced.
const DAMAGED: &str = "history.redb.damaged";
/// The most rows of the journal of decisions; the oldest give way.
const MAX_DECISIONS: u64 = 10_000;

/// An alert's id to its [`AlertRow`].
const ALERTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("alerts");
/// An alert's id to its [`Detail`].
const DETAILS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("details");
/// An [`Entry`] to how many of its execs are in the rows.
const ENTRIES: TableDefinition<'_, &Entry, u64> = TableDefinition::new("entries");
/// A row's number to its [`Decision`].
const DECISIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("decisions");
/// A workload as JSON to its [`Allowance`].
const ALLOWANCES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("allowances");

/// The open history. After a crash it holds the last commit that returned.
#[derive(Debug)]
pub struct History {
    database: Database,
    /// `None` until it is known what is written.
    index: Option<Index>,
}

impl History {
    /// Opens or makes the file in the state folder.
    ///
    /// # Errors
    /// The folder or the file refuses. A damaged file is moved aside instead.
    pub(super) fn open(folder: &Arc<Folder>) -> Result<Self, StoreError> {
        match Self::prepared(folder) {
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(%error, "the history of alerts and decisions begins anew; the damaged one is moved to {DAMAGED}");
                folder.rename(FILE, DAMAGED)?;
                Self::prepared(folder)
            }
            opened => opened,
        }
    }

    /// With its tables, so that each can be read from then on.
    fn prepared(folder: &Arc<Folder>) -> Result<Self, StoreError> {
        let mut database = Database::open(Arc::clone(folder), FILE, |_| Ok(()))?;
        database.write("prepare", |transaction| {
            transaction.open_table(ALERTS)?;
            transaction.open_table(DETAILS)?;
            transaction.open_table(ENTRIES)?;
            transaction.open_table(DECISIONS)?;
            transaction.open_table(ALLOWANCES)?;
            Ok(())
        })?;
        let index = None;
        Ok(Self { database, index })
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
        self.database.write("save alerts", |transaction| {
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
            let mut entries = transaction.open_table(ENTRIES)?;
            for (entry, more) in pending.entries() {
                let before = entries.get(entry)?.map_or(0, |count| count.value());
                entries.insert(entry, before + more)?;
            }
            for entry in pending.gone() {
                entries.remove(entry)?;
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

    /// How many execs of each entry are in the rows, of those that are not gone.
    pub fn entries(&mut self) -> Result<HashMap<Entry, u64>, StoreError> {
        self.database.read("read the alerts", |transaction| {
            let table = transaction.open_table(ENTRIES)?;
            let mut found = HashMap::new();
            for row in table.iter()? {
                let (entry, count) = row?;
                found.insert(*entry.value(), count.value());
            }
            Ok(found)
        })
    }

    /// Every alert, in the order in which they last came.
    pub fn alerts(&mut self) -> Result<Vec<AlertRow>, StoreError> {
        let mut rows: Vec<AlertRow> = self.database.read("read the alerts", |transaction| {
            values(transaction.open_table(ALERTS)?.iter()?)
        })?;
        rows.sort_by(|a, b| (a.last, &a.id).cmp(&(b.last, &b.id)));
        Ok(rows)
    }

    /// The alerts whose id begins so, at most `most`.
    pub fn alerts_like(&mut self, prefix: &str, most: usize) -> Result<Vec<AlertRow>, StoreError> {
        self.database.read("read the alerts", |transaction| {
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
        self.database.read("read an alert", |transaction| {
            let table = transaction.open_table(DETAILS)?;
            let value = table.get(id)?;
            Ok(value.and_then(|value| serde_json::from_slice(value.value()).ok()))
        })
    }

    /// Appends rows to the journal, all or none of them, and numbers them.
    pub fn decide(&mut self, decisions: &[Decision]) -> Result<(), StoreError> {
        self.database
            .write("write the journal of decisions", |transaction| {
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
        self.database
            .read("read the journal of decisions", |transaction| {
                values(transaction.open_table(DECISIONS)?.iter()?)
            })
    }

    /// The allowances that nobody has ended.
    pub fn allowances(&mut self) -> Result<Vec<Allowance>, StoreError> {
        self.database.read("read the allowances", |transaction| {
            values(transaction.open_table(ALLOWANCES)?.iter()?)
        })
    }

    /// An allowance has ended.
    pub fn end_allowance(&mut self, workload: &WorkloadId) -> Result<(), StoreError> {
        let key = key(workload)?;
        self.database.write("end an allowance", |transaction| {
            transaction.open_table(ALLOWANCES)?.remove(key.as_str())?;
            Ok(())
        })
    }

    fn read_index(&mut self) -> Result<Index, StoreError> {
        self.database.read("read the alerts", |transaction| {
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
