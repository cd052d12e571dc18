//! Workloads that may run anything for a time: nothing of it is reported one by
//! one, and all of it is counted.
//!
//! In the kernel nothing changes, but that nothing is stopped. What deviates there is
//! judged here as ever, and counted instead of reported; so it ends at once when its
//! time is over. A way
//! out of a container is reported all the same.

use super::Node;
use super::counting::Purpose;
use super::decisions::{checked, decision, failed, refused};
use crate::alert::About;
use crate::control::operation::{Difference, How, Sign, WorkloadChange};
use crate::control::protocol::{Answer, Refusal, RefusalKind, Response};
use crate::history::{Allowance, Decision, MAX_ALLOWED, Passed, What, Who};
use crate::judge::role_of;
use crate::model::{Exec, Inspection, Reason, WorkloadId, format_duration};
use crate::store::StoreError;
use agent_common::wire::SeenKey;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// The allowances that hold.
#[derive(Debug, Default)]
pub struct Allowances(BTreeMap<WorkloadId, Held>);

#[derive(Debug)]
struct Held {
    allowance: Allowance,
    /// Whether more has passed than the store knows.
    dirty: bool,
}

impl Allowances {
    /// Those that the store has.
    pub fn new(allowances: Vec<Allowance>) -> Self {
        let held = allowances.into_iter().map(|allowance| {
            let dirty = false;
            (allowance.workload.clone(), Held { allowance, dirty })
        });
        Self(held.collect())
    }

    /// A workload's.
    pub fn get(&self, workload: &WorkloadId) -> Option<&Allowance> {
        self.0.get(workload).map(|held| &held.allowance)
    }

    /// Those of which the store lacks something.
    pub fn unsaved(&self) -> impl Iterator<Item = &Allowance> {
        let held = self.0.values().filter(|held| held.dirty);
        held.map(|held| &held.allowance)
    }

    /// The store has all of it.
    pub fn saved(&mut self) {
        self.0.values_mut().for_each(|held| held.dirty = false);
    }

    /// It may not have it after all.
    pub fn not_saved(&mut self) {
        self.0.values_mut().for_each(|held| held.dirty = true);
    }

    fn of(&mut self, workload: &WorkloadId) -> Option<&mut Allowance> {
        let held = self.0.get_mut(workload)?;
        held.dirty = true;
        Some(&mut held.allowance)
    }
}

impl Node {
    /// Whether a deviation for this reason is counted and not reported.
    pub(super) fn is_allowed(&self, workload: &WorkloadId, reason: Reason) -> bool {
        let is_way_out = matches!(reason, Reason::Breakout | Reason::Escaped);
        !is_way_out && self.allowances.get(workload).is_some()
    }

    /// The first exec of its kind in a container, that would be reported or
    /// learned.
    pub(super) fn passes(
        &mut self,
        key: SeenKey,
        exec: &Exec,
        inspection: &Inspection,
        workload: &WorkloadId,
    ) {
        if let Some(allowance) = self.allowances.of(workload) {
            allowance.passed.saw(&role_of(exec, inspection));
        }
        self.track(key, exec, Purpose::Passed(workload.clone()));
    }

    /// More that would be, of what passed before or is not kept apart.
    pub(super) fn passes_beyond(&mut self, workload: &WorkloadId, count: u64) {
        if let Some(allowance) = self.allowances.of(workload) {
            allowance.passed.count(count);
        }
    }

    /// Lets a workload run anything for so many seconds; with 0, no longer.
    pub(super) fn allow(&mut self, name: &str, for_s: u64, how: &How, who: &Who) -> Response {
        let id = self.workload_named(name)?;
        let held = self.allowances.get(&id).map(|allowance| allowance.ends);
        let text = match (for_s, held) {
            (0, Some(until)) => format!("nothing is reported one by one until {until}"),
            (0, None) => return Err(refused(format!("{id} is held to its allowlist already"))),
            (_, Some(until)) => {
                return Err(refused(format!(
                    "{id} may run anything until {until} already; --end ends that"
                )));
            }
            (seconds, None) if seconds > MAX_ALLOWED.as_secs() => {
                return Err(Refusal::new(
                    RefusalKind::BadRequest,
                    "a workload may be allowed everything for 24h at most",
                ));
            }
            (seconds, None) => {
                let length = format_duration(Duration::from_secs(seconds));
                format!("nothing is reported one by one for {length}")
            }
        };
        let sign = if for_s == 0 {
            Sign::Removed
        } else {
            Sign::Added
        };
        let part = "allow".to_owned();
        let change = WorkloadChange {
            workload: id.to_string(),
            changes: vec![Difference { sign, part, text }],
            notes: Vec::new(),
        };
        let answer = checked(vec![change.clone()], how)?;
        if !how.apply {
            return Ok(Answer::Change(answer));
        }
        let why = how.reason.as_deref();
        if for_s == 0 {
            self.end_allowance(&id, Some(who), why).map_err(failed)?;
            return Ok(Answer::Change(answer));
        }
        let row = decision(What::Allow, &change, how, who);
        let began = Timestamp::now();
        let length = SignedDuration::from_secs(i64::try_from(for_s).unwrap_or_default());
        let allowance = Allowance {
            workload: id,
            began,
            ends: began.checked_add(length).map_err(failed)?,
            passed: Passed::default(),
        };
        self.begin_allowance(allowance, &row).map_err(failed)?;
        Ok(Answer::Change(answer))
    }

    /// Begins one, as `row` has it, or does not. What was seen before is judged
    /// anew, so that its repeats count as passed.
    fn begin_allowance(&mut self, allowance: Allowance, row: &Decision) -> Result<(), StoreError> {
        self.history
            .get()
            .save(&self.alerts.pending, &[&allowance])?;
        self.alerts.pending.clear();
        let id = allowance.workload.clone();
        if let Err(error) = self.history.get().decide(std::slice::from_ref(row)) {
            self.history.get().end_allowance(&id)?;
            return Err(error);
        }
        self.forget_execs_of_workload(&id);
        tracing::warn!(workload = %id, until = %allowance.ends, "it may run anything until then");
        let until = allowance.ends;
        let (who, why) = (row.who.as_ref(), row.reason.as_deref());
        self.tell(&id, About::Allowed { until }, who, why);
        let dirty = false;
        self.allowances
            .0
            .insert(id.clone(), Held { allowance, dirty });
        self.apply_policy_if_blocking(&id);
        Ok(())
    }

    /// Ends what is over by the clock on the wall, whenever that was.
    pub(super) fn end_allowances(&mut self) {
        let now = Timestamp::now();
        let held = self.allowances.0.values();
        let over: Vec<WorkloadId> = held
            .filter(|held| held.allowance.is_over(now))
            .map(|held| held.allowance.workload.clone())
            .collect();
        for id in over {
            if let Err(error) = self.end_allowance(&id, None, None) {
                tracing::error!(%error, "the end of an allowance is not saved; it has ended all the same");
            }
        }
    }

    /// Ends one now: at once, and for good once the store has it.
    pub(super) fn end_allowance(
        &mut self,
        id: &WorkloadId,
        who: Option<&Who>,
        why: Option<&str>,
    ) -> Result<(), StoreError> {
        // What the kernel counted until now belongs to it.
        self.forget_execs_of_workload(id);
        let Some(Held { allowance, .. }) = self.allowances.0.remove(id) else {
            return Ok(());
        };
        self.apply_policy_if_blocking(id);
        let (executables, more) = allowance.passed.distinct();
        let execs = allowance.passed.execs;
        let about = About::AllowEnded {
            until: allowance.ends,
            execs,
            executables,
            more,
        };
        tracing::warn!(workload = %id, execs, executables, "it is held to its allowlist again");
        self.tell(id, about, who, why);
        let more = if more { "more than " } else { "" };
        let decision = Decision {
            number: 0,
            at: Timestamp::now(),
            who: who.cloned(),
            what: What::AllowEnded,
            workload: Some(id.to_string()),
            changes: vec![format!(
                "{execs} execs of {more}{executables} executables were not reported one by one"
            )],
            reason: why.map(str::to_owned),
        };
        self.history.get().end_allowance(id)?;
        self.history.get().decide(&[decision])
    }
}
