//! Two baselines of one workload become one.

use super::{Baseline, Evidence, Gap, MAX_ENTRIES, State, Window};
use crate::model::WorkloadId;
use std::collections::btree_map::Entry;

/// Baselines of different workloads have nothing to do with one another.
#[derive(Debug, thiserror::Error)]
#[error("a baseline of {} cannot take in one of {}", .0[0], .0[1])]
pub struct DifferentWorkloads(Box<[WorkloadId; 2]>);

/// The union of two baselines of one workload, as two nodes or two names of it
/// have learned them.
///
/// The same result in any order and grouping. Names (entries, containers,
/// images, spans without the agent) are sets: taking the same in twice changes
/// nothing. So are digests and lists of arguments, until there are too many.
/// Counts (execs, lost events) are sums. It learns while one of them
/// does. Over [`MAX_ENTRIES`], the first in order stay, and the execs of the
/// others are recorded as a gap.
pub fn merge(mut ours: Baseline, theirs: Baseline) -> Result<Baseline, DifferentWorkloads> {
    if ours.workload != theirs.workload {
        let both = [ours.workload, theirs.workload];
        return Err(DifferentWorkloads(Box::new(both)));
    }
    ours.window = Window {
        started: ours.window.started.min(theirs.window.started),
        ending: ours.window.ending.merge(theirs.window.ending),
    };
    ours.state = merge_states(ours.state, theirs.state);
    ours.containers.merge(&theirs.containers);
    ours.images.merge(&theirs.images);
    ours.image_digests.merge(&theirs.image_digests);
    ours.nodes.merge(&theirs.nodes);
    ours.starts = ours.starts.saturating_add(theirs.starts);
    ours.gaps.merge(&theirs.gaps);
    ours.missed = ours.missed.max(theirs.missed);
    ours.last_new = ours.last_new.max(theirs.last_new);
    ours.pending.merge(&theirs.pending);
    // It is about the images of a node, and ends on each by itself.
    ours.probation = None;
    for (identity, evidence) in theirs.entries {
        match ours.entries.entry(identity) {
            Entry::Vacant(place) => {
                place.insert(evidence);
            }
            Entry::Occupied(mut entry) => entry.get_mut().merge(&evidence),
        }
    }
    while ours.entries.len() > MAX_ENTRIES {
        let execs = ours
            .entries
            .pop_last()
            .map_or(0, |(_, evidence): (_, Evidence)| evidence.execs);
        ours.gaps.add(Gap::BeyondLimit { execs });
    }
    Ok(ours)
}

fn merge_states(ours: State, theirs: State) -> State {
    match (ours, theirs) {
        (
            State::Finished { ended, because },
            State::Finished {
                ended: other_end,
                because: other_because,
            },
        ) => State::Finished {
            ended: ended.max(other_end),
            because: because.max(other_because),
        },
        _ => State::Learning,
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
