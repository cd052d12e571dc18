//! Whether what was received is what was sent.

use execwarden::alert::{FIELDS, Message, Record, json};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// The facts by their names in the structured data, as text, taken from the
/// JSON form.
fn facts(record: &Record) -> BTreeMap<String, String> {
    let line = json::encode(Message::Record(record), None);
    let json: Value = serde_json::from_slice(&line).expect("is JSON");
    FIELDS
        .iter()
        .filter_map(|field| {
            let value = json.pointer(&format!("/{}", field.json.replace('.', "/")))?;
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Array(list) => list.iter().map(element).collect::<Vec<_>>().join(","),
                other => other.to_string(),
            };
            Some((field.name.to_owned(), text))
        })
        .collect()
}

/// An element of a list as the structured data has it.
fn element(value: &Value) -> String {
    let text = |value: &Value| value.as_str().expect("is text").replace(',', "\\x2c");
    if value.is_string() {
        return text(value);
    }
    format!(
        "{}:{}:{}:{}",
        value["pid"],
        value["start_ns"],
        text(&value["place"]),
        text(&value["binary"])
    )
}

/// What the receiver's own parser made of the structured data.
fn received_facts(message: &Value) -> BTreeMap<String, String> {
    let fields = message["fields"].as_object();
    let fields = fields.unwrap_or_else(|| panic!("no structured data in {message}"));
    fields
        .iter()
        .map(|(name, value)| {
            let value = value.as_str().expect("a parameter's value is text");
            (name.clone(), value.to_owned())
        })
        .collect()
}

/// Whether `got` is `sent`, or is `sent` cut to fit the transport; of a list,
/// each of its elements may be cut.
fn is_cut_list_of(got: &str, sent: &str) -> bool {
    let (got, sent): (Vec<_>, Vec<_>) = (got.split(',').collect(), sent.split(',').collect());
    let is_each_cut = got
        .iter()
        .zip(&sent)
        .all(|(got, sent)| is_cut_of(got, sent) || *got == "…");
    is_each_cut && (got.len() == sent.len() || got.last().is_some_and(|last| last.ends_with('…')))
}

/// Whether `got` is `sent`, or is `sent` cut to fit the transport.
fn is_cut_of(got: &str, sent: &str) -> bool {
    let is_beginning = |begin: &str| sent.starts_with(begin) && got.len() < sent.len();
    got == sent || got.strip_suffix('…').is_some_and(is_beginning)
}

/// Holds what a receiver understood to what was sent, field by field.
pub fn assert_received(record: &Record, message: &Value) {
    let sequence = record.number.to_string();
    for (name, expected) in [
        // authpriv (10) and error (3).
        ("pri", "83"),
        ("hostname", "node-1"),
        ("app", "execwarden"),
        ("procid", "77"),
        ("msgid", "drift"),
        ("sequence", &sequence),
    ] {
        assert_eq!(message[name], expected, "{name} of {message}");
    }
    // UTC is `Z` to one receiver and `+00:00` to another.
    let time: Option<Timestamp> = message["time"].as_str().and_then(|text| text.parse().ok());
    assert_eq!(time, Some(record.time), "time of {message}");
    let (sent, got) = (facts(record), received_facts(message));
    assert_eq!(
        got.keys().collect::<Vec<_>>(),
        sent.keys().collect::<Vec<_>>(),
        "of record {}",
        record.number
    );
    for (name, sent) in sent {
        let got = &got[&name];
        let is_list = ["arguments", "via", "ancestors"].contains(&&*name);
        assert!(
            is_cut_of(got, &sent) || is_list && is_cut_list_of(got, &sent),
            "{name} of record {} is {got:?}, not {sent:?}",
            record.number
        );
    }
    let sentence = message["msg"].as_str().expect("is text");
    assert!(
        sentence.is_ascii() && sentence.contains("[drift]"),
        "{sentence}"
    );
}
