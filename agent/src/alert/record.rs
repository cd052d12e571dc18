//! One alert as plain data.

use super::{AlertId, ExecEvidence, Severity};
use crate::model::{
    CgroupId, ContainerId, ContainerKind, Identity, Meddling, Reason, Runtime, Stopped, Tampering,
    Untrusted, WorkloadId,
};
use jiff::Timestamp;

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
        evidence: Option<Box<ExecEvidence>>,
        /// The allowlist entry that comes closest, if one does.
        nearest: Option<Nearest>,
    },
    /// A process left its container's cgroup.
    Escape(Leaver),
    /// An exec that found the workload's quota used up: counted, not kept apart.
    Overflow,
    /// Deviations that are not told one by one, because there are too many.
    HeldBack {
        /// Of how many alerts, each of which would have a record.
        alerts: u64,
    },
    /// Somebody else wrote to the kernel's maps of rules.
    Tampered(Tampering),
    /// What somebody else did to the way from the execs to the programs.
    Meddled(Meddling),
    /// The container as a whole: its workload has no allowlist.
    Container,
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
    /// The pod's uid.
    pub pod_uid: Option<Untrusted>,
    /// The image, as the runtime names it.
    pub image: Option<Untrusted>,
    /// The image's digest: `sha256:` and its digits; docker's is the image's id.
    pub image_digest: Option<Untrusted>,
    /// What it is to its pod.
    pub kind: Option<ContainerKind>,
    /// How often it was started before.
    pub attempt: Option<u32>,
    /// The runtime handler that its pod asked for.
    pub runtime_handler: Option<Untrusted>,
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
    /// It was stopped before its first instruction, and reported.
    Blocked(Stopped),
    /// It ran until it was known what it is, and was ended then, and reported.
    Ended,
}

impl Action {
    /// The word, as alerts have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alerted => "alerted",
            Self::Blocked(_) => "blocked",
            Self::Ended => "ended",
        }
    }

    /// How it was stopped before its first instruction, if it was.
    pub fn stopped(self) -> Option<Stopped> {
        match self {
            Self::Blocked(how) => Some(how),
            Self::Alerted | Self::Ended => None,
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
    /// How urgent that is.
    pub severity: Severity,
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
    use crate::alert::evidence::tests::{evidence, hostile_evidence};
    use crate::model::{Layer, Role, Script};

    /// A drifted binary in a runc container, the way most tests want it.
    pub(in crate::alert) fn record() -> Record {
        let identity = Identity {
            file: "/tmp/evil".into(),
            role: Role::Program,
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
            severity: Severity::Error,
            also: vec![Reason::Unlisted],
            subject: Subject::Exec {
                identity,
                evidence: Some(Box::new(evidence())),
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
                pod_uid: None,
                image: None,
                image_digest: None,
                kind: None,
                attempt: None,
                runtime_handler: None,
            }),
            attributed: true,
            mode: Mode::Enforce,
            action: Action::Alerted,
        }
    }

    /// The most that can be said of an exec, with `hostile` in every text.
    pub(in crate::alert) fn hostile_record(hostile: &[u8]) -> Record {
        let text = || Untrusted::new(hostile);
        let lossy = || String::from_utf8_lossy(hostile).into_owned();
        let mut record = record();
        record.action = Action::Blocked(Stopped::Refused);
        record.node = lossy();
        record.workload = WorkloadId::Kubernetes {
            namespace: lossy(),
            kind: lossy(),
            name: lossy(),
            container: lossy(),
        };
        if let Some(container) = &mut record.container {
            container.pod = Some(text());
            container.pod_uid = Some(text());
            container.image = Some(text());
            container.image_digest = Some(text());
            container.kind = Some(ContainerKind::Ephemeral);
            container.attempt = Some(u32::MAX);
            container.runtime_handler = Some(text());
        }
        if let Subject::Exec {
            identity,
            evidence: Some(evidence),
            nearest,
        } = &mut record.subject
        {
            *identity = Identity {
                file: text(),
                role: Role::Script(Script {
                    path: text(),
                    via: vec![text(), text()],
                    layer: Layer::Unknown,
                }),
                layer: Layer::Unknown,
            };
            **evidence = hostile_evidence(hostile);
            *nearest = Some(Nearest {
                entry: text(),
                differs: "layer",
            });
        }
        record
    }
}
