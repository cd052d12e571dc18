//! How long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Waits that double from 100 ms to 10 s, each with a random part of itself
/// taken off: a thousand nodes do not come back at the same instant.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure: from half of the doubled step to all
    /// of it.
    pub(super) fn next(&mut self) -> Duration {
        let wait = FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // std seeds every RandomState anew: chance enough to spread nodes.
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
    fn waits_double_up_to_ten_seconds() {
        let mut backoff = Backoff::default();
        for most in [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
            let most = Duration::from_millis(most);
            let wait = backoff.next();
            assert!((most / 2..=most).contains(&wait), "{wait:?} of {most:?}");
        }

        backoff.reset();

        assert!(backoff.next() <= FIRST);
    }
}
