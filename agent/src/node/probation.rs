//! A new image of a workload that is held to what it learned: what it runs beyond
//! that is gathered for a while and told at once.

use super::Node;
use super::execs::Seen;
use super::sighted::Sighted;
use super::workloads::Phase;
use crate::alert::{About, Upgrade};
use crate::containers::Container;
use crate::control::protocol::AllowlistSource;
use crate::learn::Probation;
use crate::model::{CgroupId, Identity, Layer, Role, Untrusted, WorkloadId};
use jiff::Timestamp;

impl Node {
    /// A container of a workload that is enforced has appeared: whether its image
    /// is new.
    pub(super) fn meet_image(&mut self, container: &Container, id: &WorkloadId) {
        let Some(length) = self.config.probation else {
            return;
        };
        let is_by_what_it_learned = self.workloads.get(id).is_some_and(|workload| {
            let source = AllowlistSource::Learned;
            matches!(&workload.phase, Phase::Enforcing { source: by, .. } if *by == source)
        });
        let Some(digest) = digest_of(container).filter(|_| is_by_what_it_learned) else {
            return;
        };
        let Some(baseline) = self.workloads.finished.get_mut(id) else {
            return;
        };
        if !baseline.meet_image(digest, Timestamp::now(), length) {
            return;
        }
        tracing::info!(workload = %id, image = digest, "a new image: what it runs beyond what was learned is gathered and told at once");
        self.workloads.unsaved.insert(id.clone());
        self.apply_policy(id);
    }

    /// Whether a container's image is on probation.
    pub(super) fn is_on_probation(&self, id: &WorkloadId, container: CgroupId) -> bool {
        let baseline = self.workloads.finished.get(id);
        let container = self.containers.lookup(container);
        let digest = container.and_then(digest_of);
        digest
            .zip(baseline)
            .is_some_and(|(digest, baseline)| baseline.is_on_probation(digest))
    }

    /// Gathers what an image on probation ran. `false` if it has to be reported.
    pub(super) fn gather(&mut self, id: &WorkloadId, seen: &Seen<'_>, identity: &Identity) -> bool {
        let container = self.containers.lookup(seen.exec.container);
        let sighted = Sighted::new(container, identity, seen);
        let sighting = sighted.sighting(&self.config);
        let Some(baseline) = self.workloads.finished.get_mut(id) else {
            return false;
        };
        self.workloads.unsaved.insert(id.clone());
        baseline.find(identity, &sighting)
    }

    /// Ends the probations that are over.
    pub(super) fn end_probations(&mut self) {
        let now = Timestamp::now();
        let due: Vec<WorkloadId> = self
            .workloads
            .finished
            .iter()
            .filter(|(_, baseline)| baseline.probation_is_due(now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.forget_execs_of_workload(&id);
            let Some(baseline) = self.workloads.finished.get(&id) else {
                continue;
            };
            let mut baseline = baseline.clone();
            let gone = self.vanished(&baseline);
            let Some(probation) = baseline.end_probation() else {
                continue;
            };
            if !self.write_learned(&baseline) {
                continue;
            }
            self.workloads.finished.insert(id.clone(), baseline);
            self.tell_upgrade(&id, &probation, gone);
            self.change_phase(&id);
        }
    }

    /// The notice about what a new image runs.
    fn tell_upgrade(&mut self, id: &WorkloadId, probation: &Probation, gone: Vec<Untrusted>) {
        let upgrade = Upgrade {
            images: { probation.images().iter() }
                .map(|digest| Untrusted::from(&**digest))
                .collect(),
            new: probation.found().keys().map(path_of).collect(),
            gone,
        };
        tracing::info!(
            workload = %id,
            new = upgrade.new.len(),
            gone = upgrade.gone.len(),
            "the probation of a new image is over; what it ran is learned"
        );
        self.tell(id, About::Upgrade(upgrade), None, None);
    }

    /// The files of the image that entries name and that a container of the new
    /// one, if one still runs, has not.
    fn vanished(&self, baseline: &crate::learn::Baseline) -> Vec<Untrusted> {
        let of_new_image = self.containers.iter().find(|container| {
            container.removed_ns.is_none()
                && container.workload() == Some(baseline.workload())
                && digest_of(container).is_some_and(|digest| baseline.is_on_probation(digest))
        });
        let Some(root) = of_new_image.and_then(|container| {
            crate::containers::root_of(&self.hierarchy.folder(&container.path))
        }) else {
            return Vec::new();
        };
        let of_image = baseline
            .entries()
            .keys()
            .filter(|identity| identity.path_layer() == Layer::Image);
        of_image
            .filter(|identity| root.lacks(identity.path()))
            .map(path_of)
            .collect()
    }
}

fn digest_of(container: &Container) -> Option<&str> {
    container.description.as_ref()?.image_digest.as_deref()
}

/// What a person reads: the path, with the applet.
fn path_of(identity: &Identity) -> Untrusted {
    match &identity.role {
        Role::Applet(applet) => {
            let path = [identity.file.as_bytes(), b" ", applet.as_bytes()].concat();
            Untrusted::new(path)
        }
        Role::Program | Role::Script(_) => identity.path().clone(),
    }
}
