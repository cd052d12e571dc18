//! A workload that may run anything until a time.

use crate::alert::AlertId;
use crate::model::{CgroupId, Identity, Reason, WorkloadId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// The longest that a workload may be allowed everything.
pub const MAX_ALLOWED: Duration = Duration::from_secs(24 * 3600);
/// The most distinct executables of one allowance that are told apart.
const MAX_DISTINCT: usize = 4096;

/// For how long, and what came of it so far. It is written at once when it
/// begins, and what passed once a second.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Allowance {
    /// Whose.
    pub workload: WorkloadId,
    /// When it began.
    pub began: Timestamp,
    /// When it ends, by the wall clock.
    pub ends: Timestamp,
    /// What passed.
    pub passed: Passed,
}

/// What would have been reported one by one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Passed {
    /// Execs.
    pub execs: u64,
    /// The executables they were of, by a hash of each; at most 4096.
    distinct: BTreeSet<String>,
    /// Whether there were more.
    #[serde(default)]
    more: bool,
}

impl Passed {
    /// The first exec of its kind in a container.
    pub fn saw(&mut self, identity: &Identity) {
        self.execs = self.execs.saturating_add(1);
        let hash = AlertId::new("", CgroupId(0), Reason::Unlisted, Some(identity)).to_string();
        if self.distinct.len() < MAX_DISTINCT {
            self.distinct.insert(hash);
        } else if !self.distinct.contains(&hash) {
            self.more = true;
        }
    }

    /// `count` more, of what was seen before or is not kept apart.
    pub fn count(&mut self, count: u64) {
        self.execs = self.execs.saturating_add(count);
    }

    /// How many distinct executables; and whether there were more.
    pub fn distinct(&self) -> (u64, bool) {
        (self.distinct.len() as u64, self.more)
    }
}

impl Allowance {
    /// Whether it is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        // A clock that was set back must not make it longer than it was meant;
        // a minute is what a clock may be corrected by.
        let correction = SignedDuration::from_mins(1);
        now >= self.ends || self.began.duration_since(now) > correction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_executable_is_one_in_every_container() {
        let mut passed = Passed::default();
        passed.saw(&Identity::image("/a"));
        passed.saw(&Identity::image("/a"));
        passed.saw(&Identity::applet("/a", "b"));
        passed.count(7);

        assert_eq!((passed.execs, passed.distinct()), (10, (2, false)));
    }

    #[test]
    fn beyond_the_bound_it_says_that_there_were_more() {
        let mut passed = Passed::default();
        for number in 0..=MAX_DISTINCT {
            passed.saw(&Identity::image(&format!("/{number}")));
        }

        assert_eq!(passed.distinct(), (MAX_DISTINCT as u64, true));
        assert_eq!(passed.execs, MAX_DISTINCT as u64 + 1);
    }

    #[test]
    fn it_ends_on_time_and_when_the_clock_is_set_back() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let allowance = Allowance {
            workload: WorkloadId::Unit {
                unit: "x.service".to_owned(),
            },
            began: at(100),
            ends: at(160),
            passed: Passed::default(),
        };

        for (now, over) in [
            (100, false),
            (159, false),
            (160, true),
            (99, false),
            (39, true),
        ] {
            assert_eq!(allowance.is_over(at(now)), over, "{now}");
        }
    }
}
