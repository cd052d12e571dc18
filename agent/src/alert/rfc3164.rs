//! RFC 3164, the older BSD syslog: for receivers that know nothing newer.
//!
//! It has no place for fields, so those that are needed most stand behind the
//! sentence, each as `name="value"`. The sentence holds no quotation mark: the
//! first one in a message begins a field's value.

use super::fit::{Draft, fit};
use super::rfc5424::{Settings, hostname, parameter};
use super::sentence::{SENTENCE_TEXT, sentence};
use super::{FIELDS, Message};
use std::fmt::Write as _;

/// RFC 3164 section 4.1: no packet is longer than 1024 bytes. Every message
/// fits.
pub const LIMIT: usize = 1024;

/// The fields that stand in a message, beside the sequence number: what names
/// the record, what it says, where it happened and what ran. All others would
/// cost the sentence its room.
const CHOSEN: [&str; 18] = [
    "id",
    "number",
    "kind",
    "reason",
    "mode",
    "count",
    "from",
    "to",
    "until",
    "workload",
    "container",
    "path",
    "sha256",
    "applet",
    "script",
    "pid",
    "uid",
    "ppid",
];

/// The message in at most `limit` bytes (taken as [`LIMIT`] if less), cut as
/// [`Settings::encode`] does. `settings` has the facility and the agent's
/// process id; `sequence` is its place among those of its sink.
pub fn encode(message: Message<'_>, settings: &Settings, sequence: u64, limit: usize) -> Vec<u8> {
    fit(limit.max(LIMIT), |cap| {
        draft(message, settings, sequence, cap)
    })
}

/// The message with no text over `cap` bytes.
fn draft(message: Message<'_>, settings: &Settings, sequence: u64, cap: usize) -> Draft {
    let before = format!(
        "<{}>{} {} execwarden[{}]: ",
        settings.facility.prival(message.severity()),
        // Without a year or a zone; in UTC, whatever the node's zone is.
        message.time().strftime("%b %e %H:%M:%S"),
        hostname(message.node(), is_of_a_name),
        settings.procid,
    );
    let mut after = String::new();
    let _ = write!(after, " sequence=\"{sequence}\"");
    for field in FIELDS.iter().filter(|field| CHOSEN.contains(&field.name)) {
        if let Some(value) = (field.value)(message) {
            parameter(&mut after, field, &value, cap);
        }
    }
    Draft {
        before,
        sentence: sentence(message, cap.min(SENTENCE_TEXT)).replace('"', "\\x22"),
        after,
    }
}

/// What receivers take for a host's name. With any other character in it, some take
/// it for the program's name.
fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{hostile_record, record};
    use super::super::rfc5424_reader::param_value_of;
    use super::super::samples::every_message;
    use super::*;
    use crate::alert::Record;
    use proptest::prelude::*;

    /// A message taken apart.
    struct Parsed {
        timestamp: String,
        hostname: String,
        sentence: String,
        params: Vec<(String, String)>,
    }

    impl Parsed {
        fn param(&self, name: &str) -> Option<&str> {
            let (_, value) = self.params.iter().find(|(n, _)| n == name)?;
            Some(value)
        }
    }

    fn parse(bytes: &[u8]) -> Parsed {
        let text = std::str::from_utf8(bytes).expect("is UTF-8");
        assert!(!text.chars().any(char::is_control), "{text:?}");
        let (_prival, rest) = text.strip_prefix('<').unwrap().split_once('>').unwrap();
        let (timestamp, rest) = rest.split_at(15);
        let (hostname, rest) = rest.strip_prefix(' ').unwrap().split_once(' ').unwrap();
        let rest = rest.strip_prefix("execwarden[77]: ").expect("is the tag");
        let quote = rest.find('"').expect("there are fields");
        let (sentence, _) = rest[..quote].rsplit_once(' ').expect("a space before it");
        let mut rest = &rest[sentence.len()..];
        let mut params = Vec::new();
        while let Some(param) = rest.strip_prefix(' ') {
            let (name, quoted) = param.split_once("=\"").expect("a field has a value");
            let (value, after) = param_value_of(quoted);
            params.push((name.to_owned(), value));
            rest = after;
        }
        assert_eq!(rest, "");
        Parsed {
            timestamp: timestamp.to_owned(),
            hostname: hostname.to_owned(),
            sentence: sentence.to_owned(),
            params,
        }
    }

    fn encoded(message: Message<'_>, limit: usize) -> Vec<u8> {
        encode(message, &Settings::new(77), 9, limit)
    }

    fn parsed(record: &Record) -> Parsed {
        parse(&encoded(Message::Record(record), LIMIT))
    }

    #[test]
    fn the_documented_example_is_what_comes_out() {
        let line = String::from_utf8(encoded(Message::Record(&record()), LIMIT)).unwrap();

        let documented = include_str!("../../../docs/ALERTS.md");
        assert!(
            documented.contains(&line),
            "docs/ALERTS.md has no line {line}"
        );
    }

    #[test]
    fn the_time_is_utc_with_a_space_before_a_short_day() {
        let mut record = record();
        assert_eq!(parsed(&record).timestamp, "Jan  2 03:04:05");

        record.time = "2026-12-31T23:59:59+05:00".parse().unwrap();
        assert_eq!(parsed(&record).timestamp, "Dec 31 18:59:59");
    }

    #[test]
    fn a_hostname_is_one_that_receivers_know() {
        for (node, expected) in [
            ("node-1.example", "node-1.example"),
            ("", "-"),
            ("a: b[1]", "a--b-1-"),
        ] {
            let mut record = record();
            record.node = node.to_owned();

            assert_eq!(parsed(&record).hostname, expected);
        }
    }

    #[test]
    fn every_chosen_field_is_one() {
        for name in CHOSEN {
            assert!(FIELDS.iter().any(|field| field.name == name), "{name}");
        }
    }

    #[test]
    fn every_message_fits_with_all_its_chosen_fields() {
        every_message(|message| {
            let line = encoded(message, 0);

            assert!(line.len() <= LIMIT, "{} bytes", line.len());
            let parsed = parse(&line);
            assert_eq!(parsed.param("sequence"), Some("9"));
            let names: Vec<_> = parsed.params.iter().map(|(name, _)| &name[..]).collect();
            let there = FIELDS
                .iter()
                .filter(|field| CHOSEN.contains(&field.name) && (field.value)(message).is_some());
            let expected: Vec<_> = there.map(|field| field.name).collect();
            assert_eq!(names[1..], expected);
        });
    }

    #[test]
    fn the_most_there_can_be_leaves_room_for_the_sentence() {
        for piece in ["\\", "\"", "]", "\n", "\u{e4}"] {
            let mut record = hostile_record(piece.repeat(4096).as_bytes());
            record.node = "n".repeat(255);
            record.number = u64::MAX;
            let message = Message::Record(&record);

            let line = encode(message, &Settings::new(77), u64::MAX, LIMIT);

            assert!(line.len() <= LIMIT, "{} bytes", line.len());
            let parsed = parse(&line);
            assert!(parsed.sentence.len() >= 64, "{:?}", parsed.sentence);
            assert!(parsed.param("path").expect("is there").ends_with('…'));
        }
    }

    #[test]
    fn a_receiver_that_takes_more_is_given_more() {
        let path = format!("/{}", "x".repeat(1000));
        let mut record = record();
        if let crate::alert::Subject::Exec { identity, .. } = &mut record.subject {
            identity.file = path.as_str().into();
        }

        let line = encoded(Message::Record(&record), 4096);

        assert_eq!(parse(&line).param("path"), Some(&path[..]));
    }

    #[test]
    fn b31_no_text_passes_for_a_field() {
        let forged = b"/x\" sequence=\"1\" id=\"0000000000000000";
        let parsed = parsed(&hostile_record(forged));

        assert!(parsed.sentence.contains("\\x22 sequence=\\x221"));
        assert_eq!(parsed.param("id"), Some("81b9473b98a6263a"));
        let path = parsed.param("path").expect("is there");
        assert!(
            std::str::from_utf8(forged)
                .unwrap()
                .starts_with(path.trim_end_matches('…'))
        );
    }

    proptest! {
        #[test]
        fn b31_any_bytes_parse_back(hostile: Vec<u8>, limit in 0usize..4096) {
            let line = encoded(Message::Record(&hostile_record(&hostile)), limit);

            prop_assert!(line.len() <= limit.max(LIMIT));
            let parsed = parse(&line);
            prop_assert_eq!(parsed.param("pid"), Some("4711"));
        }
    }
}
