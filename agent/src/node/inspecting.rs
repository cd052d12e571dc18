//! Execs whose files are read before they are judged.
//!
//! An exec that is new is judged when its files were read, or after a moment
//! without. Where the content decides (an allowlist that compares digests, a
//! baseline that learns what the file is) it is waited for longer.

use super::Node;
use super::workloads::Phase;
use crate::containers::processes_in;
use crate::inspect::{Answer, Inspector, Request, Ticket};
use crate::judge::Verdict;
use crate::model::{CgroupId, Exec, Inspection, Reason};
use agent_common::wire::SeenKey;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long an alert is held back for what its file contains.
const MOMENT: Duration = Duration::from_secs(1);
/// How long a verdict is that depends on the content. A reading that takes
/// longer is given up by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// The execs that wait, and who reads for them.
pub struct Inspecting {
    inspector: Inspector,
    /// By container first, so that all of one are found together.
    waits: BTreeMap<SeenKey, Wait>,
    tickets: BTreeMap<Ticket, SeenKey>,
    last: u64,
}

struct Wait {
    exec: Exec,
    since: Instant,
    /// Whether its files are being read; else there was no room yet.
    asked: bool,
}

impl Inspecting {
    /// Nothing waits yet.
    pub fn new(inspector: Inspector) -> Self {
        Self {
            inspector,
            waits: BTreeMap::new(),
            tickets: BTreeMap::new(),
            last: 0,
        }
    }

    /// Whether an exec waits.
    pub fn contains(&self, key: &SeenKey) -> bool {
        self.waits.contains_key(key)
    }

    /// What waits of a container, in no order of time.
    fn of_container(&self, container: CgroupId) -> Vec<SeenKey> {
        self.waits
            .keys()
            .filter(|key| key.container == container.0)
            .copied()
            .collect()
    }

    fn take(&mut self, key: &SeenKey) -> Option<Exec> {
        self.waits.remove(key).map(|wait| wait.exec)
    }
}

impl Node {
    /// Judges an exec: at once if what its files contain is known or not worth
    /// to wait for, else later.
    pub(super) fn look_into(&mut self, key: SeenKey, exec: Exec) {
        if let Some(inspection) = self.inspecting.inspector.cached(&exec) {
            return self.judge(key, &exec, &inspection);
        }
        if !self.is_worth_reading(&exec) {
            return self.judge(key, &exec, &Inspection::default());
        }
        let asked = self.ask_inspector(key, &exec);
        if !asked && !self.is_learning(&exec) {
            // A flood: the verdict matters more than the digest.
            return self.judge(key, &exec, &Inspection::default());
        }
        let since = Instant::now();
        let wait = Wait { exec, since, asked };
        self.inspecting.waits.insert(key, wait);
    }

    /// What was read of an exec's files.
    pub(super) fn inspected(&mut self, answer: Answer) {
        let key = self.inspecting.tickets.remove(&answer.ticket);
        if let Some(key) = key
            && let Some(exec) = self.inspecting.take(&key)
        {
            self.judge(key, &exec, &answer.inspection);
        }
    }

    /// Judges what waited long enough.
    pub(super) fn judge_the_late(&mut self) {
        self.inspecting.inspector.tick();
        let late: Vec<SeenKey> = self
            .inspecting
            .waits
            .iter()
            .filter(|(_, wait)| wait.since.elapsed() >= MOMENT)
            .map(|(key, _)| *key)
            .collect();
        for key in late {
            let Some(wait) = self.inspecting.waits.get(&key) else {
                continue;
            };
            let exec = wait.exec.clone();
            if wait.since.elapsed() >= PATIENCE || !self.depends_on_content(&exec) {
                self.inspecting.waits.remove(&key);
                self.judge(key, &exec, &Inspection::default());
            } else if !wait.asked {
                let asked = self.ask_inspector(key, &exec);
                if let Some(wait) = self.inspecting.waits.get_mut(&key) {
                    wait.asked = asked;
                }
            }
        }
    }

    /// Judges what waits of a container, before it is let go.
    pub(super) fn judge_uninspected(&mut self, container: CgroupId) {
        for key in self.inspecting.of_container(container) {
            if let Some(exec) = self.inspecting.take(&key) {
                self.judge(key, &exec, &Inspection::default());
            }
        }
    }

    /// Judges all that waits: the agent ends.
    pub(super) fn judge_all_uninspected(&mut self) {
        while let Some((key, wait)) = self.inspecting.waits.pop_first() {
            self.judge(key, &wait.exec, &Inspection::default());
        }
    }

    fn ask_inspector(&mut self, key: SeenKey, exec: &Exec) -> bool {
        self.inspecting.last += 1;
        let ticket = Ticket(self.inspecting.last);
        let folder = self
            .containers
            .lookup(exec.container)
            .map(|container| self.hierarchy.folder(&container.path));
        let peers = move || folder.map_or_else(Vec::new, |folder| processes_in(&folder));
        let asked = self
            .inspecting
            .inspector
            .ask(ticket, Request::of(exec, peers));
        if asked {
            self.inspecting.tickets.insert(ticket, key);
        }
        asked
    }

    /// Whether what its files contain is of use: not for the runtime's stage,
    /// nor where nothing is judged or one alert stands for all.
    fn is_worth_reading(&self, exec: &Exec) -> bool {
        match self.verdict(exec, &Inspection::default()) {
            Some(Verdict::Deviates { reason, .. }) => reason != Reason::NoAllowlist,
            Some(Verdict::Learn(_)) => true,
            Some(Verdict::Known | Verdict::RuntimeStage) | None => false,
        }
    }

    /// Whether the verdict may be another one with the content.
    fn depends_on_content(&self, exec: &Exec) -> bool {
        match self.verdict(exec, &Inspection::default()) {
            Some(Verdict::Learn(_)) => true,
            Some(Verdict::Deviates { reason, also, .. }) => {
                reason == Reason::Modified || also.contains(&Reason::Modified)
            }
            Some(Verdict::Known | Verdict::RuntimeStage) | None => false,
        }
    }

    fn is_learning(&self, exec: &Exec) -> bool {
        self.workload_of(exec.container)
            .and_then(|id| self.workloads.get(id))
            .is_some_and(|workload| matches!(workload.phase, Phase::Learning { .. }))
    }
}
