//! The Open Cybersecurity Schema Framework: each message is a Detection
//! Finding.
//!
//! Names and numbers are those of <https://schema.ocsf.io>, of the version
//! that the message names and of its profiles `container`, `host` and
//! `security_control`. What has no place there is in `unmapped.execwarden`,
//! by its name in the structured data.

use super::fields::Value;
use super::json::{plain, put_link};
use super::places::{
    Place, as_text, at, base_name, command_line, line, members, milliseconds, put_facts,
};
use super::sentence::{SENTENCE_TEXT, sentence};
use super::{Link, Message, Severity};
use crate::model::Untrusted;
use serde_json::{Map, Value as Json, json};

/// The version of the schema: the least that has every name in use.
pub const VERSION: &str = "1.4.0";
/// No line is longer, in bytes.
pub const LONGEST: usize = 48 * 1024;

const CLASS: u32 = 2004;
/// Where facts stand that have no place in the schema.
const REST: &str = "unmapped.execwarden";

/// Where a fact has its place. `evidence`, `workload` and `pod` are at the top
/// only until the message is arranged: OCSF has lists of them.
const PLACES: &[Place] = &[
    at("id", "finding_info.uid", plain),
    at("kind", "activity_id", |kind, _| json!(activity(&kind).0)),
    at("kind", "activity_name", |kind, _| json!(activity(&kind).1)),
    at("kind", "type_uid", |kind, _| {
        json!(CLASS * 100 + activity(&kind).0)
    }),
    at("kind", "type_name", |kind, _| {
        json!(format!("Detection Finding: {}", activity(&kind).1))
    }),
    at("kind", "unmapped.execwarden.kind", plain),
    at("reason", "finding_info.analytic", |reason, _| {
        analytic(plain(reason, 0))
    }),
    at("also", "finding_info.related_analytics", related),
    at("action", "action_id", |action, _| json!(outcome(&action).0)),
    at("action", "action", |action, _| json!(outcome(&action).1)),
    at("action", "disposition_id", |action, _| {
        json!(outcome(&action).2)
    }),
    at("action", "disposition", |action, _| {
        json!(outcome(&action).3)
    }),
    at("action", "unmapped.execwarden.action", plain),
    at("count", "count", plain),
    at("first", "start_time", milliseconds),
    at("last", "end_time", milliseconds),
    at("last", "finding_info.last_seen_time", milliseconds),
    at("workload", "workload.name", plain),
    at("workload", "workload.type", |_, _| json!("workload")),
    at("namespace", "workload.namespace", plain),
    at("pod", "pod.name", plain),
    at("pod", "pod.type", |_, _| json!("pod")),
    at("pod", "evidence.container.orchestrator", |_, _| {
        json!("kubernetes")
    }),
    at("pod_uid", "pod.uid", plain),
    at("pod_uid", "pod.type", |_, _| json!("pod")),
    at("runtime", "evidence.container.runtime", plain),
    at("container", "evidence.container.uid", plain),
    at("image", "evidence.container.image.name", plain),
    // An image has to have a uid; its digest comes after it, if it is known.
    at("image", "evidence.container.image.uid", plain),
    at("image_digest", "evidence.container.image.uid", plain),
    at("path", "evidence.process.file.path", plain),
    at("path", "evidence.process.file.name", base_name),
    at("path", "evidence.process.file.type_id", regular_file),
    at("sha256", "evidence.process.file.hashes", sha256),
    at("script", "evidence.file.path", plain),
    at("script", "evidence.file.name", base_name),
    at("script", "evidence.file.type_id", regular_file),
    at("script_sha256", "evidence.file.hashes", sha256),
    at("arguments", "evidence.process.cmd_line", command_line),
    at("arguments", "unmapped.execwarden.arguments", plain),
    at("cwd", "evidence.process.working_directory", plain),
    at("pid", "evidence.process.pid", plain),
    at("ns_pid", "evidence.process.namespace_pid", plain),
    at("uid", "evidence.process.user.uid", as_text),
    at("comm", "evidence.process.name", plain),
    at("ppid", "evidence.process.parent_process.pid", plain),
    at("parent_comm", "evidence.process.parent_process.name", plain),
    at(
        "parent_path",
        "evidence.process.parent_process.file.path",
        plain,
    ),
    at(
        "parent_path",
        "evidence.process.parent_process.file.name",
        base_name,
    ),
    at(
        "parent_path",
        "evidence.process.parent_process.file.type_id",
        regular_file,
    ),
    at("ancestors", "evidence.process.ancestry", ancestry),
    at("ancestors", "unmapped.execwarden.ancestors", plain),
];

/// The message as one line, with its line feed. `sequence` is its place
/// among those of its sink.
pub fn encode(message: Message<'_>, link: impl Into<Link>) -> Vec<u8> {
    let link = link.into();
    let mut top = head(message, link.sequence);
    put_link(&mut top, REST, link);
    put_facts(&mut top, message, PLACES, REST);
    arrange(&mut top);
    line(top)
}

/// What stands in every message.
fn head(message: Message<'_>, sequence: u64) -> Map<String, Json> {
    let (severity_id, severity) = severity(message.severity());
    members(json!({
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "time": message.time().as_millisecond(),
        "message": sentence(message, SENTENCE_TEXT),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": 1,
        "status": "New",
        "is_alert": is_alert(message),
        "finding_info": {
            // A deviation's id takes its place: the repeats are of one finding.
            "uid": message.uid(),
            "title": title(message),
            "types": [message.code()],
        },
        "device": {
            "hostname": Untrusted::from(message.node()).escaped(255),
            "type_id": 1,
            "type": "Server",
        },
        "metadata": {
            "version": VERSION,
            "profiles": ["container", "host", "security_control"],
            "product": {
                "name": "execwarden",
                "vendor_name": "execwarden",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "uid": message.uid(),
            "event_code": message.code(),
            "sequence": sequence,
        },
    }))
}

fn is_alert(message: Message<'_>) -> bool {
    match message {
        Message::Record(_) | Message::Lost(_) => true,
        Message::Notice(_) => false,
        Message::Beat(beat) => beat.is_alert(),
    }
}

fn title(message: Message<'_>) -> String {
    let code = message.code();
    match message {
        Message::Record(_) => format!("Deviation from the process allowlist: {code}"),
        Message::Notice(_) => format!("Notice of the process allowlist: {code}"),
        Message::Beat(_) => format!("Sign of life of the process allowlist: {code}"),
        Message::Lost(_) => "Alerts were lost".to_owned(),
    }
}

fn severity(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Critical => (5, "Critical"),
        Severity::Error => (4, "High"),
        Severity::Warning => (3, "Medium"),
        Severity::Notice => (2, "Low"),
        Severity::Info => (1, "Informational"),
    }
}

/// The first record of an id makes a finding, its repeats tell more of it.
fn activity(kind: &Value) -> (u32, &'static str) {
    match kind {
        Value::Word(kind) if kind == "repeats" => (2, "Update"),
        _ => (1, "Create"),
    }
}

/// What was done about it, as action and disposition.
fn outcome(action: &Value) -> (u32, Json, u32, Json) {
    match action {
        Value::Word(action) if action == "alerted" => (3, json!("Observed"), 19, json!("Alert")),
        Value::Word(action) if action == "blocked" => (2, json!("Denied"), 2, json!("Blocked")),
        Value::Word(action) if action == "ended" => (2, json!("Denied"), 7, json!("Custom Action")),
        other => {
            let word = plain(other.clone(), 0);
            (99, word.clone(), 99, word)
        }
    }
}

fn analytic(reason: Json) -> Json {
    json!({"name": reason, "type_id": 1, "type": "Rule"})
}

fn related(also: Value, bound: usize) -> Json {
    match plain(also, bound) {
        Json::Array(reasons) => reasons.into_iter().map(analytic).collect(),
        other => other,
    }
}

/// The kernel runs nothing but regular files.
fn regular_file(_: Value, _: usize) -> Json {
    json!(1)
}

fn sha256(digest: Value, bound: usize) -> Json {
    json!([{"algorithm_id": 3, "algorithm": "SHA-256", "value": plain(digest, bound)}])
}

/// OCSF has no word for where a process stands and none for when it began in
/// nanoseconds since boot: those are in the list below `unmapped`.
fn ancestry(ancestors: Value, bound: usize) -> Json {
    let Json::Array(mut all) = plain(ancestors, bound) else {
        return json!([]);
    };
    all.iter_mut()
        .map(|ancestor| {
            let mut entity = json!({"pid": ancestor["pid"]});
            if let Some(path) = ancestor.get_mut("binary") {
                entity["path"] = path.take();
            }
            entity
        })
        .collect()
}

/// Makes lists of what OCSF has lists of.
fn arrange(top: &mut Map<String, Json>) {
    if let Some(evidence) = top.remove("evidence") {
        let evidences = evidences(members(evidence), &top["device"]);
        top.insert("evidences".to_owned(), json!(evidences));
    }
    let resources: Vec<_> = ["workload", "pod"]
        .iter()
        .filter_map(|name| top.remove(*name))
        .collect();
    if !resources.is_empty() {
        top.insert("resources".to_owned(), json!(resources));
    }
}

/// A process has to have a number: where only counts are left, its file stands
/// by itself. Of a container alone, the device it is on is the evidence.
fn evidences(mut evidence: Map<String, Json>, device: &Json) -> Vec<Json> {
    let mut more = None;
    match evidence.remove("process") {
        Some(process) if process.get("pid").is_some() => {
            evidence.insert("process".to_owned(), process);
        }
        Some(mut process) => {
            let file = process["file"].take();
            if evidence.contains_key("file") {
                more = Some(json!({"file": file}));
            } else {
                evidence.insert("file".to_owned(), file);
            }
        }
        None => {
            evidence.insert("device".to_owned(), device.clone());
        }
    }
    std::iter::once(Json::Object(evidence))
        .chain(more)
        .collect()
}

#[cfg(test)]
#[path = "ocsf_tests.rs"]
mod tests;
