//! `execwarden allowlist diff`, `merge`, `export` and `import`: what a person
//! does with files, without an agent.
//!
//! - [`args`]: the command line as typed
//! - `files`: what is read and written; the only part with I/O
//! - `page`: what differs, for a person
//! - `notes`: what is said beside the result

pub mod args;
mod files;
mod notes;
pub(super) mod page;

use super::paint::Paint;
use super::{CommandError, Outcome, output};
use crate::allowlist::merge::struck;
use crate::allowlist::parse::MAX_FOREIGN_BYTES;
use crate::allowlist::{Diff, Document, MergeError, diff, merge, render};
use crate::exchange::{self, AssignError, ExportError, Format, ImportError, Losses};
use args::{DiffArguments, ExportArguments, ImportArguments, MergeArguments};
use files::{FileError, Input};
use serde::Serialize;
use std::io::{self, IsTerminal as _};

/// Why files came to nothing. What was to be written is as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Assign(#[from] AssignError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("cannot write to stdout: {0}")]
    Output(#[from] io::Error),
}

/// What `diff --json` prints.
#[derive(Serialize)]
struct Differences<'a> {
    v: u32,
    same: bool,
    #[serde(flatten)]
    diff: &'a Diff,
}

pub(super) fn compare(arguments: &DiffArguments) -> Result<Outcome, CommandError> {
    Ok(compared(arguments)?)
}

pub(super) fn unite(arguments: &MergeArguments) -> Result<Outcome, CommandError> {
    Ok(united(arguments)?)
}

pub(super) fn export(arguments: &ExportArguments) -> Result<Outcome, CommandError> {
    Ok(exported(arguments)?)
}

pub(super) fn import(arguments: &ImportArguments) -> Result<Outcome, CommandError> {
    Ok(imported(arguments)?)
}

fn compared(arguments: &DiffArguments) -> Result<Outcome, DocumentsError> {
    let inputs = Input::all([&arguments.from, &arguments.to])?;
    let names: Vec<String> = inputs.iter().map(Input::name).collect();
    let documents = documents(&inputs, false)?;
    let (Some(from), Some(to)) = (documents.first(), documents.last()) else {
        return Err(MergeError::Nothing.into());
    };
    let diff = diff(from, to);
    let same = diff.is_empty();
    if arguments.json {
        let diff = &diff;
        output::print_json(&Differences { v: 1, same, diff })?;
    } else {
        let paint = Paint::for_terminal(io::stdout().is_terminal());
        output::print(&page::render(&names, &diff, paint))?;
    }
    Ok(if same { Outcome::Done } else { Outcome::No })
}

fn united(arguments: &MergeArguments) -> Result<Outcome, DocumentsError> {
    let inputs = Input::all(&arguments.files)?;
    let documents = documents(&inputs, true)?;
    let merged = merge(&documents)?;
    files::validate(&merged)?;

    files::put(arguments.output.as_deref(), &render(&merged))?;
    notes::modes(
        documents.iter().map(|document| document.spec.mode),
        merged.spec.mode,
    );
    let names: Vec<String> = inputs.iter().map(Input::name).collect();
    for one in struck(&documents) {
        notes::struck(&one, &names);
    }
    Ok(Outcome::Done)
}

fn exported(arguments: &ExportArguments) -> Result<Outcome, DocumentsError> {
    let inputs = Input::all(&arguments.files)?;
    // Of another format, nobody expects it.
    let documents = documents(&inputs, arguments.format == Format::Yaml)?;
    let exported = exchange::export(arguments.format, &documents)?;

    files::put(arguments.output.as_deref(), &exported.text)?;
    let names: Vec<String> = inputs.iter().map(Input::name).collect();
    Ok(say(names.iter().zip(&exported.losses)))
}

fn imported(arguments: &ImportArguments) -> Result<Outcome, DocumentsError> {
    let mut parts = Vec::new();
    let mut losses = Vec::new();
    for input in Input::all(&arguments.files)? {
        let bytes = input.read(MAX_FOREIGN_BYTES)?;
        let imported = exchange::import(arguments.format, &input.name(), &bytes)?;
        if arguments.format == Format::Yaml {
            notes::comments(&input.name(), &bytes);
        }
        parts.extend(imported.parts);
        losses.push((input.name(), imported.losses));
    }
    let documents = exchange::assign(parts, &arguments.workload)?;
    match &arguments.output {
        Some(folder) => {
            for file in files::put_all(folder, &documents)? {
                output::print(&format!("{file}\n"))?;
            }
        }
        None => {
            let texts: Vec<String> = documents.iter().map(render).collect();
            output::print(&texts.join("---\n"))?;
        }
    }
    Ok(say(losses.iter().map(|(name, losses)| (name, losses))))
}

/// Says what was lost. The answer is no if something that may run was left
/// out.
fn say<'a>(losses: impl Iterator<Item = (&'a String, &'a Losses)>) -> Outcome {
    let mut outcome = Outcome::Done;
    for (name, losses) in losses {
        notes::lost(name, losses);
        if !losses.left_out().is_empty() {
            outcome = Outcome::No;
        }
    }
    outcome
}

/// The documents in files. `rewritten` says that they are written anew, by
/// which their comments are lost.
fn documents(inputs: &[Input], rewritten: bool) -> Result<Vec<Document>, DocumentsError> {
    let mut documents = Vec::new();
    for input in inputs {
        let (document, bytes) = input.document()?;
        if rewritten {
            notes::comments(&input.name(), &bytes);
        }
        documents.push(document);
    }
    Ok(documents)
}

#[cfg(test)]
mod tests;
