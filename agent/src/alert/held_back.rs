//! Deviations that are not told one by one, because their workload causes too many
//! records: summed by workload. Pure.

use super::{AlertId, Kind, Record, Severity, Subject};
use crate::model::{CgroupId, Reason, WorkloadId};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long they are summed before they are told.
const INTERVAL: Duration = Duration::from_secs(60);
/// So many of a workload are told apart, at most, to be counted.
const MAX_DISTINCT: usize = 16_384;

/// What is held back of each workload.
#[derive(Debug)]
pub struct HeldBack {
    /// Of the records that tell of it.
    severity: Severity,
    sums: BTreeMap<WorkloadId, Sum>,
}

#[derive(Debug)]
struct Sum {
    count: u64,
    ids: BTreeSet<AlertId>,
    first: Timestamp,
    last: Timestamp,
    since: Instant,
    /// One of them, for all that they have in common.
    like: Box<Record>,
}

impl HeldBack {
    /// Nothing yet.
    pub fn new(severity: Severity) -> Self {
        let sums = BTreeMap::new();
        Self { severity, sums }
    }

    /// `count` more of a record's id.
    pub fn add(&mut self, record: &Record, count: u64, at: Timestamp, now: Instant) {
        let workload = record.workload.clone();
        let sum = self.sums.entry(workload).or_insert_with(|| Sum {
            count: 0,
            ids: BTreeSet::new(),
            first: at,
            last: at,
            since: now,
            like: Box::new(record.clone()),
        });
        sum.count = sum.count.saturating_add(count);
        sum.last = at;
        if sum.ids.len() < MAX_DISTINCT {
            sum.ids.insert(record.id);
        }
    }

    /// The sums whose interval is over, as records without a number.
    pub fn due(&mut self, now: Instant) -> Vec<Record> {
        self.take(|sum| now.saturating_duration_since(sum.since) >= INTERVAL)
    }

    /// All of them: at shutdown.
    pub fn flush(&mut self) -> Vec<Record> {
        self.take(|_| true)
    }

    fn take(&mut self, is_due: impl Fn(&Sum) -> bool) -> Vec<Record> {
        let severity = self.severity;
        let due = self.sums.extract_if(.., |_, sum| is_due(sum));
        due.map(|(workload, sum)| sum.record(&workload, severity))
            .collect()
    }
}

impl Sum {
    fn record(self, workload: &WorkloadId, severity: Severity) -> Record {
        let scope = format!("held back/{workload}");
        Record {
            id: AlertId::new(&scope, CgroupId(0), Reason::Overflow, None),
            time: Timestamp::now(),
            kind: Kind::Repeats {
                count: self.count,
                first: self.first,
                last: self.last,
            },
            reason: Reason::Overflow,
            severity,
            also: Vec::new(),
            subject: Subject::HeldBack {
                alerts: self.ids.len() as u64,
            },
            container: None,
            ..*self.like
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::record::tests::record;

    fn of(cgroup: u64) -> Record {
        Record {
            id: AlertId::new("boot", CgroupId(cgroup), Reason::Drift, None),
            ..record()
        }
    }

    #[test]
    fn what_is_held_back_is_one_sum_of_its_workload() {
        let at = |second| Timestamp::from_second(second).expect("is in range");
        let start = Instant::now();
        let mut held = HeldBack::new(Severity::Error);

        held.add(&of(1), 1, at(10), start);
        held.add(&of(2), 5, at(11), start);
        held.add(&of(1), 2, at(12), start);

        assert!(held.due(start + INTERVAL / 2).is_empty());
        let told = held.due(start + INTERVAL);
        assert_eq!(told.len(), 1);
        let expected = Kind::Repeats {
            count: 8,
            first: at(10),
            last: at(12),
        };
        assert_eq!(told[0].kind, expected);
        assert_eq!(told[0].subject, Subject::HeldBack { alerts: 2 });
        assert_eq!(told[0].reason, Reason::Overflow);
        assert!(held.flush().is_empty());
    }
}
