//! The Elastic Common Schema.
//!
//! What has no place there is in `execwarden`, by its name in the structured
//! data.

use super::json::{plain, put_link};
use super::places::{Place, as_text, at, command_line, in_list, line, members, put_facts};
use super::sentence::{SENTENCE_TEXT, sentence};
use super::{Link, Message, Subject};
use crate::model::Untrusted;
use serde_json::{Map, Value as Json, json};

/// The version of the schema.
pub const VERSION: &str = "8.11.0";
/// No line is longer, in bytes.
pub const LONGEST: usize = 40 * 1024;

/// Where facts stand that have no place in the schema.
const REST: &str = "execwarden";

/// Where a fact has its place.
const PLACES: &[Place] = &[
    at("reason", "event.reason", plain),
    at("reason", "rule.name", plain),
    at("first", "event.start", plain),
    at("last", "event.end", plain),
    at("runtime", "container.runtime", plain),
    at("namespace", "orchestrator.namespace", plain),
    at("namespace", "orchestrator.type", |_, _| json!("kubernetes")),
    at("pod", "orchestrator.resource.name", plain),
    at("pod", "orchestrator.resource.type", |_, _| json!("pod")),
    at("pod_uid", "orchestrator.resource.id", plain),
    at("container", "container.id", plain),
    at("image", "container.image.name", plain),
    at("image_digest", "container.image.hash.all", in_list),
    at("path", "process.executable", plain),
    at("sha256", "process.hash.sha256", plain),
    // The file that the event is about; its interpreter is the process's.
    at("script", "file.path", plain),
    at("script_sha256", "file.hash.sha256", plain),
    at("arguments", "process.args", plain),
    at("arguments", "process.command_line", command_line),
    at("cwd", "process.working_directory", plain),
    at("pid", "process.pid", plain),
    at("ns_pid", "process.vpid", plain),
    at("uid", "user.id", as_text),
    at("uid", "process.real_user.id", as_text),
    at("euid", "user.effective.id", as_text),
    at("euid", "process.user.id", as_text),
    at("comm", "process.name", plain),
    at("ppid", "process.parent.pid", plain),
    at("parent_comm", "process.parent.name", plain),
    at("parent_path", "process.parent.executable", plain),
];

/// The message as one line, with its line feed. `sequence` is its place
/// among those of its sink.
pub fn encode(message: Message<'_>, link: impl Into<Link>) -> Vec<u8> {
    let link = link.into();
    let mut top = head(message, link.sequence);
    put_link(&mut top, REST, link);
    put_facts(&mut top, message, PLACES, REST);
    line(top)
}

/// What stands in every message.
fn head(message: Message<'_>, sequence: u64) -> Map<String, Json> {
    let severity = message.severity();
    let event = Event::of(message);
    members(json!({
        "@timestamp": format!("{:.6}", message.time()),
        "ecs": {"version": VERSION},
        "message": sentence(message, SENTENCE_TEXT),
        "host": {"name": Untrusted::from(message.node()).escaped(255)},
        "event": {
            "kind": event.kind,
            "category": [event.category],
            "type": [event.what],
            "action": event.action,
            "module": "execwarden",
            "dataset": "execwarden.alert",
            "code": message.code(),
            "id": message.uid(),
            "sequence": sequence,
            "severity": severity as u8,
        },
        "log": {
            "level": severity.as_str(),
            "syslog": {
                "appname": "execwarden",
                "msgid": message.code(),
                "severity": {"code": severity as u8, "name": severity.as_str()},
            },
        },
    }))
}

/// ECS's own words for what a message is about.
struct Event {
    kind: &'static str,
    category: &'static str,
    what: &'static str,
    action: &'static str,
}

impl Event {
    fn of(message: Message<'_>) -> Self {
        let code = message.code();
        match message {
            Message::Record(record) => {
                let (what, action) = match record.subject {
                    Subject::Exec { .. } | Subject::Overflow | Subject::HeldBack { .. } => {
                        ("start", "exec")
                    }
                    Subject::Escape(_) | Subject::Tampered(_) | Subject::Meddled(_) => {
                        ("change", code)
                    }
                    Subject::Container => ("info", code),
                };
                Self {
                    kind: "alert",
                    category: "process",
                    what,
                    action,
                }
            }
            Message::Notice(_) => Self {
                kind: "event",
                category: "configuration",
                what: "info",
                action: code,
            },
            Message::Beat(beat) => Self {
                kind: if beat.is_alert() { "alert" } else { "metric" },
                category: "process",
                what: "info",
                action: code,
            },
            Message::Lost(_) => Self {
                kind: "event",
                category: "process",
                what: "info",
                action: code,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::places::tests::{assert_complete, assert_documented, assert_sound};
    use super::super::record::tests::record;
    use super::super::samples::{every_message, lost};
    use super::*;
    use crate::alert::Record;

    fn decoded(message: Message<'_>) -> Json {
        let line = encode(message, 9);
        assert!(line.len() <= LONGEST, "{} bytes", line.len());
        assert_eq!(line.iter().position(|b| *b == b'\n'), Some(line.len() - 1));
        serde_json::from_slice(&line).expect("is JSON")
    }

    fn of_record(change: impl FnOnce(&mut Record)) -> Json {
        let mut record = record();
        change(&mut record);
        decoded(Message::Record(&record))
    }

    #[test]
    fn the_documented_example_is_what_comes_out() {
        let line = String::from_utf8(encode(Message::Record(&record()), 9)).expect("is UTF-8");

        let documented = include_str!("../../../docs/ALERTS.md");
        assert!(
            documented.contains(&line),
            "docs/ALERTS.md has no line {line}"
        );
    }

    #[test]
    fn the_documented_places_are_these() {
        assert_documented(PLACES, str::to_owned);
    }

    #[test]
    fn places_are_sound_and_no_fact_is_without() {
        assert_sound(PLACES, REST);
        every_message(|message| assert_complete(message, PLACES, REST));
    }

    #[test]
    fn every_message_has_what_ecs_wants_of_an_event() {
        every_message(|message| {
            let json = decoded(message);

            assert_eq!(json["ecs"]["version"], VERSION);
            for name in ["kind", "action", "code", "id", "dataset", "module"] {
                assert!(json["event"][name].is_string(), "{name} in {json}");
            }
            for name in ["category", "type"] {
                assert!(json["event"][name].is_array(), "{name} in {json}");
            }
        });
    }

    #[test]
    fn an_identity_is_text_as_ecs_has_it() {
        let json = of_record(|_| {});

        assert_eq!(json["user"], json!({"id": "0", "effective": {"id": "0"}}));
        assert_eq!(json["process"]["real_user"], json!({"id": "0"}));
        assert_eq!(json["process"]["pid"], 4711);
    }

    #[test]
    fn a_repeat_has_its_own_event_id_and_the_same_deviation() {
        let first = of_record(|_| {});
        let second = of_record(|record| record.number = 8);

        assert_ne!(first["event"]["id"], second["event"]["id"]);
        assert_eq!(first["execwarden"]["id"], second["execwarden"]["id"]);
    }

    #[test]
    fn only_deviations_are_alerts() {
        assert_eq!(of_record(|_| {})["event"]["kind"], "alert");
        let lost = decoded(Message::Lost(&lost()));
        assert_eq!(lost["event"]["kind"], "event");
        assert_eq!(lost["event"]["action"], "lost");
    }
}
