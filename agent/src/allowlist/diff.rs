//! What two documents say differently.
//!
//! Their specs are compared, by meaning: the order of entries, comments,
//! quotes, and a word that only repeats the default make no difference.
//! Metadata and status decide nothing, and are not looked at.

use super::conditions::Digests;
use super::document::{Document, Spec};
use super::fields::{self, Entry, Field, Value};
use super::path::PathPattern;
use super::process::{Process, RunAs};
use crate::model::Layer;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What differs; nothing where the two mean the same.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Diff {
    /// `workload`, `mode`, `action`, `unverified`, `digests`.
    pub spec: Vec<FieldChange>,
    /// What may run, by path.
    pub processes: Vec<EntryChange>,
    /// What was struck, by path.
    pub removed: Vec<EntryChange>,
}

/// A field that says something else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FieldChange {
    /// Its name.
    pub field: &'static str,
    /// What the first document says; `None` where it leaves it out.
    pub from: Option<Value>,
    /// What the second one says.
    pub to: Option<Value>,
}

/// An entry that is not the same in both.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum EntryChange {
    /// Only the second document has it.
    Added {
        /// All of it.
        entry: Entry,
    },
    /// Only the first document has it.
    Removed {
        /// All of it.
        entry: Entry,
    },
    /// Both have one entry for this path, role and layer, which asks for
    /// something else.
    Changed {
        /// What it is about.
        entry: Entry,
        /// What it asks for.
        fields: Vec<FieldChange>,
    },
}

impl Diff {
    /// Whether the two mean the same.
    pub fn is_empty(&self) -> bool {
        self.spec.is_empty() && self.processes.is_empty() && self.removed.is_empty()
    }
}

/// Compares two documents.
pub fn diff(from: &Document, to: &Document) -> Diff {
    let (from, to) = (&from.spec, &to.spec);
    Diff {
        spec: of_spec(from, to),
        processes: of_processes(&entries(from), &entries(to)),
        removed: of_removed(from, to),
    }
}

fn of_spec(from: &Spec, to: &Spec) -> Vec<FieldChange> {
    let said = |spec: &Spec| {
        [
            ("workload", spec.workload.to_string()),
            ("mode", spec.mode.to_string()),
            ("action", action(spec)),
            ("unverified", spec.unverified.as_str().to_owned()),
            ("digests", Digests::of_document(spec.digests).to_string()),
        ]
    };
    let pairs = said(from).into_iter().zip(said(to));
    pairs
        .filter(|(from, to)| from != to)
        .map(|((field, from), (_, to))| FieldChange {
            field,
            from: Some(Value::Text(from)),
            to: Some(Value::Text(to)),
        })
        .collect()
}

fn action(spec: &Spec) -> String {
    let action = spec.action;
    action.map_or_else(|| "the agent's".to_owned(), |action| action.to_string())
}

/// The entries, without what they repeat of their document.
fn entries(spec: &Spec) -> BTreeSet<Process> {
    let entries = spec.processes.iter().cloned();
    entries.map(|entry| entry.left_to(spec.digests)).collect()
}

fn of_processes(from: &BTreeSet<Process>, to: &BTreeSet<Process>) -> Vec<EntryChange> {
    type Key<'a> = (&'a PathPattern, &'a RunAs, Layer);
    fn key(process: &Process) -> Key<'_> {
        (process.path(), process.run_as(), process.layer())
    }

    let mut groups: BTreeMap<Key<'_>, (Vec<&Process>, Vec<&Process>)> = BTreeMap::new();
    for process in from.difference(to) {
        groups.entry(key(process)).or_default().0.push(process);
    }
    for process in to.difference(from) {
        groups.entry(key(process)).or_default().1.push(process);
    }
    let mut changes = Vec::new();
    for (from, to) in groups.into_values() {
        // Of several, which one became which is nobody's to say.
        if let ([from], [to]) = (&from[..], &to[..]) {
            changes.push(EntryChange::Changed {
                entry: fields::identity(from),
                fields: changed(&fields::conditions(from), &fields::conditions(to)),
            });
            continue;
        }
        let whole = |process: &&Process| fields::whole(process);
        let gone = from.iter().map(whole);
        changes.extend(gone.map(|entry| EntryChange::Removed { entry }));
        let new = to.iter().map(whole);
        changes.extend(new.map(|entry| EntryChange::Added { entry }));
    }
    changes
}

fn changed(from: &[Field], to: &[Field]) -> Vec<FieldChange> {
    let value = |fields: &[Field], name| {
        let field = fields.iter().find(|field| field.name == name);
        field.map(|field| field.value.clone())
    };
    ["sha256", "digests", "args", "parents", "users"]
        .into_iter()
        .map(|field| FieldChange {
            field,
            from: value(from, field),
            to: value(to, field),
        })
        .filter(|change| change.from != change.to)
        .collect()
}

fn of_removed(from: &Spec, to: &Spec) -> Vec<EntryChange> {
    let changes = from.removed.symmetric_difference(&to.removed);
    changes
        .map(|removed| {
            let entry = fields::struck(removed);
            match from.removed.contains(removed) {
                true => EntryChange::Removed { entry },
                false => EntryChange::Added { entry },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::{arbitrary::document, parse, render};
    use proptest::prelude::*;

    fn read(spec: &str) -> Document {
        let text = format!(
            "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
             metadata: {{name: x}}\nspec:\n  workload: {{runtime: runc, name: x}}\n{spec}"
        );
        parse("x.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn check(from: &str, to: &str, expected: &[&str]) {
        let diff = diff(&read(from), &read(to));
        let lines = [
            diff.spec.iter().map(json).collect::<Vec<_>>(),
            diff.processes.iter().map(json).collect(),
            diff.removed.iter().map(json).collect(),
        ];
        assert_eq!(lines.concat(), expected, "{from} to {to}");
        assert_eq!(diff.is_empty(), expected.is_empty());
    }

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).expect("JSON")
    }

    #[test]
    fn what_only_looks_different_is_the_same() {
        check(
            "  processes: [{path: /b}, {path: /a, layer: image}]\n",
            "  mode: enforce\n  digests: verify\n  processes:\n    - path: \"/a\"\n    - path: /b # x\n",
            &[],
        );
        let digest = "1e".repeat(32);
        check(
            &format!("  processes: [{{path: /a, sha256: '{digest}', digests: verify}}]\n"),
            &format!("  processes: [{{path: /a, sha256: ['{digest}']}}]\n"),
            &[],
        );
    }

    #[test]
    fn entries_come_go_and_change() {
        check(
            "  processes: [{path: /a}, {path: /b, users: [1]}, {path: /c}]\n  removed: [{path: /r}]\n",
            "  mode: learn\n  processes: [{path: /b, args: []}, {path: /c}, {path: /d, applet: x}]\n  removed: [{path: /s, layer: upper}]\n",
            &[
                r#"{"field":"mode","from":"enforce","to":"learn"}"#,
                r#"{"change":"removed","entry":{"path":"/a"}}"#,
                r#"{"change":"changed","entry":{"path":"/b"},"fields":[{"field":"args","from":null,"to":[]},{"field":"users","from":[1],"to":null}]}"#,
                r#"{"change":"added","entry":{"path":"/d","applet":"x"}}"#,
                r#"{"change":"removed","entry":{"path":"/r"}}"#,
                r#"{"change":"added","entry":{"path":"/s","layer":"upper"}}"#,
            ],
        );
    }

    #[test]
    fn another_layer_or_role_is_another_entry() {
        check(
            "  processes: [{path: /a}]\n",
            "  processes: [{path: /a, layer: volume}]\n",
            &[
                r#"{"change":"removed","entry":{"path":"/a"}}"#,
                r#"{"change":"added","entry":{"path":"/a","layer":"volume"}}"#,
            ],
        );
    }

    #[test]
    fn of_several_entries_for_one_executable_none_is_said_to_have_changed() {
        check(
            "  processes: [{path: /a, args: [x]}, {path: /a, args: [y]}]\n",
            "  processes: [{path: /a, args: [z]}]\n",
            &[
                r#"{"change":"removed","entry":{"path":"/a","args":["x"]}}"#,
                r#"{"change":"removed","entry":{"path":"/a","args":["y"]}}"#,
                r#"{"change":"added","entry":{"path":"/a","args":["z"]}}"#,
            ],
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn a_document_is_the_same_as_itself(document in document()) {
            let again = parse("x", render(&document).as_bytes()).expect("read back");

            prop_assert!(diff(&document, &again).is_empty());
        }

        #[test]
        fn no_difference_in_what_may_run_is_missed(from in document(), to in document()) {
            let mut to = to;
            to.spec.digests = from.spec.digests;
            let same = diff(&from, &to).processes.is_empty();
            let settled = |document: &Document| -> BTreeSet<Process> {
                let entries = document.spec.processes.iter().cloned();
                entries.map(|entry| entry.with_digests_of(document.spec.digests)).collect()
            };

            prop_assert_eq!(same, settled(&from) == settled(&to));
        }
    }
}
