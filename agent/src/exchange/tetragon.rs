//! A `TracingPolicy` of Tetragon's that reports every program but the listed
//! ones.
//!
//! The schema:
//! <https://github.com/cilium/tetragon/blob/main/pkg/k8s/apis/cilium.io/v1alpha1/types.go>,
//! `tracing_policy_types.go` beside it. What it means:
//! <https://github.com/cilium/tetragon/blob/main/docs/content/en/docs/concepts/tracing-policy/selectors.md>
//! and `k8s-filtering.md` beside it. An allowlist is a selector that matches
//! what is not on it: an argument of the type `linux_binprm` (or `file`) with
//! the operator `NotEqual`; at `sched_process_exec` also a binary with `NotIn`.
//! A selector holds if all its filters hold, and selectors are alternatives.
//! `security_bprm_check` is called for a script, and then for its interpreter.

use super::entry::{self, Controller, Says};
use super::manifest::{ManifestError, null_is_empty, resources};
use super::{ExportError, Losses, Part};
use crate::allowlist::{Document, Mode};
use hook::{Hook, Selector};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

mod hook;

const API: &str = "cilium.io/v1alpha1";
const KIND: &str = "TracingPolicy";
const NAMESPACED: &str = "TracingPolicyNamespaced";

#[derive(Deserialize)]
struct Spec {
    #[serde(default, deserialize_with = "null_is_empty")]
    kprobes: Vec<Hook>,
    #[serde(default, deserialize_with = "null_is_empty")]
    fentries: Vec<Hook>,
    #[serde(default, deserialize_with = "null_is_empty")]
    lsmhooks: Vec<Hook>,
    #[serde(default, deserialize_with = "null_is_empty")]
    tracepoints: Vec<Hook>,
    #[serde(
        rename = "selectorsMacros",
        default,
        deserialize_with = "null_is_empty"
    )]
    macros: Value,
}

/// A filter by values: of an argument, or of the binary.
#[derive(Serialize, Deserialize, Default)]
struct Filter {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    operator: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    values: Vec<String>,
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
             container, until you add a podSelector",
            controller.kind, controller.name
        ));
        let named = entry::entries(document, Says::default(), losses);
        let paths = entry::paths(&named, true, losses);
        if paths.is_empty() {
            return Err(ExportError {
                workload: document.spec.workload.to_string(),
                message: "no entry of it can be listed, and a filter needs a value".to_owned(),
            });
        }
        policies.push(json!({
            "apiVersion": API,
            "kind": NAMESPACED,
            "metadata": {
                "name": document.spec.workload.document_name(),
                "namespace": controller.namespace,
            },
            "spec": {
                "containerSelector": {"matchExpressions": [
                    {"key": "name", "operator": "In", "values": [controller.container]},
                ]},
                "kprobes": [{
                    "call": "security_bprm_check",
                    "syscall": false,
                    "args": [{"index": 0, "type": "linux_binprm"}],
                    "selectors": [json!(Selector::all_but(paths))],
                }],
            },
        }));
    }
    Ok(policies)
}

/// One part for each policy.
pub(super) fn import(
    documents: Vec<Value>,
    losses: &mut Losses,
) -> Result<Vec<Part>, ManifestError> {
    let mut parts = Vec::new();
    for resource in resources(documents, API, &[KIND, NAMESPACED], losses)? {
        let spec: Spec = resource.spec()?;
        let lists = [
            ("kprobes", spec.kprobes),
            ("fentries", spec.fentries),
            ("lsmhooks", spec.lsmhooks),
            ("tracepoints", spec.tracepoints),
        ];
        let uses_macros = spec
            .macros
            .as_object()
            .is_some_and(|macros| !macros.is_empty());
        // What all of the policy's lists allow: each reports what is not on it.
        let mut allowed: Option<BTreeSet<String>> = None;
        for (list, hooks) in lists {
            for (number, hook) in hooks.iter().enumerate() {
                let place = format!("{}: {list}[{number}]", resource.place());
                let found = match uses_macros {
                    true => Err("it uses selectorsMacros, which are not read".to_owned()),
                    false => hook.allowed(&place, losses),
                };
                match found {
                    Ok(None) => losses.not_carried_of(
                        "hooks that are no list of programs",
                        format!("{list}[{number}]"),
                    ),
                    Ok(Some(listed)) => {
                        allowed = Some(match allowed {
                            None => listed,
                            Some(before) => before.intersection(&listed).cloned().collect(),
                        });
                    }
                    Err(why) => losses.leave_out(place, why),
                }
            }
        }
        let Some(allowed) = allowed else {
            entry::leave_out_resource(resource.place(), losses);
            continue;
        };
        let mut processes = BTreeSet::new();
        for path in allowed {
            match entry::program(&path) {
                Ok(process) => {
                    processes.insert(process);
                }
                Err(why) => losses.leave_out(format!("{}: {path}", resource.place()), why),
            }
        }
        parts.push(Part::of_resource(
            resource.metadata,
            Mode::Enforce,
            processes,
        ));
    }
    Ok(parts)
}

#[cfg(test)]
#[path = "tetragon_tests.rs"]
mod tests;
