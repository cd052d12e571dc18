//! Fuzzing of a runtime's answers: whatever it repeats of what pods are called and
//! labelled with, a container is named by names or not at all.

use super::client::Answer;
use super::facts::description;
use super::messages::{ListContainersResponse, ListPodSandboxResponse, PodSandbox};
use crate::allowlist::{Document, Metadata, Spec, parse, render};
use crate::containers::in_pod::{plain_labels, with_debuggers_as_one};
use crate::containers::plain::{is_digest, plain_image, plain_name};
use crate::containers::{CgroupName, Description};
use crate::fuzzing::Source;
use crate::model::{ContainerId, Runtime, WorkloadId};
use prost::Message;

/// The answers to both questions: the length of the first, the first, the second.
pub fn cri_reply(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let knows_pod = source.flag();
    let length = source.short();
    let containers = ListContainersResponse::decode(source.bytes(length.into()));
    let sandboxes = ListPodSandboxResponse::decode(source.rest());
    let (Ok(containers), Ok(sandboxes)) = (containers, sandboxes) else {
        return;
    };
    for sandbox in sandboxes.items {
        let asked = asked(&sandbox, knows_pod);
        let sandbox = Box::new(sandbox);
        check(&Answer::Sandbox(sandbox.clone()), &asked);
        for container in &containers.containers {
            let container = Box::new(container.clone());
            check(&Answer::Container(container, sandbox.clone()), &asked);
        }
    }
}

/// The question that the answer may be for: the cgroup's path may have the pod.
fn asked(sandbox: &PodSandbox, knows_pod: bool) -> CgroupName {
    let pod = sandbox.metadata.as_ref().filter(|_| knows_pod);
    CgroupName {
        runtime: Runtime::Containerd,
        id: ContainerId::new("web").expect("an id"),
        pod_uid: pod.map(|pod| pod.uid.clone()),
    }
}

fn check(answer: &Answer, asked: &CgroupName) {
    let Ok(found) = description(answer, asked, "node-1") else {
        return;
    };
    let Description {
        mut workload,
        image,
        image_digest,
        pod,
        pod_uid,
        mut in_pod,
        complete,
    } = found.expect("there is an answer");
    assert!(complete);
    assert!(pod.is_some_and(|pod| plain_name(&pod) == Some(pod)));
    assert!(pod_uid.is_none_or(|uid| plain_name(&uid) == Some(uid)));
    assert!(image.is_none_or(|image| plain_image(&image) == Some(image)));
    assert!(image_digest.is_none_or(|digest| is_digest(&digest)));
    let handler = &in_pod.runtime_handler;
    assert!(
        handler
            .as_ref()
            .is_none_or(|name| plain_name(name).as_ref() == Some(name))
    );
    assert_eq!(plain_labels(&in_pod.labels), in_pod.labels);

    assert_is_named(&workload);
    with_debuggers_as_one(&mut workload, &mut in_pod);
    assert_can_be_written(workload);
}

/// All of its names are names.
fn assert_is_named(workload: &WorkloadId) {
    let WorkloadId::Kubernetes {
        namespace,
        kind,
        name,
        container,
    } = workload
    else {
        panic!("{workload} is in no pod");
    };
    for part in [namespace, kind, name, container] {
        assert_eq!(plain_name(part).as_ref(), Some(part));
    }
}

/// A document can have it.
fn assert_can_be_written(workload: WorkloadId) {
    let document = Document {
        metadata: Metadata {
            name: workload.document_name(),
            ..Metadata::default()
        },
        spec: Spec {
            workload,
            mode: Default::default(),
            action: Default::default(),
            unverified: Default::default(),
            digests: None,
            processes: Default::default(),
            removed: Default::default(),
        },
        status: None,
    };
    let written = render(&document);
    assert_eq!(parse("it.yaml", written.as_bytes()), Ok(document));
}
