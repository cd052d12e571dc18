//! Which workloads' deviations are stopped, in which of their containers, and what
//! is let through all the same.

use super::Node;
use super::terms::Terms;
use super::workloads::Phase;
use crate::alert::{About, Action as Done};
use crate::allowlist::{Action, DecidedAction, Unverified};
use crate::containers::Container;
use crate::history::What;
use crate::kernel::stop_bits;
use crate::model::{CgroupId, ContainerId, ContainerKind, Exec, Origin, WorkloadId};
use crate::process;
use agent_common::wire::SeenKey;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::io;
use std::time::Instant;

impl Node {
    /// What a deviation leads to, and what becomes of what only the agent can
    /// decide. A person's document counts before the operator's word about the
    /// workload, and that before the one about all; that the agent stepped back
    /// counts before all.
    pub(super) fn action(&self, id: &WorkloadId, terms: &Terms) -> (Action, Unverified) {
        let decided = self.decided_action(id);
        let spec = self.person(id, terms).map(|loaded| &loaded.document.spec);
        let unverified = spec.map_or_else(Unverified::default, |spec| spec.unverified);
        let since = decided.map(|decided| decided.since);
        let action = match (decided, spec.and_then(|spec| spec.action)) {
            _ if self.crash_loops.has_given_up(id, since) => Action::Alert,
            (Some(decided), _) if decided.stepped_back => decided.action,
            (_, Some(action)) => action,
            (Some(decided), None) => decided.action,
            (None, None) if spec.is_some() || self.has_learned_all(id) => self.config.action,
            (None, None) => Action::Alert,
        };
        (action, unverified)
    }

    /// Whether nothing is known to be missing in what a workload has learned.
    fn has_learned_all(&self, id: &WorkloadId) -> bool {
        let learned = self.workloads.finished.get(id);
        learned.is_some_and(|learned| !learned.is_incomplete(Timestamp::now()))
    }

    /// The action that was decided for a workload.
    pub(super) fn decided_action(&self, id: &WorkloadId) -> Option<DecidedAction> {
        self.decided.get(id)?.document.decided_action()
    }

    /// What of a workload's execs the kernel stops: see
    /// [`agent_common::wire::stop`]. Nothing of the container that holds a pod
    /// together, so that a pod can always start; nothing while it may run
    /// anything.
    pub(super) fn stops(&self, id: &WorkloadId) -> u32 {
        let Some(workload) = self.workloads.get(id) else {
            return 0;
        };
        let Phase::Enforcing {
            allowlist,
            action: Action::Block,
            unverified,
            ..
        } = &workload.phase
        else {
            return 0;
        };
        let holds_a_pod = workload.newest.in_pod.kind == Some(ContainerKind::Sandbox);
        if holds_a_pod || self.allowances.get(id).is_some() {
            return 0;
        }
        stop_bits(
            *unverified == Unverified::Deny,
            self.config.classes.put_in.probes,
            self.config.libraries,
            allowlist.layers_of_patterns(),
        )
    }

    /// Why nothing can be stopped on this node, if so.
    pub(super) fn cannot_block(&self) -> Option<&'static str> {
        if !self.kernel.layers_known() {
            return Some(
                "this kernel has not told how overlayfs keeps its layers, so no file of an image \
                 can be known; load it (modprobe overlay), and start the agent again",
            );
        }
        if self.kernel.losses().not_stopped > 0 {
            return Some("the kernel has refused to end a process that was to be stopped");
        }
        match (&self.canary, self.canary_was_stopped()) {
            (None, _) | (Some(_), Some(true)) => None,
            (Some(_), Some(false)) => Some("the canary, which was to be stopped, was not"),
            (Some(_), None) => Some(
                "no canary has passed yet, which shows that what is to be stopped is; \
                 `execwarden status` says what came of it",
            ),
        }
    }

    /// Whether nothing is stopped that runs in this container: the stage that was
    /// decided leaves it out, or its image is new and on probation.
    pub(super) fn is_spared(&self, id: &WorkloadId, container: &Container) -> bool {
        let is_left_out =
            |decided: DecidedAction| !is_in_stage(&container.name.id, decided.percent);
        self.decided_action(id).is_some_and(is_left_out)
            || self.is_on_probation(id, container.cgroup)
    }

    /// Tells the kernel which containers of a workload are spared.
    pub(super) fn spare_containers(&mut self, id: &WorkloadId) {
        let of_workload = self
            .containers
            .iter()
            .filter(|container| container.workload() == Some(id) && container.removed_ns.is_none());
        let spared: Vec<(CgroupId, bool)> = of_workload
            .map(|container| (container.cgroup, self.is_spared(id, container)))
            .collect();
        for (container, is_spared) in spared {
            let told = self.kernel.spare(container, is_spared);
            self.told(told);
        }
    }

    /// A container has ended in which something had been stopped. If the ones after it
    /// end as well, that may be because of us: the workload is not blocked any more, until
    /// a person says so again.
    pub(super) fn ended_blocked(&mut self, id: &WorkloadId) {
        let Some(containers) = self.crash_loops.ended(id, Instant::now()) else {
            return;
        };
        let mut document = self.decided_document(id);
        document.decide_action(Some(DecidedAction {
            action: Action::Alert,
            since: Timestamp::now(),
            percent: 100,
            stepped_back: true,
        }));
        tracing::error!(workload = %id, containers, "it does not stay up while what deviates is stopped: nothing is stopped any more");
        if let Err(refusal) = self.decide_by_itself(What::StepBack, document) {
            tracing::error!(workload = %id, "that it is not blocked any more cannot be written, and holds until the agent ends: {}", refusal.message);
            self.crash_loops.give_up(id, Timestamp::now());
            self.change_phase(id);
        }
        self.tell(id, About::SteppedBack { containers }, None, None);
    }

    /// An allowance began or ended: where deviations are stopped, that makes a
    /// difference in the kernel.
    pub(super) fn apply_policy_if_blocking(&mut self, id: &WorkloadId) {
        let is_blocked = self.workloads.get(id).map(|workload| workload.is_blocked());
        if is_blocked.is_some_and(|is_blocked| is_blocked != (self.stops(id) != 0)) {
            self.apply_policy(id);
        }
    }

    /// An exec that ran, and deviates: the kernel could not tell, since the
    /// container had no name or only the agent can say what it is. Where such are
    /// stopped, it ends now, and the kernel stops the next.
    pub(super) fn stop_late(&mut self, id: &WorkloadId, key: &SeenKey, exec: &Exec) -> Done {
        let Some(workload) = self.workloads.get(id).filter(|found| found.is_blocked()) else {
            return Done::Alerted;
        };
        let (slot, generation) = (workload.slot, workload.generation());
        let container = self.containers.lookup(exec.container);
        let is_spared = container.is_some_and(|container| self.is_spared(id, container));
        if is_spared || is_let_through(exec, self.config.classes.put_in.probes) {
            return Done::Alerted;
        }
        let told = self.kernel.refuse(slot, generation, key);
        self.told(told);
        match process::end(exec.pid, exec.start_ns) {
            Ok(()) => Done::Ended,
            // Of one that has ended there is nothing to end.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Done::Alerted,
            Err(error) => {
                tracing::warn!(workload = %id, pid = exec.pid, %error, "what deviates could not be ended (CAP_KILL)");
                Done::Alerted
            }
        }
    }
}

/// Whether the kernel lets such an exec through, whatever it is: see
/// `agent-ebpf/src/stop.rs`.
fn is_let_through(exec: &Exec, spares_probes: bool) -> bool {
    let is_put_in = exec.from_outside && exec.origin != Origin::Init && !exec.tty;
    let is_stage = exec.from_outside && exec.outer_mntns;
    !exec.escaped && (is_stage || (is_put_in && spares_probes))
}

/// Whether a container is one of so many in a hundred. One that is stays so when
/// there are to be more.
fn is_in_stage(container: &ContainerId, percent: u8) -> bool {
    let digest = Sha256::digest(container.as_str());
    let place = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]) % 100;
    place < u32::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_has_its_share_and_grows_from_itself() {
        let containers: Vec<ContainerId> = (0..1000)
            .map(|n| ContainerId::new(&format!("container-{n}")).expect("is plain"))
            .collect();
        let mut before = Vec::new();

        for percent in [0, 10, 50, 100] {
            let stage: Vec<&ContainerId> = containers
                .iter()
                .filter(|id| is_in_stage(id, percent))
                .collect();
            let share = usize::from(percent) * 10;

            assert!(
                stage.len().abs_diff(share) <= 40,
                "{percent}: {}",
                stage.len()
            );
            assert!(before.iter().all(|id| stage.contains(id)));
            before = stage;
        }
        assert_eq!(before.len(), 1000);
    }
}
