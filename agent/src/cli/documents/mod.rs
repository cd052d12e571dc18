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
use crate::exchange::{self, AssignError, ExportError, Format, ImportError};
use args::{DiffArguments, ExportArguments, ImportArguments, MergeArguments};
use files::{FileError, Input, Made};
use notes::Note;
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

/// What `merge`, `export` and `import` print with `--json`.
#[derive(Serialize)]
struct Said {
    v: u32,
    #[serde(flatten)]
    made: Made,
    notes: Vec<Note>,
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
    let documents = documents(&inputs)?;
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
    let mut notes = Vec::new();
    let documents = rewritten(&inputs, &mut notes)?;
    let merged = merge(&documents)?;
    files::validate(&merged)?;

    let made = files::put(arguments.output.as_deref(), render(&merged))?;
    let modes = documents.iter().map(|document| document.spec.mode);
    notes.extend(Note::of_modes(modes, merged.spec.mode));
    let names: Vec<String> = inputs.iter().map(Input::name).collect();
    let struck = struck(&documents);
    notes.extend(struck.iter().map(|one| Note::of_struck(one, &names)));
    say(made, notes, arguments.json)
}

fn exported(arguments: &ExportArguments) -> Result<Outcome, DocumentsError> {
    let inputs = Input::all(&arguments.files)?;
    let mut notes = Vec::new();
    let documents = match arguments.format {
        Format::Yaml => rewritten(&inputs, &mut notes)?,
        // Of another format, nobody expects comments.
        _ => documents(&inputs)?,
    };
    let exported = exchange::export(arguments.format, &documents)?;

    let made = files::put(arguments.output.as_deref(), exported.text)?;
    let losses = inputs.iter().map(Input::name).zip(exported.losses);
    notes.extend(losses.filter_map(|(name, losses)| Note::of_losses(name, losses)));
    say(made, notes, arguments.json)
}

fn imported(arguments: &ImportArguments) -> Result<Outcome, DocumentsError> {
    let mut parts = Vec::new();
    let mut notes = Vec::new();
    for input in Input::all(&arguments.files)? {
        let bytes = input.read(MAX_FOREIGN_BYTES)?;
        let imported = exchange::import(arguments.format, &input.name(), &bytes)?;
        if arguments.format == Format::Yaml {
            notes.extend(Note::of_comments(input.name(), &bytes));
        }
        parts.extend(imported.parts);
        notes.extend(Note::of_losses(input.name(), imported.losses));
    }
    let documents = exchange::assign(parts, &arguments.workload)?;
    let made = match &arguments.output {
        Some(folder) => Made::Files(files::put_all(folder, &documents)?),
        None => {
            let texts: Vec<String> = documents.iter().map(render).collect();
            Made::Text(texts.join("---\n"))
        }
    };
    say(made, notes, arguments.json)
}

/// Prints what was made, and what there is to say of it. The answer is no if
/// something that may run was left out.
fn say(made: Made, notes: Vec<Note>, json: bool) -> Result<Outcome, DocumentsError> {
    let outcome = match notes.iter().any(Note::is_left_out) {
        true => Outcome::No,
        false => Outcome::Done,
    };
    if json {
        output::print_json(&Said { v: 1, made, notes })?;
        return Ok(outcome);
    }
    match made {
        Made::Text(text) => output::print(&text)?,
        Made::File(_) => {}
        Made::Files(files) => {
            for file in files {
                output::print(&format!("{file}\n"))?;
            }
        }
    }
    notes.iter().for_each(Note::tell);
    Ok(outcome)
}

fn documents(inputs: &[Input]) -> Result<Vec<Document>, DocumentsError> {
    let documents = inputs.iter().map(|input| Ok(input.document()?.0));
    documents.collect()
}

/// The documents in files that are written anew, by which their comments are
/// lost.
fn rewritten(inputs: &[Input], notes: &mut Vec<Note>) -> Result<Vec<Document>, DocumentsError> {
    let mut documents = Vec::new();
    for input in inputs {
        let (document, bytes) = input.document()?;
        notes.extend(Note::of_comments(input.name(), &bytes));
        documents.push(document);
    }
    Ok(documents)
}

#[cfg(test)]
mod tests;
