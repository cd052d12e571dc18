//! Allowlists as other products write them, and theirs as ours.
//!
//! - `neuvector`, `kubescape`, `kubearmor`, `tetragon`, `workload_policy`: one
//!   format each, with the source of its schema: types as it is written, and
//!   both directions as pure functions.
//! - [`losses`]: what a translation could not carry over. No format says what
//!   another one does, and what is lost is said, always.
//! - [`assign`](mod@assign), [`said`]: which workload something is about, where
//!   the format does not know our workloads, and a person's word on it.
//! - `manifest`, `emit`: Kubernetes resources in and out. `entry`: what every
//!   format has to think about for one entry.
//!
//! What comes from another product is untrusted input, like a document: it is
//! read with the same limits, and ends in documents or in an error.
//!
//! **Invariant:** nothing that is imported allows more than the file did,
//! unless [`Losses`] says so. A rule that our documents cannot express is left
//! out, and named.

pub mod assign;
mod emit;
mod entry;
mod kubearmor;
mod kubescape;
pub mod losses;
mod manifest;
mod neuvector;
pub mod said;
mod tetragon;
mod workload_policy;

#[cfg(test)]
mod testing;

pub use assign::{AssignError, assign};
pub use losses::Losses;
pub use manifest::ManifestError;
pub use said::{Assignment, BadAssignment};

use crate::allowlist::{Document, Mode, ParseError, Process, parse, parse_foreign, render};
use crate::model::WorkloadId;
use manifest::Metadata;
use std::collections::BTreeSet;

/// What allowlists are translated from and to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    /// ProcessAllowlist, in its canonical form
    #[default]
    Yaml,
    /// NeuVector: the process profile of a NvSecurityRule
    #[value(name = "neuvector")]
    NeuVector,
    /// Kubescape: the execs of a ContainerProfile or an ApplicationProfile
    Kubescape,
    /// KubeArmor: the process rules of a KubeArmorPolicy
    #[value(name = "kubearmor")]
    KubeArmor,
    /// Tetragon: a TracingPolicy that reports what is not listed
    Tetragon,
    /// SUSE's runtime enforcer: a WorkloadPolicy
    WorkloadPolicy,
}

/// Documents in another format.
#[derive(Debug)]
pub struct Exported {
    /// YAML, one document after the other.
    pub text: String,
    /// What was lost, of each document.
    pub losses: Vec<Losses>,
}

/// Why documents were not exported.
#[derive(Debug, thiserror::Error)]
#[error("{workload}: {message}")]
pub struct ExportError {
    /// What the document is about.
    pub workload: String,
    /// Why not.
    pub message: String,
}

/// Writes `documents` as `format` has them. The same documents in the same
/// order give the same bytes.
///
/// # Errors
/// The format has no such workload, or nothing would be left of a document.
pub fn export(format: Format, documents: &[Document]) -> Result<Exported, ExportError> {
    let mut losses: Vec<Losses> = documents.iter().map(|_| Losses::default()).collect();
    let resources = match format {
        Format::Yaml => {
            let texts: Vec<String> = documents.iter().map(render).collect();
            let text = texts.join("---\n");
            return Ok(Exported { text, losses });
        }
        Format::NeuVector => neuvector::export(documents, &mut losses)?,
        Format::Kubescape => kubescape::export(documents, &mut losses)?,
        Format::KubeArmor => kubearmor::export(documents, &mut losses)?,
        Format::Tetragon => tetragon::export(documents, &mut losses)?,
        Format::WorkloadPolicy => workload_policy::export(documents, &mut losses)?,
    };
    let texts: Vec<String> = resources.iter().map(emit::yaml).collect();
    Ok(Exported {
        text: texts.join("---\n"),
        losses,
    })
}

/// What a file holds for one workload.
#[derive(Clone, Debug)]
pub struct Part {
    /// What the file calls it: a resource, or one container in it,
    /// `checkout/api`.
    pub name: String,
    /// What it says of the workload.
    pub about: About,
    /// What may run.
    pub body: Body,
}

impl Part {
    /// Of a resource that chooses its pods by their labels, which say nothing of
    /// the workload's name.
    fn of_resource(metadata: Metadata, mode: Mode, processes: BTreeSet<Process>) -> Self {
        Self {
            name: metadata.name,
            about: About::Namespace(metadata.namespace),
            body: Body::Entries { mode, processes },
        }
    }
}

/// What a format says about the workload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum About {
    /// All of it.
    Workload(WorkloadId),
    /// The container, and not whose.
    Container {
        /// The namespace, if it is known.
        namespace: Option<String>,
        /// Its name.
        container: String,
    },
    /// At most the namespace.
    Namespace(Option<String>),
}

/// What may run.
#[derive(Clone, Debug)]
pub enum Body {
    /// A document of our own.
    Document(Box<Document>),
    /// Entries of another product.
    Entries {
        /// What is done with the workload.
        mode: Mode,
        /// What it may run.
        processes: BTreeSet<Process>,
    },
}

/// A file as documents that do not all have a workload yet.
#[derive(Debug)]
pub struct Imported {
    /// One for each resource or container.
    pub parts: Vec<Part>,
    /// What was lost.
    pub losses: Losses,
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is no YAML, or no document of ours.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It is none of the format's.
    #[error("{file}: {source}")]
    Manifest {
        /// The file, as the caller named it.
        file: String,
        /// Why not.
        source: ManifestError,
    },
}

/// Reads a file that is in `format`. `file` is what errors call it.
///
/// # Errors
/// Any [`ImportError`]; whatever the bytes are, nothing else happens.
pub fn import(format: Format, file: &str, bytes: &[u8]) -> Result<Imported, ImportError> {
    let mut losses = Losses::default();
    let read = match format {
        Format::Yaml => {
            let document = parse(file, bytes)?;
            let part = Part {
                name: document.metadata.name.clone(),
                about: About::Workload(document.spec.workload.clone()),
                body: Body::Document(Box::new(document)),
            };
            return Ok(Imported {
                parts: vec![part],
                losses,
            });
        }
        Format::NeuVector => neuvector::import,
        Format::Kubescape => kubescape::import,
        Format::KubeArmor => kubearmor::import,
        Format::Tetragon => tetragon::import,
        Format::WorkloadPolicy => workload_policy::import,
    };
    let documents = parse_foreign(file, bytes)?;
    let parts = read(documents, &mut losses).map_err(|source| ImportError::Manifest {
        file: file.to_owned(),
        source,
    })?;
    entry::note_import(&parts, &mut losses);
    Ok(Imported { parts, losses })
}

#[cfg(test)]
mod tests;
