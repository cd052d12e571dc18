//! A runtime's answer, checked.
//!
//! Pure. The runtime is believed, but what it repeats was chosen by whoever may
//! create pods: what is no name becomes none.

use super::client::Answer;
use super::messages::{Container, ImageSpec, PodSandbox};
use crate::containers::asking::AskError;
use crate::containers::cgroup_path::CgroupName;
use crate::containers::in_pod::plain_labels;
use crate::containers::plain::{is_digest, plain_image, plain_name};
use crate::containers::pod_owner::{Owner, Pod};
use crate::containers::runtime_state::SANDBOX;
use crate::containers::{Description, InPod, Wishes};
use crate::model::{ContainerKind, WorkloadId};

/// The description that an answer makes of the container which was asked for;
/// `None` if the runtime knows of none.
pub(super) fn description(
    answer: &Answer,
    asked: &CgroupName,
    node: &str,
) -> Result<Option<Description>, AskError> {
    let (container, sandbox) = match answer {
        Answer::Container(container, sandbox) => (Some(&**container), &**sandbox),
        Answer::Sandbox(sandbox) => (None, &**sandbox),
        Answer::Nothing => return Ok(None),
    };
    let pod = sandbox
        .metadata
        .as_ref()
        .ok_or(AskError::Other("its pod has no name"))?;
    if let Some(uid) = &asked.pod_uid
        && *uid != pod.uid
    {
        return Err(AskError::Other("it is in another pod than its cgroup"));
    }
    let name = plain_name(&pod.name).ok_or(AskError::Other("its pod's name is no name"))?;
    let namespace = plain_name(&pod.namespace);
    let namespace = namespace.ok_or(AskError::Other("its namespace's name is no name"))?;
    let owner = Owner::of(&Pod {
        name: &name,
        labels: Some(&sandbox.labels),
        annotations: &sandbox.annotations,
        node,
    });
    Ok(Some(Description {
        workload: WorkloadId::Kubernetes {
            namespace,
            kind: owner.kind.into_owned(),
            name: owner.name,
            container: container_name(container)?,
        },
        image: container.and_then(image),
        image_digest: container.and_then(|container| digest(&container.image_ref)),
        pod: Some(name),
        pod_uid: plain_name(&pod.uid),
        in_pod: in_pod(container, sandbox),
        complete: true,
    }))
}

/// What kind of container it is, CRI does not tell, but for the pod's own. What a
/// pod asks for is about its containers, not about that one.
fn in_pod(container: Option<&Container>, sandbox: &PodSandbox) -> InPod {
    let runtime_handler = plain_name(&sandbox.runtime_handler);
    match container {
        None => InPod {
            kind: Some(ContainerKind::Sandbox),
            runtime_handler,
            ..InPod::default()
        },
        Some(container) => InPod {
            attempt: container.metadata.as_ref().map(|named| named.attempt),
            runtime_handler,
            labels: plain_labels(&sandbox.labels),
            wishes: Wishes::of(&sandbox.annotations, &sandbox.labels),
            ..InPod::default()
        },
    }
}

fn container_name(container: Option<&Container>) -> Result<String, AskError> {
    let Some(container) = container else {
        return Ok(SANDBOX.to_owned());
    };
    let metadata = container.metadata.as_ref();
    metadata
        .and_then(|metadata| plain_name(&metadata.name))
        .ok_or(AskError::Other("its name is no name"))
}

/// The image as the pod has it, else as the runtime does.
fn image(container: &Container) -> Option<String> {
    let ImageSpec {
        image,
        user_specified_image,
    } = container.image.as_ref()?;
    plain_image(user_specified_image)
        .or_else(|| plain_image(image).filter(|image| !is_digest(image)))
        .or_else(|| plain_image(&container.image_ref))
}

/// The digest in a reference, or the reference where it is nothing else.
fn digest(reference: &str) -> Option<String> {
    let digest = reference.rsplit('@').next().unwrap_or(reference);
    is_digest(digest).then(|| digest.to_owned())
}
