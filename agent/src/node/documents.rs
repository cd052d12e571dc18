//! A baseline as a ProcessAllowlist document. Pure.

use crate::allowlist::{Document, LearnedFrom, Process, Status, Window};
use crate::learn::{Baseline, State};
use std::collections::BTreeSet;

/// What was learned so far on this node, with its evidence.
pub fn document_of(baseline: &Baseline) -> Document {
    let processes: BTreeSet<Process> = baseline
        .entries()
        .keys()
        // The judge lets nothing be learned that no document can name.
        .filter_map(|identity| Process::of(identity).ok())
        .collect();
    let (ended, ended_because) = match baseline.state() {
        State::Learning => (None, None),
        State::Finished { ended, because } => (Some(ended), Some(because.as_str().to_owned())),
    };
    let status = Status {
        learned_from: LearnedFrom {
            containers: baseline.containers().len() as u64,
            nodes: 1,
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
            .collect(),
    };
    Document::by_agent(baseline.workload().clone(), processes, Some(status))
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
