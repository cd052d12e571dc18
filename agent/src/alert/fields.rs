//! Every fact of an alert, named once.

use super::{
    About, Beat, Cause, Gone, Kind, Message, Notice, Record, Subject, Upgrade, capabilities, list,
};
use crate::model::{
    Ancestor, Digest, Identity, Role, Script, Tampering, Untrusted, WorkloadId, last_component,
};

/// One fact of an alert: its names on the wire, its bound, and where it is
/// found in a message.
#[derive(Debug)]
pub struct Field {
    /// The parameter's name in the structured data.
    pub name: &'static str,
    /// Its place in the JSON form, from the top.
    pub json: &'static str,
    /// The most bytes that its escaped text takes; 0 for numbers, flags and
    /// words of ours, which are short by themselves.
    pub bound: usize,
    /// The value in a message that has one.
    pub(super) value: fn(Message<'_>) -> Option<Value>,
}

/// A fact's value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// A count, an id, a time in nanoseconds.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// A word of a closed set of ours.
    Word(String),
    /// Several such words.
    Words(Vec<&'static str>),
    /// What somebody else wrote: escaped and bounded on its way out.
    Text(Untrusted),
    /// Several such texts, bounded together.
    Texts(Vec<Untrusted>),
    /// The processes above it, bounded together.
    Ancestors(Vec<Ancestor>),
}

macro_rules! fields {
    ($($name:literal $json:literal $bound:literal $value:expr;)*) => {
        /// Every field, in the order in which it is written. docs/ALERTS.md
        /// describes them.
        pub const FIELDS: &[Field] = &[
            $(Field { name: $name, json: $json, bound: $bound, value: $value },)*
        ];
    };
}

fields! {
    "id" "execwarden.id" 0 |m| Some(Value::Word(record(m)?.id.to_string()));
    "number" "execwarden.number" 0 |m| Some(Value::Number(m.number()));
    "kind" "execwarden.kind" 0 |m| Some(word(kind(m)));
    "reason" "execwarden.reason" 0 |m| Some(word(record(m)?.reason.as_str()));
    "also" "execwarden.also" 0 also;
    "action" "execwarden.action" 0 |m| Some(word(record(m)?.action.as_str()));
    "stopped" "execwarden.stopped" 0 |m| Some(word(record(m)?.action.stopped()?.as_str()));
    "mode" "execwarden.mode" 0 |m| Some(word(record(m)?.mode.as_str()));
    "count" "execwarden.count" 0 |m| Some(Value::Number(count(m)));
    "first" "execwarden.first" 0 |m| Some(word(&repeats(m)?.0.to_string()));
    "last" "execwarden.last" 0 |m| Some(word(&repeats(m)?.1.to_string()));
    "from" "execwarden.from" 0 |m| Some(Value::Number(lost(m)?.first));
    "to" "execwarden.to" 0 |m| Some(Value::Number(lost(m)?.last));
    "lost_of" "execwarden.lost_of" 2048 lost_of;
    "seen" "execwarden.seen" 0 |m| Some(Value::Number(beat(m)?.execs.seen));
    "known" "execwarden.known" 0 |m| Some(Value::Number(beat(m)?.execs.known));
    "learning" "execwarden.learning" 0 |m| Some(Value::Number(beat(m)?.execs.learning));
    "deviating" "execwarden.deviating" 0 |m| Some(Value::Number(beat(m)?.execs.deviating));
    "ignored" "execwarden.ignored" 0 |m| Some(Value::Number(beat(m)?.execs.ignored));
    "errors" "execwarden.errors" 0 |m| Some(Value::Number(beat(m)?.execs.errors));
    "blocked" "execwarden.blocked" 0 |m| Some(Value::Number(beat(m)?.execs.blocked));
    "sent" "execwarden.sent" 0 |m| Some(Value::Number(beat(m)?.target.sent));
    "spooled" "execwarden.spooled" 0 |m| Some(Value::Number(beat(m)?.target.spooled));
    "lost" "execwarden.lost" 0 |m| Some(Value::Number(beat(m)?.target.lost));
    "canary" "execwarden.canary" 0 |m| Some(word(beat(m)?.canary()?.result.as_str()));
    "canary_ms" "execwarden.canary_ms" 0 |m| Some(Value::Number(beat(m)?.canary()?.took_ms()?));
    "canary_why" "execwarden.canary_why" 512 |m| beat(m)?.canary()?.why.clone().map(Value::Text);
    "notice" "execwarden.notice" 0 |m| Some(word(notice(m)?.about.as_str()));
    "until" "execwarden.until" 0 |m| Some(word(&notice(m)?.about.until()?.to_string()));
    "alerts" "execwarden.alerts" 0 |m| Some(Value::Number(held_back(m)?));
    "rules_added" "execwarden.rules.added" 0 |m| Some(Value::Number(tampering(m)?.added));
    "rules_removed" "execwarden.rules.removed" 0 |m| Some(Value::Number(tampering(m)?.removed));
    "rules_changed" "execwarden.rules.changed" 0 |m| Some(Value::Number(tampering(m)?.changed));
    "executables" "execwarden.executables" 0 |m| Some(Value::Number(executables(m)?));
    "by" "execwarden.by" 256 by;
    "why" "execwarden.why" 512 |m| notice(m)?.why.clone().map(Value::Text);
    "workload" "execwarden.workload" 512 |m| text(&workload(m)?.to_string());
    "attributed" "execwarden.attributed" 0 |m| Some(Value::Flag(record(m)?.attributed));
    "runtime" "execwarden.runtime" 0 |m| Some(word(container(m)?.runtime?.as_str()));
    "namespace" "pod.namespace" 256 |m| text(namespace(m)?);
    "pod" "pod.name" 256 |m| container(m)?.pod.clone().map(Value::Text);
    "pod_uid" "pod.uid" 256 |m| container(m)?.pod_uid.clone().map(Value::Text);
    "container" "pod.container.id" 256 |m| text(container(m)?.id.as_str());
    "image" "pod.container.image.name" 512 |m| container(m)?.image.clone().map(Value::Text);
    "image_digest" "pod.container.image.id" 128 |m| container(m)?.image_digest.clone().map(Value::Text);
    "container_kind" "execwarden.container_kind" 0 |m| Some(word(container(m)?.kind?.as_str()));
    "container_attempt" "execwarden.container_attempt" 0 |m| Some(number(container(m)?.attempt?));
    "runtime_handler" "execwarden.runtime_handler" 256 |m| container(m)?.runtime_handler.clone().map(Value::Text);
    "path" "process.binary" 1024 |m| Some(Value::Text(identity(m)?.file.clone()));
    "layer" "execwarden.layer" 0 |m| Some(word(identity(m)?.layer.as_str()));
    "sha256" "execwarden.sha256" 0 |m| digest(evidence(m)?.sha256);
    "applet" "execwarden.applet" 256 applet;
    "script" "execwarden.script" 1024 |m| Some(Value::Text(script(m)?.path.clone()));
    "script_layer" "execwarden.script_layer" 0 |m| Some(word(script(m)?.layer.as_str()));
    "script_sha256" "execwarden.script_sha256" 0 |m| digest(evidence(m)?.script_sha256);
    "via" "execwarden.via" 512 |m| texts(script(m)?.via.clone());
    "called" "execwarden.called" 256 called;
    "links" "execwarden.links" 0 links;
    "partial" "execwarden.partial" 0 |m| Some(Value::Flag(evidence(m)?.partial));
    "arguments" "process.arguments" 1024 |m| texts(evidence(m)?.arguments.list()?);
    "arguments_state" "execwarden.arguments_state" 0 |m| Some(word(evidence(m)?.arguments.state()));
    "cwd" "process.cwd" 512 |m| evidence(m)?.cwd.clone().map(Value::Text);
    "pid" "process.pid" 0 |m| Some(number(process(m)?.pid));
    "ns_pid" "process.ns_pid" 0 |m| Some(number(evidence(m)?.ns_pid));
    "uid" "process.uid" 0 |m| Some(number(process(m)?.uid));
    "euid" "process.euid" 0 |m| Some(number(evidence(m)?.euid));
    "auid" "process.auid" 0 |m| evidence(m)?.loginuid.map(number);
    "gained" "execwarden.gained" 768 gained;
    "comm" "process.comm" 64 |m| Some(Value::Text(process(m)?.comm.clone()));
    "start_ns" "process.start_ns" 0 |m| Some(Value::Number(process(m)?.start_ns));
    "tty" "process.tty" 0 |m| Some(Value::Flag(evidence(m)?.tty));
    "origin" "execwarden.origin" 0 |m| Some(word(evidence(m)?.origin.as_str()));
    "from_outside" "execwarden.from_outside" 0 |m| Some(Value::Flag(evidence(m)?.from_outside));
    "host_mntns" "execwarden.host_mntns" 0 |m| Some(Value::Flag(evidence(m)?.host_mntns));
    "outside_file" "execwarden.outside_file" 0 |m| Some(Value::Flag(evidence(m)?.outside_file));
    "outside_cwd" "execwarden.outside_cwd" 0 |m| Some(Value::Flag(evidence(m)?.outside_cwd));
    "ppid" "parent.pid" 0 |m| Some(number(evidence(m)?.ppid));
    "parent_comm" "parent.comm" 64 |m| Some(Value::Text(evidence(m)?.parent_comm.clone()));
    "parent_path" "parent.binary" 512 parent_path;
    "ancestors" "execwarden.ancestors" 2048 ancestors;
    "to_cgroup" "execwarden.to_cgroup" 0 |m| Some(Value::Number(leaver(m)?.to.0));
    "nearest" "execwarden.nearest" 512 |m| Some(Value::Text(nearest(m)?.entry.clone()));
    "differs" "execwarden.differs" 0 |m| Some(word(nearest(m)?.differs));
    "new_images" "execwarden.new_images" 1024 |m| texts(upgrade(m)?.images.clone());
    "new_paths" "execwarden.new_paths" 2048 |m| texts(upgrade(m)?.new.clone());
    "gone_paths" "execwarden.gone_paths" 1024 |m| texts(upgrade(m)?.gone.clone());
}

fn word(word: &str) -> Value {
    Value::Word(word.to_owned())
}

fn number(number: u32) -> Value {
    Value::Number(number.into())
}

/// Names that come through a runtime are as hostile as paths.
fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.into()))
}

fn digest(digest: Option<Digest>) -> Option<Value> {
    Some(Value::Word(digest?.to_string()))
}

fn texts(texts: Vec<Untrusted>) -> Option<Value> {
    (!texts.is_empty()).then_some(Value::Texts(texts))
}

fn record(message: Message<'_>) -> Option<&Record> {
    match message {
        Message::Record(record) => Some(record),
        Message::Notice(_) | Message::Beat(_) | Message::Lost(_) => None,
    }
}

fn notice(message: Message<'_>) -> Option<&Notice> {
    match message {
        Message::Notice(notice) => Some(notice),
        Message::Record(_) | Message::Beat(_) | Message::Lost(_) => None,
    }
}

fn beat(message: Message<'_>) -> Option<&Beat> {
    match message {
        Message::Beat(beat) => Some(beat),
        Message::Record(_) | Message::Notice(_) | Message::Lost(_) => None,
    }
}

fn workload(message: Message<'_>) -> Option<&WorkloadId> {
    match message {
        Message::Record(record) => Some(&record.workload),
        Message::Notice(notice) => Some(&notice.workload),
        Message::Beat(_) | Message::Lost(_) => None,
    }
}

fn by(message: Message<'_>) -> Option<Value> {
    let by = match message {
        Message::Notice(notice) => notice.by.as_ref(),
        Message::Beat(Beat {
            cause: Cause::Test { by },
            ..
        }) => Some(by),
        Message::Record(_) | Message::Beat(_) | Message::Lost(_) => None,
    };
    by.cloned().map(Value::Text)
}

fn executables(message: Message<'_>) -> Option<u64> {
    match notice(message)?.about {
        About::AllowEnded { executables, .. } => Some(executables),
        About::Allowed { .. } | About::Upgrade(_) | About::SteppedBack { .. } => None,
    }
}

fn held_back(message: Message<'_>) -> Option<u64> {
    match record(message)?.subject {
        Subject::HeldBack { alerts } => Some(alerts),
        _ => None,
    }
}

fn tampering(message: Message<'_>) -> Option<Tampering> {
    match record(message)?.subject {
        Subject::Tampered(done) => Some(done),
        _ => None,
    }
}

fn lost(message: Message<'_>) -> Option<&Gone> {
    match message {
        Message::Record(_) | Message::Notice(_) | Message::Beat(_) => None,
        Message::Lost(lost) => Some(&lost.gone),
    }
}

fn lost_of(message: Message<'_>) -> Option<Value> {
    let workloads = lost(message)?.by_count();
    let workloads = workloads.into_iter();
    let workloads: Vec<Untrusted> = workloads
        .map(|(name, count)| Untrusted::from(format!("{count}:{name}").as_str()))
        .collect();
    (!workloads.is_empty()).then_some(Value::Texts(workloads))
}

/// The word for what kind of message it is.
pub(super) fn kind(message: Message<'_>) -> &'static str {
    match message {
        Message::Record(Record {
            kind: Kind::Deviation,
            ..
        }) => "deviation",
        Message::Record(Record {
            kind: Kind::Repeats { .. },
            ..
        }) => "repeats",
        Message::Notice(_) => "notice",
        Message::Beat(beat) => beat.cause.as_str(),
        Message::Lost(_) => "lost",
    }
}

/// How many deviations (or lost records) this one message stands for; of a
/// notice, how many were not reported one by one, or how many containers ended.
fn count(message: Message<'_>) -> u64 {
    match message {
        Message::Record(record) => match record.kind {
            Kind::Repeats { count, .. } => count,
            Kind::Deviation => 1,
        },
        Message::Notice(notice) => match notice.about {
            About::AllowEnded { execs, .. } => execs,
            About::SteppedBack { containers } => containers,
            About::Allowed { .. } | About::Upgrade(_) => 0,
        },
        Message::Beat(_) => 0,
        Message::Lost(lost) => lost.gone.count,
    }
}

fn repeats(message: Message<'_>) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
    match record(message)?.kind {
        Kind::Deviation => None,
        Kind::Repeats { first, last, .. } => Some((first, last)),
    }
}

fn also(message: Message<'_>) -> Option<Value> {
    let also = &record(message)?.also;
    (!also.is_empty()).then(|| Value::Words(also.iter().map(|reason| reason.as_str()).collect()))
}

fn container(message: Message<'_>) -> Option<&super::ContainerInfo> {
    record(message)?.container.as_ref()
}

fn namespace(message: Message<'_>) -> Option<&str> {
    match workload(message)? {
        WorkloadId::Kubernetes { namespace, .. } => Some(namespace),
        WorkloadId::Runtime { .. } | WorkloadId::Unit { .. } => None,
    }
}

fn upgrade(message: Message<'_>) -> Option<&Upgrade> {
    match &notice(message)?.about {
        About::Upgrade(upgrade) => Some(upgrade),
        About::Allowed { .. } | About::AllowEnded { .. } | About::SteppedBack { .. } => None,
    }
}

fn identity(message: Message<'_>) -> Option<&Identity> {
    match &record(message)?.subject {
        Subject::Exec { identity, .. } => Some(identity),
        _ => None,
    }
}

fn script(message: Message<'_>) -> Option<&Script> {
    identity(message)?.as_script()
}

fn applet(message: Message<'_>) -> Option<Value> {
    match &identity(message)?.role {
        Role::Applet(name) => Some(Value::Text(name.clone())),
        Role::Program | Role::Script(_) => None,
    }
}

/// Only another name than the file has of itself.
fn called(message: Message<'_>) -> Option<Value> {
    let called = &evidence(message)?.called;
    let path = identity(message)?.path().as_bytes();
    let own = last_component(path);
    let is_other = !called.as_bytes().is_empty() && own != called.as_bytes();
    is_other.then(|| Value::Text(called.clone()))
}

/// Only where the file has other names.
fn links(message: Message<'_>) -> Option<Value> {
    let links = evidence(message)?.links;
    (links > 1).then(|| number(links))
}

fn gained(message: Message<'_>) -> Option<Value> {
    let names = capabilities::names(evidence(message)?.gained);
    texts(names.iter().map(|name| name.as_str().into()).collect())
}

fn parent_path(message: Message<'_>) -> Option<Value> {
    list::path(evidence(message)?.ancestors.first()?).map(Value::Text)
}

fn ancestors(message: Message<'_>) -> Option<Value> {
    let ancestors = &evidence(message)?.ancestors;
    (!ancestors.is_empty()).then(|| Value::Ancestors(ancestors.clone()))
}

fn evidence(message: Message<'_>) -> Option<&super::ExecEvidence> {
    match &record(message)?.subject {
        Subject::Exec { evidence, .. } => evidence.as_deref(),
        _ => None,
    }
}

fn nearest(message: Message<'_>) -> Option<&super::Nearest> {
    match &record(message)?.subject {
        Subject::Exec { nearest, .. } => nearest.as_ref(),
        _ => None,
    }
}

fn leaver(message: Message<'_>) -> Option<&super::Leaver> {
    match &record(message)?.subject {
        Subject::Escape(leaver) => Some(leaver),
        _ => None,
    }
}

/// What an exec and an escape both know of their process.
struct Process<'a> {
    pid: u32,
    uid: u32,
    comm: &'a Untrusted,
    start_ns: u64,
}

fn process(message: Message<'_>) -> Option<Process<'_>> {
    let of_exec = evidence(message).map(|exec| Process {
        pid: exec.pid,
        uid: exec.uid,
        comm: &exec.comm,
        start_ns: exec.start_ns,
    });
    of_exec.or_else(|| {
        leaver(message).map(|leaver| Process {
            pid: leaver.pid,
            uid: leaver.uid,
            comm: &leaver.comm,
            start_ns: leaver.start_ns,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_structured_data_and_unique() {
        let mut names: Vec<_> = FIELDS.iter().map(|field| field.name).collect();

        // RFC 5424 section 6.3: SD-NAME is 1 to 32 of PRINTUSASCII but = ] " and space.
        for name in &names {
            assert!((1..=32).contains(&name.len()), "{name}");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FIELDS.len());
    }

    #[test]
    fn the_documented_fields_are_these() {
        let text = include_str!("../../../docs/ALERTS.md");
        let documented: Vec<_> = text
            .lines()
            .skip_while(|line| !line.starts_with("| structured data |"))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .map(|line| {
                let cells: Vec<_> = line.split('|').map(str::trim).collect();
                (
                    cells[1].to_owned(),
                    cells[2].to_owned(),
                    cells[4].to_owned(),
                )
            })
            .collect();

        let ours: Vec<_> = FIELDS
            .iter()
            .map(|field| {
                let bound = match field.bound {
                    0 => "–".to_owned(),
                    bytes => bytes.to_string(),
                };
                (
                    format!("`{}`", field.name),
                    format!("`{}`", field.json),
                    bound,
                )
            })
            .collect();
        assert_eq!(
            documented, ours,
            "docs/ALERTS.md lists other fields than FIELDS"
        );
    }
}
