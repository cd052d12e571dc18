//! The same facts as one line of JSON.
//!
//! Names follow Tetragon's `process_exec` where it has the same fact. Texts
//! are escaped as they are in the structured data, so that both forms of one
//! alert compare equal.

use super::fields::Value;
use super::link::PREVIOUS;
use super::sentence::{SENTENCE_TEXT, sentence};
use super::{FIELDS, Link, Message, list};
use crate::model::{Ancestor, Untrusted};
use serde_json::{Map, Value as Json, json};

/// The form's version: a field may be added under it, none changes or goes.
pub const VERSION: &str = "execwarden.alert/v1";

/// The message as one line, with its line feed; `link` is its place among those of its
/// sink.
pub fn encode(message: Message<'_>, link: Option<Link>) -> Vec<u8> {
    let mut top = Map::from_iter([
        ("version".to_owned(), json!(VERSION)),
        ("time".to_owned(), json!(format!("{:.6}", message.time()))),
        (
            "node_name".to_owned(),
            json!(Untrusted::from(message.node()).escaped(255)),
        ),
        ("severity".to_owned(), json!(message.severity().as_str())),
        (
            "message".to_owned(),
            json!(sentence(message, SENTENCE_TEXT)),
        ),
    ]);
    for field in FIELDS {
        if let Some(value) = (field.value)(message) {
            put(&mut top, field.json, plain(value, field.bound));
        }
    }
    if let Some(link) = link {
        put_link(&mut top, "execwarden", link);
        put(&mut top, "execwarden.sequence", json!(link.sequence));
    }
    let mut line = Json::Object(top).to_string().into_bytes();
    line.push(b'\n');
    line
}

/// Puts the digest of the record before under an object, where records are chained.
pub(super) fn put_link(top: &mut Map<String, Json>, under: &str, link: Link) {
    if let Some(previous) = link.previous {
        put(
            top,
            &format!("{under}.{PREVIOUS}"),
            json!(previous.to_string()),
        );
    }
}

/// The value as it is, its texts escaped and bounded.
pub(super) fn plain(value: Value, bound: usize) -> Json {
    match value {
        Value::Number(number) => json!(number),
        Value::Flag(flag) => json!(flag),
        Value::Word(word) => json!(word),
        Value::Words(words) => json!(words),
        Value::Text(text) => json!(text.escaped(bound)),
        Value::Texts(texts) => json!(list::elements(&texts, bound, Untrusted::escaped)),
        Value::Ancestors(ancestors) => {
            let share = bound / ancestors.len().max(1);
            ancestors.iter().map(|one| ancestor(one, share)).collect()
        }
    }
}

fn ancestor(ancestor: &Ancestor, bound: usize) -> Json {
    let mut object = json!({
        "pid": ancestor.pid,
        "start_ns": ancestor.start_ns,
        "place": list::place(ancestor),
    });
    if let Some(path) = list::path(ancestor) {
        object["binary"] = json!(path.escaped(bound));
    }
    object
}

/// Puts `value` under a dotted `path`, making the objects on the way.
pub(super) fn put(object: &mut Map<String, Json>, path: &str, value: Json) {
    match path.split_once('.') {
        None => {
            object.insert(path.to_owned(), value);
        }
        Some((name, rest)) => {
            let inner = object.entry(name).or_insert_with(|| json!({}));
            if let Json::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::gone::tests::gone;
    use super::super::record::tests::{hostile_record, record};
    use super::super::{Lost, Message, Subject};
    use super::*;

    /// What docs/ALERTS.md says.
    const LONGEST: usize = 32 * 1024;

    fn decoded(message: Message<'_>) -> Json {
        let line = encode(message, Some(9.into()));
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        assert_eq!(line.last(), Some(&b'\n'));
        serde_json::from_slice(&line).expect("is JSON")
    }

    #[test]
    fn the_documented_example_is_what_comes_out() {
        let line = encode(Message::Record(&record()), Some(7.into()));
        let line = std::str::from_utf8(&line).expect("is UTF-8");

        let documented = include_str!("../../../docs/ALERTS.md");
        assert!(
            documented.contains(line),
            "docs/ALERTS.md has no line {line}"
        );
    }

    #[test]
    fn every_field_finds_its_place() {
        for field in FIELDS {
            let mut top = Map::new();
            for other in FIELDS {
                put(&mut top, other.json, json!(other.name));
            }

            let pointer = format!("/{}", field.json.replace('.', "/"));
            assert_eq!(
                Json::Object(top).pointer(&pointer),
                Some(&json!(field.name))
            );
        }
    }

    #[test]
    fn b31_hostile_bytes_stay_one_line() {
        let all: Vec<u8> = (0..=255).collect();
        let mut record = record();
        if let Subject::Exec { identity, .. } = &mut record.subject {
            identity.file = Untrusted::new(all.clone());
        }

        let json = decoded(Message::Record(&record));

        assert_eq!(
            json.pointer("/process/binary"),
            Some(&json!(Untrusted::new(all).escaped(1024)))
        );
    }

    #[test]
    fn lists_are_lists_and_ancestors_have_names() {
        let json = decoded(Message::Record(&record()));

        assert_eq!(
            json.pointer("/process/arguments"),
            Some(&json!(["/tmp/evil", "--pool", "a,b"]))
        );
        assert_eq!(
            json.pointer("/execwarden/ancestors/1"),
            Some(&json!({
                "pid": 4650,
                "start_ns": 4_650_000_000_u64,
                "place": "init",
                "binary": "/usr/sbin/nginx"
            }))
        );
        assert_eq!(json.pointer("/parent/binary"), Some(&json!("/bin/sh")));
    }

    #[test]
    fn b31_a_line_is_never_longer_than_its_bounds() {
        for piece in [&b"a"[..], b"\n", b"\\", b"\"", b"\xff", "ä".as_bytes()] {
            let record = hostile_record(&piece.repeat(128 * 1024 / piece.len()));

            let line = encode(Message::Record(&record), Some(7.into()));

            assert!(line.len() <= LONGEST, "{} bytes", line.len());
            decoded(Message::Record(&record));
        }
    }

    #[test]
    fn lost_records_are_told() {
        let lost = Lost {
            time: record().time,
            node: "node-1".to_owned(),
            gone: gone(),
        };

        let json = decoded(Message::Lost(&lost));

        assert_eq!(
            json["execwarden"],
            json!({
                "count": 3, "from": 5, "kind": "lost", "lost_of": ["2:runc/web", "1:runc/a,b"],
                "number": 7, "sequence": 9, "to": 7
            })
        );
    }
}
