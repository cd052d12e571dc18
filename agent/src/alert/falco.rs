//! The words of Falco's alerts, for falcosidekick and what else reads them.
//!
//! `output_fields` is flat: readers take each of its values for text or a number.
//! What has no name of Falco's there is in `execwarden`, by its name in the
//! structured data.

use super::places::{Place, at, command_line, each_fact, flat, line, members};
use super::sentence::{SENTENCE_TEXT, sentence};
use super::{Message, Severity};
use crate::model::Untrusted;
use serde_json::{Map, json};

/// No line is longer, in bytes.
pub const LONGEST: usize = 32 * 1024;

/// Where facts stand for which Falco has no name.
const REST: &str = "execwarden";

/// Where a fact has its place in `output_fields`.
const PLACES: &[Place] = &[
    at("namespace", "k8s.ns.name", flat),
    at("pod", "k8s.pod.name", flat),
    at("pod_uid", "k8s.pod.uid", flat),
    at("container", "container.id", flat),
    at("image", "container.image", flat),
    at("image_digest", "container.image.digest", flat),
    at("path", "proc.exepath", flat),
    at("arguments", "proc.cmdline", command_line),
    at("arguments", "execwarden.arguments", flat),
    at("cwd", "proc.cwd", flat),
    at("pid", "proc.pid", flat),
    at("ns_pid", "proc.vpid", flat),
    at("uid", "user.uid", flat),
    at("auid", "user.loginuid", flat),
    at("comm", "proc.name", flat),
    at("ppid", "proc.ppid", flat),
    at("parent_comm", "proc.pname", flat),
    at("parent_path", "proc.pexepath", flat),
];

/// The message as one line, with its line feed. `sequence` is its place among
/// those of its sink.
pub fn encode(message: Message<'_>, sequence: u64) -> Vec<u8> {
    let mut fields = Map::new();
    each_fact(message, PLACES, REST, flat, |name, value| {
        fields.insert(name.to_owned(), value);
    });
    fields.insert(format!("{REST}.sequence"), json!(sequence));
    let code = message.code();
    line(members(json!({
        "output": sentence(message, SENTENCE_TEXT),
        "priority": priority(message.severity()),
        "rule": format!("execwarden: {code}"),
        "time": format!("{:.6}", message.time()),
        "hostname": Untrusted::from(message.node()).escaped(255),
        "source": "execwarden",
        "tags": ["execwarden", code],
        "output_fields": fields,
    })))
}

/// Falco's word for a severity.
fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::Error => "Error",
        Severity::Warning => "Warning",
        Severity::Notice => "Notice",
        Severity::Info => "Informational",
    }
}

#[cfg(test)]
mod tests {
    use super::super::places::tests::assert_documented;
    use super::super::record::tests::record;
    use super::super::samples::{every_message, lost};
    use super::super::{FIELDS, Message};
    use super::*;
    use serde_json::Value as Json;

    fn decoded(message: Message<'_>) -> Json {
        let line = encode(message, 9);
        assert!(line.len() <= LONGEST, "{} bytes", line.len());
        assert_eq!(line.iter().position(|b| *b == b'\n'), Some(line.len() - 1));
        serde_json::from_slice(&line).expect("is JSON")
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
    fn every_fact_is_a_field_and_every_field_is_flat() {
        every_message(|message| {
            let json = decoded(message);
            let fields = json["output_fields"].as_object().expect("an object");

            for (name, value) in fields {
                assert!(!value.is_array() && !value.is_object(), "{name}: {value}");
            }
            let facts = FIELDS
                .iter()
                .filter(|field| (field.value)(message).is_some());
            // The sequence, and of arguments there are two.
            let more = 1 + usize::from(fields.contains_key("proc.cmdline"));
            assert_eq!(fields.len(), facts.count() + more);
        });
    }

    #[test]
    fn every_message_has_what_falcosidekick_wants_of_one() {
        every_message(|message| {
            let json = decoded(message);

            let priority = json["priority"].as_str().expect("a word");
            assert!(
                ["Critical", "Error", "Warning", "Notice", "Informational"].contains(&priority),
                "{priority}"
            );
            for name in ["output", "rule", "time", "source"] {
                assert!(
                    json[name].as_str().is_some_and(|text| !text.is_empty()),
                    "{name}"
                );
            }
            for name in ["k8s.ns.name", "k8s.pod.name"] {
                let value = json["output_fields"].get(name);
                assert!(value.is_none_or(Json::is_string), "{name} in {json}");
            }
        });
    }

    #[test]
    fn lists_are_joined_as_in_the_structured_data() {
        let json = decoded(Message::Record(&record()));

        let fields = &json["output_fields"];
        assert_eq!(fields["proc.cmdline"], "/tmp/evil --pool a,b");
        assert_eq!(fields["execwarden.arguments"], "/tmp/evil,--pool,a\\x2cb");
        assert_eq!(fields["proc.pid"], 4711);
        let lost = decoded(Message::Lost(&lost()));
        assert_eq!(lost["rule"], "execwarden: lost");
    }
}
