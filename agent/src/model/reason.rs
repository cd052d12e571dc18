//! Why an exec deviates.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an exec deviates; a closed set, strongest first. One deviation has one
/// reason: the strongest that holds. The last two are about no single exec.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A file, a working directory or a mount namespace that is none of the
    /// container's.
    Breakout,
    /// A process left its container's cgroup.
    Escaped,
    /// A file without a name: memfd, deleted, `O_TMPFILE`.
    Fileless,
    /// A program loader, run by itself: what it loads is not seen.
    Loader,
    /// A file of the writable layer.
    Drift,
    /// The file is on the allowlist, with another content.
    Modified,
    /// The file is not on the allowlist.
    Unlisted,
    /// The interpreter may run, but not this script.
    Script,
    /// The multi-call binary may run, but not as this.
    Applet,
    /// The file may run, but not started by this process.
    Parent,
    /// The file may run, but not as this user.
    User,
    /// The file may run, but not with these arguments.
    Args,
    /// It may run, and was stopped before that was known.
    Unverified,
    /// The workload has no allowlist.
    NoAllowlist,
    /// More distinct deviations than are kept apart.
    Overflow,
    /// Somebody else changed the workload's rules in the kernel.
    Tampered,
}

impl Reason {
    /// Every reason, strongest first.
    pub const ALL: [Self; 16] = [
        Self::Breakout,
        Self::Escaped,
        Self::Fileless,
        Self::Loader,
        Self::Drift,
        Self::Modified,
        Self::Unlisted,
        Self::Script,
        Self::Applet,
        Self::Parent,
        Self::User,
        Self::Args,
        Self::Unverified,
        Self::NoAllowlist,
        Self::Overflow,
        Self::Tampered,
    ];

    /// The code, as alerts have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Breakout => "breakout",
            Self::Escaped => "escaped",
            Self::Fileless => "fileless",
            Self::Loader => "loader",
            Self::Drift => "drift",
            Self::Modified => "modified",
            Self::Unlisted => "unlisted",
            Self::Script => "script",
            Self::Applet => "applet",
            Self::Parent => "parent",
            Self::User => "user",
            Self::Args => "args",
            Self::Unverified => "unverified",
            Self::NoAllowlist => "no-allowlist",
            Self::Overflow => "overflow",
            Self::Tampered => "tampered",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
