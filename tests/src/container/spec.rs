//! The bundle's `config.json`.

use rustix::thread::{CapabilitySet, capabilities};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What a runtime would give a container by default: Docker's set.
const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// What a runtime inside a container needs beyond that; `CAP_NET_ADMIN` to ask
/// for the cgroup's device program.
const FOR_A_RUNTIME: [&str; 3] = ["CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"];
/// And before Linux 5.11, to lock that program's memory. Only who has it can
/// hand it on.
const TO_LOCK_MEMORY: &str = "CAP_SYS_RESOURCE";

/// What differs from one test's container to another's.
#[derive(Debug, Default)]
pub(super) struct Spec {
    pub(super) args: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) uid: u32,
    pub(super) annotations: Vec<(String, String)>,
    pub(super) volumes: Vec<(PathBuf, String)>,
    pub(super) tmpfs: Vec<String>,
    pub(super) cgroups_path: Option<String>,
    pub(super) for_a_runtime: bool,
    pub(super) pids: Pids,
    /// Whether its network is its own: a loopback device and nothing else.
    pub(super) own_network: bool,
    /// What is otherwise than [`Spec::render`] has it, by JSON pointers.
    pub(super) settings: Vec<(String, Value)>,
}

/// Whose processes it sees.
#[derive(Debug, Default)]
pub(super) enum Pids {
    #[default]
    Own,
    OfTheNode,
    /// Of this process's pid namespace.
    OfProcess(u32),
}

impl Pids {
    fn namespace(&self) -> Option<Value> {
        match self {
            Self::Own => Some(json!({ "type": "pid" })),
            Self::OfTheNode => None,
            Self::OfProcess(pid) => {
                Some(json!({ "type": "pid", "path": format!("/proc/{pid}/ns/pid") }))
            }
        }
    }
}

impl Spec {
    /// No `linux.resources`: on a hybrid node the v2 hierarchy has no
    /// controllers to set. The network is the node's, unless said otherwise.
    pub(super) fn render(&self, rootfs: &Path, cgroups_path: Option<&str>) -> Value {
        let mut env = vec!["PATH=/usr/local/bin:/usr/bin:/bin".to_owned()];
        env.extend(self.env.iter().cloned());
        let annotations: serde_json::Map<_, _> = self
            .annotations
            .iter()
            .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
            .collect();
        let namespaces: Vec<Value> = ["ipc", "uts", "mount", "cgroup"]
            .into_iter()
            .map(|kind| json!({ "type": kind }))
            .chain(self.pids.namespace())
            .chain(self.own_network.then(|| json!({ "type": "network" })))
            .collect();
        let mut capabilities = CAPABILITIES.to_vec();
        if self.for_a_runtime {
            capabilities.extend(FOR_A_RUNTIME);
            if has_sys_resource() {
                capabilities.push(TO_LOCK_MEMORY);
            }
        }
        let mut rendered = json!({
            "ociVersion": "1.0.2",
            "process": {
                "terminal": false,
                "user": { "uid": self.uid, "gid": self.uid },
                "args": self.args,
                "env": env,
                "cwd": "/",
                "capabilities": {
                    "bounding": capabilities,
                    "effective": capabilities,
                    "permitted": capabilities,
                },
            },
            "root": { "path": rootfs, "readonly": false },
            "hostname": "container",
            "mounts": self.mounts(),
            "annotations": annotations,
            "linux": { "namespaces": namespaces, "cgroupsPath": cgroups_path },
        });
        for (pointer, value) in &self.settings {
            let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
            if let Some(parent) = rendered.pointer_mut(parent) {
                parent[name] = value.clone();
            }
        }
        rendered
    }

    fn mounts(&self) -> Vec<Value> {
        let mut mounts = vec![
            mount("proc", "/proc", "proc", &[]),
            mount("tmpfs", "/dev", "tmpfs", &["nosuid", "mode=755"]),
            mount(
                "devpts",
                "/dev/pts",
                "devpts",
                &[
                    "nosuid",
                    "noexec",
                    "newinstance",
                    "ptmxmode=0666",
                    "mode=0620",
                ],
            ),
            mount(
                "tmpfs",
                "/dev/shm",
                "shm",
                &["nosuid", "nodev", "mode=1777"],
            ),
        ];
        for (source, destination) in &self.volumes {
            mounts.push(json!({
                "type": "bind",
                "source": source,
                "destination": destination,
                "options": ["rbind", "rw"],
            }));
        }
        if self.for_a_runtime {
            mounts.push(mount("cgroup", "/sys/fs/cgroup", "cgroup", &[]));
        }
        for destination in &self.tmpfs {
            mounts.push(mount("tmpfs", destination, "tmpfs", &["mode=1777"]));
        }
        mounts
    }
}

fn has_sys_resource() -> bool {
    capabilities(None).is_ok_and(|own| own.effective.contains(CapabilitySet::SYS_RESOURCE))
}

fn mount(kind: &str, destination: &str, source: &str, options: &[&str]) -> Value {
    json!({ "type": kind, "source": source, "destination": destination, "options": options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_what_was_asked_for_and_no_resources() {
        let spec = Spec {
            args: vec!["sleep".to_owned(), "9".to_owned()],
            annotations: vec![("key".to_owned(), "value".to_owned())],
            volumes: vec![("/data".into(), "/mnt".to_owned())],
            settings: vec![("/root/readonly".to_owned(), true.into())],
            ..Spec::default()
        };

        let rendered = spec.render(Path::new("/root/merged"), Some("/kubepods/x"));

        assert_eq!(rendered["process"]["args"], json!(["sleep", "9"]));
        assert_eq!(rendered["annotations"], json!({ "key": "value" }));
        assert_eq!(rendered["linux"]["cgroupsPath"], "/kubepods/x");
        assert_eq!(rendered["linux"].get("resources"), None);
        assert_eq!(rendered["mounts"][4]["source"], "/data");
        assert_eq!(rendered["root"]["readonly"], true);
    }
}
