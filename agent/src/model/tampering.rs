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
