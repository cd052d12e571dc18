//! Bytes to a document: strict and bounded.
//!
//! An allowlist is untrusted input. Anchors and aliases are refused, not only
//! counted: a reviewer must read what is allowed where it stands. `yaml` has the
//! limits and the library's errors; here is what the values must be.

mod entry;
mod yaml;

use super::document::{
    API_VERSION, Document, KIND, LearnedFrom, MAX_BYTES, MAX_ENTRIES, MAX_WILDCARDS, Metadata,
    Mode, Spec, Status, Window,
};
use super::process::Process;
use super::raw::{self, Text};
use super::removed::Removed;
use crate::model::{Untrusted, WorkloadId};
use entry::{process, removed};
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use yaml::{Fault, foreign, not_utf8, yaml};

/// The longest name of a workload's part, in bytes.
const MAX_NAME: usize = 255;
/// The largest file of another product, in bytes: an export of all that it has.
pub const MAX_FOREIGN_BYTES: usize = 8 << 20;

/// What is wrong with a document, and where: `checkout.yaml:12:7: …`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ParseError {
    /// The file, as the caller named it.
    pub file: String,
    /// From 1; 1 if the file as a whole is meant.
    pub line: u64,
    /// From 1, in characters.
    pub column: u64,
    /// One line of printable text: what is wrong and, where it is not obvious,
    /// what to do.
    pub message: String,
}

/// Reads one document. `file` is what errors call it.
///
/// # Errors
/// The first thing that is wrong. Whatever the bytes are, nothing else
/// happens: time and memory are bounded by [`MAX_BYTES`].
pub fn parse(file: &str, bytes: &[u8]) -> Result<Document, ParseError> {
    read(bytes).map_err(|fault| in_file(file, fault))
}

/// Reads all YAML documents of a file that another product wrote, as the JSON
/// that they are; empty ones are skipped.
///
/// # Errors
/// The first thing that is wrong with the YAML. It is bounded as
/// [`parse`] is, but for [`MAX_FOREIGN_BYTES`]; anchors and aliases are refused
/// here too.
pub fn parse_foreign(file: &str, bytes: &[u8]) -> Result<Vec<serde_json::Value>, ParseError> {
    let read = text(bytes, MAX_FOREIGN_BYTES).and_then(foreign);
    read.map_err(|fault| in_file(file, fault))
}

fn in_file(file: &str, fault: Fault) -> ParseError {
    ParseError {
        file: file.to_owned(),
        line: fault.line,
        column: fault.column,
        message: fault.message,
    }
}

fn text(bytes: &[u8], most: usize) -> Result<&str, Fault> {
    if bytes.len() > most {
        return Err(Fault::whole_file(format_args!(
            "the file is larger than {most} bytes, the most an allowlist may have"
        )));
    }
    std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))
}

fn read(bytes: &[u8]) -> Result<Document, Fault> {
    let text = text(bytes, MAX_BYTES)?;

    let header: raw::Header = yaml(text)?;
    expect_word("apiVersion", header.api_version, API_VERSION)?;
    expect_word("kind", header.kind, KIND)?;

    let document: raw::Document = yaml(text)?;
    Ok(Document {
        metadata: metadata(document.metadata)?,
        spec: spec(document.spec)?,
        status: document.status.map(status).transpose()?,
    })
}

fn expect_word(field: &str, word: Option<Text>, expected: &str) -> Result<(), Fault> {
    match word {
        None => Err(Fault::whole_file(format_args!(
            "there is no {field}; write {field}: {expected}"
        ))),
        Some(word) if word.value == expected => Ok(()),
        Some(word) => Err(Fault::new(
            word.referenced,
            format_args!(
                "{field} {:?} is not known to this version; it reads {field}: {expected}",
                word.value
            ),
        )),
    }
}

/// Reads `text` with `read`; its place is where the error is.
fn checked<T, E: Display>(
    text: &Text,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Fault> {
    read(&text.value).map_err(|error| Fault::new(text.referenced, error))
}

fn metadata(raw: raw::Metadata) -> Result<Metadata, Fault> {
    let plain = |c| matches!(c, 'a'..='z' | '0'..='9' | '.' | '-');
    let resource_name =
        |name: &str| match (1..=253).contains(&name.len()) && name.chars().all(plain) {
            true => Ok(name.to_owned()),
            false => Err(format!(
                "the name {name:?} is not 1 to 253 characters of a-z, 0-9, . and -"
            )),
        };
    Ok(Metadata {
        name: checked(&raw.name, resource_name)?,
        namespace: raw
            .namespace
            .map(|n| checked(&n, resource_name))
            .transpose()?,
        labels: text_map(raw.labels)?,
        annotations: text_map(raw.annotations)?,
    })
}

/// Kubernetes' rule for keys, a little wider: a prefix of 253 characters, a
/// slash, a name of 63.
fn text_map(
    map: Option<Spanned<BTreeMap<String, String>>>,
) -> Result<BTreeMap<String, String>, Fault> {
    let Some(map) = map else {
        return Ok(BTreeMap::new());
    };
    let fits = |key: &str| {
        (1..=317).contains(&key.len())
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"./_-".contains(&b))
    };
    match map.value.keys().find(|key| !fits(key)) {
        None => Ok(map.value),
        Some(key) => Err(Fault::new(
            map.referenced,
            format_args!(
                "the key {key:?} is not 1 to 317 characters of A-Z, a-z, 0-9, ., /, _ and -"
            ),
        )),
    }
}

fn spec(raw: raw::Spec) -> Result<Spec, Fault> {
    let entries = raw.processes.value.len() + raw.removed.len();
    if entries > MAX_ENTRIES {
        return Err(Fault::new(
            raw.processes.referenced,
            format_args!("{entries} entries; an allowlist has at most {MAX_ENTRIES}"),
        ));
    }
    let raw_processes = &raw.processes.value;
    let processes = set(raw_processes, process, |raw| &raw.path)?;
    let removed = set(&raw.removed, removed, |raw| &raw.path)?;

    let wildcards = processes
        .iter()
        .map(Process::path)
        .chain(removed.iter().map(|r| &r.path));
    let wildcards = wildcards.filter(|path| path.has_wildcard()).count();
    if wildcards > MAX_WILDCARDS {
        return Err(Fault::new(
            raw.processes.referenced,
            format_args!("{wildcards} entries with a *; an allowlist has at most {MAX_WILDCARDS}"),
        ));
    }
    refuse_contradictions(&processes, &raw.removed)?;

    Ok(Spec {
        workload: workload(&raw.workload)?,
        mode: word_or_default::<Mode, _>(raw.mode.as_ref())?,
        action: optional(raw.action.as_ref(), str::parse)?,
        unverified: word_or_default(raw.unverified.as_ref())?,
        digests: optional(raw.digests.as_ref(), str::parse)?,
        processes,
        removed,
    })
}

fn word_or_default<T, E>(word: Option<&Text>) -> Result<T, Fault>
where
    T: std::str::FromStr<Err = E> + Default,
    E: Display,
{
    word.map_or_else(|| Ok(T::default()), |word| checked(word, str::parse))
}

/// Reads `text`, if there is one, with `read`.
fn optional<T, E: Display>(
    text: Option<&Text>,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Fault> {
    text.map(|text| checked(text, read)).transpose()
}

/// Reads every entry; the second of two that say the same is an error.
fn set<R, T: Ord>(
    raw: &[R],
    read: impl Fn(&R) -> Result<T, Fault>,
    path: impl Fn(&R) -> &Text,
) -> Result<BTreeSet<T>, Fault> {
    let mut set = BTreeSet::new();
    for entry in raw {
        if !set.insert(read(entry)?) {
            let path = path(entry);
            return Err(Fault::new(
                path.referenced,
                format_args!(
                    "{:?} stands here twice with the same fields; leave one out",
                    path.value
                ),
            ));
        }
    }
    Ok(set)
}

/// An entry that is both allowed and struck has no meaning a reviewer could
/// agree on.
fn refuse_contradictions(processes: &BTreeSet<Process>, raw: &[raw::Removed]) -> Result<(), Fault> {
    for entry in raw {
        let removed: Removed = removed(entry)?;
        if super::process::same_path(processes, &removed.path).any(|p| removed.contradicts(p)) {
            return Err(Fault::new(
                entry.path.referenced,
                format_args!(
                    "{:?} is both in processes and in removed; leave one out",
                    removed.path.as_str()
                ),
            ));
        }
    }
    Ok(())
}

fn workload(raw: &Spanned<raw::Workload>) -> Result<WorkloadId, Fault> {
    let name = |text: &Text| checked(text, |text| workload_name(text, true));
    let workload = &raw.value;
    match workload {
        raw::Workload {
            namespace: Some(namespace),
            kind: Some(kind),
            name: Some(controller),
            container: Some(container),
            runtime: None,
            unit: None,
        } => Ok(WorkloadId::Kubernetes {
            namespace: name(namespace)?,
            kind: name(kind)?,
            name: name(controller)?,
            container: name(container)?,
        }),
        raw::Workload {
            namespace: None,
            kind: None,
            name: Some(name),
            container: None,
            runtime: Some(runtime),
            unit: None,
        } => Ok(WorkloadId::Runtime {
            runtime: *runtime,
            // The name may be an image's: registry.example/team/app.
            name: checked(name, |text| workload_name(text, false))?,
        }),
        raw::Workload {
            namespace: None,
            kind: None,
            name: None,
            container: None,
            runtime: None,
            unit: Some(unit),
        } => Ok(WorkloadId::Unit { unit: name(unit)? }),
        _ => Err(Fault::new(
            raw.referenced,
            "a workload has either namespace, kind, name and container (Kubernetes), \
             or runtime and name, or unit; no more and no less",
        )),
    }
}

/// One name of a workload. `one_part`: it has no slash.
pub(crate) fn workload_name(text: &str, one_part: bool) -> Result<String, String> {
    let fits = (1..=MAX_NAME).contains(&text.len());
    let plain = Untrusted::from(text).as_plain_str().is_some();
    // A slash in one part would let two workloads have one canonical name.
    match fits && plain && !(one_part && text.contains('/')) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "the name {text:?} is not 1 to {MAX_NAME} bytes of plain text{}",
            if one_part { " without /" } else { "" }
        )),
    }
}

fn status(raw: raw::Status) -> Result<Status, Fault> {
    let timestamp = |text: Text| {
        checked(&text, |text| {
            text.parse::<jiff::Timestamp>().map_err(|_| {
                format!("{text:?} is no point in time; write it as 2026-01-31T12:00:00Z")
            })
        })
    };
    Ok(Status {
        learned_from: LearnedFrom {
            containers: raw.learned_from.containers,
            nodes: raw.learned_from.nodes,
            images: raw.learned_from.images.into_iter().collect(),
        },
        window: Window {
            started: raw.window.started.map(timestamp).transpose()?,
            ended: raw.window.ended.map(timestamp).transpose()?,
            ended_because: raw.window.ended_because,
        },
        gaps: raw.gaps,
        complete: raw.complete,
        pending_review: raw.pending_review,
    })
}

#[cfg(test)]
mod tests;
