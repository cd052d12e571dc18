//! What a baseline belongs to.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
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
    /// The dotted name of its document: at most 209 characters of `[a-z0-9.-]`.
    /// A name that is not kept as it is gets a part of its hash behind it, so
    /// that `web_1` and `web-1` have two documents; `spec.workload` is what
    /// binds.
    pub fn document_name(&self) -> String {
        const KEPT: usize = 200;

        let text = match self {
            Self::Kubernetes {
                namespace,
                kind,
                name,
                container,
            } => {
                // Kinds differ in more than case.
                let kind = kind.to_ascii_lowercase();
                format!("{namespace}.{kind}.{name}.{container}")
            }
            Self::Runtime { runtime, name } => format!("{runtime}.{name}"),
            Self::Unit { unit } => format!("unit.{unit}"),
        };
        let name: String = text
            .chars()
            .map(|c| match c.to_ascii_lowercase() {
                '/' => '.',
                c @ ('a'..='z' | '0'..='9' | '.' | '-') => c,
                _ => '-',
            })
            .take(KEPT)
            .collect();
        if name == text {
            return name;
        }
        let hash = Sha256::digest(self.to_string());
        let hash = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        format!("{name}-{hash:08x}")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn podman(name: &str) -> String {
        let workload = WorkloadId::Runtime {
            runtime: Runtime::Podman,
            name: name.to_owned(),
        };
        workload.document_name()
    }

    #[test]
    fn a_plain_name_stays_as_it_is() {
        let workload = WorkloadId::Kubernetes {
            namespace: "shop".to_owned(),
            kind: "Deployment".to_owned(),
            name: "checkout".to_owned(),
            container: "api".to_owned(),
        };

        assert_eq!(workload.document_name(), "shop.deployment.checkout.api");
        assert_eq!(podman("web-1"), "podman.web-1");
    }

    #[test]
    fn names_that_look_alike_have_two_documents() {
        let names = ["web-1", "web_1", "Web-1", "web/1", "web.1"];

        let documents: std::collections::BTreeSet<_> = names.into_iter().map(podman).collect();

        assert_eq!(documents.len(), names.len(), "{documents:?}");
        assert!(documents.iter().all(|name| name.starts_with("podman.web")));
    }

    #[test]
    fn a_long_name_is_cut() {
        let a = podman(&"a".repeat(255));
        let b = podman(&"a".repeat(254));

        assert_eq!(a.len(), 209);
        assert_ne!(a, b);
    }
}
