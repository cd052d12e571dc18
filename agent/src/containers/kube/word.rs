//! What the API server says of one container, and how a description is completed
//! by it. Pure.

use crate::containers::pod_owner::Owner;
use crate::containers::{Description, Wishes};
use crate::model::{ContainerKind, WorkloadId};

/// What is known of a container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Words {
    /// Nothing.
    None,
    /// Its pod; more is to come.
    Some(Word),
    /// All there is to know.
    All(Word),
}

/// What the API server says of one container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) owner: Option<Owner>,
    pub(super) kind: Option<ContainerKind>,
    pub(super) wishes: Wishes,
    pub(super) defaults: Option<Wishes>,
}

impl Word {
    /// Completes what others said of the container; `false` if they spoke of
    /// another pod, and nothing is changed.
    pub fn complete(self, description: &mut Description) -> bool {
        let WorkloadId::Kubernetes {
            namespace,
            kind,
            name,
            ..
        } = &mut description.workload
        else {
            // Nobody has told which of the pod's containers it is.
            return false;
        };
        let is_same_pod = { description.pod.as_ref() }.is_none_or(|pod| *pod == self.pod);
        if !is_same_pod || *namespace != self.namespace {
            return false;
        }
        if let Some(owner) = self.owner {
            *kind = owner.kind.into_owned();
            *name = owner.name;
        }
        let in_pod = &mut description.in_pod;
        // The pod's own container is not in its spec, whatever it is called.
        if in_pod.kind != Some(ContainerKind::Sandbox) {
            in_pod.kind = self.kind.or(in_pod.kind);
            in_pod.wishes = self.wishes;
            in_pod.defaults = self.defaults.unwrap_or_default();
        }
        true
    }
}
