//! What an earlier agent has left in the kernel is taken in: what its programs saw
//! until this one's judged, and nobody was told of.
//!
//! Its programs go on to judge while this agent learns what there is. Then this one
//! takes charge; when no exec can be under way any more in the programs before, what
//! they saw is judged as if it had come just now, and told at once. When the spool has
//! that, what was left is removed.

use super::Node;
use super::alerts::{Came, entry};
use super::clock::{monotonic_ns, time_of};
use super::execs::Waiting;
use crate::containers::Since;
use crate::history::Entry;
use crate::kernel::{KernelError, Left, Leftover, Owed, Untold};
use crate::model::CgroupId;
use agent_common::wire::SeenKey;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How long after its programs were left out nothing of an earlier agent moves any
/// more.
const IN_FLIGHT: Duration = Duration::from_millis(200);

/// How far it is.
#[derive(Default)]
pub struct Heritage {
    stage: Stage,
    /// What is to be judged, and how often it came.
    to_judge: HashMap<SeenKey, Came>,
    /// How many of each entry the history has, of all that earlier agents saw.
    written: HashMap<Entry, u64>,
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
    /// Nothing is taken in yet; of what earlier agents saw the history has this.
    pub fn new(written: HashMap<Entry, u64>) -> Self {
        Self {
            written,
            ..Self::default()
        }
    }

    /// How often something came that is raised for the first time.
    pub fn came(&self, key: SeenKey, at: Timestamp) -> Came {
        let left = self.to_judge.get(&key).map(|came| Came { at, ..*came });
        left.unwrap_or_else(|| Came::new(Some(key), 1, at))
    }

    /// Whether an entry is an earlier agent's.
    pub fn has(&self, key: &SeenKey) -> bool {
        self.to_judge.contains_key(key)
    }

    /// An entry was judged; whether it was an earlier agent's.
    pub fn judged(&mut self, key: &SeenKey) -> bool {
        self.to_judge.remove(key).is_some()
    }

    /// How often something came that is owed; its entry is among those to be
    /// forgotten from now on.
    fn came_of<T>(&mut self, owed: &Owed<T>, at: Timestamp) -> Came {
        let written = self.written.entry(entry(&owed.key)).or_default();
        Came {
            of: Some(owed.key),
            count: owed.count,
            unwritten: owed.total.saturating_sub(*written),
            at,
        }
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
            left.detach();
        }
        if left.is_empty() {
            self.forget_written();
        } else {
            self.left.stage = Stage::Settling(Instant::now(), left);
        }
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
                    leftover.remove();
                }
                self.alerts.book().disinherit();
                self.forget_written();
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
            mut newborns,
            execs,
            escapes,
            overflows,
        } = untold;
        tracing::info!(
            execs = execs.len(),
            escapes = escapes.len(),
            "took in what the programs of an earlier agent saw and nobody was told of"
        );
        for owed in &execs {
            let came = self.left.came_of(owed, Timestamp::now());
            self.left.to_judge.insert(owed.key, came);
        }
        newborns.retain(|(cgroup, _)| self.containers.lookup(*cgroup).is_none());
        newborns.sort_by_key(|(_, newborn)| newborn.made_ns);
        // Where nobody knows a cgroup any more, what ran in it says what it was.
        let strangers: HashSet<CgroupId> = newborns.iter().map(|(cgroup, _)| *cgroup).collect();
        let (waiting, execs): (Vec<_>, Vec<_>) = { execs.into_iter() }
            .map(|Owed { key, what, .. }| Waiting { key, exec: what })
            .partition(|one| one.exec.pending && strangers.contains(&one.exec.container));
        for one in waiting {
            let waiting = self.waiting.entry(one.exec.container).or_default();
            waiting.push(one);
        }
        for (cgroup, newborn) in &newborns {
            // Of a container that the earlier agent knew, only its end is there.
            let since = match newborn.made_ns {
                0 => Since::BeforeTheAgent,
                made => Since::Made(made),
            };
            self.take_newborn(*cgroup, newborn, since);
        }
        for Waiting { key, exec } in execs {
            self.on_exec(key, exec);
        }
        for owed in escapes {
            let came = self.left.came_of(&owed, time_of(owed.what.at_ns));
            if !self.raise_escape(&owed.what, came) {
                tracing::error!(
                    container = owed.what.container.0,
                    count = owed.count,
                    "what left a container is not told of: the container is gone, and has no name"
                );
            }
        }
        for owed in overflows {
            let came = self.left.came_of(&owed, Timestamp::now());
            self.raise_overflow_of(owed.what, came);
        }
        for (cgroup, newborn) in newborns {
            if newborn.removed_ns != 0 {
                // It is kept for as long as one that ends now.
                self.cgroup_removed(cgroup, monotonic_ns());
            }
        }
        leftover
    }

    /// Of entries that are gone nobody will ask how many the history has.
    fn forget_written(&mut self) {
        for (entry, _) in self.left.written.drain() {
            self.alerts.pending.forget(entry);
        }
    }
}
