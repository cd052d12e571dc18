//! A pod's object → what of it is kept. Pure.
//!
//! The API server is believed, but what it repeats was chosen by whoever may
//! create pods: what is no name becomes none. Such a person may say that a pod
//! is a controller's; where that is checked by its uid ([`owners`](super::owners))
//! it has to be the one of a controller that is there.

use super::objects::{Metadata, OwnerReference, Pod};
use crate::containers::Wishes;
use crate::containers::plain::plain_name;
use crate::containers::pod_owner::Owner;
use crate::model::ContainerKind;
use std::collections::BTreeMap;

/// The most containers of a pod that are kept.
const MAX_CONTAINERS: usize = 256;
/// The annotation of a pod that stands for one which kubelet runs from a file.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// What is kept of a pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PodFacts {
    pub(super) uid: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) controller: Controller,
    pub(super) containers: BTreeMap<String, ContainerKind>,
    pub(super) wishes: Wishes,
}

/// Whose a pod is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Controller {
    /// This one's.
    Is(Owner),
    /// That of this one's controller, which has to be asked for.
    Behind(Link),
}

/// What stands between a pod and the controller that a person wrote.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct Link {
    pub(super) kind: LinkKind,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
}

/// What a link is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum LinkKind {
    ReplicaSet,
    Job,
}

impl LinkKind {
    /// Its kind, as Kubernetes spells it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ReplicaSet => "ReplicaSet",
            Self::Job => "Job",
        }
    }
}

/// What is kept of a pod; `None` of one that is no pod's own object, or that has
/// no proper names. A mirror pod has another uid than the pod that kubelet runs.
pub(super) fn pod(pod: &Pod) -> Option<PodFacts> {
    let metadata = &pod.metadata;
    if metadata.annotations.contains_key(MIRROR) {
        return None;
    }
    let namespace = plain_name(&metadata.namespace)?;
    let name = plain_name(&metadata.name)?;
    Some(PodFacts {
        uid: plain_name(&metadata.uid)?,
        controller: controller(metadata, &namespace, &name),
        namespace,
        name,
        containers: containers(pod),
        wishes: Wishes::of(&metadata.annotations, &metadata.labels),
    })
}

fn containers(pod: &Pod) -> BTreeMap<String, ContainerKind> {
    let spec = &pod.spec;
    let init = spec.init_containers.iter().map(|container| {
        let goes_on = container.restart_policy.as_deref() == Some("Always");
        match goes_on {
            true => (container, ContainerKind::Sidecar),
            false => (container, ContainerKind::Init),
        }
    });
    let main = spec.containers.iter();
    let ephemeral = spec.ephemeral_containers.iter();
    // Names are unique in a pod, over all kinds.
    init.chain(main.map(|container| (container, ContainerKind::Main)))
        .chain(ephemeral.map(|container| (container, ContainerKind::Ephemeral)))
        .filter_map(|(container, kind)| Some((plain_name(&container.name)?, kind)))
        .take(MAX_CONTAINERS)
        .collect()
}

fn controller(metadata: &Metadata, namespace: &str, pod: &str) -> Controller {
    let reference = controlling(metadata);
    let link = |kind, reference: &OwnerReference| {
        Some(Controller::Behind(Link {
            kind,
            namespace: namespace.to_owned(),
            name: plain_name(&reference.name)?,
            uid: plain_name(&reference.uid)?,
        }))
    };
    let found = reference.and_then(|reference| {
        match (group(reference), reference.kind.as_str()) {
            ("apps", "ReplicaSet") => link(LinkKind::ReplicaSet, reference),
            ("batch", "Job") => link(LinkKind::Job, reference),
            // Nobody's pods are theirs: a person wrote that.
            ("apps", "Deployment") | ("batch", "CronJob") => None,
            _ => owner(reference).map(Controller::Is),
        }
    });
    found.unwrap_or_else(|| Controller::Is(by_itself(metadata, pod)))
}

/// A pod without a controller: it goes by the name that whoever made it gave it,
/// without what was added to make it one of several.
fn by_itself(metadata: &Metadata, pod: &str) -> Owner {
    let stem = metadata.generate_name.trim_end_matches('-');
    let is_generated = !stem.is_empty() && pod.starts_with(&metadata.generate_name);
    let name = plain_name(stem).filter(|_| is_generated);
    Owner {
        kind: "Pod".into(),
        name: name.unwrap_or_else(|| pod.to_owned()),
    }
}

/// The controller of an object, of which there is one at the most.
pub(super) fn controlling(metadata: &Metadata) -> Option<&OwnerReference> {
    metadata.owner_references.iter().find(|one| one.controller)
}

/// Somebody's reference as an owner. Another group's kind that is called like one
/// of Kubernetes' own has its group behind it: `Deployment.example.org`.
pub(super) fn owner(reference: &OwnerReference) -> Option<Owner> {
    const OWN: [(&str, &str); 10] = [
        ("", "Pod"),
        ("", "Node"),
        ("", "ReplicationController"),
        ("", "StaticPod"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("batch", "CronJob"),
        ("batch", "Job"),
    ];
    let kind = plain_name(&reference.kind)?;
    let group = group(reference);
    let is_others = OWN.iter().any(|(own, word)| *word == kind && *own != group);
    let kind = match is_others {
        true => plain_name(&format!("{kind}.{group}"))?,
        false => kind,
    };
    Some(Owner {
        kind: kind.into(),
        name: plain_name(&reference.name)?,
    })
}

fn group(reference: &OwnerReference) -> &str {
    let version = reference.api_version.split_once('/');
    version.map_or("", |(group, _)| group)
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
