//! A workload learns on because a person says so.

use super::Node;
use super::decisions::{failed, refused};
use super::terms::Plan;
use super::workloads::Phase;
use crate::containers::InPod;
use crate::control::protocol::{Answer, Extended, Refusal, RefusalKind, Response};
use crate::learn::Ending;
use crate::model::WorkloadId;
use jiff::Timestamp;
use std::time::Duration;

/// For how long at the most: a year.
const LONGEST_S: u64 = 365 * 86_400;

impl Node {
    /// Lets a workload learn on, for `for_s` seconds at least: one that learns, or
    /// one that is held to what it learned.
    pub(super) fn extend(&mut self, name: &str, for_s: Option<u64>) -> Response {
        if for_s.is_some_and(|for_s| !(1..=LONGEST_S).contains(&for_s)) {
            let why = format!("a workload learns for 1 to {LONGEST_S} seconds");
            return Err(Refusal::new(RefusalKind::BadRequest, why));
        }
        let baseline = self.workloads.baseline_named(name);
        let Some(id) = baseline.map(|baseline| baseline.workload().clone()) else {
            let why = format!(
                "no workload {name:?} learns or has learned; `execwarden status` names those there are"
            );
            return Err(Refusal::new(RefusalKind::NotFound, why));
        };
        if let Some(why) = self.why_not_to_learn(&id) {
            return Err(refused(why));
        }
        let mut ending = self.config.learning.ending(&id);
        if let Some(for_s) = for_s {
            ending.minimum = Duration::from_secs(for_s);
        }
        self.learn_on(&id, ending).map_err(failed)?;
        Ok(Answer::Extend(Extended {
            workload: name.to_owned(),
            for_s: ending.minimum.as_secs(),
        }))
    }

    /// Whose word keeps a workload from learning, had it learned nothing yet: what
    /// it has learned must not be given up where it could not learn on.
    fn why_not_to_learn(&self, id: &WorkloadId) -> Option<String> {
        if let Some(file) = self.people.file_of(id) {
            return Some(format!(
                "{id} is held to what a person wrote, {}; change that",
                file.display()
            ));
        }
        let workload = self.workloads.get(id);
        let in_pod = workload.map_or_else(InPod::default, |found| found.newest.in_pod.clone());
        let has_learned = false;
        let terms = self.terms_where(id, &in_pod, has_learned);
        if matches!(terms.plan, Plan::Learn { .. }) {
            return None;
        }
        Some(match (self.decided_mode(id), self.config.mode.window()) {
            (Some((mode, _)), _) => format!(
                "{id} has mode {mode} by `execwarden promote`; `execwarden promote {id} --clear` takes that back"
            ),
            (None, None) => {
                "the agent runs with --enforce, under which no workload learns".to_owned()
            }
            (None, Some(_)) => {
                format!("{id} does not learn: its annotations or the agent's --classes say so")
            }
        })
    }

    /// The store first: if the agent ends in between, the document that is still
    /// there counts, and is written anew when the baseline ends.
    fn learn_on(&mut self, id: &WorkloadId, ending: Ending) -> Result<(), String> {
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
        let learns = self.workloads.dormant.get(id);
        let has_learned = learns.is_none();
        let Some(baseline) = learns.or_else(|| self.workloads.finished.get(id)) else {
            return Ok(());
        };
        let mut baseline = baseline.clone();
        baseline.learn_on(now, ending);
        let saved = self.store.get().save(&[&baseline]);
        saved.map_err(|error| format!("it cannot be saved: {error}"))?;
        if has_learned {
            self.remove_learned(id)?;
            self.workloads.finished.remove(id);
        }
        self.workloads.dormant.insert(id.clone(), baseline);
        self.change_phase(id);
        Ok(())
    }

    /// Takes away the document of what a workload has learned.
    fn remove_learned(&mut self, id: &WorkloadId) -> Result<(), String> {
        let Some(file) = self.learned.file_of(id) else {
            return Ok(());
        };
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("{} cannot be removed: {error}", file.display()));
            }
            _ => {}
        }
        self.learned.reload();
        Ok(())
    }
}
