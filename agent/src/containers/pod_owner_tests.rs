//! Label sets as controllers set them.

use super::*;
use proptest::prelude::*;

fn map(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn owner(pod: &str, labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> String {
    let owner = Owner::of(&Pod {
        name: pod,
        labels: Some(&map(labels)),
        annotations: &map(annotations),
        node: "node-1",
    });
    format!("{}/{}", owner.kind, owner.name)
}

fn by_name(pod: &str) -> String {
    let owner = Owner::by_name(pod);
    format!("{}/{}", owner.kind, owner.name)
}

#[test]
fn controllers_mark_their_pods() {
    for (pod, labels, expected) in [
        (
            "checkout-6d4cf56db6-x7k2p",
            &[("app", "checkout"), ("pod-template-hash", "6d4cf56db6")][..],
            "Deployment/checkout",
        ),
        (
            // A hash may be shorter than any that a name alone would show.
            "coredns-77f-v9wjp",
            &[("k8s-app", "kube-dns"), ("pod-template-hash", "77f")],
            "Deployment/coredns",
        ),
        (
            "shop-687564f8c8-7wq2k",
            &[("rollouts-pod-template-hash", "687564f8c8")],
            "Rollout/shop",
        ),
        (
            "kube-proxy-8zvlx",
            &[
                ("controller-revision-hash", "6f9c5d7b8d"),
                ("k8s-app", "kube-proxy"),
                ("pod-template-generation", "1"),
            ],
            "DaemonSet/kube-proxy",
        ),
        (
            "web-0",
            &[
                ("apps.kubernetes.io/pod-index", "0"),
                ("controller-revision-hash", "web-7c5d9b8f7c"),
                ("statefulset.kubernetes.io/pod-name", "web-0"),
            ],
            "StatefulSet/web",
        ),
        (
            "kafka-broker-12",
            &[
                ("controller-revision-hash", "kafka-broker-59f8"),
                ("statefulset.kubernetes.io/pod-name", "kafka-broker-12"),
            ],
            "StatefulSet/kafka-broker",
        ),
        (
            "migrate-3-8zvlx",
            &[
                ("batch.kubernetes.io/controller-uid", "0c1f"),
                ("batch.kubernetes.io/job-name", "migrate-3"),
                ("controller-uid", "0c1f"),
                ("job-name", "migrate-3"),
            ],
            "Job/migrate-3",
        ),
        (
            "old-job-8zvlx",
            &[("controller-uid", "0c1f"), ("job-name", "old-job")],
            "Job/old-job",
        ),
        (
            // An indexed job's pods have their index in their names.
            "train-7-kx2vd",
            &[
                ("batch.kubernetes.io/job-completion-index", "7"),
                ("batch.kubernetes.io/job-name", "train"),
            ],
            "Job/train",
        ),
        (
            "backup-29384756-zt4xw",
            &[("batch.kubernetes.io/job-name", "backup-29384756")],
            "CronJob/backup",
        ),
        ("replicas-8zvlx", &[("tier", "frontend")], "Pod/replicas"),
        ("debug", &[("run", "debug")], "Pod/debug"),
        ("web-0", &[("app", "web")], "Pod/web-0"),
    ] {
        assert_eq!(owner(pod, labels, &[]), expected, "{pod} {labels:?}");
    }
}

#[test]
fn annotations_mark_what_labels_do_not() {
    for (pod, annotations, expected) in [
        (
            "kube-apiserver-node-1",
            &[
                ("kubernetes.io/config.hash", "5a3b"),
                ("kubernetes.io/config.seen", "2026-01-01T00:00:00Z"),
                ("kubernetes.io/config.source", "file"),
            ][..],
            "StaticPod/kube-apiserver",
        ),
        (
            // The agent may know the node by another name than its kubelet.
            "etcd-node-1.example.org",
            &[("kubernetes.io/config.source", "file")],
            "StaticPod/etcd-node-1.example.org",
        ),
        (
            "node-1",
            &[("kubernetes.io/config.source", "http")],
            "StaticPod/node-1",
        ),
        (
            "web-node-1",
            &[("kubernetes.io/config.source", "api")],
            "Pod/web-node-1",
        ),
        (
            "frontend-3-8zvlx",
            &[("openshift.io/deployment-config.name", "frontend")],
            "DeploymentConfig/frontend",
        ),
    ] {
        assert_eq!(owner(pod, &[], annotations), expected, "{pod}");
    }
}

/// Whoever may label a pod may not make it another workload's by that.
#[test]
fn a_mark_that_the_name_does_not_agree_with_means_nothing() {
    for (pod, labels, expected) in [
        (
            "evil",
            &[("pod-template-hash", "6d4cf56db6")][..],
            "Pod/evil",
        ),
        (
            "evil-8zvlx",
            &[("pod-template-hash", "6d4cf56db6")],
            "Pod/evil",
        ),
        (
            "-6d4cf56db6-x7k2p",
            &[("pod-template-hash", "6d4cf56db6")],
            "Pod/-6d4cf56db6",
        ),
        (
            "checkout--x7k2p",
            &[("pod-template-hash", "")],
            "Pod/checkout-",
        ),
        ("evil", &[("job-name", "backup-29384756")], "Pod/evil"),
        ("evil", &[("job-name", "")], "Pod/evil"),
        (
            "evil-0",
            &[("statefulset.kubernetes.io/pod-name", "web-0")],
            "Pod/evil-0",
        ),
        (
            "evil",
            &[("statefulset.kubernetes.io/pod-name", "evil")],
            "Pod/evil",
        ),
        (
            "evil",
            &[("controller-revision-hash", "6f9c5d7b8d")],
            "Pod/evil",
        ),
    ] {
        assert_eq!(owner(pod, labels, &[]), expected, "{pod} {labels:?}");
    }
}

/// Kubernetes cuts what stands before the random suffix to 58 characters.
#[test]
fn a_cut_name_is_completed_from_its_mark() {
    let hash = "6d4cf56db6";
    for length in 1..=70 {
        let name: String = "abcdefghij".chars().cycle().take(length).collect();
        let mut pod = format!("{name}-{hash}-");
        pod.truncate(STEM_MAX);
        pod.push_str("x7k2p");

        let kept = &name[..length.min(STEM_MAX)];
        let found = owner(&pod, &[("pod-template-hash", hash)], &[]);
        assert_eq!(found, format!("Deployment/{kept}"));

        let mut pod = format!("{name}-");
        pod.truncate(STEM_MAX);
        pod.push_str("x7k2p");
        let found = owner(&pod, &[("job-name", &name)], &[]);
        assert_eq!(found, format!("Job/{name}"));
    }
}

#[test]
fn a_cut_name_is_completed_by_what_is_a_name_alone() {
    let stem = "a".repeat(STEM_MAX);
    let pod = format!("{stem}x7k2p");
    for end in ["/x", "\n", "\u{1b}[2J", &"b".repeat(300)] {
        let found = owner(&pod, &[("job-name", &format!("{stem}{end}"))], &[]);
        assert_eq!(found, format!("Pod/{pod}"));
    }
}

#[test]
fn without_labels_generated_suffixes_are_taken_off() {
    for (pod, expected) in [
        ("checkout-6d4cf56db6-x7k2p", "Deployment/checkout"),
        ("shop-api-5f78d8c9b4-2bq9z", "Deployment/shop-api"),
        ("coredns-76f75df574-v9wjp", "Deployment/coredns"),
        ("backup-29384756-zt4xw", "CronJob/backup"),
        ("kube-proxy-8zvlx", "Pod/kube-proxy"),
        ("migrate-3-8zvlx", "Pod/migrate-3"),
        // 3 is no digit of a hash; `version2` and `1234567` are words.
        ("app-6d3cf56db6-x7k2p", "Pod/app-6d3cf56db6"),
        ("app-4d5b6-x7k2p", "Pod/app-4d5b6"),
        ("app-version2-x7k2p", "Pod/app-version2"),
        ("app-12345678-x7k2p", "Pod/app-12345678"),
        ("-6d4cf56db6-x7k2p", "Pod/-6d4cf56db6"),
    ] {
        assert_eq!(by_name(pod), expected);
    }
}

#[test]
fn without_labels_what_a_person_may_have_written_stays() {
    for pod in [
        "web",
        "web-0",
        "web-1",
        "etcd-node-1",
        "kube-apiserver-node1",
        "app-prod1",
        "app-nginx",
        "-8zvlx",
        "",
        "-",
        "8zvlx",
        "checkout-6d4cf56db6",
    ] {
        assert_eq!(by_name(pod), format!("Pod/{pod}"));
    }
}

proptest! {
    /// Hostile names and marks make a name, and never an empty one.
    #[test]
    fn nothing_panics(pod in "\\PC{1,70}", mark in "\\PC{0,70}") {
        for key in [
            "pod-template-hash",
            "rollouts-pod-template-hash",
            "job-name",
            "statefulset.kubernetes.io/pod-name",
            "controller-revision-hash",
        ] {
            let found = owner(&pod, &[(key, &mark)], &[("kubernetes.io/config.source", "x")]);
            prop_assert!(found.starts_with("StaticPod/"));
            let found = owner(&pod, &[(key, &mark)], &[]);
            prop_assert!(!found.ends_with('/') || pod.ends_with('/'), "{found}");
        }
        prop_assert!(!Owner::by_name(&pod).name.is_empty());
    }

    /// The replicas of one Deployment are one workload.
    #[test]
    fn replicas_share_a_workload(name in "[a-z][a-z0-9-]{0,80}[a-z0-9]", a in "[bcdf4-9]{5}", b in "[bcdf4-9]{5}") {
        let hash = "6d4cf56db6";
        let mut stem = format!("{name}-{hash}-");
        stem.truncate(STEM_MAX);
        let of = |suffix: &str| owner(&format!("{stem}{suffix}"), &[("pod-template-hash", hash)], &[]);
        prop_assert_eq!(of(&a), of(&b));
        prop_assert!(of(&a).starts_with("Deployment/"));
    }
}
