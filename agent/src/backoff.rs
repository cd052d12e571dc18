//! How long to wait before the next attempt. Pure but for the chance in it.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Waits that double up to a longest, each with a random part of itself taken
/// off: a thousand nodes do not come back at the same instant.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// `first` is the most that the first wait takes, `longest` the most that any
    /// does.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// The wait after one more failure: from half of the doubled step to all
    /// of it.
    pub fn next(&mut self) -> Duration {
        let wait = self
            .first
            .saturating_mul(1 << self.failures.min(10))
            .min(self.longest);
        self.failures = self.failures.saturating_add(1);
        // std seeds every RandomState anew: chance enough to spread nodes.
        let chance = RandomState::new().hash_one(self.failures) as u32;
        wait / 2 + (wait / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }

    /// It worked: begins anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let first = Duration::from_millis(100);
        let mut backoff = Backoff::new(first, Duration::from_secs(10));
        for most in [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
            let most = Duration::from_millis(most);
            let wait = backoff.next();
            assert!((most / 2..=most).contains(&wait), "{wait:?} of {most:?}");
        }

        backoff.reset();

        assert!(backoff.next() <= first);
    }
}
