//! Keeps a storm from drowning the receiver, and the truth: how many records each
//! workload may cause. Pure; takes the clock as a value.
//!
//! Each workload has a bucket of its own, so that one that storms costs nobody else
//! a record, and another one for what is critical, so that what is not cannot hide
//! it.

use crate::model::WorkloadId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// One more record may go out each time that this has passed.
const REFILL: Duration = Duration::from_secs(2);

/// The buckets of all workloads.
#[derive(Debug)]
pub struct Throttle {
    /// How many records may go out at once.
    burst: u32,
    buckets: HashMap<(WorkloadId, bool), Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    /// Until when what has passed is in `left`.
    filled: Instant,
}

impl Throttle {
    /// Buckets of so many records.
    pub fn new(burst: u32) -> Self {
        let buckets = HashMap::new();
        Self { burst, buckets }
    }

    /// Takes a record's place, if there is one.
    pub fn take(&mut self, workload: &WorkloadId, is_critical: bool, now: Instant) -> bool {
        let key = (workload.clone(), is_critical);
        let bucket = self.buckets.entry(key).or_insert(Bucket {
            left: self.burst,
            filled: now,
        });
        bucket.fill(self.burst, now);
        let Some(left) = bucket.left.checked_sub(1) else {
            return false;
        };
        bucket.left = left;
        true
    }

    /// Forgets buckets that are full: there is nothing to know of them.
    pub fn tidy(&mut self, now: Instant) {
        self.buckets.retain(|_, bucket| {
            bucket.fill(self.burst, now);
            bucket.left < self.burst
        });
    }
}

impl Bucket {
    fn fill(&mut self, burst: u32, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        let more = passed.as_nanos() / REFILL.as_nanos();
        let more = u32::try_from(more).unwrap_or(burst).min(burst);
        self.left = self.left.saturating_add(more).min(burst);
        self.filled = match self.left == burst {
            true => now,
            false => self.filled + REFILL * more,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Runtime;

    const BURST: u32 = 100;

    fn workload(name: &str) -> WorkloadId {
        WorkloadId::Runtime {
            runtime: Runtime::Runc,
            name: name.to_owned(),
        }
    }

    fn taken(throttle: &mut Throttle, name: &str, is_critical: bool, now: Instant) -> u32 {
        let workload = workload(name);
        let takes = std::iter::repeat_with(|| throttle.take(&workload, is_critical, now));
        takes.take_while(|took| *took).count() as u32
    }

    #[test]
    fn a_workload_has_a_burst_and_then_one_from_time_to_time() {
        let mut throttle = Throttle::new(BURST);
        let start = Instant::now();

        assert_eq!(taken(&mut throttle, "a", false, start), BURST);
        assert_eq!(taken(&mut throttle, "a", false, start + REFILL / 2), 0);
        assert_eq!(taken(&mut throttle, "a", false, start + REFILL), 1);
        assert_eq!(taken(&mut throttle, "a", false, start + REFILL * 5 / 2), 1);
        assert_eq!(taken(&mut throttle, "a", false, start + REFILL * 3), 1);
        assert_eq!(
            taken(&mut throttle, "a", false, start + REFILL * 1000),
            BURST
        );
    }

    #[test]
    fn a_storm_costs_no_other_workload_and_hides_nothing_critical() {
        let mut throttle = Throttle::new(BURST);
        let now = Instant::now();
        taken(&mut throttle, "a", false, now);

        assert_eq!(taken(&mut throttle, "b", false, now), BURST);
        assert_eq!(taken(&mut throttle, "a", true, now), BURST);
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let mut throttle = Throttle::new(BURST);
        let now = Instant::now();
        throttle.take(&workload("a"), false, now);

        throttle.tidy(now);
        assert_eq!(throttle.buckets.len(), 1);
        throttle.tidy(now + REFILL);

        assert!(throttle.buckets.is_empty());
    }
}
