//! One observed exec, in the words of the user side.

use super::{CgroupId, Identity, Untrusted};

/// Whose hand started it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// Its parent belongs to the container.
    Container,
    /// Its parent is outside: `runc exec`, `kubectl exec`, a probe, or the
    /// container's first process.
    Outside,
}

/// The first exec of its kind in a container, with the evidence the kernel
/// took at that moment. Nothing in it was read from /proc.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exec {
    /// What was run.
    pub identity: Identity,
    /// The container's cgroup.
    pub container: CgroupId,
    /// The cgroup of the process: the container's or a child's.
    pub cgroup: CgroupId,
    /// Monotonic clock, nanoseconds.
    pub at_ns: u64,
    /// The process id in the initial pid namespace.
    pub pid: u32,
    /// Nanoseconds since boot at which the process began.
    pub start_ns: u64,
    /// The parent's process id in the initial pid namespace.
    pub ppid: u32,
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// The process's name after the exec.
    pub comm: Untrusted,
    /// The parent's name.
    pub parent_comm: Untrusted,
    /// Whose hand started it.
    pub origin: Origin,
    /// Whether it has a controlling terminal.
    pub tty: bool,
    /// Whether its container was not named yet when it ran.
    pub pending: bool,
    /// Whether it had left its container's cgroup.
    pub escaped: bool,
    /// Whether it stands in the host's mount namespace.
    pub host_mntns: bool,
    /// Whether it still stands in the mount namespace of its parent, which is
    /// outside the container: the runtime's own stage.
    pub outer_mntns: bool,
    /// Whether the kernel could not read the identity in full.
    pub error: bool,
    /// Whether the path is only the beginning of a longer one.
    pub path_cut: bool,
}
