//! A container as a part of its pod: what it is there, and what the pod's team
//! asks for it. Pure.

use super::Labels;
use super::plain::{NAME_MAX, plain_name};
use crate::model::{ContainerKind, Untrusted, WorkloadId};

/// What is known of a container beside its names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InPod {
    /// What it is to its pod, where that is known.
    pub kind: Option<ContainerKind>,
    /// How often it was started before, where that is known.
    pub attempt: Option<u32>,
    /// The runtime handler that its pod asked for: `runsc`, `kata`.
    pub runtime_handler: Option<String>,
    /// Its pod's labels, as far as they are plain: by them an operator picks
    /// workloads, and nothing else goes by them.
    pub labels: Labels,
    /// What its pod's annotations ask for.
    pub wishes: Wishes,
    /// What its namespace's annotations ask for.
    pub defaults: Wishes,
}

/// The most labels of a pod that are kept.
const MAX_LABELS: usize = 64;

/// Labels as Kubernetes has them: a key is a name, or two with a slash between,
/// a value is a name or nothing. What is anything else is left out.
pub fn plain_labels(labels: &Labels) -> Labels {
    let is_key = |key: &str| {
        let (prefix, name) = key.split_once('/').unwrap_or(("a", key));
        plain_name(prefix).is_some() && plain_name(name).is_some()
    };
    let is_value = |value: &str| value.is_empty() || plain_name(value).is_some();
    let plain = labels.iter();
    plain
        .filter(|(key, value)| is_key(key) && is_value(value))
        .take(MAX_LABELS)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// What annotations ask for: their text as it is, since a value that is none is
/// to be told of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wishes {
    /// Of [`MODE`](Self::MODE).
    pub mode: Option<Untrusted>,
    /// Of [`WINDOW`](Self::WINDOW).
    pub window: Option<Untrusted>,
    /// Of [`QUIET`](Self::QUIET).
    pub quiet: Option<Untrusted>,
    /// Of [`STARTS`](Self::STARTS).
    pub starts: Option<Untrusted>,
    /// Of [`MAX`](Self::MAX).
    pub max: Option<Untrusted>,
    /// Of [`ALLOWLIST`](Self::ALLOWLIST).
    pub allowlist: Option<Untrusted>,
}

impl Wishes {
    /// `learn`, `enforce` or `off`.
    pub const MODE: &str = "execwarden.dev/mode";
    /// How long to learn: `12h`.
    pub const WINDOW: &str = "execwarden.dev/window";
    /// How long nothing new was seen before learning ends: `1h`.
    pub const QUIET: &str = "execwarden.dev/quiet";
    /// How many containers were seen from their start by then: `3`.
    pub const STARTS: &str = "execwarden.dev/starts";
    /// How long to learn at the most: `7d`.
    pub const MAX: &str = "execwarden.dev/max";
    /// The name of the document to be held to.
    pub const ALLOWLIST: &str = "execwarden.dev/allowlist";

    /// Those among annotations; where there is none of a key, among labels. A text
    /// that is longer than any name loses its end, and is no value then either.
    pub fn of(annotations: &Labels, labels: &Labels) -> Self {
        let wish = |key: &str| {
            let text = annotations.get(key).or_else(|| labels.get(key))?.as_bytes();
            Some(Untrusted::new(&text[..text.len().min(NAME_MAX + 1)]))
        };
        Self {
            mode: wish(Self::MODE),
            window: wish(Self::WINDOW),
            quiet: wish(Self::QUIET),
            starts: wish(Self::STARTS),
            max: wish(Self::MAX),
            allowlist: wish(Self::ALLOWLIST),
        }
    }
}

/// The container name of all debug containers of a workload. `kubectl debug`
/// draws a name for each, and a workload that is new each time could have no
/// allowlist. No container's own name has parentheses.
pub const EPHEMERAL: &str = "(ephemeral)";

/// Gives a debug container the workload that all of them share.
///
/// Where nobody has told what a container is, one that is named as `kubectl
/// debug` names its own, and runs for the first time, is taken for one: at worst
/// another is held to more than it had to be.
pub fn with_debuggers_as_one(workload: &mut WorkloadId, in_pod: &mut InPod) {
    let WorkloadId::Kubernetes { container, .. } = workload else {
        return;
    };
    let is_first = in_pod.attempt.is_none_or(|attempt| attempt == 0);
    if in_pod.kind.is_none() && is_first && is_named_by_kubectl_debug(container) {
        in_pod.kind = Some(ContainerKind::Ephemeral);
    }
    if in_pod.kind == Some(ContainerKind::Ephemeral) {
        EPHEMERAL.clone_into(container);
    }
}

/// `debugger-` and five random characters (`k8s.io/kubectl/pkg/cmd/debug`).
fn is_named_by_kubectl_debug(container: &str) -> bool {
    container
        .strip_prefix("debugger-")
        .is_some_and(super::pod_owner::is_random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_labels_are_kept_and_not_too_many() {
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let labels = [
            label("app", "web"),
            label("app.kubernetes.io/name", "web_1"),
            label("empty", ""),
            label("", "x"),
            label("a/b/c", "x"),
            label("bad\n", "x"),
            label("worse", "\u{1b}[2J"),
        ];

        let kept = plain_labels(&labels.into());

        let keys: Vec<&str> = kept.keys().map(String::as_str).collect();
        assert_eq!(keys, ["app", "app.kubernetes.io/name", "empty"]);
        let many = (0..1000).map(|number| label(&format!("l{number}"), ""));
        assert_eq!(plain_labels(&many.collect()).len(), MAX_LABELS);
    }

    fn check(container: &str, kind: Option<ContainerKind>, attempt: Option<u32>, expected: &str) {
        let mut workload = WorkloadId::Kubernetes {
            namespace: "shop".to_owned(),
            kind: "Deployment".to_owned(),
            name: "checkout".to_owned(),
            container: container.to_owned(),
        };
        let mut in_pod = InPod {
            kind,
            attempt,
            ..InPod::default()
        };

        with_debuggers_as_one(&mut workload, &mut in_pod);

        let found = workload.to_string();
        assert_eq!(found, format!("shop/Deployment/checkout/{expected}"));
        let is_one = expected == EPHEMERAL;
        assert_eq!(in_pod.kind == Some(ContainerKind::Ephemeral), is_one);
    }

    #[test]
    fn debug_containers_of_a_workload_are_one() {
        use ContainerKind::{Ephemeral, Init, Main};

        check("debugger-x7k2p", None, Some(0), EPHEMERAL);
        check("debugger-x7k2p", None, None, EPHEMERAL);
        check("look", Some(Ephemeral), None, EPHEMERAL);
        check("look", Some(Ephemeral), Some(3), EPHEMERAL);

        // Its pod's spec says otherwise, or nobody says anything.
        check("debugger-x7k2p", Some(Main), Some(0), "debugger-x7k2p");
        check("debugger-x7k2p", Some(Init), None, "debugger-x7k2p");
        check("debugger-x7k2p", None, Some(1), "debugger-x7k2p");
        for name in [
            "debugger",
            "debugger-",
            "debugger-x7k2",
            "debugger-x7k2a",
            "api",
        ] {
            check(name, None, Some(0), name);
        }
    }

    #[test]
    fn what_is_no_pods_stays_as_it_is() {
        let mut workload = WorkloadId::Runtime {
            runtime: crate::model::Runtime::Docker,
            name: "debugger-x7k2p".to_owned(),
        };
        let mut in_pod = InPod::default();

        with_debuggers_as_one(&mut workload, &mut in_pod);

        assert_eq!(workload.to_string(), "docker/debugger-x7k2p");
        assert_eq!(in_pod, InPod::default());
    }

    #[test]
    fn a_document_may_be_about_them() {
        let text = "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
             metadata: { name: debug }\nspec:\n  workload: { namespace: shop, \
             kind: Deployment, name: checkout, container: (ephemeral) }\n  \
             processes:\n    - path: /bin/sh\n";

        let document = crate::allowlist::parse("debug.yaml", text.as_bytes()).unwrap();

        let name = document.spec.workload.to_string();
        assert_eq!(name, "shop/Deployment/checkout/(ephemeral)");
    }

    #[test]
    fn only_our_annotations_and_labels_are_kept_and_no_more_than_a_name_of_each() {
        let long = "a".repeat(300);
        let annotations = [
            (Wishes::MODE, "enforce"),
            (Wishes::ALLOWLIST, &long),
            ("execwarden.dev/written-by", "somebody"),
        ];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));

        let labels = [(Wishes::MODE, "off"), (Wishes::STARTS, "3")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));

        let wishes = Wishes::of(&annotations.into(), &labels.into());

        assert_eq!(wishes.mode, Some("enforce".into()));
        assert_eq!(wishes.window, None);
        assert_eq!(wishes.starts, Some("3".into()));
        let kept = wishes.allowlist.unwrap();
        assert_eq!(kept.as_bytes().len(), NAME_MAX + 1);
    }
}
