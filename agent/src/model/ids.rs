//! Numbers and names that must not be mistaken for one another.

use std::fmt;
use std::sync::Arc;

/// The kernel's 64-bit id of a cgroup v2 directory: its inode number there.
/// Never used twice between two boots.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct CgroupId(pub u64);

impl fmt::Display for CgroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The number under which the kernel counts and judges one workload.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Slot(pub u32);

/// A container's id as its runtime gave it: 1 to 255 bytes of
/// `[A-Za-z0-9_.+-]`, which is what every runtime allows. Clones share the
/// text: the evidence of every learned entry names its containers.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ContainerId(Arc<str>);

impl ContainerId {
    /// The id, or `None` where a runtime would not have given it.
    pub fn new(id: &str) -> Option<Self> {
        let fits = (1..=255).contains(&id.len());
        let plain = id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.+-".contains(&b));
        (fits && plain && id != "." && id != "..").then(|| Self(id.into()))
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve characters of a generated id, as the runtimes' own tools
    /// print it; a name that a person gave is not cut.
    pub fn short(&self) -> &str {
        let is_generated = self.0.len() >= 32 && self.0.bytes().all(|b| b.is_ascii_hexdigit());
        if is_generated { &self.0[..12] } else { &self.0 }
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
