//! What must outlive the agent: baselines, and when it was last alive.
//!
//! One redb file, `execwarden.redb`, in the state folder, and beside it the
//! [`journal`]'s, `journal.redb`. Every change is one commit: after a crash, a
//! kill or a power cut the file holds the last one that returned. The store keeps
//! nothing in memory that the caller does not have; where a write fails, the
//! caller's state stays whole and the next write tries again.
//!
//! Beside it [`History`]: alerts and decisions, in a file of its own, so that
//! nothing that happens to them touches what is learned.
//!
//! Synchronous: a commit waits for the disk. It belongs to one task.

mod database;
mod error;
mod folder;
mod history;
pub mod journal;

pub use error::StoreError;
pub use history::History;
pub use journal::JournalStore;

use crate::learn::Baseline;
use crate::model::{Untrusted, WorkloadId};
use database::Database;
use folder::Folder;
use jiff::Timestamp;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use std::path::Path;
use std::sync::Arc;

/// The format of everything in the file. A file of a newer one is refused; one
/// of an older is read, and has this one from then on.
///
/// 2: baselines have applets, the layers of scripts, digests and arguments.
/// 3: they have what has to hold before learning ends, what is held for a person,
/// images by their digests, probations, and more evidence for each entry.
pub const FORMAT: u32 = 3;

/// `format`, `node` and `last-alive`, as text.
const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
/// The workload as JSON to its baseline as JSON. Not the workload's canonical
/// text: an image's name with slashes in it can look like a Kubernetes name.
const BASELINES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("baselines");

/// Its file's name.
const FILE: &str = "execwarden.redb";

/// A row that could not be read. It stays where it is until the workload is
/// saved again or removed.
#[derive(Debug)]
pub struct Damaged {
    /// Whose it is, if at least that can be read. Its learning begins again,
    /// with [`crate::learn::Gap::RecordLost`].
    pub workload: Option<WorkloadId>,
    /// One sentence that names the row and what is wrong with it.
    pub problem: String,
}

/// What [`Store::load`] found.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Every baseline that could be read.
    pub baselines: Vec<Baseline>,
    /// The others.
    pub damaged: Vec<Damaged>,
}

/// The open store; another agent cannot open the same until it is dropped.
#[derive(Debug)]
pub struct Store {
    database: Database,
    node: String,
}

impl Store {
    /// Opens the store in `dir`, making both where they are missing: the
    /// folder with mode 0700, the file with 0600. Checks every page: some
    /// milliseconds.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let folder = Arc::new(Folder::open(dir)?);
        let node = folder::random_id()?;
        let fill = |transaction: &WriteTransaction| {
            let mut meta = transaction.open_table(META)?;
            meta.insert("format", FORMAT.to_string().as_str())?;
            meta.insert("node", node.as_str())?;
            transaction.open_table(BASELINES)?;
            Ok(())
        };
        let mut store = Self {
            database: Database::open(folder, FILE, fill)?,
            node: String::new(),
        };
        store.check_format()?;
        store.node = store.meta("node")?.ok_or_else(|| {
            StoreError::corrupt(store.database.path(), "it does not name its node")
        })?;
        Ok(store)
    }

    /// Opens the history in the same folder, which stays locked while the store
    /// is open.
    pub fn history(&self) -> Result<History, StoreError> {
        History::open(self.database.folder())
    }

    /// A random id that this node got with its store and keeps with it.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Reads every baseline.
    pub fn load(&mut self) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded::default();
        self.database.read("read the baselines", |transaction| {
            for row in transaction.open_table(BASELINES)?.iter()? {
                let (key, value) = row?;
                match read_row(key.value(), value.value()) {
                    Ok(baseline) => loaded.baselines.push(baseline),
                    Err(damaged) => loaded.damaged.push(damaged),
                }
            }
            Ok(())
        })?;
        Ok(loaded)
    }

    /// Writes these baselines, all or none of them, in one commit. The others
    /// stay as they are.
    pub fn save(&mut self, baselines: &[&Baseline]) -> Result<(), StoreError> {
        let rows = baselines
            .iter()
            .map(|baseline| {
                let value = serde_json::to_vec(baseline)?;
                Ok((key(baseline.workload())?, value))
            })
            .collect::<Result<Vec<_>, serde_json::Error>>()
            .map_err(StoreError::Encode)?;
        self.database.write("save baselines", |transaction| {
            let mut table = transaction.open_table(BASELINES)?;
            for (key, value) in &rows {
                table.insert(key.as_str(), value.as_slice())?;
            }
            Ok(())
        })
    }

    /// Forgets what was learned of a workload; nothing happens where there is
    /// nothing.
    pub fn remove(&mut self, workload: &WorkloadId) -> Result<(), StoreError> {
        let key = key(workload).map_err(StoreError::Encode)?;
        self.database.write("remove a baseline", |transaction| {
            transaction.open_table(BASELINES)?.remove(key.as_str())?;
            Ok(())
        })
    }

    /// Notes that the agent is alive, so that the next one knows for how long
    /// there was none. A commit: once a minute is often enough.
    pub fn heartbeat(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.database.write("note the time", |transaction| {
            let mut table = transaction.open_table(META)?;
            table.insert("last-alive", now.to_string().as_str())?;
            Ok(())
        })
    }

    /// The last heartbeat, or `None` before the first.
    pub fn last_alive(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let Some(text) = self.meta("last-alive")? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            let why = format!("{text:?} in it is not a time");
            StoreError::corrupt(self.database.path(), why)
        })
    }

    fn check_format(&mut self) -> Result<(), StoreError> {
        let found = self.meta("format")?.unwrap_or_default();
        match found.parse::<u32>() {
            Ok(FORMAT) => Ok(()),
            // Every baseline of it is one of this format as well.
            Ok(1..FORMAT) => self.database.write("note the format", |transaction| {
                let mut meta = transaction.open_table(META)?;
                meta.insert("format", FORMAT.to_string().as_str())?;
                Ok(())
            }),
            Ok(found) if found > FORMAT => Err(StoreError::NewerFormat {
                path: self.database.path().to_owned(),
                found,
            }),
            _ => {
                let why = format!("{found:?} in it is not a format's number");
                Err(StoreError::corrupt(self.database.path(), why))
            }
        }
    }

    fn meta(&mut self, key: &str) -> Result<Option<String>, StoreError> {
        self.database.read("read its head", |transaction| {
            let table = transaction.open_table(META)?;
            Ok(table.get(key)?.map(|value| value.value().to_owned()))
        })
    }
}

fn key(workload: &WorkloadId) -> Result<String, serde_json::Error> {
    serde_json::to_string(workload)
}

fn read_row(key: &str, value: &[u8]) -> Result<Baseline, Damaged> {
    let workload: WorkloadId = serde_json::from_str(key).map_err(|error| Damaged {
        workload: None,
        problem: format!(
            "the row {} belongs to no workload: {error}",
            Untrusted::from(key).escaped(200)
        ),
    })?;
    let problem = match serde_json::from_slice::<Baseline>(value) {
        Ok(baseline) if *baseline.workload() == workload => return Ok(baseline),
        Ok(baseline) => format!(
            "the baseline of {workload} says that it belongs to {}",
            baseline.workload()
        ),
        Err(error) => format!("the baseline of {workload} cannot be read: {error}"),
    };
    Err(Damaged {
        workload: Some(workload),
        problem,
    })
}

#[cfg(test)]
mod tests;
