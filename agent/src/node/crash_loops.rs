//! Workloads that do not stay up since what deviates is stopped: container after
//! container ends in which something was. Pure.

use crate::model::WorkloadId;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// So many containers within [`WITHIN`] are a loop.
const LOOP: usize = 3;
/// A container that crashes is started again after five minutes at the most.
const WITHIN: Duration = Duration::from_secs(30 * 60);
/// How long after it was switched on blocking is suspected. Later, whoever is in a
/// container could end it so by ending the container.
const SUSPECT: Duration = Duration::from_secs(24 * 3600);

/// What is known of workloads that are blocked.
#[derive(Debug, Default)]
pub struct CrashLoops {
    blocked: BTreeMap<WorkloadId, Blocked>,
    /// Those that are not any more, and that could not be written down: since when.
    given_up: BTreeMap<WorkloadId, Timestamp>,
}

#[derive(Debug)]
struct Blocked {
    since: Instant,
    /// When containers ended in which something had been stopped.
    ends: Vec<Instant>,
}

impl CrashLoops {
    /// What a workload deviates by is stopped, or is not.
    pub fn blocks(&mut self, workload: &WorkloadId, is_blocked: bool, now: Instant) {
        if !is_blocked {
            self.blocked.remove(workload);
        } else if !self.blocked.contains_key(workload) {
            let ends = Vec::new();
            self.blocked
                .insert(workload.clone(), Blocked { since: now, ends });
        }
    }

    /// A container ended in which something had been stopped. If that makes it a
    /// loop: of how many containers.
    pub fn ended(&mut self, workload: &WorkloadId, now: Instant) -> Option<u64> {
        let Blocked { since, ends } = self.blocked.get_mut(workload)?;
        if now.saturating_duration_since(*since) > SUSPECT {
            return None;
        }
        ends.push(now);
        ends.retain(|end| now.saturating_duration_since(*end) <= WITHIN);
        (ends.len() >= LOOP).then_some(ends.len() as u64)
    }

    /// A workload is not blocked any more, without a word about it on disk.
    pub fn give_up(&mut self, workload: &WorkloadId, now: Timestamp) {
        self.given_up.insert(workload.clone(), now);
    }

    /// Whether that is so, and nobody has decided otherwise `since`.
    pub fn has_given_up(&self, workload: &WorkloadId, since: Option<Timestamp>) -> bool {
        let given_up = self.given_up.get(workload);
        given_up.is_some_and(|then| since.is_none_or(|since| since < *then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Runtime;

    const MINUTE: Duration = Duration::from_secs(60);

    fn web() -> WorkloadId {
        WorkloadId::Runtime {
            runtime: Runtime::Runc,
            name: "web".to_owned(),
        }
    }

    fn blocked_since(start: Instant) -> CrashLoops {
        let mut loops = CrashLoops::default();
        loops.blocks(&web(), true, start);
        loops
    }

    #[test]
    fn three_that_end_soon_after_one_another_are_a_loop() {
        let start = Instant::now();
        let mut loops = blocked_since(start);

        assert_eq!(loops.ended(&web(), start), None);
        assert_eq!(loops.ended(&web(), start + 5 * MINUTE), None);
        // Its policy is told anew.
        loops.blocks(&web(), true, start + 6 * MINUTE);
        assert_eq!(loops.ended(&web(), start + 10 * MINUTE), Some(3));
        loops.blocks(&web(), false, start + 10 * MINUTE);
        assert_eq!(loops.ended(&web(), start + 11 * MINUTE), None);
    }

    #[test]
    fn those_of_long_ago_are_none() {
        let start = Instant::now();
        let mut loops = blocked_since(start);

        for n in 0..10 {
            assert_eq!(loops.ended(&web(), start + n * 20 * MINUTE), None);
        }
    }

    #[test]
    fn it_is_given_up_until_somebody_decides_otherwise() {
        let second = |second| Timestamp::from_second(second).expect("is in range");
        let mut loops = CrashLoops::default();
        assert!(!loops.has_given_up(&web(), None));

        loops.give_up(&web(), second(5));

        assert!(loops.has_given_up(&web(), None));
        assert!(loops.has_given_up(&web(), Some(second(4))));
        assert!(!loops.has_given_up(&web(), Some(second(6))));
    }

    #[test]
    fn what_has_worked_for_a_day_is_not_suspected() {
        let start = Instant::now();
        let mut loops = blocked_since(start);
        let later = start + 25 * 60 * MINUTE;

        for n in 0..10 {
            assert_eq!(loops.ended(&web(), later + n * MINUTE), None);
        }
    }
}
