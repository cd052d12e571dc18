//! Which workload something is about, where its format does not say.

use super::said::{Assignment, Target};
use super::{About, Body, Part};
use crate::allowlist::{
    Action, Allowlist, Document, MergeError, Metadata, Spec, Unverified, merge, parse, render,
};
use crate::model::WorkloadId;
use std::collections::{BTreeMap, BTreeSet};

/// Why parts did not become documents.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// The format does not say whose they are, and neither does anybody else.
    #[error("which workload is meant is not said in the file: say {}", .0.join(" "))]
    Unknown(Vec<String>),
    /// One workload for several parts would allow it what another may run.
    #[error(
        "--workload {workload} would be for {parts}; say for each which is meant: \
         --workload {example}=…"
    )]
    Ambiguous {
        /// The workload.
        workload: String,
        /// All of them.
        parts: String,
        /// One of them.
        example: String,
    },
    /// Two words without a part.
    #[error("--workload is given twice without a part; write --workload PART=WORKLOAD")]
    Twice,
    /// A controller where the container is not known.
    #[error("{0} names no container; say NAMESPACE/KIND/NAME/CONTAINER for it")]
    NoContainer(String),
    /// A part that is not there: most likely mistyped.
    #[error("there is no part {part:?}; there are {parts}")]
    NoSuchPart {
        /// As it was typed.
        part: String,
        /// Those that there are.
        parts: String,
    },
    /// Two documents of one workload that cannot be one.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// A document that the agent would not take: too large, most likely.
    #[error("{workload}: the document would not be valid: {message}")]
    Invalid {
        /// What it is about.
        workload: String,
        /// Why not.
        message: String,
    },
}

/// Makes documents of parts: what is about one workload becomes one document.
/// Sorted by workload.
///
/// # Errors
/// Any [`AssignError`].
pub fn assign(parts: Vec<Part>, says: &[Assignment]) -> Result<Vec<Document>, AssignError> {
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    let general = general(&names, says)?;
    let mut unused: BTreeSet<&str> = says.iter().filter_map(|s| s.part.as_deref()).collect();
    let mut unknown = Vec::new();
    let mut workloads = Vec::new();
    for part in &parts {
        let own = says.iter().find(|say| say.means(&part.name));
        if let Some(part) = own.and_then(|say| say.part.as_deref()) {
            unused.remove(part);
        }
        let target = own.map(|say| &say.target).or(general);
        match workload(part, target)? {
            Some(workload) => workloads.push(workload),
            None => unknown.push(part.about.flag(&part.name)),
        }
    }
    if let Some(part) = unused.first() {
        return Err(AssignError::NoSuchPart {
            part: (*part).to_owned(),
            parts: names.join(", "),
        });
    }
    if !unknown.is_empty() {
        return Err(AssignError::Unknown(unknown));
    }
    let mut by_workload: BTreeMap<WorkloadId, Vec<Document>> = BTreeMap::new();
    for (part, workload) in parts.into_iter().zip(workloads) {
        let document = document(part.body, workload.clone());
        by_workload.entry(workload).or_default().push(document);
    }
    by_workload.into_values().map(one_of).collect()
}

/// The word that is for all parts.
fn general<'a>(names: &[&str], says: &'a [Assignment]) -> Result<Option<&'a Target>, AssignError> {
    let mut general = says.iter().filter(|say| say.part.is_none());
    let (Some(first), second) = (general.next(), general.next()) else {
        return Ok(None);
    };
    if second.is_some() {
        return Err(AssignError::Twice);
    }
    match (&first.target, names) {
        (Target::Workload(workload), [example, _, ..]) => Err(AssignError::Ambiguous {
            workload: workload.to_string(),
            parts: names.join(", "),
            example: (*example).to_owned(),
        }),
        (target, _) => Ok(Some(target)),
    }
}

impl About {
    /// What a person has to say about the part `name`.
    fn flag(&self, name: &str) -> String {
        let namespace = |namespace: &Option<String>| {
            namespace.clone().unwrap_or_else(|| "NAMESPACE".to_owned())
        };
        match self {
            Self::Workload(workload) => format!("--workload {name}={workload}"),
            Self::Container { namespace: n, .. } => {
                format!("--workload {name}={}/KIND/NAME", namespace(n))
            }
            Self::Namespace(n) => format!("--workload {name}={}/KIND/NAME/CONTAINER", namespace(n)),
        }
    }
}

fn workload(part: &Part, target: Option<&Target>) -> Result<Option<WorkloadId>, AssignError> {
    let Some(target) = target else {
        return Ok(match &part.about {
            About::Workload(workload) => Some(workload.clone()),
            About::Container { .. } | About::Namespace(_) => None,
        });
    };
    let (namespace, kind, name) = match target {
        Target::Workload(workload) => return Ok(Some(workload.clone())),
        Target::Controller {
            namespace,
            kind,
            name,
        } => (namespace.clone(), kind.clone(), name.clone()),
    };
    match &part.about {
        About::Container { container, .. }
        | About::Workload(WorkloadId::Kubernetes { container, .. }) => {
            Ok(Some(WorkloadId::Kubernetes {
                namespace,
                kind,
                name,
                container: container.clone(),
            }))
        }
        About::Workload(_) | About::Namespace(_) => {
            Err(AssignError::NoContainer(part.name.clone()))
        }
    }
}

fn document(body: Body, workload: WorkloadId) -> Document {
    match body {
        Body::Document(mut document) => {
            document.spec.workload = workload;
            *document
        }
        Body::Entries { mode, processes } => Document {
            metadata: Metadata {
                name: workload.document_name(),
                ..Metadata::default()
            },
            spec: Spec {
                workload,
                mode,
                action: Some(Action::default()),
                unverified: Unverified::default(),
                digests: None,
                processes,
                removed: BTreeSet::new(),
            },
            status: None,
        },
    }
}

/// The union of documents of one workload, if the agent would take it.
fn one_of(documents: Vec<Document>) -> Result<Document, AssignError> {
    let document = merge(&documents)?;
    let invalid = |message: String| AssignError::Invalid {
        workload: document.spec.workload.to_string(),
        message,
    };
    parse("it", render(&document).as_bytes()).map_err(|error| invalid(error.message))?;
    Allowlist::new(&document).map_err(|error| invalid(error.to_string()))?;
    Ok(document)
}

#[cfg(test)]
#[path = "assign_tests.rs"]
mod tests;
