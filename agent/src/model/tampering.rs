//! What somebody else did to the rules that the kernel has.

/// What was done to the rules of one workload; all of it was put back.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tampering {
    /// Rules that the agent had not put there.
    pub added: u64,
    /// Rules of its that were gone.
    pub removed: u64,
    /// Rules of its that said something else.
    pub changed: u64,
}

impl Tampering {
    /// One more rule of the agent's is not as it was put there.
    pub fn count_wrong(&mut self, is_gone: bool) {
        match is_gone {
            true => self.removed += 1,
            false => self.changed += 1,
        }
    }
}

/// What somebody else did to the agent's programs, or all their maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meddling {
    /// Execs were led past them.
    Turned {
        /// Whether they are led to them again.
        is_undone: bool,
    },
    /// They would not have stayed in the kernel, had the agent ended.
    Unpinned {
        /// Whether they will.
        is_undone: bool,
    },
    /// A map takes no changes any more, and nothing undoes that.
    Frozen,
}
