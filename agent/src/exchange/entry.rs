//! What every format has to think about for one entry.

use super::{Body, ExportError, Losses, Part};
use crate::allowlist::{Digests, Document, ExactPath, Mode, PathPattern, Process, RunAs, fields};
use crate::model::{Layer, WorkloadId};
use std::collections::BTreeSet;

/// A program of the image, by a path in which nothing is special: how most
/// products name one.
pub(super) fn program(path: &str) -> Result<Process, String> {
    entry(path, RunAs::Program)
}

/// The same as `run_as`.
pub(super) fn entry(path: &str, run_as: RunAs) -> Result<Process, String> {
    if path.contains('*') {
        return Err("its * stands for itself there, and for any name here".to_owned());
    }
    pattern(path, run_as)
}

/// A program of the image, by a path in which `*` is any text without a `/`.
pub(super) fn pattern(path: &str, run_as: RunAs) -> Result<Process, String> {
    let path = PathPattern::new(path).map_err(|error| error.to_string())?;
    Process::new(path, run_as, Layer::Image).map_err(|error| error.to_string())
}

/// Says that a resource makes no list of what may run: a document of it would
/// allow nothing at all, where the resource forbids little.
pub(super) fn leave_out_resource(place: String, losses: &mut Losses) {
    losses.leave_out(
        place,
        "it has no rule that allows a program, so it is no allowlist",
    );
}

/// What is lost of every file that is imported.
pub(super) fn note_import(parts: &[Part], losses: &mut Losses) {
    let some = parts.iter().any(|part| match &part.body {
        Body::Entries { processes, .. } => !processes.is_empty(),
        Body::Document(_) => false,
    });
    if some {
        losses.not_carried(
            "layers, which the format does not know: every entry is for a file of the image",
        );
        losses.not_carried(
            "interpreters: where a listed path is a script, its entry needs its interpreter",
        );
    }
}

/// The Kubernetes workload of a document.
pub(super) struct Controller<'a> {
    pub(super) namespace: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) container: &'a str,
}

impl<'a> Controller<'a> {
    pub(super) fn of(document: &'a Document) -> Result<Self, ExportError> {
        let workload = &document.spec.workload;
        let error = |message: &str| ExportError {
            workload: workload.to_string(),
            message: message.to_owned(),
        };
        match workload {
            WorkloadId::Kubernetes { container, .. } if container.starts_with('(') => Err(error(
                "the format selects containers by name, and debug containers have none in common",
            )),
            WorkloadId::Kubernetes {
                namespace,
                kind,
                name,
                container,
            } => Ok(Self {
                namespace,
                kind,
                name,
                container,
            }),
            WorkloadId::Runtime { .. } | WorkloadId::Unit { .. } => Err(error(
                "the format is one of Kubernetes, and this is no workload of Kubernetes",
            )),
        }
    }
}

/// What a format can say of an entry, beside its path.
#[derive(Clone, Copy, Default)]
pub(super) struct Says {
    /// The name that a program goes by.
    pub(super) name: bool,
    /// Arguments, as far as a pattern is a whole one.
    pub(super) args: bool,
    /// Programs that start it.
    pub(super) parents: bool,
    /// That a workload learns.
    pub(super) learn: bool,
}

/// The entries of a document that a format can name at all, and what is lost
/// of all of them.
pub(super) fn entries<'a>(
    document: &'a Document,
    says: Says,
    losses: &mut Losses,
) -> Vec<&'a Process> {
    let spec = &document.spec;
    for removed in &spec.removed {
        losses.not_carried_of("removed", removed.path.as_str());
    }
    if document.status.is_some() {
        losses.not_carried("status");
    }
    match spec.mode {
        Mode::Enforce => {}
        Mode::Learn if says.learn => {}
        Mode::Learn | Mode::Off => losses.not_carried(format!("mode {}", spec.mode)),
    }
    let mut named = Vec::new();
    for process in &spec.processes {
        if process.layer() == Layer::Memory {
            losses.leave_out(
                title(process),
                "it has no name in any directory, and the format knows files by their path",
            );
            continue;
        }
        note_conditions(process, spec.digests, says, losses);
        named.push(process);
    }
    if !named.is_empty() {
        losses.allows_more(
            "layers: what is written to a listed path after the start may run too",
            format!("all of the {} entries", named.len()),
        );
    }
    named
}

fn note_conditions(process: &Process, digests: Option<Digests>, says: Says, losses: &mut Losses) {
    let path = process.path().as_str();
    let conditions = process.conditions();
    if let Some(contents) = &conditions.contents {
        match contents.under(digests) {
            Digests::Verify => losses.allows_more("sha256", path),
            Digests::Record => losses.not_carried_of("sha256, which was only recorded", path),
        }
    }
    if conditions.args.is_some() && !says.args {
        losses.allows_more("args", path);
    }
    if !conditions.parents.is_empty() && !says.parents {
        losses.allows_more("parents", path);
    }
    if !conditions.users.is_empty() {
        losses.allows_more("users", path);
    }
    if let (RunAs::Applet(name), false) = (process.run_as(), says.name) {
        losses.allows_more("applet", format!("{path} as {name}"));
    }
}

/// The paths of `processes` for a format that knows exact paths and nothing
/// else. `asks_interpreter`: where the product looks at the interpreter of a
/// script as well.
pub(super) fn paths(
    processes: &[&Process],
    asks_interpreter: bool,
    losses: &mut Losses,
) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for process in processes {
        if process.path().has_wildcard() {
            losses.leave_out(
                title(process),
                "its path has a *, and the format has exact paths only",
            );
            continue;
        }
        paths.insert(process.path().as_str().to_owned());
        if asks_interpreter {
            paths.extend(interpreters(process, losses));
        }
    }
    paths
}

/// What must be allowed beside a script so that it runs, and then runs by
/// itself too.
pub(super) fn interpreters(process: &Process, losses: &mut Losses) -> Vec<String> {
    let RunAs::Script {
        interpreter, via, ..
    } = process.run_as()
    else {
        return Vec::new();
    };
    losses.allows_more(
        "scripts: their interpreters are allowed on their own",
        interpreter.as_str(),
    );
    let chain = via.iter().chain([interpreter]);
    chain.map(ExactPath::to_string).collect()
}

/// An entry on one line: its path with its role.
pub(super) fn title(process: &Process) -> String {
    let entry = fields::identity(process);
    let mut title = entry.path;
    for field in entry.fields {
        title += &format!(", {}: {}", field.name, field.value);
    }
    title
}
