//! Kernel times as times of day.

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock, which the programs stamp with.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Both are positive since boot.
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// The time of day at a monotonic time, by the difference between the clocks
/// as it is now: a clock that was set in between moves it.
pub fn time_of(monotonic: u64) -> Timestamp {
    let ago = monotonic_ns().saturating_sub(monotonic);
    let ago = jiff::SignedDuration::from_nanos(i64::try_from(ago).unwrap_or(i64::MAX));
    let now = Timestamp::now();
    now.checked_sub(ago).unwrap_or(now)
}

/// From how far a change of the wall clock is one, and no adjustment.
const STEP: SignedDuration = SignedDuration::from_secs(2);

/// Notices when the wall clock is set.
pub struct WallClock {
    /// What the wall clock is ahead of the time since boot.
    ahead: SignedDuration,
}

impl WallClock {
    /// As it is now.
    pub fn new() -> Self {
        Self { ahead: ahead() }
    }

    /// By how much it was set since the last time; `None` if it was not. A machine
    /// that slept had its clock running.
    pub fn step(&mut self) -> Option<SignedDuration> {
        self.step_to(ahead())
    }

    fn step_to(&mut self, ahead: SignedDuration) -> Option<SignedDuration> {
        let by = ahead.saturating_sub(self.ahead);
        self.ahead = ahead;
        (by.abs() >= STEP).then_some(by)
    }
}

fn ahead() -> SignedDuration {
    let now = clock_gettime(ClockId::Boottime);
    let since_boot = SignedDuration::new(now.tv_sec, now.tv_nsec as i32);
    Timestamp::now().as_duration().saturating_sub(since_boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_told_from_one_that_is_adjusted() {
        let mut clock = WallClock::new();
        let at = clock.ahead;
        let hour = SignedDuration::from_hours(1);
        let second = SignedDuration::from_secs(1);

        assert_eq!(clock.step_to(at + second), None);
        assert_eq!(clock.step_to(at + hour + second), Some(hour));
        assert_eq!(clock.step_to(at + hour + second), None);
        assert_eq!(clock.step_to(at + second), Some(-hour));
    }
}
