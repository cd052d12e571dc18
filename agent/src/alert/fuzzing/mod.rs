//! Fuzzing of the encoders: any message becomes one line that says what the
//! message says.

mod message;
mod said;

use super::fields::{Field, Value};
use super::rfc5424::{LEAST_LIMIT, Settings};
use super::rfc5424_reader::{Parsed, parse};
use super::{FIELDS, Facility, Link, Message, ecs, json, ocsf, rfc3164};
use crate::fuzzing::Source;
use message::Any;
use serde_json::Value as Json;

/// The longest JSON line, as docs/ALERTS.md has it.
const LONGEST_JSON: usize = 32 * 1024;
/// No text of a message is cut below this, whatever the limit.
const NEVER_CUT: usize = 12;

/// Any message as syslog, with and without a limit that matters: in RFC 5424, and
/// in the older form, which has no structure to be read back.
pub fn alert_rfc5424(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let settings = Settings {
        facility: Facility::new(source.byte() % 24).expect("it is below 24"),
        pen: source.word(),
        procid: source.word(),
    };
    let limit = usize::from(source.short());
    let any = Any::of(&mut source);
    let message = any.message();
    let link = message::link(&mut source);

    let cut = settings.encode(message, link, limit);
    assert!(cut.len() <= limit.max(LEAST_LIMIT), "{} bytes", cut.len());
    check_rfc5424(&cut, &settings, message, link, |_| NEVER_CUT);

    let whole = settings.encode(message, link, usize::MAX);
    check_rfc5424(&whole, &settings, message, link, |field| field.bound);

    let old = rfc3164::encode(message, &settings, link.sequence, limit);
    assert!(
        old.len() <= limit.max(rfc3164::LIMIT),
        "{} bytes",
        old.len()
    );
    one_line(&old);
}

/// `room` is how long a text of a field may be before it is cut.
fn check_rfc5424(
    line: &[u8],
    settings: &Settings,
    message: Message<'_>,
    link: Link,
    room: impl Fn(&Field) -> usize,
) {
    let Parsed {
        prival,
        timestamp,
        hostname,
        app_name,
        procid,
        msgid,
        elements,
        msg,
    } = parse(line);
    assert_eq!(prival, settings.facility.prival(message.severity()));
    let time: jiff::Timestamp = timestamp.parse().expect("a time");
    let difference = time.duration_since(message.time());
    assert!(difference.as_secs() == 0, "{difference:?}");
    assert!(!hostname.is_empty() && app_name == "execwarden");
    assert_eq!(procid, settings.procid.to_string());
    assert_eq!(msgid, message.code());
    assert!(msg.is_ascii(), "{msg:?}");

    let [(id, parameters), (meta, numbers), (origin, _)] = &elements[..] else {
        panic!("there are three elements, not {elements:?}");
    };
    assert_eq!(origin, "origin");
    assert_eq!(*id, format!("execwarden@{}", settings.pen));
    let mut parameters = parameters.iter();
    for (field, value) in values(message) {
        let (name, got) = parameters.next().expect(field.name);
        assert_eq!(name, field.name);
        said::in_rfc5424(field.name, got, &value, room(field));
    }
    if let Some(previous) = link.previous {
        let expected = ("previous".to_owned(), previous.to_string());
        assert_eq!(parameters.next(), Some(&expected));
    }
    assert_eq!(parameters.next(), None);
    let [(name, number)] = &numbers[..] else {
        panic!("there is one number, not {numbers:?}");
    };
    assert_eq!((&meta[..], &name[..]), ("meta", "sequenceId"));
    let number: u32 = number.parse().expect("a number");
    assert!((1..=2_147_483_647).contains(&number), "{number}");
}

/// Any message as JSON, in our form and in others', of which only ours is read back
/// field by field.
pub fn alert_json(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let any = Any::of(&mut source);
    let message = any.message();
    let link = message::link(&mut source);

    let read = one_object(&json::encode(message, Some(link)), LONGEST_JSON);
    assert_eq!(read["version"], json::VERSION);
    assert_eq!(read["severity"], message.severity().as_str());
    assert_eq!(read["execwarden"]["sequence"], link.sequence);
    for text in ["message", "node_name", "time"] {
        assert!(read[text].is_string(), "{read}");
    }
    let mut leaves = 6 + usize::from(link.previous.is_some());
    for (field, value) in values(message) {
        let place = format!("/{}", field.json.replace('.', "/"));
        let got = read.pointer(&place).expect(field.json);
        said::in_json(field.json, got, &value, field.bound);
        leaves += 1;
    }
    assert_eq!(count_leaves(&read), leaves, "{read}");

    one_object(&ocsf::encode(message, link), ocsf::LONGEST);
    one_object(&ecs::encode(message, link), ecs::LONGEST);
}

/// The object that one line of JSON is.
fn one_object(line: &[u8], most: usize) -> Json {
    assert!(line.len() <= most, "{} bytes", line.len());
    let text = one_line(line.strip_suffix(b"\n").expect("a line ends"));
    let read: Json = serde_json::from_str(text).expect("is JSON");
    assert!(read.is_object(), "{read}");
    read
}

/// The text of a line without control characters.
fn one_line(line: &[u8]) -> &str {
    let text = std::str::from_utf8(line).expect("is UTF-8");
    assert!(!text.chars().any(char::is_control), "{text:?}");
    text
}

/// The fields that a message has.
fn values(message: Message<'_>) -> impl Iterator<Item = (&'static Field, Value)> {
    let all = FIELDS.iter();
    all.filter_map(move |field| Some((field, (field.value)(message)?)))
}

/// How much there is in an object and in those within: nothing is there that
/// nobody asked for.
fn count_leaves(value: &Json) -> usize {
    match value {
        Json::Object(fields) => fields.values().map(count_leaves).sum(),
        _ => 1,
    }
}
