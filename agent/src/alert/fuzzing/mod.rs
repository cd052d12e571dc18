//! Fuzzing of the encoders: any message becomes one line that says what the
//! message says.

mod message;
mod said;

use super::fields::{Field, Value};
use super::rfc5424::{LEAST_LIMIT, Settings};
use super::rfc5424_reader::{Parsed, parse};
use super::{FIELDS, Facility, Message, json};
use crate::fuzzing::Source;
use message::Any;
use serde_json::Value as Json;

/// The longest JSON line, as docs/ALERTS.md has it.
const LONGEST_JSON: usize = 32 * 1024;
/// No text of a message is cut below this, whatever the limit.
const NEVER_CUT: usize = 12;

/// Any message in RFC 5424, with and without a limit that matters.
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

    let cut = settings.encode(message, 9, limit);
    assert!(cut.len() <= limit.max(LEAST_LIMIT), "{} bytes", cut.len());
    check_rfc5424(&cut, &settings, message, |_| NEVER_CUT);

    let whole = settings.encode(message, 9, usize::MAX);
    check_rfc5424(&whole, &settings, message, |field| field.bound);
}

/// `room` is how long a text of a field may be before it is cut.
fn check_rfc5424(
    line: &[u8],
    settings: &Settings,
    message: Message<'_>,
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

    let [(id, parameters), (meta, numbers)] = &elements[..] else {
        panic!("there are two elements, not {elements:?}");
    };
    assert_eq!(*id, format!("execwarden@{}", settings.pen));
    let mut parameters = parameters.iter();
    for (field, value) in values(message) {
        let (name, got) = parameters.next().expect(field.name);
        assert_eq!(name, field.name);
        said::in_rfc5424(field.name, got, &value, room(field));
    }
    assert_eq!(parameters.next(), None);
    let [(name, number)] = &numbers[..] else {
        panic!("there is one number, not {numbers:?}");
    };
    assert_eq!((&meta[..], &name[..]), ("meta", "sequenceId"));
    let number: u32 = number.parse().expect("a number");
    assert!((1..=2_147_483_647).contains(&number), "{number}");
}

/// Any message as JSON.
pub fn alert_json(bytes: &[u8]) {
    let any = Any::of(&mut Source::new(bytes));
    let message = any.message();

    let line = json::encode(message, Some(9.into()));

    let text = std::str::from_utf8(&line).expect("is UTF-8");
    let text = text.strip_suffix('\n').expect("a line ends");
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert!(line.len() <= LONGEST_JSON, "{} bytes", line.len());
    let read: Json = serde_json::from_str(text).expect("is JSON");
    assert_eq!(read["version"], json::VERSION);
    assert_eq!(read["severity"], message.severity().as_str());
    for text in ["message", "node_name", "time"] {
        assert!(read[text].is_string(), "{read}");
    }
    let mut leaves = 0;
    for (field, value) in values(message) {
        let place = format!("/{}", field.json.replace('.', "/"));
        let got = read.pointer(&place).expect(field.json);
        said::in_json(field.json, got, &value, field.bound);
        leaves += 1;
    }
    assert_eq!(count_leaves(&read), leaves + 6, "{read}");
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
