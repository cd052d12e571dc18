//! A document that a person has edited, beside the one that counts.
//!
//! Whoever edits writes a hidden file into the allowlists' folder and says its
//! name: so it reaches the agent whatever its size, and takes the other's place in
//! one step.

use super::Node;
use super::decisions::{checked, decision, differences, failed, refused};
use crate::allowlist::folder::read;
use crate::allowlist::{Allowlist, Document, diff, parse, render_process, render_removed};
use crate::control::operation::{Difference, How, Sign, WorkloadChange};
use crate::control::protocol::{Answer, Refusal, RefusalKind, Response};
use crate::history::{What, Who};
use crate::model::{Digest, Untrusted, WorkloadId};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

impl Node {
    /// Puts what was edited in the place of a person's document, or only says what
    /// would change. `was` is the SHA-256 of the file that was opened, if there was
    /// one.
    pub(super) fn edit(
        &mut self,
        workload: &str,
        edited: &str,
        was: Option<&str>,
        how: &How,
        who: &Who,
    ) -> Response {
        let id = self.workload_named(workload)?;
        // It would be refused as soon as it is read, whoever may edit it.
        if self.people.is_signed() {
            return Err(refused(format!(
                "allowlists have to be signed here (--allowlist-keys), which the agent cannot do; \
                 sign what was edited (minisign -S) and put both files in the place of {}",
                self.person_file(&id).display()
            )));
        }
        let edited = self.people.path().join(plain_name(edited)?);
        let bytes = read_itself(&edited).map_err(|error| {
            let folder = self.people.path().display();
            failed(format!(
                "the agent cannot read what was edited in {folder}: {error}"
            ))
        })?;
        let document = parse("what was edited", &bytes).map_err(|e| refused(e.to_string()))?;
        Allowlist::new(&document).map_err(|error| refused(error.to_string()))?;
        if document.spec.workload != id {
            let other = &document.spec.workload;
            return Err(refused(format!(
                "it is about {other} now; the document of {id} is edited"
            )));
        }
        let file = self.person_file(&id);
        let before = match file.symlink_metadata() {
            Ok(_) => Some(read_itself(&file).map_err(|error| {
                refused(format!("{} cannot be replaced: {error}", file.display()))
            })?),
            Err(_) => None,
        };
        let found = before.as_deref().map(Digest::of);
        if found.map(|found| found.to_string()).as_deref() != was {
            return Err(refused(format!(
                "{} has changed since it was opened, and nothing was done",
                file.display()
            )));
        }
        let change = self.edited(&id, &document, before.is_none())?;
        let answer = checked(vec![change.clone()], how)?;
        if how.apply {
            // What is in it first: a crash in between leaves the old one.
            let put = sync(&edited)
                .and_then(|()| fs::rename(&edited, &file))
                .and_then(|()| sync(self.people.path()));
            put.map_err(|error| failed(format!("cannot write {}: {error}", file.display())))?;
            let row = decision(What::Edit, &change, how, who);
            if let Err(error) = self.history.get().decide(&[row]) {
                tracing::error!(%error, workload = %id, "an edited allowlist is not noted in the journal of decisions");
            }
            tracing::info!(workload = %id, what = What::Edit.as_str(), by = %who, "decided");
            self.reload_noted();
        }
        Ok(Answer::Change(answer))
    }

    /// The file of a person's document about a workload: the one that counts, or
    /// where one would be.
    pub(super) fn person_file(&self, id: &WorkloadId) -> PathBuf {
        let name = || format!("{}.yaml", id.document_name());
        let file = self.people.file_of(id);
        file.unwrap_or_else(|| self.people.path().join(name()))
    }

    /// What is different in the document.
    fn edited(
        &self,
        id: &WorkloadId,
        after: &Document,
        is_new: bool,
    ) -> Result<WorkloadChange, Refusal> {
        let before = match self.people.get(id) {
            Some(person) => Some(person.document.clone()),
            None => self.shown(id)?.map(|(_, document)| document),
        };
        let before = before.unwrap_or_else(|| Document::of_decisions(id.clone()));
        let (old, new) = (&before.spec, &after.spec);
        let mut changes = differences("processes", &old.processes, &new.processes, render_process);
        changes.extend(differences(
            "removed",
            &old.removed,
            &new.removed,
            render_removed,
        ));
        for field in diff(&before, after).spec {
            let sides = [(Sign::Removed, field.from), (Sign::Added, field.to)];
            let sides = sides
                .into_iter()
                .filter_map(|(sign, value)| Some((sign, value?)));
            changes.extend(sides.map(|(sign, value)| Difference {
                sign,
                part: field.field.to_owned(),
                text: value.to_string(),
            }));
        }
        let mut notes = Vec::new();
        if is_new {
            notes.push(format!(
                "{} is a person's document from now on, and counts instead of what was learned",
                self.person_file(id).display()
            ));
        } else if changes.is_empty() {
            notes.push(
                "what it means is the same: its comments, order or metadata differ".to_owned(),
            );
        }
        Ok(WorkloadChange {
            workload: id.to_string(),
            changes,
            notes,
        })
    }
}

/// A hidden file's name, which leads out of no folder.
fn plain_name(name: &str) -> Result<&str, Refusal> {
    // Longer than `..`.
    match name.starts_with('.') && name.len() > 2 && !name.contains(['/', '\0']) {
        true => Ok(name),
        false => Err(Refusal::new(
            RefusalKind::BadRequest,
            format!(
                "{} is no name of a hidden file",
                Untrusted::from(name).escaped(80)
            ),
        )),
    }
}

/// A file itself, not what a link leads to.
fn read_itself(path: &Path) -> io::Result<Vec<u8>> {
    match path.symlink_metadata()?.is_file() {
        true => read(path),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
