//! How fast files are read, all readers together.

use std::time::{Duration, Instant};

/// A bound on bytes per second, averaged: after a pause, one second's worth
/// may be read at once.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second: u64,
    /// When all that was taken so far would have been read at the bound.
    paid_until: Instant,
}

impl Pace {
    /// Nothing was read yet. At least one byte per second.
    pub fn new(bytes_per_second: u64, now: Instant) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            paid_until: now,
        }
    }

    /// Takes `bytes` and says how long to wait before they are read.
    pub fn take(&mut self, bytes: usize, now: Instant) -> Duration {
        const BURST: Duration = Duration::from_secs(1);
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        self.paid_until = self.paid_until.max(now) + cost;
        self.paid_until.duration_since(now).saturating_sub(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_at_once_and_then_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(1000, start);

        assert_eq!(pace.take(1000, start), Duration::ZERO);
        assert_eq!(pace.take(500, start), Duration::from_millis(500));

        let later = start + Duration::from_secs(60);
        assert_eq!(pace.take(1000, later), Duration::ZERO);
        assert_eq!(pace.take(100, later), Duration::from_millis(100));
    }
}
