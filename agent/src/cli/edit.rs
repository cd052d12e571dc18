//! `execwarden allowlist edit`: a document in the editor of whoever asks.
//!
//! What is edited stands in a hidden file beside the document, and takes its place
//! in one step: by the agent, which shows and notes what changes, or without one.
//! It is kept where that fails.

use super::decide::{decide, is_wanted};
use super::documents::page;
use super::operator_args::{ChangeArguments, EditArguments};
use super::output;
use super::paint::Paint;
use super::validate::{Invalid, name, read};
use super::{CommandError, Outcome};
use crate::allowlist::document::WRITTEN_BY;
use crate::allowlist::keyring::signature_of;
use crate::allowlist::{Diff, Document, diff, parse, render};
use crate::control::client;
use crate::control::operation::{Change, Operation};
use crate::control::protocol::{AllowlistSource, Answer, Request};
use crate::model::Digest;
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why nothing was edited.
#[derive(Debug, thiserror::Error)]
pub(super) enum EditError {
    #[error("{file}: {source}")]
    File { file: String, source: io::Error },
    #[error(
        "{0} is read-only here; edit what it is made from (a ConfigMap, a repository), or decide \
         on the running agent: execwarden accept, execwarden allowlist remove"
    )]
    ReadOnly(String),
    #[error("cannot start the editor, `{editor}`: {source}; EDITOR names another")]
    NoEditor { editor: String, source: io::Error },
    #[error("the editor, `{0}`, failed, and nothing was changed; EDITOR names another")]
    EditorFailed(String),
    #[error("{0} has changed since it was opened, and nothing was changed")]
    Changed(String),
    #[error(
        "allowlists have to be signed here (--allowlist-keys), and the agent cannot do that; edit a \
         copy of {0} (allowlist show, allowlist edit --file), sign it (minisign -Sm), and put both \
         files in its place"
    )]
    MustBeSigned(String),
    #[error("this agent is older than `allowlist edit`, and says no file")]
    Older,
}

pub(super) fn edit(arguments: &EditArguments) -> Result<Outcome, CommandError> {
    match (&arguments.workload, &arguments.file) {
        (Some(workload), _) => edit_workload(workload, arguments),
        (None, file) => edit_file(file.as_deref().unwrap_or(Path::new("")), arguments),
    }
}

/// What `edit --file` prints with `--json`.
#[derive(Serialize)]
struct Edited {
    applied: bool,
    /// None if what it was is no document.
    diff: Option<Diff>,
}

/// The agent puts it in its place.
fn edit_workload(workload: &str, arguments: &EditArguments) -> Result<Outcome, CommandError> {
    let agent = PathBuf::from(arguments.change.agent.control.clone());
    let request = Request::AllowlistShow {
        workload: workload.to_owned(),
    };
    let Answer::AllowlistShow(shown) = client::ask(&agent, &request)? else {
        return Err(client::unexpected(&agent).into());
    };
    let file = PathBuf::from(shown.file.ok_or(EditError::Older)?);
    if shown.must_be_signed {
        return Err(EditError::MustBeSigned(name(&file)).into());
    }
    let is_there = matches!(shown.source, AllowlistSource::File(_));
    let (was, text) = match fs::read(&file) {
        Ok(bytes) => (Some(bytes.clone()), bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_there => {
            (None, of_a_person(&shown.yaml).into_bytes())
        }
        Err(error) => return Err(at(&file)(error).into()),
    };
    let draft = Draft::new(&file, was, &text)?;
    if draft.edit()?.is_none() {
        let none = Change {
            applied: false,
            plan: String::new(),
            workloads: Vec::new(),
        };
        return unchanged(&draft, arguments.change.json.then_some(none));
    }
    let was = { draft.was.as_ref() }.map(|was| Digest::of(was).to_string());
    let outcome = decide(&arguments.change, |how| Operation::AllowlistEdit {
        workload: workload.to_owned(),
        edited: draft.name.clone(),
        was: was.clone(),
        how,
    });
    match outcome {
        // The agent has taken it.
        Ok(Outcome::Done) => {}
        _ => draft.is_kept(),
    }
    outcome
}

/// Without an agent; one that runs sees it all the same.
fn edit_file(file: &Path, arguments: &EditArguments) -> Result<Outcome, CommandError> {
    let was = fs::read(file).map_err(at(file))?;
    let draft = Draft::new(file, Some(was.clone()), &was)?;
    let Some(after) = draft.edit()? else {
        let none = Edited {
            applied: false,
            diff: Some(Diff::default()),
        };
        return unchanged(&draft, arguments.change.json.then_some(none));
    };
    // What it was may be what is to be mended.
    let before = parse(&name(file), &was).ok();
    let changes = before.map(|before| diff(&before, &after));
    let names = [name(file), "what was edited".to_owned()];
    let page = |paint| match &changes {
        Some(changes) => page::render(&names, changes, paint),
        None => String::new(),
    };
    let ChangeArguments { yes, json, .. } = arguments.change;
    if !json {
        output::print(&page(Paint::for_terminal(io::stdout().is_terminal())))?;
    }
    if !yes {
        if json {
            // What is asked about has to be seen, and stdout is for the outcome.
            let _ = write!(io::stderr(), "{}", page(Paint::Plain));
        }
        if !io::stdin().is_terminal() {
            draft.is_kept();
            return Err(CommandError::NotAsked);
        }
        if !is_wanted()? {
            draft.is_kept();
            return Ok(Outcome::No);
        }
    }
    if fs::read(file).map_err(at(file))? != was {
        draft.is_kept();
        return Err(EditError::Changed(name(file)).into());
    }
    draft.put().map_err(at(file))?;
    let signature = signature_of(file);
    if signature.exists() {
        output::tell(&format!(
            "{} is the signature of what it was; sign it again: minisign -Sm {}",
            name(&signature),
            name(file)
        ));
    }
    match json {
        true => output::print_json(&Edited {
            applied: true,
            diff: changes,
        })?,
        false => output::print("Done.\n")?,
    }
    Ok(Outcome::Done)
}

/// Nothing was edited; `json` is how that is said to a program.
fn unchanged(draft: &Draft, json: Option<impl Serialize>) -> Result<Outcome, CommandError> {
    draft.remove();
    match json {
        Some(json) => output::print_json(&json)?,
        None => output::print("It is so already.\n")?,
    }
    Ok(Outcome::Done)
}

/// What was learned, as a person's document: without the agent's mark.
fn of_a_person(yaml: &str) -> String {
    let Ok(mut document) = parse("the agent's answer", yaml.as_bytes()) else {
        return yaml.to_owned();
    };
    document.metadata.annotations.remove(WRITTEN_BY);
    render(&document)
}

/// What is edited.
struct Draft {
    /// The document that it is to become.
    file: PathBuf,
    /// What that has, if it is there.
    was: Option<Vec<u8>>,
    /// The hidden file's name.
    name: String,
    path: PathBuf,
    /// What the editor was given.
    text: Vec<u8>,
}

impl Draft {
    /// Writes it: with the owner and the mode of the document.
    fn new(file: &Path, was: Option<Vec<u8>>, text: &[u8]) -> Result<Self, EditError> {
        let found = file.symlink_metadata().ok();
        if found.as_ref().is_some_and(|found| !found.is_file()) {
            let source = io::Error::other("it is no regular file; name the file itself");
            return Err(at(file)(source));
        }
        let folder = file.parent().filter(|folder| *folder != Path::new(""));
        let folder = folder.unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(at(folder))?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!(".{stem}.edit-{}.yaml", std::process::id());
        let path = folder.join(&name);
        let mode = found.as_ref().map_or(0o644, MetadataExt::mode) & 0o777;
        let mut draft = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::ReadOnlyFilesystem => EditError::ReadOnly(self::name(folder)),
                _ => at(&path)(error),
            })?;
        let written = draft.write_all(text).and_then(|()| match &found {
            Some(found) => chown(&path, Some(found.uid()), Some(found.gid())),
            None => Ok(()),
        });
        written.map_err(at(&path))?;
        Ok(Self {
            file: file.to_owned(),
            was,
            name,
            path,
            text: text.to_owned(),
        })
    }

    /// Lets a person edit it until it is a document; `None` where they left it as
    /// it was.
    fn edit(&self) -> Result<Option<Document>, CommandError> {
        loop {
            self.start_editor().inspect_err(|_| self.is_kept())?;
            if fs::read(&self.path).map_err(at(&self.path))? == self.text {
                return Ok(None);
            }
            let invalid = match read(&self.path) {
                Ok(document) => return Ok(Some(document)),
                Err(invalid) => invalid,
            };
            if !io::stdin().is_terminal() || !wants_to_mend(&invalid)? {
                self.is_kept();
                return Err(invalid.into());
            }
        }
    }

    fn start_editor(&self) -> Result<(), EditError> {
        let named = ["VISUAL", "EDITOR"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok());
        let editor = named.into_iter().find(|editor| !editor.trim().is_empty());
        let editor = editor.unwrap_or_else(|| "vi".to_owned());
        // With its arguments, as other programs start it.
        let status = Command::new("/bin/sh")
            .args(["-c", &format!("{editor} \"$1\""), "sh"])
            .arg(&self.path)
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(EditError::EditorFailed(output::plain(&editor))),
            Err(source) => Err(EditError::NoEditor {
                editor: output::plain(&editor),
                source,
            }),
        }
    }

    /// Puts it in the document's place.
    fn put(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        fs::rename(&self.path, &self.file)
    }

    fn remove(&self) {
        // It is hidden, and hurts nobody.
        let _ = fs::remove_file(&self.path);
    }

    /// Says where it is.
    fn is_kept(&self) {
        output::tell(&format!("what was edited is in {}", name(&self.path)));
    }
}

fn wants_to_mend(invalid: &Invalid) -> io::Result<bool> {
    output::complain(invalid);
    write!(io::stderr(), "Edit it again? [Y/n] ")?;
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer)?;
    Ok(read > 0 && !answer.trim().to_ascii_lowercase().starts_with('n'))
}

fn at(file: &Path) -> impl FnOnce(io::Error) -> EditError {
    let file = name(file);
    move |source| EditError::File { file, source }
}
