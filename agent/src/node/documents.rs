//! A baseline as a ProcessAllowlist document. Pure.

use crate::allowlist::document::{MAX_BYTES, MAX_ENTRIES};
use crate::allowlist::{
    ArgsPattern, Conditions, Contents, Document, LearnedFrom, Parent, Process, Status, Window,
    render,
};
use crate::learn::{Arguments, Baseline, Came, Evidence, State, generalise};
use crate::model::{Identity, Layer, Role, Untrusted, last_component};
use std::collections::{BTreeSet, HashSet};

/// How much of what was learned a document tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// Identities only.
    Identities,
    /// And arguments.
    Arguments,
    /// And digests.
    Everything,
}

/// What was learned so far on this node, with its evidence: as much of it as
/// one document holds. What differs in `generalise_after` versions, dates, hashes
/// or numbers is one entry.
pub fn document_of(baseline: &Baseline, generalise_after: usize) -> Document {
    for (detail, left_out) in [
        (Detail::Everything, None),
        (Detail::Arguments, Some("digests are left out")),
    ] {
        let document = document(baseline, generalise_after, detail, left_out);
        let fits = document.spec.processes.len() <= MAX_ENTRIES;
        if fits && render(&document).len() <= MAX_BYTES {
            return document;
        }
    }
    let left_out = Some("digests and arguments are left out");
    document(baseline, generalise_after, Detail::Identities, left_out)
}

fn document(
    baseline: &Baseline,
    generalise_after: usize,
    detail: Detail,
    left_out: Option<&str>,
) -> Document {
    let applet_files: HashSet<(&Untrusted, Layer)> = baseline.applet_files().collect();
    let processes: BTreeSet<Process> = baseline
        .entries()
        .iter()
        .flat_map(|(identity, evidence)| {
            let has_applets = applet_files.contains(&(&identity.file, identity.layer));
            entries(identity, evidence, has_applets, detail)
        })
        .collect();
    let processes = generalise(processes, generalise_after);
    let (ended, ended_because) = match baseline.state() {
        State::Learning => (None, None),
        State::Finished { ended, because } => (Some(ended), Some(because.as_str().to_owned())),
    };
    let status = Status {
        learned_from: LearnedFrom {
            containers: baseline.containers().len() as u64,
            nodes: baseline.nodes().len().max(1) as u64,
            images: baseline
                .images()
                .iter()
                .map(|image| image.to_string())
                .collect(),
        },
        window: Window {
            started: Some(baseline.window().started),
            ended,
            ended_because,
        },
        gaps: baseline
            .gaps()
            .map(|gap| gap.to_string())
            .chain(found_running(baseline))
            .chain(left_out.map(|what| format!("too much for one document: {what}")))
            .collect(),
        complete: ended.map(|ended| !baseline.is_incomplete(ended)),
        pending_review: pending_review(baseline),
    };
    Document::by_agent(baseline.workload().clone(), processes, Some(status))
}

/// The entries for one identity: one, or one for each of its lists of
/// arguments. None if no document can name it, which the judge lets nothing
/// be learned of.
fn entries(
    identity: &Identity,
    evidence: &Evidence,
    has_applets: bool,
    detail: Detail,
) -> Vec<Process> {
    let Ok(process) = Process::of(&by_name(identity, has_applets)) else {
        return Vec::new();
    };
    // More than were kept: a list would not be all.
    let digests = evidence.digests();
    let contents = (detail == Detail::Everything && !digests.has_more())
        .then(|| Contents::new(digests.iter().copied().collect(), None))
        .flatten();
    // What was only ever put in is a probe or a hook, and may be nothing else.
    let probe = evidence.came() == Came::PutIn && detail >= Detail::Arguments;
    let parents: BTreeSet<Parent> = probe.then_some(Parent::Injected).into_iter().collect();
    let under = |args| {
        process.clone().under(Conditions {
            contents: contents.clone(),
            args,
            parents: parents.clone(),
            ..Conditions::default()
        })
    };
    match evidence.arguments() {
        Arguments::Code(lists) if detail >= Detail::Arguments => lists
            .iter()
            // Within the bounds of a pattern, as a test holds.
            .filter_map(|list| ArgsPattern::exactly(list).ok())
            .map(|args| under(Some(args)))
            .collect(),
        Arguments::Code(_) | Arguments::Any => vec![under(None)],
    }
}

/// A program that ran under other names too is named by its own: an entry
/// without a name would allow it under any.
fn by_name(identity: &Identity, has_applets: bool) -> Identity {
    match &identity.role {
        Role::Program if has_applets => Identity {
            role: Role::Applet(Untrusted::new(last_component(identity.file.as_bytes()))),
            ..identity.clone()
        },
        Role::Program | Role::Applet(_) | Role::Script(_) => identity.clone(),
    }
}

/// The entries that are there because a process was found running: its exec,
/// and so its layer, was not seen.
fn found_running(baseline: &Baseline) -> impl Iterator<Item = String> + '_ {
    baseline
        .entries()
        .iter()
        .filter(|(_, evidence)| evidence.execs() == 0)
        .map(|(identity, _)| {
            let path = identity.path().escaped(512);
            format!("{path} was found running when learning began; it was not seen to start")
        })
}

fn pending_review(baseline: &Baseline) -> Vec<String> {
    let pending = baseline.pending();
    let held = pending.iter().map(|(identity, held)| {
        let path = identity.path().escaped(512);
        let layer = identity.path_layer();
        let last = held.last_seen;
        let applet = match &identity.role {
            Role::Applet(applet) => format!(" as {}", applet.escaped(255)),
            Role::Program | Role::Script(_) => String::new(),
        };
        format!(
            "{path}{applet} (layer {layer}): {}, last {last:.0}",
            held.reason
        )
    });
    let more = pending
        .has_more()
        .then(|| "there was more than is kept".to_owned());
    held.chain(more).collect()
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
