//! The journal's native protocol: each fact is a field of its own.
//!
//! One datagram is one entry: `NAME=value` on a line each. No value holds a line
//! feed, since all text is escaped, so that the protocol's other way to write a
//! value is never needed.

use super::fields::kind;
use super::places::{each_fact, flat};
use super::rfc5424::Settings;
use super::sentence::{SENTENCE_TEXT, sentence};
use super::{Message, Severity};
use crate::model::Untrusted;
use serde_json::Value as Json;
use std::fmt::Write as _;

/// No message is longer, in bytes: less than a datagram may have on any system.
pub const LONGEST: usize = 32 * 1024;

/// Before the names of our own fields.
const PREFIX: &str = "EXECWARDEN";

/// `MESSAGE_ID`: the same for all messages of a kind, as `journalctl` and catalogues
/// want it.
const MESSAGE_IDS: [(&str, &str); 7] = [
    ("deviation", "c99c43cc6fb646118d65b8aeda11bba9"),
    ("repeats", "89332a36be5745f287ade139fd81407f"),
    ("notice", "733c9a57f20b4573a9836a066ab1da1b"),
    ("heartbeat", "dbb808e194c54e24aad030858a56ca51"),
    ("test", "47de60940298451796135da2e4ee7bf9"),
    ("canary", "41060c25455a44618e1d252ab06629bf"),
    ("lost", "338ebc4b347f4a549e0b2a35885f12ea"),
];

/// The message, its sink's `sequence`th, as one datagram.
pub fn encode(message: Message<'_>, settings: &Settings, sequence: u64) -> Vec<u8> {
    let mut out = String::new();
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(out, "{name}={value}");
    };
    let severity = message.severity();
    field("MESSAGE", &sentence(message, SENTENCE_TEXT));
    field("PRIORITY", &(severity as u8).to_string());
    field("SYSLOG_FACILITY", &facility(settings, severity).to_string());
    field("SYSLOG_IDENTIFIER", "execwarden");
    field("SYSLOG_PID", &settings.procid.to_string());
    let kind = kind(message);
    if let Some((_, id)) = MESSAGE_IDS.iter().find(|(of, _)| *of == kind) {
        field("MESSAGE_ID", id);
    }
    // The journal's own time is when it had the message.
    field("EXECWARDEN_TIME", &format!("{:.6}", message.time()));
    let node = Untrusted::from(message.node()).escaped(255);
    field("EXECWARDEN_NODE_NAME", &node);
    field("EXECWARDEN_SEQUENCE", &sequence.to_string());
    each_fact(message, &[], PREFIX, flat, |path, value| {
        let name = path.replace('.', "_").to_ascii_uppercase();
        match value {
            Json::String(text) => field(&name, &text),
            other => field(&name, &other.to_string()),
        }
    });
    out.into_bytes()
}

fn facility(settings: &Settings, severity: Severity) -> u8 {
    settings.facility.prival(severity) / 8
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::super::samples::{every_message, lost};
    use super::super::{FIELDS, Message};
    use super::*;
    use std::collections::BTreeMap;

    fn encoded(message: Message<'_>) -> String {
        let entry = encode(message, &Settings::new(77), 9);
        assert!(entry.len() <= LONGEST, "{} bytes", entry.len());
        String::from_utf8(entry).expect("is UTF-8")
    }

    fn decoded(message: Message<'_>) -> BTreeMap<String, String> {
        let text = encoded(message);
        let fields = text.lines().map(|line| {
            let (name, value) = line.split_once('=').expect(line);
            (name.to_owned(), value.to_owned())
        });
        fields.collect()
    }

    #[test]
    fn the_documented_example_is_what_comes_out() {
        let entry = encoded(Message::Record(&record()));

        let documented = include_str!("../../../docs/ALERTS.md");
        assert!(
            documented.contains(&entry),
            "docs/ALERTS.md does not have\n{entry}"
        );
    }

    #[test]
    fn the_documented_ids_are_these() {
        let documented = include_str!("../../../docs/ALERTS.md");
        for (kind, id) in MESSAGE_IDS {
            let row = format!("| `{kind}` | `{id}` |");
            assert!(documented.contains(&row), "docs/ALERTS.md has no row {row}");
        }
    }

    #[test]
    fn every_fact_is_one_line_whatever_it_holds() {
        every_message(|message| {
            let text = encoded(message);
            let fields = decoded(message);

            let facts = { FIELDS.iter() }.filter(|field| (field.value)(message).is_some());
            assert_eq!(fields.len(), facts.count() + 9);
            assert_eq!(text.lines().count(), fields.len());
            for name in fields.keys() {
                let is_plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
                assert!(name.len() <= 64 && name.bytes().all(is_plain), "{name}");
            }
        });
    }

    #[test]
    fn facts_are_as_in_the_structured_data() {
        let fields = decoded(Message::Record(&record()));

        assert_eq!(fields["EXECWARDEN_REASON"], "drift");
        assert_eq!(fields["EXECWARDEN_ARGUMENTS"], "/tmp/evil,--pool,a\\x2cb");
        assert_eq!(fields["EXECWARDEN_PARTIAL"], "false");
        assert_eq!(
            (&*fields["PRIORITY"], &*fields["SYSLOG_FACILITY"]),
            ("3", "10")
        );
        assert_eq!(decoded(Message::Lost(&lost()))["EXECWARDEN_KIND"], "lost");
    }
}
