//! What a baseline belongs to.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A container runtime, as far as it names things differently.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// containerd, under Kubernetes or by hand.
    Containerd,
    /// CRI-O.
    #[serde(rename = "cri-o")]
    CriO,
    /// docker (moby).
    Docker,
    /// podman and buildah.
    Podman,
    /// runc or crun, with nothing above them.
    Runc,
}

impl Runtime {
    /// The word, as documents and alerts have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Runc => "runc",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a baseline belongs to; all replicas share one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum WorkloadId {
    /// A container of a Kubernetes controller (or bare pod: kind `Pod`).
    Kubernetes {
        /// The namespace.
        namespace: String,
        /// The controller's kind: `Deployment`, `DaemonSet`, `Pod` …
        kind: String,
        /// The controller's name.
        name: String,
        /// The container's name in the pod.
        container: String,
    },
    /// A container outside Kubernetes.
    Runtime {
        /// Who runs it.
        runtime: Runtime,
        /// Its name, its image's name or its id, in this order of preference.
        name: String,
    },
    /// A systemd unit (only with `--host`).
    Unit {
        /// The unit's name with its suffix; `-` for what runs in no unit.
        unit: String,
    },
}

impl WorkloadId {
    /// The dotted name of its document: lower case, `[a-z0-9.-]`, unique
    /// enough for a person; the document's `spec.workload` is what binds.
    pub fn document_name(&self) -> String {
        self.to_string()
            .chars()
            .map(|c| match c.to_ascii_lowercase() {
                '/' => '.',
                c @ ('a'..='z' | '0'..='9' | '.' | '-') => c,
                _ => '-',
            })
            .collect()
    }
}

/// The canonical form: `shop/Deployment/checkout/api`, `runc/web`,
/// `unit/cron.service`. It is what commands take and alerts print.
impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubernetes {
                namespace,
                kind,
                name,
                container,
            } => write!(f, "{namespace}/{kind}/{name}/{container}"),
            Self::Runtime { runtime, name } => write!(f, "{runtime}/{name}"),
            Self::Unit { unit } => write!(f, "unit/{unit}"),
        }
    }
}
