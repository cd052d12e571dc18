//! Several documents of one workload as one: what several nodes learned, or
//! a learned one and a person's.
//!
//! Every part is merged as a set, a smallest or a greatest: the result is the
//! same bytes in any order and grouping, and merging one of them in once more
//! changes nothing. That is why counts are not added up: of two documents that
//! say twelve containers, nobody knows whether they were the same twelve.

use super::conditions::{Contents, Digests, MAX_DIGESTS};
use super::document::{
    Document, LearnedFrom, Metadata, Mode, Spec, Status, Unverified, WRITTEN_BY, Window,
};
use super::path::PathPattern;
use super::process::Process;
use super::removed::Removed;
use crate::model::{Digest, WorkloadId};
use std::collections::{BTreeMap, BTreeSet};

/// Why documents are not merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// None was given.
    #[error("there is no document to merge")]
    Nothing,
    /// What one workload may run says nothing of another.
    #[error(
        "{} and {} are two workloads; only documents of one workload can be merged", .0[0], .0[1]
    )]
    DifferentWorkloads(Box<[WorkloadId; 2]>),
}

/// The union of documents.
///
/// - What one of them allows is allowed, under the conditions that it names;
///   entries that differ in their digests alone become one. But what one of
///   them has struck is struck: see [`struck`].
/// - The stricter mode and action hold. Each digest is compared or not as it
///   was in its own document.
/// - Of the status: the images and gaps of all, the earliest start, the latest
///   end, the greatest counts.
/// - It counts as the agent's own only if all of them are.
///
/// One document alone is only brought into this form.
///
/// # Errors
/// None, or of different workloads.
pub fn merge(documents: &[Document]) -> Result<Document, MergeError> {
    let Some(first) = documents.first() else {
        return Err(MergeError::Nothing);
    };
    let workload = &first.spec.workload;
    if let Some(other) = documents.iter().find(|d| d.spec.workload != *workload) {
        let both = [workload.clone(), other.spec.workload.clone()];
        return Err(MergeError::DifferentWorkloads(Box::new(both)));
    }
    let specs = || documents.iter().map(|document| &document.spec);
    let digests = specs().map(|spec| spec.digests).reduce(both_digests);
    let digests = digests.flatten();
    let removed: BTreeSet<Removed> = specs().flat_map(|spec| spec.removed.clone()).collect();
    let strikes = Strikes::new(&removed);
    let mut processes = united(specs(), digests);
    processes.retain(|process| strikes.against(process).is_none());
    Ok(Document {
        metadata: metadata(documents),
        spec: Spec {
            workload: workload.clone(),
            mode: specs().map(|spec| spec.mode).fold(Mode::Off, stricter),
            action: specs().filter_map(|spec| spec.action).max(),
            unverified: specs()
                .map(|spec| spec.unverified)
                .fold(Unverified::Run, Unverified::max),
            digests,
            processes,
            removed,
        },
        status: documents
            .iter()
            .filter_map(|document| document.status.clone())
            .map(canonical)
            .reduce(both_statuses),
    })
}

/// An entry that one document allows and another has struck.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Struck {
    /// The entry. It is not in the result: a person said that it must not run,
    /// and an alert too many is the safer mistake.
    pub entry: Process,
    /// The strike, which is.
    pub removed: Removed,
    /// Which documents allow it.
    pub allowed_by: BTreeSet<usize>,
    /// Which documents strike it.
    pub struck_by: BTreeSet<usize>,
}

/// What [`merge`] leaves out because of a strike in the same words. A strike
/// that only covers an entry, by a `*`, leaves it: within one document, too,
/// that is how a person writes an exception.
pub fn struck(documents: &[Document]) -> Vec<Struck> {
    let mut all: BTreeMap<(&Process, &Removed), Struck> = BTreeMap::new();
    for (striking, by) in documents.iter().enumerate() {
        let strikes = Strikes::new(&by.spec.removed);
        for (allowing, document) in documents.iter().enumerate() {
            for entry in &document.spec.processes {
                if let Some(removed) = strikes.against(entry) {
                    let one = all.entry((entry, removed)).or_insert_with(|| Struck {
                        entry: entry.clone(),
                        removed: removed.clone(),
                        allowed_by: BTreeSet::new(),
                        struck_by: BTreeSet::new(),
                    });
                    one.allowed_by.insert(allowing);
                    one.struck_by.insert(striking);
                }
            }
        }
    }
    all.into_values().collect()
}

/// Strikes by their path.
struct Strikes<'a>(BTreeMap<&'a PathPattern, Vec<&'a Removed>>);

impl<'a> Strikes<'a> {
    fn new(removed: &'a BTreeSet<Removed>) -> Self {
        let mut by_path: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for entry in removed {
            by_path.entry(&entry.path).or_default().push(entry);
        }
        Self(by_path)
    }

    /// The first that says the opposite of `process`.
    fn against(&self, process: &Process) -> Option<&'a Removed> {
        let strikes = self.0.get(process.path())?;
        let mut strikes = strikes.iter().copied();
        strikes.find(|removed| removed.contradicts(process))
    }
}

/// The entries of all, for a document that says `digests`.
fn united<'a>(
    specs: impl Iterator<Item = &'a Spec>,
    digests: Option<Digests>,
) -> BTreeSet<Process> {
    // What differs in its digests alone, and whether these are compared.
    let mut groups: BTreeMap<(Process, Option<Digests>), BTreeSet<Digest>> = BTreeMap::new();
    for spec in specs {
        for process in &spec.processes {
            let mut conditions = process.conditions().clone();
            let contents = conditions.contents.take();
            let compared = contents.as_ref().map(|c| c.under(spec.digests));
            let entry = process.clone().under(conditions);
            let group = groups.entry((entry, compared)).or_default();
            group.extend(contents.iter().flat_map(Contents::any_of));
        }
    }
    let mut processes = BTreeSet::new();
    for ((entry, compared), any_of) in groups {
        let Some(compared) = compared else {
            processes.insert(entry);
            continue;
        };
        // In order, so that who joins first makes no difference.
        let any_of: Vec<Digest> = any_of.into_iter().collect();
        for some in any_of.chunks(MAX_DIGESTS) {
            let mut conditions = entry.conditions().clone();
            conditions.contents = Contents::new(some.iter().copied().collect(), Some(compared));
            processes.insert(entry.clone().under(conditions).left_to(digests));
        }
    }
    processes
}

/// Verify, where two do not say the same.
fn both_digests(ours: Option<Digests>, theirs: Option<Digests>) -> Option<Digests> {
    match ours == theirs {
        true => ours,
        false => Some(Digests::Verify),
    }
}

fn stricter(ours: Mode, theirs: Mode) -> Mode {
    match (ours, theirs) {
        (Mode::Enforce, _) | (_, Mode::Enforce) => Mode::Enforce,
        (Mode::Learn, _) | (_, Mode::Learn) => Mode::Learn,
        (Mode::Off, Mode::Off) => Mode::Off,
    }
}

/// The labels and annotations of all; where two say different things under
/// one name, the first in order.
fn metadata(documents: &[Document]) -> Metadata {
    let all = || documents.iter().map(|document| &document.metadata);
    let mut annotations = first_of_each(all().map(|metadata| &metadata.annotations));
    if !documents.iter().all(Document::is_by_agent) {
        annotations.remove(WRITTEN_BY);
    }
    Metadata {
        name: all().map(|m| m.name.clone()).min().unwrap_or_default(),
        namespace: all().filter_map(|m| m.namespace.clone()).min(),
        labels: first_of_each(all().map(|metadata| &metadata.labels)),
        annotations,
    }
}

fn first_of_each<'a>(
    maps: impl Iterator<Item = &'a BTreeMap<String, String>>,
) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in maps.flatten() {
        let first = all.entry(key.clone()).or_insert_with(|| value.clone());
        if value < first {
            *first = value.clone();
        }
    }
    all
}

/// The sentences as sets, which they are: no two of them are about the same.
fn canonical(mut status: Status) -> Status {
    for sentences in [&mut status.gaps, &mut status.pending_review] {
        sentences.sort();
        sentences.dedup();
    }
    status
}

fn both_statuses(ours: Status, theirs: Status) -> Status {
    let (a, b) = (ours.learned_from, theirs.learned_from);
    let starts = [ours.window.started, theirs.window.started];
    let (ended, ended_because) = end(ours.window).max(end(theirs.window));
    canonical(Status {
        learned_from: LearnedFrom {
            containers: a.containers.max(b.containers),
            nodes: a.nodes.max(b.nodes),
            images: a.images.into_iter().chain(b.images).collect(),
        },
        window: Window {
            started: starts.into_iter().flatten().min(),
            ended: match ended {
                End::At(time) => Some(time),
                End::NotYet => None,
            },
            ended_because,
        },
        gaps: [ours.gaps, theirs.gaps].concat(),
        complete: both_complete(ours.complete, theirs.complete),
        pending_review: [ours.pending_review, theirs.pending_review].concat(),
    })
}

/// Complete if both are; not known where one of them learns.
fn both_complete(ours: Option<bool>, theirs: Option<bool>) -> Option<bool> {
    match (ours, theirs) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        (None, _) | (_, None) => None,
    }
}

/// When a window ended; in order of time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum End {
    At(jiff::Timestamp),
    NotYet,
}

/// The end of a window, and why it ended.
fn end(window: Window) -> (End, Option<String>) {
    let end = window.ended.map_or(End::NotYet, End::At);
    (end, window.ended_because)
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
