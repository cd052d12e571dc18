//! A message as a tree under somebody else's names.
//!
//! The facts come from [`FIELDS`] alone. A table says where each has its place
//! there and as what; a fact that has none stands under a name of ours, so
//! that none is lost.

use super::fields::Value;
use super::json::{plain, put};
use super::{FIELDS, Message, list};
use crate::model::{Untrusted, last_component};
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

/// A place of one fact.
pub(super) struct Place {
    /// The field's name in [`FIELDS`].
    field: &'static str,
    /// Where it stands, from the top.
    path: &'static str,
    form: Form,
}

/// As what a value stands there, given the most bytes of its texts.
pub(super) type Form = fn(Value, usize) -> Json;

/// The field stands at `path`, as `form` has it. It may stand elsewhere too.
pub(super) const fn at(field: &'static str, path: &'static str, form: Form) -> Place {
    Place { field, path, form }
}

/// Puts every fact of the message where `places` wants it, or else under its
/// own name below `rest`.
pub(super) fn put_facts(
    top: &mut Map<String, Json>,
    message: Message<'_>,
    places: &[Place],
    rest: &str,
) {
    each_fact(message, places, rest, plain, |path, value| {
        put(top, path, value);
    });
}

/// Hands over every fact of the message with its path: where `places` wants it, or
/// else under its own name below `rest`, as `form` has it.
pub(super) fn each_fact(
    message: Message<'_>,
    places: &[Place],
    rest: &str,
    form: Form,
    mut take: impl FnMut(&str, Json),
) {
    for field in FIELDS {
        let Some(value) = (field.value)(message) else {
            continue;
        };
        let mut has_place = false;
        for place in places.iter().filter(|place| place.field == field.name) {
            take(place.path, (place.form)(value.clone(), field.bound));
            has_place = true;
        }
        if !has_place {
            take(&format!("{rest}.{}", field.name), form(value, field.bound));
        }
    }
}

/// The members of an object.
pub(super) fn members(object: Json) -> Map<String, Json> {
    match object {
        Json::Object(members) => members,
        _ => Map::new(),
    }
}

/// The tree as one line, with its line feed.
pub(super) fn line(top: Map<String, Json>) -> Vec<u8> {
    let mut line = Json::Object(top).to_string().into_bytes();
    line.push(b'\n');
    line
}

/// The value as one text or number: lists as in the structured data.
pub(super) fn flat(value: Value, bound: usize) -> Json {
    match value {
        Value::Words(words) => json!(words.join(",")),
        Value::Texts(texts) => json!(list::joined(&texts, bound)),
        Value::Ancestors(all) => json!(list::joined_ancestors(&all, bound)),
        other => plain(other, bound),
    }
}

/// A number as text.
pub(super) fn as_text(value: Value, bound: usize) -> Json {
    match value {
        Value::Number(number) => json!(number.to_string()),
        other => plain(other, bound),
    }
}

/// The one element of a list.
pub(super) fn in_list(value: Value, bound: usize) -> Json {
    json!([plain(value, bound)])
}

/// The last component of a path.
pub(super) fn base_name(value: Value, bound: usize) -> Json {
    match value {
        Value::Text(path) => {
            let name = Untrusted::new(last_component(path.as_bytes()));
            plain(Value::Text(name), bound)
        }
        other => plain(other, bound),
    }
}

/// Arguments in one text, a space between each: to search in. Where one ends
/// is not to be seen.
pub(super) fn command_line(value: Value, bound: usize) -> Json {
    match value {
        Value::Texts(all) => json!(list::elements(&all, bound, Untrusted::escaped).join(" ")),
        other => plain(other, bound),
    }
}

/// A time in milliseconds since 1970.
pub(super) fn milliseconds(value: Value, bound: usize) -> Json {
    let time = match &value {
        Value::Word(text) => text.parse::<Timestamp>().ok(),
        _ => None,
    };
    match time {
        Some(time) => json!(time.as_millisecond()),
        None => plain(value, bound),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every place is of a field, none is taken twice by one field, and none
    /// stands within another.
    pub(in crate::alert) fn assert_sound(places: &[Place], rest: &str) {
        let mut taken = BTreeSet::new();
        for place in places {
            let is_field = FIELDS.iter().any(|field| field.name == place.field);
            assert!(is_field, "there is no field {}", place.field);
            assert!(
                taken.insert((place.field, place.path)),
                "{} stands at {} twice",
                place.field,
                place.path
            );
        }
        let without = FIELDS
            .iter()
            .filter(|field| !places.iter().any(|place| place.field == field.name));
        let own = without.map(|field| format!("{rest}.{}", field.name));
        let paths: BTreeSet<_> = places
            .iter()
            .map(|place| place.path.to_owned())
            .chain(own)
            .collect();
        for path in &paths {
            let within = format!("{path}.");
            let inner = paths.iter().find(|other| other.starts_with(&within));
            assert_eq!(inner, None, "stands within {path}");
        }
    }

    /// Every fact of the message stands in the tree.
    pub(in crate::alert) fn assert_complete(message: Message<'_>, places: &[Place], rest: &str) {
        let mut top = Map::new();
        put_facts(&mut top, message, places, rest);
        let top = Json::Object(top);

        for field in FIELDS {
            if (field.value)(message).is_none() {
                continue;
            }
            let own = format!("{rest}.{}", field.name);
            let mut paths: Vec<_> = places
                .iter()
                .filter(|place| place.field == field.name)
                .map(|place| place.path)
                .collect();
            if paths.is_empty() {
                paths.push(&own);
            }
            for path in paths {
                let pointer = format!("/{}", path.replace('.', "/"));
                assert!(
                    top.pointer(&pointer).is_some(),
                    "{} is not at {path}",
                    field.name
                );
            }
        }
    }

    /// docs/ALERTS.md has a row for each field that has a place; `shown` says
    /// how a place is written there.
    pub(in crate::alert) fn assert_documented(places: &[Place], shown: fn(&str) -> String) {
        let mut rows = Vec::new();
        for field in FIELDS {
            let of_field = places.iter().filter(|place| place.field == field.name);
            let paths: Vec<_> = of_field
                .map(|place| format!("`{}`", shown(place.path)))
                .collect();
            if !paths.is_empty() {
                rows.push(format!("| `{}` | {} |\n", field.name, paths.join(", ")));
            }
        }
        let rows = rows.concat();
        let documented = include_str!("../../../docs/ALERTS.md");
        assert!(
            documented.contains(&rows),
            "docs/ALERTS.md does not have the rows\n{rows}"
        );
    }

    #[test]
    fn values_take_the_form_that_is_wanted() {
        let text = |text: &str| Value::Text(text.into());

        assert_eq!(as_text(Value::Number(7), 0), json!("7"));
        assert_eq!(in_list(text("a"), 9), json!(["a"]));
        assert_eq!(base_name(text("/a/b\n"), 9), json!("b\\x0a"));
        assert_eq!(base_name(text("/a/"), 9), json!(""));
        assert_eq!(
            command_line(Value::Texts(vec!["a b".into(), "c".into()]), 9),
            json!("a b c")
        );
        assert_eq!(
            milliseconds(Value::Word("1970-01-01T00:00:01.002999Z".to_owned()), 0),
            json!(1002)
        );
    }
}
