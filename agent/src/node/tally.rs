//! Deviations by namespace and reason, and how long their records took. Pure.

use crate::alert::Record;
use crate::control::status::{DeviationCount, Latency};
use crate::model::WorkloadId;
use std::collections::BTreeMap;
use std::time::Duration;

/// Pairs of a namespace and a reason that are kept apart: whoever may make
/// namespaces may make many.
const PAIRS: usize = 1024;
/// The namespace of what is beyond that.
const OTHER: &str = "(other)";

/// The counts since the agent started.
#[derive(Debug, Default)]
pub struct Tally {
    deviations: BTreeMap<(String, &'static str), u64>,
    latency: Latency,
}

impl Tally {
    /// Counts `count` deviations that a record stands for.
    pub fn count(&mut self, record: &Record, count: u64) {
        let namespace = match &record.workload {
            WorkloadId::Kubernetes { namespace, .. } => namespace,
            WorkloadId::Runtime { .. } | WorkloadId::Unit { .. } => "",
        };
        let reason = record.reason.as_str();
        let mut key = (namespace.to_owned(), reason);
        if self.deviations.len() >= PAIRS && !self.deviations.contains_key(&key) {
            key = (OTHER.to_owned(), reason);
        }
        let total = self.deviations.entry(key).or_default();
        *total = total.saturating_add(count);
    }

    /// Notes how long a record took.
    pub fn took(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bounds = Latency::BOUNDS_S.iter();
        let bucket = bounds.filter(|bound| seconds > **bound).count();
        self.latency.buckets[bucket] += 1;
        self.latency.sum_s += seconds;
    }

    /// The counts, by namespace.
    pub fn deviations(&self) -> Vec<DeviationCount> {
        let counts = self.deviations.iter();
        counts
            .map(|((namespace, reason), count)| DeviationCount {
                namespace: namespace.clone(),
                reason: (*reason).to_owned(),
                count: *count,
            })
            .collect()
    }

    /// The times.
    pub fn latency(&self) -> Latency {
        self.latency
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Action, AlertId, Kind, Mode, Severity, Subject};
    use crate::model::{CgroupId, Reason};

    fn record(namespace: &str, reason: Reason) -> Record {
        Record {
            id: AlertId::new("boot", CgroupId(1), reason, None),
            number: 0,
            time: jiff::Timestamp::UNIX_EPOCH,
            node: "node-1".to_owned(),
            kind: Kind::Deviation,
            reason,
            severity: Severity::of(reason),
            also: Vec::new(),
            subject: Subject::Container,
            workload: WorkloadId::Kubernetes {
                namespace: namespace.to_owned(),
                kind: "Deployment".to_owned(),
                name: "web".to_owned(),
                container: "web".to_owned(),
            },
            container: None,
            attributed: true,
            mode: Mode::Enforce,
            action: Action::Alerted,
        }
    }

    #[test]
    fn deviations_are_counted_by_namespace_and_reason() {
        let mut tally = Tally::default();

        tally.count(&record("shop", Reason::Drift), 1);
        tally.count(&record("shop", Reason::Drift), 57);
        tally.count(&record("shop", Reason::Unlisted), 2);
        tally.count(&record("bank", Reason::Drift), u64::MAX);
        tally.count(&record("bank", Reason::Drift), 1);

        let counts = tally.deviations().into_iter();
        let counts: Vec<_> = counts
            .map(|one| (one.namespace, one.reason, one.count))
            .collect();
        let expected = [
            ("bank", "drift", u64::MAX),
            ("shop", "drift", 58),
            ("shop", "unlisted", 2),
        ];
        assert!(
            counts
                .iter()
                .map(|(namespace, reason, count)| (&**namespace, &**reason, *count))
                .eq(expected),
            "{counts:?}"
        );
    }

    #[test]
    fn namespaces_beyond_the_bound_are_counted_together() {
        let mut tally = Tally::default();

        for number in 0..2 * PAIRS {
            tally.count(&record(&format!("namespace-{number}"), Reason::Drift), 1);
        }

        let counts = tally.deviations();
        assert_eq!(counts.len(), PAIRS + 1);
        let other = counts.iter().find(|one| one.namespace == OTHER);
        assert_eq!(other.map(|one| one.count), Some(PAIRS as u64));
    }

    #[test]
    fn a_time_is_in_the_bucket_of_the_next_bound() {
        for (milliseconds, bucket) in [(0, 0), (1, 0), (2, 1), (20, 3), (21, 4), (60_000, 11)] {
            let mut tally = Tally::default();

            tally.took(Duration::from_millis(milliseconds));

            let buckets = tally.latency().buckets;
            assert_eq!(buckets[bucket], 1, "{milliseconds} ms: {buckets:?}");
        }
    }
}
