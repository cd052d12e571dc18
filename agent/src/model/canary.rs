//! What came of a canary: an exec of the agent's own that has to be reported.

/// What came of it; of one that failed, where the way ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CanaryResult {
    /// It deviated, was stopped if what deviates is to be, and the agent was told.
    Passed,
    /// It was not executed, or nobody said how it ended.
    NotExecuted,
    /// It ran, and the kernel side counted nothing.
    NotSeen,
    /// It was counted, and no record of it came.
    NotTold,
    /// It was taken for something else than a deviation.
    WrongVerdict,
    /// It ran to its end, and was to be stopped.
    NotStopped,
    /// It cannot be run on this node as it is.
    NotRunning,
    /// A target that is connected does not take the record about it.
    NotDelivered,
}

impl CanaryResult {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Passed,
        Self::NotExecuted,
        Self::NotSeen,
        Self::NotTold,
        Self::WrongVerdict,
        Self::NotStopped,
        Self::NotRunning,
        Self::NotDelivered,
    ];

    /// Those that one run can come to.
    pub const OF_A_RUN: [Self; 6] = [
        Self::Passed,
        Self::NotExecuted,
        Self::NotSeen,
        Self::NotTold,
        Self::WrongVerdict,
        Self::NotStopped,
    ];

    /// The word, as alerts and metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotExecuted => "not-executed",
            Self::NotSeen => "not-seen",
            Self::NotTold => "not-told",
            Self::WrongVerdict => "wrong-verdict",
            Self::NotStopped => "not-stopped",
            Self::NotRunning => "not-running",
            Self::NotDelivered => "not-delivered",
        }
    }
}
