//! One name of a cgroup path, and what the names above it make of it.

use crate::model::{ContainerId, Runtime};

/// What stands above a name.
#[derive(Default)]
pub(super) struct Above<'a> {
    /// The name right above; none at the top.
    parent: Option<&'a str>,
    /// Whether `parent` stands at the top.
    parent_is_top: bool,
    /// The pod whose folder `parent` is.
    pub(super) pod_uid: Option<String>,
}

impl<'a> Above<'a> {
    /// One name further down.
    pub(super) fn then(self, segment: &'a str) -> Self {
        Self {
            parent: Some(segment),
            parent_is_top: self.parent.is_none(),
            pod_uid: pod_uid(segment, &self),
        }
    }
}

/// The names that runtimes put before a container's id. None is the beginning
/// of another with a `-` after it, so that the order does not matter.
const PREFIXES: [(&str, Runtime); 8] = [
    ("cri-containerd", Runtime::Containerd),
    ("nerdctl", Runtime::Containerd),
    ("docker", Runtime::Docker),
    ("crio", Runtime::CriO),
    // `podman --cgroups=split`, inside the service's own cgroup.
    ("libpod-payload", Runtime::Podman),
    ("libpod", Runtime::Podman),
    ("runc", Runtime::Runc),
    ("crun", Runtime::Runc),
];

/// The container that a name is, if nobody but a runtime gives such names.
pub(super) fn runtime_and_id(segment: &str, above: &Above) -> Option<(Runtime, ContainerId)> {
    if is_monitor(segment) {
        return None;
    }
    if let Some((runtime, id)) = systemd_path(segment) {
        return Some((runtime, id));
    }
    let scope = segment.strip_suffix(".scope");
    if let Some((runtime, id)) = prefixed(scope.unwrap_or(segment)) {
        // Inside a pod's folder there is nothing but containers, and a
        // `cri-containerd-….scope` is nobody else's. The other prefixes are
        // words that a service's name may begin with, so there the id has to
        // look like one that a runtime generates.
        let unmistakable = above.pod_uid.is_some()
            || (scope.is_some() && segment.starts_with("cri-containerd-"))
            || is_generated(id, runtime);
        return unmistakable
            .then(|| ContainerId::new(id).map(|id| (runtime, id)))
            .flatten();
    }
    if let Some(stem) = scope {
        let (_, id) = stem.rsplit_once('-')?;
        return is_long_id(id)
            .then(|| ContainerId::new(id).map(|id| (Runtime::Runc, id)))
            .flatten();
    }
    if has_unit_suffix(segment) {
        return None;
    }
    in_folder(segment, above).zip(ContainerId::new(segment))
}

/// The runtime of a container that is named by its id alone (cgroupfs driver).
fn in_folder(segment: &str, above: &Above) -> Option<Runtime> {
    if above.pod_uid.is_some() {
        return Some(Runtime::Containerd);
    }
    match above.parent {
        Some("docker") if is_generated(segment, Runtime::Docker) => Some(Runtime::Docker),
        Some("buildkit") if is_generated(segment, Runtime::Docker) => Some(Runtime::Docker),
        // containerd's own default is /<its namespace>/<id>, with an id that a
        // person chose.
        Some("default" | "k8s.io") if above.parent_is_top => Some(Runtime::Containerd),
        Some("moby") if above.parent_is_top => Some(Runtime::Docker),
        // A pod of podman: its containers are below, as `libpod-<id>`.
        Some("libpod_parent") => None,
        _ if is_long_id(segment) => Some(Runtime::Runc),
        _ => None,
    }
}

/// `<slice>:<prefix>:<id>`, which is how runtimes are told a systemd unit. As a
/// folder's name it means that a runtime with the cgroupfs driver was told so.
fn systemd_path(segment: &str) -> Option<(Runtime, ContainerId)> {
    let (_slice, rest) = segment.split_once(':')?;
    let (prefix, id) = rest.split_once(':')?;
    let runtime = PREFIXES
        .iter()
        .find(|(known, _)| *known == prefix)
        .map_or(Runtime::Runc, |(_, runtime)| *runtime);
    Some((runtime, ContainerId::new(id)?))
}

/// Splits `<known prefix>-<id>`.
fn prefixed(stem: &str) -> Option<(Runtime, &str)> {
    PREFIXES.iter().find_map(|(prefix, runtime)| {
        let id = stem.strip_prefix(prefix)?.strip_prefix('-')?;
        Some((*runtime, id))
    })
}

/// The uid of the pod whose folder this name is: `pod<uid>` below one of the
/// kubelet's folders, or `…kubepods…-pod<uid with _>.slice`, also in front of
/// the colons of a systemd path.
pub(super) fn pod_uid(segment: &str, above: &Above) -> Option<String> {
    let name = segment.split(':').next().unwrap_or(segment);
    let uid = if let Some(stem) = name.strip_suffix(".slice") {
        let (front, uid) = stem.rsplit_once("-pod")?;
        let tier = front.rsplit('-').next().unwrap_or(front);
        (is_kubelet_folder(tier) && front.contains("kubepods")).then_some(uid)?
    } else {
        let is_in_kubelet_folder = above.parent.is_some_and(is_kubelet_folder);
        segment
            .strip_prefix("pod")
            .filter(|_| is_in_kubelet_folder)?
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    ((1..=64).contains(&uid.len()) && uid.bytes().all(plain)).then(|| uid.replace('_', "-"))
}

/// Whether a name is known to be no container, however its state folders look.
pub(super) fn is_hosts_own(segment: &str, above: &Above) -> bool {
    let is_pod_of_podman = above.parent == Some("libpod_parent") && is_long_id(segment);
    let is_folder = matches!(
        segment,
        "docker" | "k8s.io" | "libpod_parent" | "conmon" | "init.scope"
    );
    is_folder
        || is_kubelet_folder(segment)
        || is_monitor(segment)
        || is_pod_of_podman
        || has_unit_suffix(segment)
        || (segment.starts_with("session-") && segment.ends_with(".scope"))
        || pod_uid(segment, above).is_some()
}

/// The ids that a name could have been made of: itself, and for
/// `<prefix>-<id>.scope` what follows each `-`, since both parts may have some.
pub(super) fn likely_ids(segment: &str) -> Vec<ContainerId> {
    match segment.strip_suffix(".scope") {
        Some(stem) => stem
            .match_indices('-')
            .filter_map(|(dash, _)| ContainerId::new(&stem[dash + 1..]))
            .collect(),
        None => ContainerId::new(segment).into_iter().collect(),
    }
}

/// The kubelet's folders above the pods.
fn is_kubelet_folder(name: &str) -> bool {
    matches!(name, "kubepods" | "besteffort" | "burstable" | "guaranteed")
}

/// conmon watches a container from outside it.
fn is_monitor(segment: &str) -> bool {
    ["conmon-", "libpod-conmon-", "crio-conmon-"]
        .iter()
        .any(|prefix| segment.starts_with(prefix))
}

/// A unit of systemd that is no scope. Runtimes put containers below such units
/// and never make them into one.
fn has_unit_suffix(segment: &str) -> bool {
    // These hold processes; the other unit types have no cgroup.
    [".slice", ".service", ".mount", ".socket", ".swap"]
        .iter()
        .any(|suffix| segment.ends_with(suffix))
}

/// Whether a runtime made this id up.
fn is_generated(id: &str, runtime: Runtime) -> bool {
    is_long_id(id) || (runtime == Runtime::Docker && is_build_id(id))
}

/// 256 random bits in hexadecimal: what containerd's CRI, CRI-O, docker, podman
/// and nerdctl call their containers.
fn is_long_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A step of an image build (BuildKit inside docker): 25 characters of base 36.
fn is_build_id(id: &str) -> bool {
    id.len() == 25
        && id
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}
