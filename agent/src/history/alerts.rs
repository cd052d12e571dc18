//! Alerts as they are kept, and those that are not written yet.

use super::index::MAX_ROWS;
use crate::alert::{AlertId, Message, Record, Subject, json};
use crate::model::{Reason, WorkloadId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How much of a path a row has, in bytes of escaped text, as an alert.
const PATH: usize = 1024;

/// One alert as a line of a list. The JSON form is an interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AlertRow {
    /// The alert's id: sixteen hexadecimal digits.
    pub id: String,
    /// The workload's canonical name.
    pub workload: String,
    /// Why it deviates.
    pub reason: Reason,
    /// The script or the file that ran, escaped; `-` where no exec is meant.
    pub path: String,
    /// How many deviations it stands for so far.
    pub count: u64,
    /// When the first of them happened.
    pub first: Timestamp,
    /// When the last of them was noticed.
    pub last: Timestamp,
}

/// All that is kept of one alert beside its row.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Detail {
    /// Whose it is.
    pub workload: WorkloadId,
    /// Its first record, in the form of docs/ALERTS.md.
    pub alert: serde_json::Value,
    /// What would allow it.
    pub remedy: Remedy,
}

/// What would make an exec like this one known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// An entry.
    Entry {
        /// A ProcessAllowlist document whose one process it is.
        document: String,
        /// Why the entry says nothing of the arguments, where it should: it may
        /// then be taken for any arguments only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        any_args_because: Option<String>,
    },
    /// Nothing: why, in one sentence.
    Nothing(String),
}

/// What happened of one alert since it was last written.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    /// How many deviations.
    pub more: u64,
    /// When the first of them happened.
    pub first: Timestamp,
    /// When the last of them was noticed.
    pub last: Timestamp,
    /// The first record of this id that this agent has sent.
    pub told: Option<Told>,
}

/// The first record of an alert.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// Whose it is, why, and where: a row without counts.
    pub reason: Reason,
    /// The script or the file, escaped.
    pub path: String,
    /// The rest.
    pub detail: Detail,
}

impl Told {
    /// What is kept of a record as it was sent, with what would allow it.
    pub fn of(record: &Record, remedy: Remedy) -> Self {
        let line = json::encode(Message::Record(record), None);
        Self {
            reason: record.reason,
            path: match &record.subject {
                Subject::Exec { identity, .. } => identity.path().escaped(PATH),
                Subject::Escape(_)
                | Subject::Overflow
                | Subject::HeldBack { .. }
                | Subject::Tampered(_)
                | Subject::Meddled(_)
                | Subject::Container => "-".to_owned(),
            },
            detail: Detail {
                workload: record.workload.clone(),
                // The encoder writes JSON, whatever the record.
                alert: serde_json::from_slice(&line).unwrap_or_default(),
                remedy,
            },
        }
    }
}

/// Alerts that are not written yet: as many as are kept at all, should the disk
/// be full for long; then the oldest give way.
#[derive(Debug, Default)]
pub struct Pending {
    seen: BTreeMap<AlertId, Seen>,
    /// How many of them are of each entry that outlives the agent.
    entries: BTreeMap<Entry, u64>,
    /// Entries that are gone.
    gone: BTreeSet<Entry>,
}

/// An entry of what the kernel saw, which the agent after this one finds there: its
/// key, which tells it from all others there ever were.
pub type Entry = [u8; 40];

impl Pending {
    /// `count` more of an id, up to `at`; with its record, where that was sent
    /// just now for the first time.
    pub fn saw(&mut self, id: AlertId, count: u64, at: Timestamp, told: Option<Told>) {
        if let Some(seen) = self.seen.get_mut(&id) {
            seen.more = seen.more.saturating_add(count);
            seen.last = seen.last.max(at);
            seen.told = seen.told.take().or(told);
            return;
        }
        if self.seen.len() >= MAX_ROWS {
            let oldest = self.seen.iter().min_by_key(|(_, seen)| seen.last);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.seen.remove(&oldest);
            }
        }
        let seen = Seen {
            more: count,
            first: at,
            last: at,
            told,
        };
        self.seen.insert(id, seen);
    }

    /// `count` of what was seen are of this entry.
    pub fn are_of(&mut self, entry: Entry, count: u64) {
        *self.entries.entry(entry).or_default() += count;
    }

    /// An entry is gone: nobody will ask how much of it is here.
    pub fn forget(&mut self, entry: Entry) {
        self.entries.remove(&entry);
        self.gone.insert(entry);
    }

    /// How many more of each entry are to be written.
    pub fn entries(&self) -> impl Iterator<Item = (&Entry, u64)> {
        self.entries.iter().map(|(entry, count)| (entry, *count))
    }

    /// Of which entries nothing is to be there any more.
    pub fn gone(&self) -> impl Iterator<Item = &Entry> {
        self.gone.iter()
    }

    /// Counts what is not written into rows that are, and adds those that are
    /// not there yet, in the order in which they last came.
    pub fn lay_over(&self, rows: &mut Vec<AlertRow>) {
        if self.seen.is_empty() {
            return;
        }
        let mut written: BTreeMap<String, AlertRow> = std::mem::take(rows)
            .into_iter()
            .map(|row| (row.id.clone(), row))
            .collect();
        for (id, seen) in &self.seen {
            let row = AlertRow::after(written.remove(&id.to_string()), *id, seen);
            written.extend(row.map(|row| (row.id.clone(), row)));
        }
        rows.extend(written.into_values());
        rows.sort_by(|a, b| (a.last, &a.id).cmp(&(b.last, &b.id)));
    }

    /// Whether all is written.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.gone.is_empty()
    }

    /// What is to be written, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&AlertId, &Seen)> {
        self.seen.iter()
    }

    /// What was to be written was not: it comes before what is there by now.
    pub fn put_back(&mut self, unwritten: Self) {
        let newer = std::mem::replace(self, unwritten);
        for (id, seen) in newer.seen {
            self.saw(id, seen.more, seen.last, seen.told);
            if let Some(kept) = self.seen.get_mut(&id) {
                kept.first = kept.first.min(seen.first);
            }
        }
        for (entry, count) in newer.entries {
            self.are_of(entry, count);
        }
        for entry in newer.gone {
            self.forget(entry);
        }
    }

    /// All of it is written.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl AlertRow {
    /// The row after what was seen; `None` for an alert of which neither a row
    /// nor a record is there.
    pub fn after(row: Option<Self>, id: AlertId, seen: &Seen) -> Option<Self> {
        match (row, &seen.told) {
            (Some(row), _) => Some(Self {
                count: row.count.saturating_add(seen.more),
                last: row.last.max(seen.last),
                ..row
            }),
            (None, Some(told)) => Some(Self {
                id: id.to_string(),
                workload: told.detail.workload.to_string(),
                reason: told.reason,
                path: told.path.clone(),
                count: seen.more,
                first: seen.first,
                last: seen.last,
            }),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CgroupId, Reason};

    fn id(cgroup: u64) -> AlertId {
        AlertId::new("boot", CgroupId(cgroup), Reason::Drift, None)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("is in range")
    }

    fn told(path: &str) -> Told {
        Told {
            reason: Reason::Drift,
            path: path.to_owned(),
            detail: Detail {
                workload: WorkloadId::Unit {
                    unit: "x.service".to_owned(),
                },
                alert: serde_json::Value::Null,
                remedy: Remedy::Nothing("no".to_owned()),
            },
        }
    }

    fn only(pending: &Pending) -> (AlertId, Seen) {
        let mut all = pending.iter();
        let (id, seen) = all.next().expect("one");
        assert!(all.next().is_none());
        (*id, seen.clone())
    }

    #[test]
    fn what_comes_again_before_it_is_written_is_one_row() {
        let mut pending = Pending::default();
        pending.saw(id(1), 1, at(5), Some(told("/a")));
        pending.saw(id(1), 3, at(9), Some(told("/other")));

        let (id, seen) = only(&pending);
        let row = AlertRow::after(None, id, &seen).expect("a row");

        assert_eq!((row.count, row.first, row.last), (4, at(5), at(9)));
        assert_eq!((&*row.path, &*row.workload), ("/a", "unit/x.service"));
        pending.clear();
        assert!(pending.is_empty());
    }

    #[test]
    fn a_row_that_is_there_is_counted_on_and_keeps_its_first_record() {
        let mut pending = Pending::default();
        pending.saw(id(1), 1, at(5), Some(told("/a")));
        let (id, seen) = only(&pending);
        let row = AlertRow::after(None, id, &seen).expect("a row");
        pending.clear();
        pending.saw(id, 2, at(3), Some(told("/later")));
        let (_, seen) = only(&pending);

        let row = AlertRow::after(Some(row), id, &seen).expect("a row");

        assert_eq!((row.count, row.first, row.last), (3, at(5), at(5)));
        assert_eq!(row.path, "/a");
    }

    #[test]
    fn what_is_not_written_is_counted_into_what_is() {
        let mut pending = Pending::default();
        pending.saw(id(1), 1, at(5), Some(told("/a")));
        let mut rows = Vec::new();
        pending.lay_over(&mut rows);
        assert_eq!(rows.len(), 1);
        pending.clear();
        pending.lay_over(&mut rows);
        pending.saw(id(1), 2, at(9), None);
        pending.saw(id(2), 1, at(7), Some(told("/b")));

        pending.lay_over(&mut rows);

        let rows: Vec<_> = rows.iter().map(|row| (&*row.path, row.count)).collect();
        assert_eq!(rows, [("/b", 1), ("/a", 3)]);
    }

    #[test]
    fn more_of_what_is_not_kept_any_more_is_no_row() {
        let mut pending = Pending::default();
        pending.saw(id(1), 7, at(5), None);

        let (id, seen) = only(&pending);

        assert_eq!(AlertRow::after(None, id, &seen), None);
    }

    #[test]
    fn what_cannot_be_written_for_long_gives_way_oldest_first() {
        let mut pending = Pending::default();
        for number in 0..=MAX_ROWS {
            let second = i64::try_from(number).expect("small");
            pending.saw(id(number as u64), 1, at(second), None);
        }

        let ids: Vec<AlertId> = pending.iter().map(|(id, _)| *id).collect();

        assert_eq!(ids.len(), MAX_ROWS);
        assert!(!ids.contains(&id(0)) && ids.contains(&id(MAX_ROWS as u64)));
    }

    #[test]
    fn what_was_not_written_comes_before_what_came_meanwhile() {
        let mut unwritten = Pending::default();
        unwritten.saw(id(1), 2, at(5), Some(told("/a")));
        let mut pending = Pending::default();
        pending.saw(id(1), 3, at(7), None);
        pending.saw(id(1), 1, at(9), None);

        pending.put_back(unwritten);

        let (_, seen) = only(&pending);
        assert_eq!((seen.more, seen.first, seen.last), (6, at(5), at(9)));
        assert!(seen.told.is_some());
    }
}
