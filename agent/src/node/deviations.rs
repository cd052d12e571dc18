//! From a deviation to its record; and the deviations that are no exec: a
//! process that left, and more than is kept apart.

use super::Node;
use super::alerts::Came;
use super::clock::time_of;
use super::counting::Purpose;
use super::execs::Seen;
use super::remedy::{Deviation, remedy, without_exec};
use super::workloads::Phase;
use crate::alert::{
    Action, AlertId, ContainerInfo, ExecEvidence, Kind, Leaver, Mode, Nearest, Record, Subject,
};
use crate::containers::Container;
use crate::history::Remedy;
use crate::journal::Lack;
use crate::judge::role_of;
use crate::kernel::{Escaped, key_of_escape, key_of_overflow};
use crate::learn::Gap;
use crate::model::{
    CgroupId, Content, Exec, Identity, Inspection, Meddling, Reason, Slot, Untrusted, WorkloadId,
};
use jiff::Timestamp;

impl Node {
    pub(super) fn deviates(
        &mut self,
        seen: &Seen<'_>,
        workload_id: &WorkloadId,
        reason: Reason,
        also: Vec<Reason>,
        nearest: Option<Nearest>,
    ) {
        let Seen {
            key,
            exec,
            inspection,
        } = *seen;
        if self.is_allowed(workload_id, reason) {
            return self.passes(key, exec, inspection, workload_id);
        }
        let action = match exec.stopped {
            Some(how) => Action::Blocked(how),
            None => self.stop_late(workload_id, &key, exec),
        };
        let container = self.containers.lookup(exec.container).cloned();
        let at = time_of(exec.at_ns);
        let digest = |content: Option<Content>| content.and_then(|content| content.sha256);
        let (program, script) = (digest(inspection.program), digest(inspection.script));
        // A workload without an allowlist: one alert per container, and all
        // that is merely unlisted in its sum.
        let (id, subject, remedy) = if reason == Reason::NoAllowlist {
            (
                AlertId::new(&self.boot, exec.container, reason, None),
                Subject::Container,
                without_exec(reason),
            )
        } else {
            let identity = role_of(exec, inspection);
            self.hold(workload_id, &identity, reason, at);
            let content = script.or(program);
            let evidence = self.evidence(exec).with_digests(program, script);
            let id = AlertId::of_exec(&self.boot, exec, &identity, reason, &also, content);
            let subject = Subject::Exec {
                identity,
                evidence: Some(Box::new(evidence)),
                nearest,
            };
            let remedy = match reason {
                Reason::Unverified => without_exec(reason),
                _ => self.remedy(workload_id, exec, inspection),
            };
            (id, subject, remedy)
        };
        let mut record = self.record(
            id,
            at,
            reason,
            also,
            subject,
            workload_id,
            container.as_ref(),
        );
        record.action = action;
        // Of what an earlier agent left there may be more than one.
        let came = self.left.came(key, at);
        self.alerts.raise_with(record, remedy, came);
        if let Some(workload) = self.workloads.get_mut(workload_id) {
            workload.deviations += came.count;
        }
        self.track(key, exec, Purpose::Alert(id, workload_id.clone()));
    }

    /// What a workload ran while it learns, and may not learn, waits there for a
    /// person to look at it.
    fn hold(&mut self, id: &WorkloadId, identity: &Identity, reason: Reason, at: Timestamp) {
        let workload = self.workloads.get_mut(id);
        if let Some(Phase::Learning {
            baseline, dirty, ..
        }) = workload.map(|workload| &mut workload.phase)
        {
            baseline.hold(identity, reason, at);
            *dirty = true;
        }
    }

    fn remedy(&self, workload: &WorkloadId, exec: &Exec, inspection: &Inspection) -> Remedy {
        let phase = self.workloads.get(workload).map(|found| &found.phase);
        remedy(&Deviation {
            workload,
            allowlist: phase.and_then(Phase::allowlist),
            scope: self.scope_of(exec),
            exec,
            inspection,
            keeps_arguments: self.config.alert_arguments,
        })
    }

    fn evidence(&self, exec: &Exec) -> ExecEvidence {
        let evidence = ExecEvidence::from(exec);
        if self.config.alert_arguments {
            evidence
        } else {
            evidence.without_arguments()
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one record")]
    pub(super) fn record(
        &self,
        id: AlertId,
        time: Timestamp,
        reason: Reason,
        also: Vec<Reason>,
        subject: Subject,
        workload: &WorkloadId,
        container: Option<&Container>,
    ) -> Record {
        let learning = self
            .workloads
            .get(workload)
            .is_some_and(|workload| matches!(workload.phase, Phase::Learning { .. }));
        let description = container.and_then(|container| container.description.as_ref());
        let in_pod = description.map(|found| &found.in_pod);
        let text = |text: Option<&String>| text.map(|text| Untrusted::from(text.as_str()));
        Record {
            id,
            number: 0,
            time,
            node: self.config.node_name.as_str().to_owned(),
            kind: Kind::Deviation,
            reason,
            severity: self.config.severities.of(reason),
            also,
            subject,
            workload: workload.clone(),
            container: container.map(|container| ContainerInfo {
                id: container.name.id.clone(),
                runtime: Some(container.name.runtime),
                pod: text(description.and_then(|found| found.pod.as_ref())),
                pod_uid: text(description.and_then(|found| found.pod_uid.as_ref())),
                image: text(description.and_then(|found| found.image.as_ref())),
                image_digest: text(description.and_then(|found| found.image_digest.as_ref())),
                kind: in_pod.and_then(|found| found.kind),
                attempt: in_pod.and_then(|found| found.attempt),
                runtime_handler: text(in_pod.and_then(|found| found.runtime_handler.as_ref())),
            }),
            attributed: container.is_none() || description.is_some_and(|found| found.complete),
            mode: if learning { Mode::Learn } else { Mode::Enforce },
            action: Action::Alerted,
        }
    }

    pub(super) fn report_escapes(&mut self) {
        for escape in self.kernel.escapes() {
            let way = (escape.container, escape.to);
            let told = self.escapes_told.get(&way).copied().unwrap_or(0);
            let more = escape.count.saturating_sub(told);
            // One without a name is told of later, when it has one.
            let came = Came::new(
                Some(key_of_escape(way.0, way.1)),
                more,
                time_of(escape.at_ns),
            );
            if more > 0 && self.raise_escape(&escape, came) {
                self.escapes_told.insert(way, escape.count);
            }
        }
    }

    /// Forgets the ways out of a container that is gone, when all of them is told of.
    pub(super) fn forget_escapes_of(&mut self, container: CgroupId) {
        self.report_escapes();
        let id = AlertId::new(&self.boot, container, Reason::Escaped, None);
        self.alerts.forget(id);
        let told = self.kernel.forget_escapes(container);
        self.told(told);
        let ways = self
            .escapes_told
            .extract_if(|(left, _), _| *left == container);
        for ((left, to), _) in ways {
            self.alerts.forget_entry(&key_of_escape(left, to));
        }
    }

    /// Reports escapes by one way; whether it is known whose they are.
    pub(super) fn raise_escape(&mut self, escape: &Escaped, came: Came) -> bool {
        let Some(container) = self.containers.lookup(escape.container).cloned() else {
            return false;
        };
        let Some(workload) = container.workload().cloned() else {
            return false;
        };
        if self.is_inside(escape) {
            return true;
        }
        let id = AlertId::new(&self.boot, escape.container, Reason::Escaped, None);
        let subject = Subject::Escape(Leaver {
            pid: escape.pid,
            uid: escape.uid,
            comm: escape.comm.clone(),
            start_ns: escape.start_ns,
            to: escape.to,
        });
        let record = self.record(
            id,
            came.at,
            Reason::Escaped,
            Vec::new(),
            subject,
            &workload,
            Some(&container),
        );
        self.alerts.raise(record, came);
        true
    }

    /// Whether what left a container is still in it: where the container had no name
    /// yet, the kernel does not know a cgroup below it as its child. So has the canary
    /// of this agent one below that of the agent.
    fn is_inside(&self, escape: &Escaped) -> bool {
        let container = self.containers.lookup(escape.to);
        self.is_canarys_cgroup(escape.to)
            || container.is_some_and(|container| container.cgroup == escape.container)
    }

    /// Execs that found the quota of a workload's slot used up.
    pub(super) fn report_overflow(&mut self, slot: Slot) {
        let overflowed = self.kernel.usage(slot).overflowed;
        let Some(id) = self.workloads.by_slot(slot).cloned() else {
            return;
        };
        let Some(workload) = self.workloads.get_mut(&id) else {
            return;
        };
        let count = overflowed.saturating_sub(workload.overflow_told);
        if count == 0 {
            return;
        }
        workload.overflow_told = overflowed;
        if let Phase::Learning {
            baseline, dirty, ..
        } = &mut workload.phase
        {
            baseline.note(Gap::EventsLost { count }, Timestamp::now());
            *dirty = true;
        }
        self.journal_gap(Lack::TooMuch);
        if self.is_allowed(&id, Reason::Overflow) {
            return self.passes_beyond(&id, count);
        }
        let came = Came::new(Some(key_of_overflow(slot.0)), count, Timestamp::now());
        self.raise_about(&id, Reason::Overflow, Subject::Overflow, came);
    }

    /// Execs of a container that found the quota of an earlier agent's slot used up.
    pub(super) fn raise_overflow_of(&mut self, container: CgroupId, came: Came) {
        let Some(id) = self.workload_of(container).cloned() else {
            tracing::error!(
                count = came.count,
                "more distinct execs than are kept apart, of a container that is gone"
            );
            return;
        };
        self.raise_about(&id, Reason::Overflow, Subject::Overflow, came);
    }

    /// Reports what is about a workload as a whole: its containers share one alert.
    pub(super) fn raise_about(
        &mut self,
        id: &WorkloadId,
        reason: Reason,
        subject: Subject,
        came: Came,
    ) {
        if let Some(workload) = self.workloads.get_mut(id) {
            workload.deviations += came.count;
        }
        let what = match &subject {
            Subject::Meddled(Meddling::Turned { .. }) => "/turned",
            Subject::Meddled(Meddling::Unpinned { .. }) => "/unpinned",
            Subject::Meddled(Meddling::Frozen) => "/frozen",
            _ => "",
        };
        let scope = format!("{}/{id}{what}", self.boot);
        let alert = AlertId::new(&scope, CgroupId(0), reason, None);
        let record = self.record(alert, came.at, reason, Vec::new(), subject, id, None);
        self.alerts.raise(record, came);
    }
}
