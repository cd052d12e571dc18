//! The execs of Kubescape's `ContainerProfile` and `ApplicationProfile`.
//!
//! The schema:
//! <https://github.com/kubescape/storage/blob/main/pkg/apis/softwarecomposition/v1beta1/types.go>
//! (`ContainerProfileSpec`, `ApplicationProfileSpec`, `ExecCalls`). What it
//! means: `pkg/registry/file/dynamicpathdetector` there: in a path `⋯` is one
//! segment and `*` any number of them; in arguments `⋯` is one argument and `⋯⋯`
//! any number, and the first one is the name that the program was called by. A
//! profile is marked with its workload by labels `kubescape.io/workload-…`. A
//! path is the one that was called, which may be a link's.

use super::entry::{self, Controller, Says};
use super::manifest::{ManifestError, Metadata, Resource, at, null_is_empty, resources};
use super::{About, Body, ExportError, Losses, Part};
use crate::allowlist::{Document, Mode, Process};
use crate::model::WorkloadId;
use exec::Exec;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

mod exec;

const API: &str = "spdx.softwarecomposition.kubescape.io/v1beta1";
const CONTAINER: &str = "ContainerProfile";
const APPLICATION: &str = "ApplicationProfile";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Application {
    #[serde(default, deserialize_with = "null_is_empty")]
    containers: Vec<Container>,
    #[serde(default, deserialize_with = "null_is_empty")]
    init_containers: Vec<Container>,
    #[serde(default, deserialize_with = "null_is_empty")]
    ephemeral_containers: Vec<Container>,
}

/// One container of an application's profile; without a name, the spec of a
/// container's own.
#[derive(Serialize, Deserialize)]
struct Container {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    execs: Vec<Value>,
}

/// One profile for each document.
pub(super) fn export(
    documents: &[Document],
    losses: &mut [Losses],
) -> Result<Vec<Value>, ExportError> {
    let mut profiles = Vec::new();
    for (document, losses) in documents.iter().zip(losses) {
        let controller = Controller::of(document)?;
        let says = Says {
            args: true,
            ..Says::default()
        };
        let mut execs: BTreeSet<Exec> = BTreeSet::new();
        for process in entry::entries(document, says, losses) {
            match Exec::of(process, losses) {
                Ok(exec) => {
                    execs.insert(exec);
                    let interpreters = entry::interpreters(process, losses);
                    execs.extend(interpreters.iter().map(|path| Exec::program(path)));
                }
                Err(why) => losses.leave_out(entry::title(process), why),
            }
        }
        let label = |what: &str| format!("kubescape.io/workload-{what}");
        let spec = json!(Container {
            name: String::new(),
            execs: execs.iter().map(|exec| json!(exec)).collect(),
        });
        profiles.push(json!({
            "apiVersion": API,
            "kind": CONTAINER,
            "metadata": {
                "name": document.spec.workload.document_name(),
                "namespace": controller.namespace,
                "annotations": {
                    "kubescape.io/completion": "complete",
                    "kubescape.io/managed-by": "User",
                    "kubescape.io/status": "completed",
                },
                "labels": {
                    label("container-name"): controller.container,
                    label("kind"): controller.kind,
                    label("name"): controller.name,
                    label("namespace"): controller.namespace,
                },
            },
            "spec": spec,
        }));
    }
    Ok(profiles)
}

/// One part for each container.
pub(super) fn import(
    documents: Vec<Value>,
    losses: &mut Losses,
) -> Result<Vec<Part>, ManifestError> {
    let mut parts = Vec::new();
    for resource in resources(documents, API, &[CONTAINER, APPLICATION], losses)? {
        let metadata = &resource.metadata;
        if metadata
            .annotations
            .get("kubescape.io/completion")
            .map(String::as_str)
            == Some("partial")
        {
            losses.not_carried_of("that it was learned in part only", &metadata.name);
        }
        if resource.kind == CONTAINER {
            let container: Container = resource.spec()?;
            let name = metadata.labels.get("kubescape.io/workload-container-name");
            let about = about(metadata, name.map(String::as_str));
            parts.push(part(
                &resource,
                metadata.name.clone(),
                about,
                container,
                losses,
            )?);
            continue;
        }
        let application: Application = resource.spec()?;
        for container in &application.ephemeral_containers {
            losses.leave_out(
                format!("{}: debug container {}", resource.place(), container.name),
                "all debug containers of a controller have one list here",
            );
        }
        let containers = application.containers.into_iter();
        for container in containers.chain(application.init_containers) {
            let name = format!("{}/{}", metadata.name, container.name);
            let about = about(metadata, Some(&container.name));
            parts.push(part(&resource, name, about, container, losses)?);
        }
    }
    let some = |part: &Part| match &part.body {
        Body::Entries { processes, .. } => !processes.is_empty(),
        Body::Document(_) => false,
    };
    if parts.iter().any(some) {
        losses.not_carried(
            "links: a path there is the one that was called, and here the file that it leads to",
        );
    }
    Ok(parts)
}

fn part(
    resource: &Resource,
    name: String,
    about: About,
    container: Container,
    losses: &mut Losses,
) -> Result<Part, ManifestError> {
    let mut processes: BTreeSet<Process> = BTreeSet::new();
    for (number, value) in container.execs.into_iter().enumerate() {
        let place = match container.name.is_empty() {
            true => format!("{}: execs[{number}]", resource.place()),
            false => format!("{}: {}: execs[{number}]", resource.place(), container.name),
        };
        let exec: Exec = at(&place, value)?;
        match exec.entry(losses) {
            Ok(process) => {
                processes.insert(process);
            }
            Err(why) => losses.leave_out(format!("{place} ({})", exec.path()), why),
        }
    }
    Ok(Part {
        name,
        about,
        body: Body::Entries {
            mode: Mode::Enforce,
            processes,
        },
    })
}

/// Whose it is, by its labels.
fn about(metadata: &Metadata, container: Option<&str>) -> About {
    let label = |what: &str| {
        let value = metadata
            .labels
            .get(&format!("kubescape.io/workload-{what}"));
        value.filter(|value| !value.is_empty()).cloned()
    };
    let namespace = label("namespace").or_else(|| metadata.namespace.clone());
    let container = container.filter(|name| !name.is_empty()).map(str::to_owned);
    match (namespace, label("kind"), label("name"), container) {
        (Some(namespace), Some(kind), Some(name), Some(container)) => {
            About::Workload(WorkloadId::Kubernetes {
                namespace,
                kind: capitalised(kind),
                name,
                container,
            })
        }
        (namespace, _, _, Some(container)) => About::Container {
            namespace,
            container,
        },
        (namespace, _, _, None) => About::Namespace(namespace),
    }
}

/// A kind as Kubernetes writes it: some versions write it small.
fn capitalised(kind: String) -> String {
    const KINDS: [&str; 7] = [
        "CronJob",
        "DaemonSet",
        "Deployment",
        "Job",
        "Pod",
        "ReplicaSet",
        "StatefulSet",
    ];
    let known = KINDS
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(&kind));
    known.map_or(kind, str::to_owned)
}

#[cfg(test)]
#[path = "kubescape_tests.rs"]
mod tests;
