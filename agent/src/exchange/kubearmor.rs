//! The process rules of a `KubeArmorPolicy`.
//!
//! The schema:
//! <https://github.com/kubearmor/KubeArmor/blob/main/pkg/KubeArmorController/api/security.kubearmor.com/v1/common.go>,
//! `kubearmorpolicy_types.go` beside it. What it means:
//! <https://github.com/kubearmor/KubeArmor/blob/main/getting-started/security_policy_specification.md>,
//! `consideration_in_policy_action.md` and `least_permissive_access.md` beside
//! it: one rule with the action `Allow` makes a list of what may run of all of
//! them, and `Block` is the default. A policy selects pods by labels; of a
//! container it knows the name, as the label `kubearmor.io/container.name` with
//! names between brackets.

use super::entry::{self, Controller, Says};
use super::manifest::{ManifestError, Resource, at, bounded, null_is_empty, resources};
use super::{ExportError, Losses, Part};
use crate::allowlist::conditions::MAX_PARENTS;
use crate::allowlist::{Conditions, Document, ExactPath, Mode, Parent, Process, RunAs};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const API: &str = "security.kubearmor.com/v1";
const KIND: &str = "KubeArmorPolicy";
const CONTAINER: &str = "kubearmor.io/container.name";

#[derive(Deserialize)]
struct Spec {
    #[serde(default, deserialize_with = "null_is_empty")]
    process: Rules,
    action: Option<String>,
    status: Option<String>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Rules {
    #[serde(default, deserialize_with = "null_is_empty")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    match_paths: Vec<Value>,
    #[serde(default, deserialize_with = "null_is_empty")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    match_directories: Vec<Value>,
    #[serde(default, deserialize_with = "null_is_empty")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    match_patterns: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
}

/// One rule of any of the three lists.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    from_source: Vec<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Source {
    path: String,
}

/// One policy for each document.
pub(super) fn export(
    documents: &[Document],
    losses: &mut [Losses],
) -> Result<Vec<Value>, ExportError> {
    let mut policies = Vec::new();
    for (document, losses) in documents.iter().zip(losses) {
        let controller = Controller::of(document)?;
        losses.not_carried(format!(
            "the controller {} {}: the policy is for every pod of the namespace with such a \
             container, until you add the pods' labels",
            controller.kind, controller.name
        ));
        let says = Says {
            parents: true,
            ..Says::default()
        };
        let mut rules = Rules::default();
        for process in entry::entries(document, says, losses) {
            let path = process.path().as_str().to_owned();
            if process.path().has_wildcard() {
                losses.not_carried_of("patterns where it is not AppArmor that enforces", &path);
                rules.match_patterns.push(json!(Rule {
                    pattern: Some(path),
                    ..Rule::default()
                }));
                if !process.conditions().parents.is_empty() {
                    losses.allows_more("parents", process.path().as_str());
                }
            } else {
                rules.match_paths.push(json!(Rule {
                    path: Some(path),
                    from_source: sources(process, losses),
                    ..Rule::default()
                }));
            }
            for path in entry::interpreters(process, losses) {
                let rule = json!(Rule {
                    path: Some(path),
                    ..Rule::default()
                });
                if !rules.match_paths.contains(&rule) {
                    rules.match_paths.push(rule);
                }
            }
        }
        policies.push(json!({
            "apiVersion": API,
            "kind": KIND,
            "metadata": {
                "name": document.spec.workload.document_name(),
                "namespace": controller.namespace,
            },
            "spec": {
                "selector": {"matchLabels": {CONTAINER: format!("[{}]", controller.container)}},
                "process": json!(rules),
                // An allowlist of programs would else be one of files, too.
                "file": {"matchDirectories": [{"dir": "/", "recursive": true}]},
                "action": "Allow",
            },
        }));
    }
    Ok(policies)
}

/// The programs that may start it, where that is all that is asked for.
fn sources(process: &Process, losses: &mut Losses) -> Vec<Source> {
    let mut sources = Vec::new();
    for parent in &process.conditions().parents {
        let Parent::Path(path) = parent else {
            losses.allows_more("parents", process.path().as_str());
            return Vec::new();
        };
        sources.push(Source {
            path: path.to_string(),
        });
    }
    sources
}

/// One part for each policy.
pub(super) fn import(
    documents: Vec<Value>,
    losses: &mut Losses,
) -> Result<Vec<Part>, ManifestError> {
    let mut parts = Vec::new();
    for resource in resources(documents, API, &[KIND], losses)? {
        let spec: Spec = resource.spec()?;
        if spec.status.as_deref() == Some("Inactive") {
            losses.not_carried_of("that it is inactive there", &resource.metadata.name);
        }
        let default = spec.process.action.clone().or(spec.action);
        let rules = read(&resource, spec.process, default.as_deref())?;
        let blocked: Vec<&Rule> = rules
            .iter()
            .filter(|(_, rule)| rule.action.as_deref() == Some("Block"))
            .map(|(_, rule)| rule)
            .collect();
        if !rules
            .iter()
            .any(|(_, rule)| rule.action.as_deref() == Some("Allow"))
        {
            entry::leave_out_resource(resource.place(), losses);
            continue;
        }
        let mut processes = BTreeSet::new();
        for (place, rule) in &rules {
            match rule.action.as_deref() {
                Some("Allow") => match allowed(rule, &blocked) {
                    Ok(process) => {
                        processes.insert(process);
                    }
                    Err(why) => losses.leave_out(format!("{place} ({})", rule.what()), why),
                },
                _ => losses.not_carried_of(
                    "Block and Audit rules, which are no allowlist: what they name deviates \
                     here, unless a rule allows it",
                    rule.what(),
                ),
            }
        }
        for rule in blocked.iter().filter(|rule| rule.pattern.is_some()) {
            losses.allows_more("a Block rule with a pattern", rule.what());
        }
        parts.push(Part::of_resource(
            resource.metadata,
            Mode::Enforce,
            processes,
        ));
    }
    Ok(parts)
}

/// All rules with their place, each with its own action.
fn read(
    resource: &Resource,
    rules: Rules,
    default: Option<&str>,
) -> Result<Vec<(String, Rule)>, ManifestError> {
    let lists = [
        ("matchPaths", rules.match_paths),
        ("matchDirectories", rules.match_directories),
        ("matchPatterns", rules.match_patterns),
    ];
    let mut read = Vec::new();
    for (list, values) in lists {
        let values = bounded(resource.place(), values)?;
        for (number, value) in values.into_iter().enumerate() {
            let place = format!("{}: process.{list}[{number}]", resource.place());
            let mut rule: Rule = at(&place, value)?;
            let action = rule.action.take();
            let action = action.as_deref().or(default).unwrap_or("Block");
            rule.action = Some(action.to_owned());
            read.push((place, rule));
        }
    }
    Ok(read)
}

impl Rule {
    fn what(&self) -> &str {
        let names = [&self.path, &self.dir, &self.pattern];
        let name = names.into_iter().flatten().next();
        let exec = || self.other.get("execname").and_then(Value::as_str);
        name.map(String::as_str).or_else(exec).unwrap_or_default()
    }

    /// Whether it names `path`, in whatever way but by a pattern.
    fn names(&self, path: &str) -> bool {
        let folder = |dir: &str| path.starts_with(dir);
        self.path.as_deref() == Some(path) || self.dir.as_deref().is_some_and(folder)
    }
}

/// The entry for a rule that allows something.
fn allowed(rule: &Rule, blocked: &[&Rule]) -> Result<Process, String> {
    // They say nothing of what is allowed, but how a folder is meant.
    const HARMLESS: [&str; 4] = ["severity", "tags", "message", "recursive"];
    let narrows = rule.other.iter().find(|(field, value)| {
        !HARMLESS.contains(&field.as_str()) && !matches!(value, Value::Null | Value::Bool(false))
    });
    if let Some((field, _)) = narrows {
        return Err(format!("{field} narrows it, and has no equal here"));
    }
    let process = match (&rule.path, &rule.dir, &rule.pattern) {
        (Some(path), None, None) => entry::program(path)?,
        (None, Some(_), None) => {
            return Err("programs of the image are allowed by name, not by folder".to_owned());
        }
        (None, None, Some(pattern)) => simple(pattern)?,
        _ => return Err("it has not one of path, dir and pattern".to_owned()),
    };
    if blocked
        .iter()
        .any(|rule| rule.names(process.path().as_str()))
    {
        return Err("a Block rule names it too".to_owned());
    }
    let sources = rule.from_source.iter().map(|source| {
        let path = ExactPath::new(&source.path).map_err(|error| error.to_string())?;
        Ok(Parent::Path(path))
    });
    let parents: BTreeSet<Parent> = sources.collect::<Result<_, String>>()?;
    if parents.len() > MAX_PARENTS {
        return Err("it has more sources than an entry has parents".to_owned());
    }
    Ok(process.under(Conditions {
        parents,
        ..Conditions::default()
    }))
}

/// A pattern of AppArmor's that means the same here: with `*` and nothing else
/// that is special there.
fn simple(pattern: &str) -> Result<Process, String> {
    let special = |c: char| {
        matches!(
            c,
            '?' | '[' | ']' | '{' | '}' | '^' | '\\' | '"' | '@' | ' '
        )
    };
    if pattern.contains(special) {
        return Err("it has more than * in it, which has no equal here".to_owned());
    }
    entry::pattern(pattern, RunAs::Program)
}

#[cfg(test)]
#[path = "kubearmor_tests.rs"]
mod tests;
