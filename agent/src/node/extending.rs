//! A workload learns on because a person says so.

use super::Node;
use super::workloads::Phase;
use crate::control::protocol::{Answer, Extended, Refusal, RefusalKind, Response};
use crate::model::WorkloadId;
use jiff::Timestamp;
use std::time::Duration;

/// For how long at the most: a year.
const LONGEST_S: u64 = 365 * 86_400;

impl Node {
    /// Lets a workload learn on, for `for_s` seconds at least: one that learns, or
    /// one that is held to what it learned.
    pub(super) fn extend(&mut self, name: &str, for_s: Option<u64>) -> Response {
        let refuse = |kind, why: String| Err(Refusal::new(kind, why));
        if for_s.is_some_and(|for_s| !(1..=LONGEST_S).contains(&for_s)) {
            let why = format!("a workload learns for 1 to {LONGEST_S} seconds");
            return refuse(RefusalKind::BadRequest, why);
        }
        if self.config.mode.window().is_none() {
            let why = "the agent runs with --enforce, under which no workload learns".to_owned();
            return refuse(RefusalKind::Failed, why);
        }
        let Some(id) = self.has_learned_something(name) else {
            let why = format!(
                "no workload {name:?} learns or has learned; `execwarden status` names those there are"
            );
            return refuse(RefusalKind::NotFound, why);
        };
        if let Some(file) = self.people.iter().find_map(|(file, loaded)| {
            (loaded.document.spec.workload == id).then(|| file.display().to_string())
        }) {
            let why = format!("{name} is held to what a person wrote, {file}; change that");
            return refuse(RefusalKind::Failed, why);
        }
        let mut ending = self.config.learning.ending(&id);
        if let Some(for_s) = for_s {
            ending.minimum = Duration::from_secs(for_s);
        }
        match self.learn_on(&id, ending) {
            Ok(()) => Ok(Answer::Extend(Extended {
                workload: name.to_owned(),
                for_s: ending.minimum.as_secs(),
            })),
            Err(why) => refuse(RefusalKind::Failed, why),
        }
    }

    fn has_learned_something(&self, name: &str) -> Option<WorkloadId> {
        let learns = self
            .workloads
            .iter()
            .filter(|(_, workload)| matches!(workload.phase, Phase::Learning { .. }));
        learns
            .map(|(id, _)| id)
            .chain(self.workloads.dormant.keys())
            .chain(self.workloads.finished.keys())
            .find(|id| id.to_string() == name)
            .cloned()
    }

    /// The store first: if the agent ends in between, the document that is still
    /// there counts, and is written anew when the baseline ends.
    fn learn_on(&mut self, id: &WorkloadId, ending: crate::learn::Ending) -> Result<(), String> {
        let now = Timestamp::now();
        if let Some(workload) = self.workloads.get_mut(id)
            && let Phase::Learning {
                baseline, dirty, ..
            } = &mut workload.phase
        {
            baseline.learn_on(now, ending);
            *dirty = true;
            return Ok(());
        }
        if let Some(baseline) = self.workloads.dormant.get_mut(id) {
            baseline.learn_on(now, ending);
            return Ok(());
        }
        let Some(mut baseline) = self.workloads.finished.get(id).cloned() else {
            return Ok(());
        };
        baseline.learn_on(now, ending);
        let saved = self.store.save(&[&baseline]);
        saved.map_err(|error| format!("it cannot be saved: {error}"))?;
        let file = self
            .learned
            .path()
            .join(format!("{}.yaml", id.document_name()));
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("{} cannot be removed: {error}", file.display()));
            }
            _ => {}
        }
        self.learned.reload();
        self.workloads.finished.remove(id);
        self.workloads.dormant.insert(id.clone(), baseline);
        self.change_phase(id);
        Ok(())
    }
}
