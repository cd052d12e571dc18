//! Who makes the cgroups of pods, and what they are called.

use super::kubelet::Pod;
use anyhow::{Result, ensure};
use std::path::Path;
use testbed::node::CGROUP_ROOT;

/// kubelet's `cgroupDriver`, which the runtime has to be set to as well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// The runtime makes them itself.
    Cgroupfs,
    /// systemd makes them, which the runtime asks for it.
    Systemd,
}

impl Driver {
    /// A pod's cgroup, as kubelet names it to the runtime.
    pub fn cgroup_of(self, pod: &Pod) -> String {
        match self {
            Self::Cgroupfs => format!("/kubepods/besteffort/pod{}", pod.uid),
            // In a slice's name, a dash says below which other it is.
            Self::Systemd => format!(
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{}.slice",
                pod.uid.replace('-', "_")
            ),
        }
    }

    /// Fails unless a running container's cgroup is where this driver has it.
    pub fn has_made(self, pod: &Pod, container: &str) -> Result<()> {
        let own = match self {
            Self::Cgroupfs => container.to_owned(),
            Self::Systemd => format!("cri-containerd-{container}.scope"),
        };
        let cgroup = format!("{CGROUP_ROOT}{}/{own}", self.cgroup_of(pod));
        ensure!(Path::new(&cgroup).is_dir(), "there is no {cgroup}");
        Ok(())
    }
}
