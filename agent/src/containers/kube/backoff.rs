//! How long to wait before the API server is asked again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// Waits that double from a quarter of a second to half a minute, each with a
/// random part of up to half of itself taken off: all nodes of a cluster ask the
/// same server.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let wait = FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // std seeds every RandomState anew.
        let chance = RandomState::new().hash_one(self.failures) as u32;
        wait / 2 + (wait / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }

    /// It worked: begins anew.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_minute_and_are_never_the_same_for_all() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..20).map(|_| backoff.next()).collect();

        for (n, wait) in waits.iter().enumerate() {
            let step = FIRST.saturating_mul(1 << n.min(10)).min(LONGEST);
            assert!((step / 2..=step).contains(wait), "{n}: {wait:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
        let last: std::collections::BTreeSet<_> = waits[10..].iter().collect();
        assert!(last.len() > 1, "{waits:?}");
    }
}
