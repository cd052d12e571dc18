//! Any message, with hostile bytes in all its texts.

use crate::alert::{
    About, Action, AlertId, Arguments, Beat, CanaryTold, Cause, ContainerInfo, Delivered,
    ExecEvidence, Gone, Kind, Leaver, Link, Lost, Message, Mode, Nearest, Notice, Record, Severity,
    Subject, Upgrade,
};
use crate::fuzzing::Source;
use crate::model::{
    Ancestor, Args, CanaryResult, CgroupId, ContainerId, ContainerKind, Digest, ExecCounts,
    Identity, Layer, Origin, Reason, Role, Runtime, Script, Tampering, Untrusted, WorkloadId,
};
use agent_common::wire::ANCESTORS;
use jiff::Timestamp;
use std::time::Duration;

/// The most elements of a list that the kernel or the agent keeps whole; more of
/// them are cut like those before.
const MANY: u8 = 12;

const LAYERS: [Layer; 7] = [
    Layer::Image,
    Layer::Upper,
    Layer::Volume,
    Layer::Tmpfs,
    Layer::Memory,
    Layer::Host,
    Layer::Unknown,
];

const RUNTIMES: [Runtime; 5] = [
    Runtime::Containerd,
    Runtime::CriO,
    Runtime::Docker,
    Runtime::Podman,
    Runtime::Runc,
];

/// One thing to be encoded, and its owner.
pub(super) enum Any {
    Record(Box<Record>),
    Notice(Box<Notice>),
    Beat(Box<Beat>),
    Lost(Lost),
}

impl Any {
    pub(super) fn of(source: &mut Source<'_>) -> Self {
        match source.byte() % 8 {
            0 => Self::Lost(Lost {
                time: time(source),
                node: source.string(),
                gone: gone(source),
            }),
            1 => Self::Notice(Box::new(notice(source))),
            2 => Self::Beat(Box::new(beat(source))),
            _ => Self::Record(Box::new(record(source))),
        }
    }

    pub(super) fn message(&self) -> Message<'_> {
        match self {
            Self::Record(record) => Message::Record(record),
            Self::Notice(notice) => Message::Notice(notice),
            Self::Beat(beat) => Message::Beat(beat),
            Self::Lost(lost) => Message::Lost(lost),
        }
    }
}

/// A place among what one target is given, of a chain or not.
pub(super) fn link(source: &mut Source<'_>) -> Link {
    Link {
        sequence: source.number(),
        previous: source.option(digest),
    }
}

/// From 1970 to 9999: no node's clock says anything else.
fn time(source: &mut Source<'_>) -> Timestamp {
    let most = Timestamp::MAX.as_microsecond().unsigned_abs();
    let since_1970 = (source.number() % most).cast_signed();
    Timestamp::from_microsecond(since_1970).expect("it is below the greatest")
}

fn gone(source: &mut Source<'_>) -> Gone {
    Gone {
        count: source.number(),
        first: source.number(),
        last: source.number(),
        workloads: {
            let all = source.list(MANY, |source| (source.string(), source.number()));
            all.into_iter().collect()
        },
    }
}

fn beat(source: &mut Source<'_>) -> Beat {
    Beat {
        number: source.number(),
        time: time(source),
        node: source.string(),
        cause: match source.byte() % 3 {
            0 => Cause::Test { by: source.text() },
            1 => Cause::Heartbeat {
                canary: source.option(canary),
            },
            _ => Cause::Canary(canary(source)),
        },
        execs: ExecCounts {
            seen: source.number(),
            known: source.number(),
            learning: source.number(),
            deviating: source.number(),
            ignored: source.number(),
            errors: source.number(),
            blocked: source.number(),
        },
        target: Delivered {
            sent: source.number(),
            spooled: source.number(),
            lost: source.number(),
        },
    }
}

fn canary(source: &mut Source<'_>) -> CanaryTold {
    CanaryTold {
        result: source.pick(&CanaryResult::ALL),
        took: source.option(|source| Duration::from_micros(source.number())),
        why: source.option(Source::text),
    }
}

fn notice(source: &mut Source<'_>) -> Notice {
    Notice {
        number: source.number(),
        time: time(source),
        node: source.string(),
        workload: workload(source),
        about: match source.byte() % 4 {
            0 => About::Allowed {
                until: time(source),
            },
            1 => About::AllowEnded {
                until: time(source),
                execs: source.number(),
                executables: source.number(),
                more: source.flag(),
            },
            2 => About::SteppedBack {
                containers: source.number(),
            },
            _ => About::Upgrade(Upgrade {
                images: texts(source),
                new: texts(source),
                gone: texts(source),
            }),
        },
        by: source.option(Source::text),
        why: source.option(Source::text),
    }
}

fn record(source: &mut Source<'_>) -> Record {
    let reason = source.pick(&Reason::ALL);
    Record {
        id: AlertId::new(&source.string(), CgroupId(source.number()), reason, None),
        number: source.number(),
        time: time(source),
        node: source.string(),
        kind: match source.flag() {
            false => Kind::Deviation,
            true => Kind::Repeats {
                count: source.number(),
                first: time(source),
                last: time(source),
            },
        },
        reason,
        severity: source.pick(&[Severity::Critical, Severity::Error, Severity::Warning]),
        also: {
            let weaker = Reason::ALL.into_iter().filter(|also| *also > reason);
            weaker.filter(|_| source.flag()).collect()
        },
        subject: subject(source),
        workload: workload(source),
        container: source.option(container),
        attributed: source.flag(),
        mode: source.pick(&[Mode::Enforce, Mode::Learn]),
        action: Action::Alerted,
    }
}

fn subject(source: &mut Source<'_>) -> Subject {
    match source.byte() % 9 {
        0 => Subject::Container,
        1 => Subject::Overflow,
        2 => Subject::Escape(Leaver {
            pid: source.word(),
            uid: source.word(),
            comm: source.text(),
            start_ns: source.number(),
            to: CgroupId(source.number()),
        }),
        3 => Subject::HeldBack {
            alerts: source.number(),
        },
        4 => Subject::Tampered(Tampering {
            added: source.number(),
            removed: source.number(),
            changed: source.number(),
        }),
        _ => Subject::Exec {
            identity: identity(source),
            evidence: source.option(|source| Box::new(evidence(source))),
            nearest: source.option(|source| Nearest {
                entry: source.text(),
                differs: source.pick(&["path", "layer", "interpreter"]),
            }),
        },
    }
}

fn identity(source: &mut Source<'_>) -> Identity {
    Identity {
        file: source.text(),
        role: match source.byte() % 3 {
            0 => Role::Program,
            1 => Role::Applet(source.text()),
            _ => Role::Script(Script {
                path: source.text(),
                via: texts(source),
                layer: source.pick(&LAYERS),
            }),
        },
        layer: source.pick(&LAYERS),
    }
}

fn evidence(source: &mut Source<'_>) -> ExecEvidence {
    ExecEvidence {
        pid: source.word(),
        ns_pid: source.word(),
        ppid: source.word(),
        uid: source.word(),
        euid: source.word(),
        loginuid: source.option(Source::word),
        gained: source.number(),
        comm: source.text(),
        parent_comm: source.text(),
        tty: source.flag(),
        origin: source.pick(&[Origin::Container, Origin::Init, Origin::Injected]),
        from_outside: source.flag(),
        start_ns: source.number(),
        host_mntns: source.flag(),
        outside_file: source.flag(),
        outside_cwd: source.flag(),
        partial: source.flag(),
        called: source.text(),
        links: source.word(),
        arguments: arguments(source),
        cwd: source.option(Source::text),
        ancestors: source.list(ANCESTORS as u8, ancestor),
        sha256: source.option(digest),
        script_sha256: source.option(digest),
    }
}

/// No argument holds a NUL: it ends there.
fn arguments(source: &mut Source<'_>) -> Arguments {
    if source.flag() {
        return Arguments::Withheld;
    }
    let whole = source.text();
    Arguments::from(&Args {
        list: match whole.as_bytes() {
            [] => Vec::new(),
            bytes => bytes.split(|b| *b == 0).map(Untrusted::new).collect(),
        },
        cut: source.flag(),
        unread: source.flag(),
    })
}

fn ancestor(source: &mut Source<'_>) -> Ancestor {
    Ancestor {
        pid: source.word(),
        start_ns: source.number(),
        path: source.option(Source::text),
        path_cut: source.flag(),
        inside: source.flag(),
        init: source.flag(),
    }
}

fn container(source: &mut Source<'_>) -> ContainerInfo {
    let id = source.string();
    ContainerInfo {
        id: ContainerId::new(&id)
            .or_else(|| ContainerId::new("web"))
            .expect("an id"),
        runtime: source.option(|source| source.pick(&RUNTIMES)),
        pod: source.option(Source::text),
        pod_uid: source.option(Source::text),
        image: source.option(Source::text),
        image_digest: source.option(Source::text),
        kind: source
            .option(|source| source.pick(&[ContainerKind::Ephemeral, ContainerKind::Sandbox])),
        attempt: source.option(Source::word),
        runtime_handler: source.option(Source::text),
    }
}

fn workload(source: &mut Source<'_>) -> WorkloadId {
    match source.byte() % 3 {
        0 => WorkloadId::Runtime {
            runtime: source.pick(&RUNTIMES),
            name: source.string(),
        },
        1 => WorkloadId::Kubernetes {
            namespace: source.string(),
            kind: source.string(),
            name: source.string(),
            container: source.string(),
        },
        _ => WorkloadId::Unit {
            unit: source.string(),
        },
    }
}

fn texts(source: &mut Source<'_>) -> Vec<Untrusted> {
    source.list(MANY, Source::text)
}

fn digest(source: &mut Source<'_>) -> Digest {
    Digest([source.byte(); 32])
}
