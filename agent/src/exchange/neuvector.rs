//! The process profile of a NeuVector group: `NvSecurityRule` and
//! `NvClusterSecurityRule`.
//!
//! The schema:
//! <https://github.com/neuvector/neuvector/blob/main/controller/resource/nvsecurityrule_def.go>
//! (`NvSecurityRuleSpec`, `NvSecurityProcessRule`). What it means:
//! `MatchProfileProcess` in `agent/policy/process.go` there, and
//! <https://github.com/neuvector/docs/blob/main/docs/05.policy/06.processrules/06.processrules.md>.
//! A rule names a path and the name that the process has, which is that of the
//! file, of an applet, or of a script whose interpreter the path is, cut to 15
//! bytes. The first rule that matches counts. A group `nv.<service>.<namespace>`
//! holds for all containers of its pods.

use super::entry::{self, Controller, Says};
use super::manifest::{ManifestError, at, bounded, null_is_empty, resources};
use super::{ExportError, Losses, Part};
use crate::allowlist::{Document, Mode, Process, RunAs};
use rule::Rule;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

mod rule;

const API: &str = "neuvector.com/v1";
const KIND: &str = "NvSecurityRule";
const CLUSTER_KIND: &str = "NvClusterSecurityRule";
/// The longest name of a process, in bytes: `TASK_COMM_LEN` without its end.
const MAX_NAME: usize = 15;

#[derive(Serialize, Deserialize)]
struct Spec {
    target: Option<Target>,
    process_profile: Option<Profile>,
    #[serde(default, deserialize_with = "null_is_empty")]
    process: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    policymode: Option<String>,
    selector: Value,
}

#[derive(Serialize, Deserialize, Default)]
struct Profile {
    baseline: Option<String>,
    mode: Option<String>,
}

/// One resource for each service.
pub(super) fn export(
    documents: &[Document],
    losses: &mut [Losses],
) -> Result<Vec<Value>, ExportError> {
    let mut services: BTreeMap<(&str, &str), (Mode, BTreeSet<Rule>)> = BTreeMap::new();
    for (document, losses) in documents.iter().zip(losses) {
        let controller = Controller::of(document)?;
        losses.allows_more(
            "the container: a group is all containers of its pods",
            controller.container,
        );
        let says = Says {
            name: true,
            learn: true,
            ..Says::default()
        };
        let rules: Vec<Rule> = entry::entries(document, says, losses)
            .into_iter()
            .filter_map(|process| exported(process, losses))
            .collect();
        let key = (controller.namespace, controller.name);
        let (mode, all) = services
            .entry(key)
            .or_insert((Mode::Learn, BTreeSet::new()));
        if document.spec.mode == Mode::Enforce {
            *mode = Mode::Enforce;
        }
        all.extend(rules);
    }
    let services = services.into_iter();
    Ok(services
        .map(|((namespace, name), (mode, rules))| resource(namespace, name, mode, &rules))
        .collect())
}

fn resource(namespace: &str, name: &str, mode: Mode, rules: &BTreeSet<Rule>) -> Value {
    let service = format!("{name}.{namespace}");
    let group = format!("nv.{service}");
    let spec = Spec {
        target: Some(Target {
            // The group's own: it is about its network as well.
            policymode: None,
            selector: json!({
                "comment": "",
                "criteria": [
                    {"key": "service", "op": "=", "value": service},
                    {"key": "domain", "op": "=", "value": namespace},
                ],
                "name": group,
                "original_name": "",
            }),
        }),
        process_profile: Some(Profile {
            // The other baseline allows what the image has, listed or not.
            baseline: Some("basic".to_owned()),
            mode: Some(match mode {
                Mode::Enforce => "Monitor".to_owned(),
                Mode::Learn | Mode::Off => "Discover".to_owned(),
            }),
        }),
        process: rules.iter().map(|rule| json!(rule)).collect(),
    };
    let mut spec = json!(spec);
    for other in ["egress", "ingress", "file"] {
        spec[other] = json!([]);
    }
    json!({
        "apiVersion": API,
        "kind": KIND,
        "metadata": {"name": group, "namespace": namespace},
        "spec": spec,
    })
}

fn exported(process: &Process, losses: &mut Losses) -> Option<Rule> {
    if process.path().has_wildcard() {
        losses.leave_out(
            entry::title(process),
            "its path has a *, which crosses folders there",
        );
        return None;
    }
    let path = process.path().as_str();
    let (name, path) = match process.run_as() {
        RunAs::Program => (process.path().file_name(), path),
        RunAs::Applet(name) => (name.as_str(), path),
        RunAs::Script { interpreter, .. } => {
            losses.allows_more(
                "scripts: a rule has their file's name without its folder",
                path,
            );
            (process.path().file_name(), interpreter.as_str())
        }
    };
    Some(Rule::allowing(rule::comm(name), path))
}

/// One part for each group.
pub(super) fn import(
    documents: Vec<Value>,
    losses: &mut Losses,
) -> Result<Vec<Part>, ManifestError> {
    let mut parts = Vec::new();
    for resource in resources(documents, API, &[KIND, CLUSTER_KIND], losses)? {
        let spec: Spec = resource.spec()?;
        let mut rules = Vec::new();
        let values = bounded(resource.place(), spec.process)?;
        for (number, value) in values.into_iter().enumerate() {
            let place = format!("{}: process[{number}]", resource.place());
            let rule: Rule = at(&place, value)?;
            rules.push((place, rule));
        }
        if !rules.iter().any(|(_, rule)| rule.allows()) {
            entry::leave_out_resource(resource.place(), losses);
            continue;
        }
        let profile = spec.process_profile.unwrap_or_default();
        if profile.baseline.as_deref() == Some("zero-drift") {
            losses.not_carried_of(
                "zero-drift, by which what the image has may run, listed or not",
                &resource.metadata.name,
            );
        }
        let group_mode = spec.target.and_then(|target| target.policymode);
        let mode = match profile.mode.or(group_mode).as_deref() {
            Some("Discover") => Mode::Learn,
            Some("Protect") => {
                losses.not_carried_of("mode Protect: it blocks there", &resource.metadata.name);
                Mode::Enforce
            }
            _ => Mode::Enforce,
        };
        let allowed = rule::allowed(&rules, losses);
        parts.push(Part::of_resource(resource.metadata, mode, allowed));
    }
    Ok(parts)
}

#[cfg(test)]
#[path = "neuvector_tests.rs"]
mod tests;
