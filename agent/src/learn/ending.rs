//! When learning ends: what has to hold, and how far each of it is.

use super::{Baseline, EndedBecause, State, Window};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// What has to hold before learning ends. It ends when all of it does, or at the
/// maximum, whichever comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    /// How long it learns at least without having missed anything, from its first
    /// container on.
    pub minimum: Duration,
    /// How long nothing new was seen; an eighth of the minimum where nobody says.
    pub quiet: Option<Duration>,
    /// How many containers were seen from their start.
    pub starts: u32,
    /// How long it learns at the most, from its first container on; where nobody
    /// says, three times the longer of minimum and quiet time; never less than the
    /// minimum.
    pub maximum: Option<Duration>,
}

impl Ending {
    /// How many starts are asked for where nobody says.
    pub const STARTS: u32 = 1;

    /// With this minimum, and the rest as it is where nobody says anything.
    pub fn after(minimum: Duration) -> Self {
        Self {
            minimum,
            quiet: None,
            starts: Self::STARTS,
            maximum: None,
        }
    }

    /// The quiet time that holds.
    pub fn quiet(&self) -> Duration {
        self.quiet.unwrap_or(self.minimum / 8)
    }

    /// The maximum that holds.
    pub fn maximum(&self) -> Duration {
        let usual = || self.minimum.max(self.quiet()).saturating_mul(3);
        self.maximum.unwrap_or_else(usual).max(self.minimum)
    }

    /// The more demanding of two, in each of its parts.
    pub(super) fn merge(self, other: Self) -> Self {
        Self {
            minimum: self.minimum.max(other.minimum),
            quiet: self.quiet.max(other.quiet),
            starts: self.starts.max(other.starts),
            maximum: self.maximum.max(other.maximum),
        }
    }
}

/// How far a baseline has learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// What has to hold.
    pub ending: Ending,
    /// Since its first container appeared.
    pub elapsed: Duration,
    /// Since something was last missed, or else as [`elapsed`](Self::elapsed).
    pub unbroken: Duration,
    /// Since something was last new, or was missed.
    pub quiet: Duration,
    /// Containers that were seen from their start.
    pub starts: u64,
}

impl Progress {
    /// Whether everything holds.
    pub fn is_settled(&self) -> bool {
        self.has_starts()
            && self.unbroken >= self.ending.minimum
            && self.quiet >= self.ending.quiet()
    }

    /// Whether the maximum is reached.
    pub fn is_over(&self) -> bool {
        self.elapsed >= self.ending.maximum()
    }

    /// How long it goes on, if nothing new is seen and nothing is missed. Nobody
    /// knows when a container starts: until the maximum, where one has to.
    pub fn remaining(&self) -> Duration {
        let until_over = self.ending.maximum().saturating_sub(self.elapsed);
        if !self.has_starts() {
            return until_over;
        }
        let of_minimum = self.ending.minimum.saturating_sub(self.unbroken);
        let of_quiet = self.ending.quiet().saturating_sub(self.quiet);
        of_minimum.max(of_quiet).min(until_over)
    }

    fn has_starts(&self) -> bool {
        self.starts >= u64::from(self.ending.starts)
    }
}

impl Baseline {
    /// How far it is, or `None` once learning has ended. A time that lies before
    /// the beginning, because the clock was set back, is the beginning.
    pub fn progress(&self, now: Timestamp) -> Option<Progress> {
        let State::Learning = self.state else {
            return None;
        };
        let since = |moment: Timestamp| {
            let passed = now.duration_since(moment);
            passed.max(SignedDuration::ZERO).unsigned_abs()
        };
        let started = self.window.started;
        let unbroken = self.missed.map_or(started, |missed| missed.max(started));
        Some(Progress {
            ending: self.window.ending,
            elapsed: since(started),
            unbroken: since(unbroken),
            quiet: since(unbroken.max(self.last_new.unwrap_or(started))),
            starts: self.starts,
        })
    }

    /// Whether learning is to end while it still goes on.
    pub fn due(&self, now: Timestamp) -> bool {
        let progress = self.progress(now);
        progress.is_some_and(|progress| progress.is_settled() || progress.is_over())
    }

    /// Ends learning, because it is due or a person says so. The first end
    /// stands.
    pub fn finish(&mut self, now: Timestamp) {
        let Some(progress) = self.progress(now) else {
            return;
        };
        let because = match (progress.is_settled(), progress.is_over()) {
            (true, _) => EndedBecause::Complete,
            (false, true) => EndedBecause::MaximumReached,
            (false, false) => EndedBecause::ByHand,
        };
        self.state = State::Finished {
            ended: now,
            because,
        };
    }

    /// Sets what has to hold before it ends. Without effect once it has.
    pub fn end_when(&mut self, ending: Ending) {
        if self.state == State::Learning {
            self.window.ending = ending;
        }
    }

    /// Goes on to learn, as if it began `now` with what it knows; a probation is
    /// over.
    pub fn learn_on(&mut self, now: Timestamp, ending: Ending) {
        self.end_probation();
        self.state = State::Learning;
        self.window = Window {
            started: now,
            ending,
        };
        self.missed = None;
    }

    /// The wall clock was set forward by this much, or back where it is negative:
    /// nobody learned meanwhile, so what was reckoned from goes with it.
    pub fn clock_set(&mut self, by: SignedDuration) {
        let moved = |moment: Timestamp| moment.saturating_add(by).unwrap_or(moment);
        self.window.started = moved(self.window.started);
        self.missed = self.missed.map(moved);
        self.last_new = self.last_new.map(moved);
        if let Some(probation) = &mut self.probation {
            probation.until = moved(probation.until);
        }
    }

    /// Whether something may be missing that was not made good: it reached its
    /// maximum or was ended by a person before all held, or ran more than is
    /// kept, or was never seen to start. While it learns: whether it would be
    /// so if it ended `now`.
    pub fn is_incomplete(&self, now: Timestamp) -> bool {
        let has_gaps = self.gaps().next().is_some();
        let was_cut_short = match (self.state, self.progress(now)) {
            (State::Finished { because, .. }, _) => match because {
                EndedBecause::Complete => false,
                EndedBecause::MaximumReached => true,
                EndedBecause::ByHand | EndedBecause::WindowEnded => has_gaps,
            },
            (State::Learning, Some(progress)) => !progress.is_settled() && has_gaps,
            (State::Learning, None) => false,
        };
        let is_without_start = !self.gaps.pre_existing.is_empty() && self.starts == 0;
        was_cut_short || is_without_start || self.gaps.execs_beyond > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ending() -> Ending {
        Ending {
            quiet: Some(seconds(30)),
            starts: 2,
            maximum: Some(seconds(200)),
            ..Ending::after(seconds(100))
        }
    }

    /// After so many seconds, of which so many unbroken and so many quiet.
    fn check(of: [u64; 3], starts: u64, expected: (bool, bool, u64)) {
        let [elapsed, unbroken, quiet] = of.map(seconds);
        let progress = Progress {
            ending: ending(),
            elapsed,
            unbroken,
            quiet,
            starts,
        };
        let found = (
            progress.is_settled(),
            progress.is_over(),
            progress.remaining().as_secs(),
        );
        assert_eq!(found, expected, "{of:?}, {starts} starts");
    }

    #[test]
    fn it_ends_when_all_holds_or_at_the_maximum() {
        check([0, 0, 0], 0, (false, false, 200));
        check([100, 100, 30], 2, (true, false, 0));
        check([99, 99, 30], 2, (false, false, 1));
        check([100, 100, 29], 2, (false, false, 1));
        check([100, 100, 30], 1, (false, false, 100));
        check([150, 40, 40], 2, (false, false, 50));
        check([190, 40, 40], 2, (false, false, 10));
        check([200, 40, 0], 0, (false, true, 0));
        check([300, 300, 300], 9, (true, true, 0));
    }

    #[test]
    fn what_nobody_says_follows_from_the_minimum() {
        let ending = Ending::after(seconds(80));

        assert_eq!(ending.quiet(), seconds(10));
        assert_eq!(ending.maximum(), seconds(240));
        assert_eq!(ending.starts, 1);
        let short = Ending {
            maximum: Some(seconds(5)),
            ..ending
        };
        assert_eq!(short.maximum(), seconds(80));
        let quiet = Ending {
            quiet: Some(seconds(100)),
            ..ending
        };
        assert_eq!(quiet.maximum(), seconds(300));
    }
}
