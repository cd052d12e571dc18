//! Kernel times as times of day.

use jiff::Timestamp;
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
