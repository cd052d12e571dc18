//! Pods as API servers give them.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(object: Value) -> Option<PodFacts> {
    pod(&serde_json::from_value(object).expect("a pod"))
}

/// A pod of a Deployment with every kind of container, as `kubectl get -o json`
/// prints it (shortened).
fn checkout() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "annotations": {
                "execwarden.dev/mode": "enforce",
                "kubectl.kubernetes.io/restartedAt": "2026-11-02T10:00:00Z"
            },
            "creationTimestamp": "2026-11-02T10:00:01Z",
            "generateName": "checkout-7d5f8c9b4-",
            "labels": { "app": "checkout", "pod-template-hash": "7d5f8c9b4" },
            "managedFields": [{ "manager": "kube-controller-manager", "fieldsV1": { "f:metadata": {} } }],
            "name": "checkout-7d5f8c9b4-x7k2p",
            "namespace": "shop",
            "ownerReferences": [{
                "apiVersion": "apps/v1",
                "blockOwnerDeletion": true,
                "controller": true,
                "kind": "ReplicaSet",
                "name": "checkout-7d5f8c9b4",
                "uid": "0f3b2a52-3f4f-4c0e-9a60-5d7d3f1f2a11"
            }],
            "resourceVersion": "184467",
            "uid": "8a3f1c2d-0000-4000-8000-000000000001"
        },
        "spec": {
            "containers": [
                { "image": "registry.example.org/checkout:1.4", "name": "api", "resources": {} },
                { "image": "registry.example.org/exporter:2", "name": "exporter" }
            ],
            "ephemeralContainers": [
                { "image": "busybox", "name": "debugger-x7k2p", "targetContainerName": "api", "stdin": true }
            ],
            "initContainers": [
                { "image": "registry.example.org/migrate:1.4", "name": "migrate" },
                { "image": "istio/proxyv2", "name": "istio-proxy", "restartPolicy": "Always" }
            ],
            "nodeName": "node-1",
            "restartPolicy": "Always"
        },
        "status": { "phase": "Running", "containerStatuses": null }
    })
}

/// The same, owned by this.
fn owned_by(api_version: &str, kind: &str, name: &str) -> Value {
    let mut pod = checkout();
    pod["metadata"]["ownerReferences"] = json!([
        { "apiVersion": "v1", "kind": "ConfigMap", "name": "not-the-controller", "uid": "1" },
        { "apiVersion": api_version, "kind": kind, "name": name, "uid": "u-1", "controller": true }
    ]);
    pod
}

fn whose(pod: Value) -> String {
    match read(pod).expect("facts").controller {
        Controller::Is(owner) => format!("{}/{}", owner.kind, owner.name),
        Controller::Behind(link) => {
            format!("behind {}/{} {}", link.kind.as_str(), link.name, link.uid)
        }
    }
}

#[test]
fn a_pods_containers_have_kinds() {
    use ContainerKind::{Ephemeral, Init, Main, Sidecar};

    let facts = read(checkout()).expect("facts");

    let kinds: Vec<_> = { facts.containers.iter() }
        .map(|(name, kind)| (name.as_str(), *kind))
        .collect();
    assert_eq!(
        kinds,
        [
            ("api", Main),
            ("debugger-x7k2p", Ephemeral),
            ("exporter", Main),
            ("istio-proxy", Sidecar),
            ("migrate", Init),
        ]
    );
    assert_eq!(facts.uid, "8a3f1c2d-0000-4000-8000-000000000001");
    assert_eq!(facts.wishes.mode, Some("enforce".into()));
}

#[test]
fn a_pods_controller_is_its_own_or_behind_it() {
    for (pod, expected) in [
        (
            checkout(),
            "behind ReplicaSet/checkout-7d5f8c9b4 0f3b2a52-3f4f-4c0e-9a60-5d7d3f1f2a11",
        ),
        (
            owned_by("batch/v1", "Job", "backup-29384756"),
            "behind Job/backup-29384756 u-1",
        ),
        (owned_by("apps/v1", "StatefulSet", "db"), "StatefulSet/db"),
        (owned_by("apps/v1", "DaemonSet", "agent"), "DaemonSet/agent"),
        (
            owned_by("v1", "ReplicationController", "old"),
            "ReplicationController/old",
        ),
        (
            owned_by("postgresql.cnpg.io/v1", "Cluster", "db"),
            "Cluster/db",
        ),
        (
            owned_by("argoproj.io/v1alpha1", "Workflow", "ci-8zvlx"),
            "Workflow/ci-8zvlx",
        ),
        // Another's kind that is called like one of Kubernetes' own.
        (
            owned_by("example.org/v1", "ReplicaSet", "x"),
            "ReplicaSet.example.org/x",
        ),
        (
            owned_by("example.org/v1", "StaticPod", "x"),
            "StaticPod.example.org/x",
        ),
        // No pod's controller: somebody wrote it there.
        (
            owned_by("apps/v1", "Deployment", "bank"),
            "Pod/checkout-7d5f8c9b4",
        ),
        (
            owned_by("batch/v1", "CronJob", "bank"),
            "Pod/checkout-7d5f8c9b4",
        ),
    ] {
        assert_eq!(whose(pod), expected);
    }
}

#[test]
fn a_pod_by_itself_goes_by_the_name_that_it_was_given() {
    let mut pod = checkout();
    pod["metadata"]["ownerReferences"] = json!(null);
    assert_eq!(whose(pod.clone()), "Pod/checkout-7d5f8c9b4");

    pod["metadata"]["generateName"] = json!("bank-");
    assert_eq!(whose(pod.clone()), "Pod/checkout-7d5f8c9b4-x7k2p");

    let metadata = pod["metadata"].as_object_mut().expect("metadata");
    metadata.remove("generateName");
    assert_eq!(whose(pod), "Pod/checkout-7d5f8c9b4-x7k2p");
}

#[test]
fn a_mirror_pod_is_not_the_pod_that_kubelet_runs() {
    let mut pod = owned_by("v1", "Node", "node-1");
    assert!(read(pod.clone()).is_some());

    pod["metadata"]["annotations"] = json!({
        "kubernetes.io/config.hash": "8a3f1c2d",
        "kubernetes.io/config.mirror": "8a3f1c2d",
        "kubernetes.io/config.source": "file"
    });

    assert_eq!(read(pod), None);
}

#[test]
fn what_is_no_name_becomes_none() {
    for hostile in [
        "",
        "a/b",
        "../etc",
        "x\n\u{1b}[31m",
        "(ephemeral)",
        &"a".repeat(300),
    ] {
        for part in ["name", "namespace", "uid"] {
            let mut pod = checkout();
            pod["metadata"][part] = json!(hostile);
            assert_eq!(read(pod), None, "{part} {hostile:?}");
        }

        let mut pod = checkout();
        pod["spec"]["containers"][0]["name"] = json!(hostile);
        let facts = read(pod).expect("facts");
        assert_eq!(facts.containers.len(), 4, "{hostile:?}");

        let by_itself = "Pod/checkout-7d5f8c9b4";
        assert_eq!(whose(owned_by("apps/v1", "DaemonSet", hostile)), by_itself);
        assert_eq!(whose(owned_by("apps/v1", "ReplicaSet", hostile)), by_itself);
        assert_eq!(whose(owned_by("example.org/v1", hostile, "x")), by_itself);
    }
    let long = "example.org".repeat(40) + "/v1";
    assert_eq!(whose(owned_by(&long, "Job", "x")), "Pod/checkout-7d5f8c9b4");
}

#[test]
fn a_pod_of_many_containers_is_bounded() {
    let mut pod = checkout();
    let many = (0..1000).map(|n| json!({ "name": format!("c{n}") }));
    pod["spec"]["containers"] = many.collect();

    assert_eq!(read(pod).expect("facts").containers.len(), MAX_CONTAINERS);
}

#[test]
fn a_pod_may_lack_everything() {
    for object in [
        json!({}),
        json!({ "metadata": {}, "spec": null }),
        json!({ "metadata": { "name": "x", "annotations": null } }),
    ] {
        assert_eq!(read(object), None);
    }
}

proptest! {
    #[test]
    fn whatever_stands_there_all_names_are_plain(
        name in "\\PC{0,80}", kind in "\\PC{0,80}", group in "\\PC{0,80}", container in "\\PC{0,80}"
    ) {
        let mut pod = owned_by(&format!("{group}/v1"), &kind, &name);
        pod["spec"]["containers"][0]["name"] = json!(container);

        let facts = read(pod).expect("its own names are plain");

        let plain = |text: &str| plain_name(text).is_some();
        prop_assert!(facts.containers.keys().all(|name| plain(name)));
        match facts.controller {
            Controller::Is(owner) => prop_assert!(plain(&owner.kind) && plain(&owner.name)),
            Controller::Behind(link) => prop_assert!(plain(&link.name) && plain(&link.uid)),
        }
    }
}
