//! What a container is to its pod.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a container is to its pod.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerKind {
    /// It runs to its end before the others start.
    Init,
    /// An init container with `restartPolicy: Always`, which runs beside them.
    Sidecar,
    /// One of the pod's `containers`.
    Main,
    /// A debug container, which somebody has put into a pod that runs.
    Ephemeral,
    /// The pod's own, which holds its namespaces.
    Sandbox,
}

impl ContainerKind {
    /// The word, as settings and alerts have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Sidecar => "sidecar",
            Self::Main => "main",
            Self::Ephemeral => "ephemeral",
            Self::Sandbox => "sandbox",
        }
    }
}

impl fmt::Display for ContainerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
