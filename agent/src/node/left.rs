//! What an earlier agent has left in the kernel is taken in: what its programs saw
//! until this one's judged, and nobody was told of.
//!
//! Its programs go on to judge while this agent learns what there is. Then this one
//! takes charge; when no exec can be under way any more in the programs before, what
//! they saw is judged as if it had come just now, and told at once. When the spool has
//! that, what was left is removed.

use super::Node;
use super::clock::monotonic_ns;
use super::execs::Waiting;
use crate::containers::Since;
use crate::kernel::{KernelError, Left, Leftover, PinError, SeenEntry, Untold};
use crate::model::CgroupId;
use agent_common::wire::SeenKey;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How long after its programs were left out nothing of an earlier agent moves any
/// more.
const IN_FLIGHT: Duration = Duration::from_millis(200);

/// How far it is.
#[derive(Default)]
pub struct Heritage {
    stage: Stage,
    /// What is to be judged, and how many of each there are.
    to_judge: HashMap<SeenKey, u64>,
}

#[derive(Default)]
enum Stage {
    /// Nothing is left, or no more.
    #[default]
    Over,
    /// Something may still be under way in the programs before.
    Settling(Instant, Vec<Left>),
    /// It is being judged.
    Judging(Vec<Leftover>),
    /// All of it is in records up to this number.
    Told(u64, Vec<Leftover>),
}

impl Heritage {
    /// How many execs an entry stands for that is raised for the first time.
    pub fn count_of(&self, key: &SeenKey) -> u64 {
        self.to_judge.get(key).copied().unwrap_or(1)
    }

    /// Whether an entry is an earlier agent's.
    pub fn has(&self, key: &SeenKey) -> bool {
        self.to_judge.contains_key(key)
    }

    /// An entry was judged; whether it was an earlier agent's.
    pub fn judged(&mut self, key: &SeenKey) -> bool {
        self.to_judge.remove(key).is_some()
    }
}

impl Node {
    /// Execs are judged by this agent's programs from now on.
    pub(super) fn take_charge(&mut self) -> Result<(), KernelError> {
        let left = self.kernel.take_left();
        if self.kernel.is_second() {
            self.take_newborns();
            self.in_charge_ns = monotonic_ns();
            self.kernel.take_charge()?;
            tracing::info!("took over from an earlier agent, whose programs had gone on");
        }
        // Ways out of containers were counted by both until here, and are the other's
        // to tell.
        let ways = self.kernel.escapes().into_iter();
        let ways = ways.map(|escape| ((escape.container, escape.to), escape.count));
        self.escapes_told.extend(ways.filter(|_| !left.is_empty()));
        for left in &left {
            left.detach().unwrap_or_else(|error| complain(&error));
        }
        self.left.stage = match left.is_empty() {
            true => Stage::Over,
            false => Stage::Settling(Instant::now(), left),
        };
        Ok(())
    }

    /// Goes on to take in what is left.
    pub(super) fn take_in_left(&mut self) {
        self.left.stage = match std::mem::take(&mut self.left.stage) {
            Stage::Settling(since, left) if since.elapsed() >= IN_FLIGHT => {
                Stage::Judging(left.into_iter().map(|left| self.judge_left(left)).collect())
            }
            Stage::Judging(left) if self.left.to_judge.is_empty() => {
                self.alerts.send_sums();
                Stage::Told(self.alerts.last_number(), left)
            }
            Stage::Told(number, left) if self.alerts.sinks().committed() >= number => {
                for leftover in left {
                    let removed = leftover.remove();
                    removed.unwrap_or_else(|error| complain(&error));
                }
                self.alerts.book().disinherit();
                Stage::Over
            }
            as_before => as_before,
        };
    }

    /// All of it at once: the agent ends.
    pub(super) fn take_in_all_left(&mut self) {
        if let Stage::Settling(_, left) = std::mem::take(&mut self.left.stage) {
            for left in left {
                self.judge_left(left);
            }
        }
    }

    fn judge_left(&mut self, left: Left) -> Leftover {
        let (untold, leftover) = left.untold(self.alerts.book());
        let Untold {
            newborns,
            execs,
            escapes,
            overflows,
        } = untold;
        let ways = escapes.len();
        tracing::info!(
            execs = execs.len(),
            escapes = ways,
            "took in what the programs of an earlier agent saw and nobody was told of"
        );
        let counts = execs.iter().map(|entry| (entry.key, entry.count));
        self.left.to_judge.extend(counts);
        let mut newborns = newborns;
        newborns.retain(|(cgroup, _)| self.containers.lookup(*cgroup).is_none());
        newborns.sort_by_key(|(_, newborn)| newborn.made_ns);
        // Where nobody knows a cgroup any more, what ran in it says what it was.
        let strangers: HashSet<CgroupId> = newborns.iter().map(|(cgroup, _)| *cgroup).collect();
        let (waiting, execs): (Vec<SeenEntry>, Vec<SeenEntry>) = { execs.into_iter() }
            .partition(|entry| entry.exec.pending && strangers.contains(&entry.exec.container));
        for SeenEntry { key, exec, .. } in waiting {
            let waiting = self.waiting.entry(exec.container).or_default();
            waiting.push(Waiting { key, exec });
        }
        for (cgroup, newborn) in &newborns {
            // Of a container that the earlier agent knew, only its end is there.
            let since = match newborn.made_ns {
                0 => Since::BeforeTheAgent,
                made => Since::Made(made),
            };
            self.take_newborn(*cgroup, newborn, since);
        }
        for entry in execs {
            self.on_exec(entry.key, entry.exec);
        }
        for (key, escape) in escapes {
            if !self.raise_escape(&escape, key, escape.count) {
                tracing::error!(
                    container = escape.container.0,
                    count = escape.count,
                    "what left a container is not told of: the container is gone, and has no name"
                );
            }
        }
        for (key, container, count) in overflows {
            self.raise_overflow_of(container, key, count);
        }
        for (cgroup, newborn) in newborns {
            if newborn.removed_ns != 0 {
                // It is kept for as long as one that ends now.
                self.cgroup_removed(cgroup, monotonic_ns());
            }
        }
        leftover
    }
}

fn complain(error: &PinError) {
    tracing::warn!(%error, "what an earlier agent has pinned cannot be removed");
}
