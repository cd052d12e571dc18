//! An entry field by field, under the names that documents have: for people
//! and programs that look at it, not for the document itself.

use super::conditions::{Conditions, Contents};
use super::process::{Process, RunAs};
use super::removed::{Removed, StruckAs};
use super::render::Scalar;
use crate::model::Layer;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::fmt;

/// What stands in a field.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// One text.
    Text(String),
    /// Texts, in the order of the document.
    List(Vec<String>),
    /// User ids.
    Users(Vec<u32>),
}

/// As a document could have it on one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = match self {
            Self::Text(text) => return Scalar(text).fmt(f),
            Self::List(texts) => texts.iter().map(|text| Scalar(text).to_string()).collect(),
            Self::Users(users) => users.iter().map(u32::to_string).collect(),
        };
        write!(f, "[{}]", texts.join(", "))
    }
}

/// One field of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// The name, as documents have it.
    pub name: &'static str,
    /// What stands there.
    pub value: Value,
}

impl Field {
    pub(super) fn text(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            name,
            value: Value::Text(text.into()),
        }
    }
}

/// An entry as its path and its other fields, those that differ from the
/// default. As JSON it is one object, as in a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The path.
    pub path: String,
    /// The others, in the order of a document.
    pub fields: Vec<Field>,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.fields.len()))?;
        map.serialize_entry("path", &self.path)?;
        for field in &self.fields {
            map.serialize_entry(field.name, &field.value)?;
        }
        map.end()
    }
}

/// What an entry is about: its path, its role, its layers.
pub fn identity(process: &Process) -> Entry {
    let mut fields = Vec::new();
    fields.extend(layer("layer", process.layer()));
    match process.run_as() {
        RunAs::Program => {}
        RunAs::Applet(name) => fields.push(Field::text("applet", name.as_str())),
        RunAs::Script {
            interpreter,
            interpreter_layer,
            via,
        } => {
            fields.push(Field::text("interpreter", interpreter.as_str()));
            fields.extend(layer("interpreterLayer", *interpreter_layer));
            let via = via.iter().map(|script| script.as_str().to_owned());
            fields.extend(list("via", via));
        }
    }
    Entry {
        path: process.path().as_str().to_owned(),
        fields,
    }
}

/// What an entry asks for beside that.
pub fn conditions(process: &Process) -> Vec<Field> {
    let Conditions {
        contents,
        args,
        parents,
        users,
    } = process.conditions();
    let mut fields = Vec::new();
    if let Some(contents) = contents {
        fields.extend(of_contents(contents));
    }
    if let Some(args) = args {
        // An empty list is a condition: no argument at all.
        let value = Value::List(args.texts().collect());
        fields.push(Field {
            name: "args",
            value,
        });
    }
    let parents = parents.iter().map(|parent| parent.as_str().to_owned());
    fields.extend(list("parents", parents));
    if !users.is_empty() {
        fields.push(Field {
            name: "users",
            value: Value::Users(users.iter().copied().collect()),
        });
    }
    fields
}

/// All of an entry.
pub fn whole(process: &Process) -> Entry {
    let mut entry = identity(process);
    entry.fields.extend(conditions(process));
    entry
}

/// All of a struck one.
pub fn struck(removed: &Removed) -> Entry {
    let role = removed.run_as.as_ref().map(|run_as| match run_as {
        StruckAs::Applet(name) => Field::text("applet", name.as_str()),
        StruckAs::ScriptOf(interpreter) => Field::text("interpreter", interpreter.as_str()),
    });
    let layer = removed
        .layer
        .map(|layer| Field::text("layer", layer.as_str()));
    Entry {
        path: removed.path.as_str().to_owned(),
        fields: role.into_iter().chain(layer).collect(),
    }
}

fn of_contents(contents: &Contents) -> impl Iterator<Item = Field> {
    let mut digests: Vec<String> = contents.any_of().iter().map(ToString::to_string).collect();
    let value = match digests.pop() {
        Some(one) if digests.is_empty() => Value::Text(one),
        last => Value::List(digests.into_iter().chain(last).collect()),
    };
    let said = contents
        .digests()
        .map(|digests| Field::text("digests", digests.as_str()));
    let sha256 = Field {
        name: "sha256",
        value,
    };
    std::iter::once(sha256).chain(said)
}

fn layer(name: &'static str, layer: Layer) -> Option<Field> {
    (layer != Layer::default()).then(|| Field::text(name, layer.as_str()))
}

fn list(name: &'static str, texts: impl Iterator<Item = String>) -> Option<Field> {
    let texts: Vec<String> = texts.collect();
    (!texts.is_empty()).then_some(Field {
        name,
        value: Value::List(texts),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::parse;

    const DOCUMENT: &str = r#"
apiVersion: execwarden.dev/v1alpha1
kind: ProcessAllowlist
metadata: {name: x}
spec:
  workload: {runtime: runc, name: x}
  processes:
    - path: /bin/dash
      args: ["-c", "a, b"]
      parents: ["*injected*"]
      users: [0, 7]
    - path: /run.sh
      layer: volume
      interpreter: /bin/dash
      interpreterLayer: upper
      via: [/a]
      args: []
"#;

    #[test]
    fn every_field_has_the_name_that_documents_have() {
        let document = parse("x.yaml", DOCUMENT.as_bytes()).expect("a document");
        let json: Vec<String> = document
            .spec
            .processes
            .iter()
            .map(|process| serde_json::to_string(&whole(process)).expect("JSON"))
            .collect();

        assert_eq!(
            json,
            [
                r#"{"path":"/bin/dash","args":["-c","a, b"],"parents":["*injected*"],"users":[0,7]}"#,
                r#"{"path":"/run.sh","layer":"volume","interpreter":"/bin/dash","interpreterLayer":"upper","via":["/a"],"args":[]}"#,
            ]
        );
    }

    #[test]
    fn a_value_reads_as_in_a_document() {
        let list = Value::List(vec!["-c".into(), "a, b".into(), "/x".into()]);

        assert_eq!(list.to_string(), r#"["-c", "a, b", /x]"#);
        assert_eq!(Value::Users(vec![0, 7]).to_string(), "[0, 7]");
        assert_eq!(Value::Text("no".into()).to_string(), "\"no\"");
    }
}
