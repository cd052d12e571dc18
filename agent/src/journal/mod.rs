//! The journal: which distinct executables each workload ran, hour by hour.
//!
//! - [`Subject`]: what is told apart: a workload, an identity, where it stood, and
//!   in which [`Circumstances`] it was seen to start, where that was seen;
//! - [`Ran`]: what is known of one subject in one hour;
//! - [`Journal`]: what is not written yet, merged and bounded;
//! - [`record`]: all of it as plain values that can be written and read back.
//!
//! Values only: no kernel, no clock, no file. The store keeps them, the node
//! fills them in, [`crate::simulate`] reads them.
//!
//! # How complete it is
//! For each hour and workload every identity that ran is here. What the agent
//! was told of (new, conditional or deviating) comes with its count and the
//! circumstances of the first of its kind. What the kernel knew at once it tells
//! nobody; of that it is known that it ran, and not how often nor by whom.

mod circumstances;
mod pending;
pub mod record;

pub use circumstances::{Arguments, Circumstances, Parent};
pub use pending::{Batch, Journal, MAX_CIRCUMSTANCES, MAX_PENDING, MAX_SUBJECTS};
pub use record::{Cursor, Page, RecordError, SubjectId};

use crate::model::{Identity, Reason, WorkloadId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An hour of UTC: how many had gone by at its start since 1970.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Hour(pub u32);

impl Hour {
    const SECONDS: i64 = 3600;

    /// The hour of a time; the first or the last for what is before or after
    /// all of them.
    pub fn of(time: Timestamp) -> Self {
        let hours = time.as_second().div_euclid(Self::SECONDS);
        Self(u32::try_from(hours).unwrap_or(if hours < 0 { 0 } else { u32::MAX }))
    }

    /// When it began.
    pub fn start(self) -> Timestamp {
        let seconds = i64::from(self.0) * Self::SECONDS;
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    }
}

/// What is told apart in an hour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// Who ran it.
    pub workload: WorkloadId,
    /// What ran, its role decided.
    pub identity: Identity,
    /// Where it stood.
    pub place: Place,
    /// How it was seen to start; `None` for what the kernel knew at once, and
    /// for what came in more circumstances than are kept apart.
    pub circumstances: Option<Circumstances>,
}

/// Where an exec stood, and how much of it is known: see [`crate::model::Exec`].
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    /// It had left its container's cgroup.
    pub escaped: bool,
    /// It stood in the host's mount namespace.
    pub host_mntns: bool,
    /// Its file lay outside the container.
    pub outside_file: bool,
    /// Its working directory did.
    pub outside_cwd: bool,
    /// Its identity is known in part only.
    pub partial: bool,
}

/// What became of it at the time.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Was {
    /// The allowlist covered it, or it had been learned before.
    #[default]
    Known,
    /// It was learned.
    Learned,
    /// It was reported.
    Reported(Reason),
}

impl Was {
    /// What says more: reported before learned before known, and of two reasons
    /// the stronger.
    fn stronger(self, other: Self) -> Self {
        match (self, other) {
            (Self::Reported(one), Self::Reported(another)) => Self::Reported(one.min(another)),
            (one, another) => one.max(another),
        }
    }
}

/// What is known of one subject in one hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ran {
    /// How often the agent was told that it ran.
    #[serde(default, skip_serializing_if = "is_default")]
    pub execs: u64,
    /// Whether it ran more often than that, or at least once: the kernel knew it
    /// and told nobody.
    #[serde(default, skip_serializing_if = "is_default")]
    pub uncounted: bool,
    /// What became of it; of several things the one that says most.
    #[serde(default, skip_serializing_if = "is_default")]
    pub was: Was,
}

/// Most rows say only what is usual, and there are many.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Ran {
    /// It was seen so often.
    pub fn counted(execs: u64, was: Was) -> Self {
        Self {
            execs,
            uncounted: false,
            was,
        }
    }

    /// The kernel knew it.
    pub const KNOWN: Self = Self {
        execs: 0,
        uncounted: true,
        was: Was::Known,
    };

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            execs: self.execs.saturating_add(other.execs),
            uncounted: self.uncounted || other.uncounted,
            was: self.was.stronger(other.was),
        }
    }
}

/// A time for which the journal may lack something.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Its start.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// Why.
    pub because: Lack,
}

/// Why something may be missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lack {
    /// There was no agent.
    NoAgent,
    /// More came than is kept apart, or could be written.
    TooMuch,
    /// The kernel lost some.
    Lost,
    /// The operator wanted no journal.
    NotKept,
}

impl Lack {
    /// The words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAgent => "there was no agent",
            Self::TooMuch => "more came than was kept or could be written",
            Self::Lost => "the kernel lost some",
            Self::NotKept => "no journal was kept",
        }
    }
}

/// What the journal says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// From when on it is complete, but for the gaps.
    pub begins: Timestamp,
    /// Where it is not, in order; at most [`Head::MAX_GAPS`], the newest.
    pub gaps: Vec<Gap>,
}

impl Head {
    /// The most gaps that are kept.
    pub const MAX_GAPS: usize = 256;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_hour_is_one_of_utc() {
        for (time, hour) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:59:59Z", 0),
            ("1969-12-31T23:00:00Z", 0),
            ("2026-11-27T10:00:00Z", 498_826),
            ("2026-11-27T10:59:59.9Z", 498_826),
        ] {
            let time: Timestamp = time.parse().expect("a time");
            assert_eq!(Hour::of(time), Hour(hour), "{time}");
        }
        let hour = Hour(498_826);
        assert_eq!(hour.start().to_string(), "2026-11-27T10:00:00Z");
        assert_eq!(Hour::of(hour.start()), hour);
    }

    fn ran() -> impl Strategy<Value = Ran> {
        let was = proptest::sample::select(vec![
            Was::Known,
            Was::Learned,
            Was::Reported(Reason::Drift),
            Was::Reported(Reason::Unlisted),
        ]);
        (0u64..5, any::<bool>(), was).prop_map(|(execs, uncounted, was)| Ran {
            execs,
            uncounted,
            was,
        })
    }

    proptest! {
        #[test]
        fn what_is_known_adds_up_in_any_order(a in ran(), b in ran(), c in ran()) {
            prop_assert_eq!(a.and(b), b.and(a));
            prop_assert_eq!(a.and(b).and(c), a.and(b.and(c)));
        }
    }

    #[test]
    fn the_strongest_is_told() {
        let drift = Was::Reported(Reason::Drift);

        assert_eq!(Was::Reported(Reason::Unlisted).stronger(drift), drift);
        assert_eq!(Was::Known.stronger(Was::Learned), Was::Learned);
        assert_eq!(drift.stronger(Was::Learned), drift);
    }
}
