//! Why an exec deviates.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an exec deviates; a closed set, strongest first. One deviation has one
/// reason: the strongest that holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A process left its container's cgroup.
    Escaped,
    /// A file without a name: memfd, deleted, `O_TMPFILE`.
    Fileless,
    /// A file of the writable layer.
    Drift,
    /// The file is not on the allowlist.
    Unlisted,
    /// The interpreter may run, but not this script.
    Script,
    /// The workload has no allowlist.
    NoAllowlist,
    /// More distinct deviations than are kept apart.
    Overflow,
}

impl Reason {
    /// Every reason, strongest first.
    pub const ALL: [Self; 7] = [
        Self::Escaped,
        Self::Fileless,
        Self::Drift,
        Self::Unlisted,
        Self::Script,
        Self::NoAllowlist,
        Self::Overflow,
    ];

    /// The code, as alerts have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Escaped => "escaped",
            Self::Fileless => "fileless",
            Self::Drift => "drift",
            Self::Unlisted => "unlisted",
            Self::Script => "script",
            Self::NoAllowlist => "no-allowlist",
            Self::Overflow => "overflow",
        }
    }

    /// Whether it is reported in learn mode too, and never learned.
    pub fn is_floor(self) -> bool {
        matches!(
            self,
            Self::Escaped | Self::Fileless | Self::Drift | Self::Overflow
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
