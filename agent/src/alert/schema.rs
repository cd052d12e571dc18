//! docs/alert.schema.json, which readers of the JSON form check it by, against
//! what the form gives.

use super::fields::Value;
use super::json;
use super::record::tests::record;
use super::samples::every_message;
use super::{FIELDS, Message};
use crate::model::Reason;
use serde_json::{Map, Value as Json, json};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What stands in a line and is no field.
const HEAD: [&str; 7] = [
    "execwarden.previous",
    "execwarden.sequence",
    "message",
    "node_name",
    "severity",
    "time",
    "version",
];

fn schema() -> Json {
    let text = include_str!("../../../docs/alert.schema.json");
    serde_json::from_str(text).expect("is JSON")
}

/// What is wrong with an alert by the schema.
fn problems(alert: &Json) -> Vec<String> {
    let validator = jsonschema::validator_for(&schema()).expect("is a schema");
    validator
        .iter_errors(alert)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn example() -> Json {
    decoded(Message::Record(&record()))
}

fn decoded(message: Message<'_>) -> Json {
    serde_json::from_slice(&json::encode(message, Some(9.into()))).expect("is JSON")
}

/// Puts what each property is, but for objects, under its place from the top.
fn leaves(properties: &Map<String, Json>, above: &str, out: &mut BTreeMap<String, Json>) {
    for (name, property) in properties {
        let place = format!("{above}{name}");
        match property.get("properties") {
            Some(inner) => {
                let inner = inner.as_object().expect("properties are an object");
                leaves(inner, &format!("{place}."), out);
            }
            None => {
                out.insert(place, property.clone());
            }
        }
    }
}

/// The fields by the schema: where they stand, and what they are.
fn properties() -> BTreeMap<String, Json> {
    let schema = schema();
    let mut all = BTreeMap::new();
    let top = schema["properties"].as_object().expect("is an object");
    leaves(top, "", &mut all);
    all.retain(|place, _| !HEAD.contains(&place.as_str()));
    all
}

/// What a property stands for.
fn resolved(property: &Json) -> Json {
    let Some(reference) = property.get("$ref").and_then(Json::as_str) else {
        return property.clone();
    };
    let pointer = reference.trim_start_matches('#');
    let found = schema().pointer(pointer).cloned();
    found.unwrap_or_else(|| panic!("there is no {reference}"))
}

/// Type and bound of a value, as the schema has to have them.
fn expected(value: &Value, bound: usize) -> (&'static str, Option<usize>) {
    match value {
        Value::Number(_) => ("integer", None),
        Value::Flag(_) => ("boolean", None),
        Value::Word(_) => ("string", None),
        Value::Words(_) => ("array", None),
        Value::Text(_) => ("string", Some(bound)),
        Value::Texts(_) | Value::Ancestors(_) => ("array", Some(bound)),
    }
}

/// Type and bound of a property, by the schema.
fn stated(property: &Json) -> (String, Option<usize>) {
    let property = resolved(property);
    let kind = property["type"].as_str().expect("has a type").to_owned();
    let items = resolved(&property["items"]);
    let bound = [&property, &items, &items["properties"]["binary"]]
        .iter()
        .find_map(|one| one["maxLength"].as_u64());
    (kind, bound.map(|bound| bound as usize))
}

#[test]
fn it_is_a_schema_of_its_draft() {
    jsonschema::meta::validate(&schema()).expect("is one");
}

#[test]
fn every_message_is_valid() {
    let validator = jsonschema::validator_for(&schema()).expect("is a schema");
    every_message(|message| {
        let alert = decoded(message);
        let problems: Vec<_> = validator
            .iter_errors(&alert)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(problems, [""; 0], "{alert}");
    });
}

#[test]
fn its_properties_are_the_fields_with_their_types_and_bounds() {
    let seen = RefCell::new(BTreeMap::new());
    every_message(|message| {
        for field in FIELDS {
            if let Some(value) = (field.value)(message) {
                let (kind, bound) = expected(&value, field.bound);
                seen.borrow_mut()
                    .insert(field.json.to_owned(), (kind.to_owned(), bound));
            }
        }
    });

    let stated: BTreeMap<_, _> = properties()
        .into_iter()
        .map(|(place, property)| (place, stated(&property)))
        .collect();

    assert_eq!(stated, seen.into_inner());
    assert_eq!(stated.len(), FIELDS.len());
}

#[test]
fn its_reasons_are_all_there_are() {
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();

    assert_eq!(schema()["$defs"]["reason"]["enum"], json!(reasons));
}

#[test]
fn a_field_may_come_to_it() {
    let mut alert = example();
    alert["execwarden"]["new"] = json!(1);
    alert["new"] = json!({"a": 1});

    assert_eq!(problems(&alert), [""; 0]);
}

#[test]
fn what_breaks_the_promise_is_found() {
    for (pointer, wrong) in [
        ("/version", json!("execwarden.alert/v2")),
        ("/time", json!("2026-01-02 03:04:05")),
        ("/severity", json!("high")),
        ("/message", json!("two\nlines")),
        ("/execwarden/reason", json!("because")),
        ("/execwarden/id", json!("81b9")),
        ("/execwarden/attributed", json!("true")),
        ("/process/pid", json!("4711")),
        ("/process/binary", json!("x".repeat(1025))),
        ("/process/arguments", json!("/tmp/evil --pool")),
    ] {
        let mut alert = example();
        *alert.pointer_mut(pointer).expect(pointer) = wrong;

        assert_eq!(problems(&alert).len(), 1, "{pointer}");
    }
}

#[test]
fn what_each_kind_has_to_have_is_missed() {
    for name in ["id", "reason", "number", "workload"] {
        let mut alert = example();
        let facts = alert["execwarden"].as_object_mut().expect("is an object");
        facts.remove(name);

        assert_eq!(problems(&alert).len(), 1, "{name}");
    }
}
