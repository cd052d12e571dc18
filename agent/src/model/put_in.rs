//! What somebody put into a container.

use super::{Exec, Origin};

/// What of that which somebody put into a container from outside (`kubectl exec`, a
/// runtime, nsenter) is learned like what the container does by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PutIn {
    /// Without a terminal: probes and lifecycle hooks, which come again.
    pub probes: bool,
    /// At a terminal: what a person did there once.
    pub sessions: bool,
}

impl PutIn {
    /// Whether an exec may be learned as far as this goes.
    pub fn takes(self, exec: &Exec) -> bool {
        match exec.origin {
            Origin::Init | Origin::Container => true,
            Origin::Injected if exec.tty => self.sessions,
            Origin::Injected => self.probes,
        }
    }
}
