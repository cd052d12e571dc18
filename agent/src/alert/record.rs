//! One alert as plain data.

use crate::model::{
    CgroupId, ContainerId, Exec, Identity, Origin, Reason, Runtime, Untrusted, WorkloadId,
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt;

/// Names one deviation for good: the same boot, container, identity and
/// reason give the same id. Sixteen hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AlertId([u8; 8]);

impl AlertId {
    /// The id of what `identity` did in `container`; without an identity, of
    /// what the container or (for an escape) one of its processes did.
    ///
    /// `boot` is the kernel's boot id: cgroup ids are unique within a boot only.
    pub fn new(boot: &str, container: CgroupId, reason: Reason, what: Option<&Identity>) -> Self {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            // The length in front keeps "ab"+"c" apart from "a"+"bc".
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(boot.as_bytes());
        part(&container.0.to_le_bytes());
        part(reason.as_str().as_bytes());
        if let Some(identity) = what {
            part(identity.file.as_bytes());
            part(identity.layer.as_str().as_bytes());
            if let Some(script) = &identity.script {
                part(script.as_bytes());
            }
        }
        let digest = hash.finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Self(id)
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whether this is the first record of its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The first one.
    Deviation,
    /// More of an id that was reported before, summed.
    Repeats {
        /// How many, not counting those in earlier records of this id.
        count: u64,
        /// When the earliest of them was noticed.
        first: Timestamp,
        /// When the latest of them was noticed.
        last: Timestamp,
    },
}

/// What the deviation is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// Something was executed.
    Exec {
        /// What was run.
        identity: Identity,
        /// What the kernel saw of it; absent where only counts are left.
        evidence: Option<ExecEvidence>,
        /// The allowlist entry that comes closest, if one does.
        nearest: Option<Nearest>,
    },
    /// A process left its container's cgroup.
    Escape(Leaver),
    /// Execs that found the workload's quota used up: counted, not kept apart.
    Overflow {
        /// How many.
        count: u64,
    },
    /// The container as a whole: its workload has no allowlist.
    Container,
}

/// The evidence of one exec; see [`Exec`] for the units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExecEvidence {
    /// The process id in the initial pid namespace.
    pub pid: u32,
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
    /// Whether it has a controlling terminal.
    pub tty: bool,
    /// Whose hand started it.
    pub origin: Origin,
    /// Nanoseconds since boot at which the process began.
    pub start_ns: u64,
    /// Whether it stands in the host's mount namespace.
    pub host_mntns: bool,
    /// Whether the identity is only a part: the path was cut, or the kernel
    /// could not read all of it.
    pub partial: bool,
}

impl From<&Exec> for ExecEvidence {
    fn from(exec: &Exec) -> Self {
        Self {
            pid: exec.pid,
            ppid: exec.ppid,
            uid: exec.uid,
            euid: exec.euid,
            comm: exec.comm.clone(),
            parent_comm: exec.parent_comm.clone(),
            tty: exec.tty,
            origin: exec.origin,
            start_ns: exec.start_ns,
            host_mntns: exec.host_mntns,
            partial: exec.error || exec.path_cut,
        }
    }
}

/// A process that left its container's cgroup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaver {
    /// The process id in the initial pid namespace.
    pub pid: u32,
    /// Real user id.
    pub uid: u32,
    /// The process's name.
    pub comm: Untrusted,
    /// Nanoseconds since boot at which the process began.
    pub start_ns: u64,
    /// Where it went.
    pub to: CgroupId,
}

/// The allowlist entry that comes closest to what was run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nearest {
    /// The entry's path, as the document has it.
    pub entry: Untrusted,
    /// The field in which the two differ: `layer`, `path`, `interpreter` …
    pub differs: &'static str,
}

/// The container it happened in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContainerInfo {
    /// The id its runtime gave it.
    pub id: ContainerId,
    /// The runtime, where it is known.
    pub runtime: Option<Runtime>,
    /// The pod's name.
    pub pod: Option<Untrusted>,
    /// The image, as the runtime names it.
    pub image: Option<Untrusted>,
}

/// The mode its workload was in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Learning: only what is never learned is reported.
    Learn,
    /// Held to the allowlist.
    Enforce,
}

impl Mode {
    /// The word, as alerts have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Learn => "learn",
            Self::Enforce => "enforce",
        }
    }
}

/// What was done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It was reported, and ran.
    Alerted,
}

impl Action {
    /// The word, as alerts have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alerted => "alerted",
        }
    }
}

/// One alert: a deviation, or the sum of its repeats. Making one cannot fail;
/// whatever is wrong with its texts is the encoders' business.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The deviation's stable name.
    pub id: AlertId,
    /// The record's number on this node, from 1.
    pub number: u64,
    /// When it happened (of repeats: when they were summed).
    pub time: Timestamp,
    /// The node's name.
    pub node: String,
    /// First, or the sum of more.
    pub kind: Kind,
    /// Why it deviates.
    pub reason: Reason,
    /// Weaker reasons that hold too, strongest first.
    pub also: Vec<Reason>,
    /// What it is about.
    pub subject: Subject,
    /// Whose allowlist was asked.
    pub workload: WorkloadId,
    /// Where it happened; `None` outside containers.
    pub container: Option<ContainerInfo>,
    /// Whether the workload's own names were known, not only its id.
    pub attributed: bool,
    /// The workload's mode.
    pub mode: Mode,
    /// What was done.
    pub action: Action,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::Layer;

    /// A drifted binary in a runc container, the way most tests want it.
    pub(in crate::alert) fn record() -> Record {
        let identity = Identity {
            file: "/tmp/evil".into(),
            script: None,
            layer: Layer::Upper,
        };
        Record {
            id: AlertId::new("boot", CgroupId(42), Reason::Drift, Some(&identity)),
            number: 7,
            time: "2026-01-02T03:04:05.123456789Z"
                .parse()
                .expect("is RFC 3339"),
            node: "node-1".to_owned(),
            kind: Kind::Deviation,
            reason: Reason::Drift,
            also: vec![Reason::Unlisted],
            subject: Subject::Exec {
                identity,
                evidence: Some(ExecEvidence {
                    pid: 4711,
                    ppid: 4700,
                    uid: 0,
                    euid: 0,
                    comm: "evil".into(),
                    parent_comm: "sh".into(),
                    tty: false,
                    origin: Origin::Container,
                    start_ns: 5_000_000_000,
                    host_mntns: false,
                    partial: false,
                }),
                nearest: None,
            },
            workload: WorkloadId::Runtime {
                runtime: Runtime::Runc,
                name: "web".to_owned(),
            },
            container: Some(ContainerInfo {
                id: ContainerId::new("web").expect("is plain"),
                runtime: Some(Runtime::Runc),
                pod: None,
                image: None,
            }),
            attributed: true,
            mode: Mode::Enforce,
            action: Action::Alerted,
        }
    }

    fn id(boot: &str, cgroup: u64, reason: Reason, what: Option<&Identity>) -> String {
        AlertId::new(boot, CgroupId(cgroup), reason, what).to_string()
    }

    #[test]
    fn an_id_is_sixteen_stable_digits() {
        let sh = Identity::image("/bin/sh");

        assert_eq!(
            id("boot", 1, Reason::Drift, Some(&sh)),
            id("boot", 1, Reason::Drift, Some(&sh.clone()))
        );
        assert_eq!(id("boot", 1, Reason::Drift, Some(&sh)).len(), 16);
    }

    #[test]
    fn every_part_of_a_deviation_changes_its_id() {
        let sh = Identity::image("/bin/sh");
        let upper = Identity {
            layer: Layer::Upper,
            ..sh.clone()
        };
        let script = Identity {
            script: Some("/x".into()),
            ..sh.clone()
        };
        let all = [
            id("boot", 1, Reason::Drift, Some(&sh)),
            id("other", 1, Reason::Drift, Some(&sh)),
            id("boot", 2, Reason::Drift, Some(&sh)),
            id("boot", 1, Reason::Unlisted, Some(&sh)),
            id("boot", 1, Reason::Drift, Some(&upper)),
            id("boot", 1, Reason::Drift, Some(&script)),
            id("boot", 1, Reason::Drift, None),
        ];

        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
    }
}
