//! The agent as a pod of its own, as the DaemonSet in `deploy/kustomize/base` has
//! it, made by a real containerd: its rights, mounts, files and seccomp profile.

use super::driver::Driver;
use super::kubelet::{Pod, Running};
use super::messages::{
    Capability, ContainerConfig, KeyValue, LinuxContainerConfig, LinuxContainerResources,
    LinuxContainerSecurityContext, Mount, SecurityProfile,
};
use super::node::{IMAGE, Node, has};
use super::unit;
use crate::containers::image;
use crate::containers::scene::{PATIENCE, workload_in};
use anyhow::{Context, Result, ensure};
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use testbed::{BpfFs, manifests, node::asks_before_execs, until};

const AGENT: &str = "localhost/execwarden:1";

pub fn the_agent_runs_as_a_pod(driver: Driver) -> Result<()> {
    let node = Node::new(driver)?;
    node.allow_busybox("Deployment", "api")?;
    // Where a node has its own.
    let pins = BpfFs::mount(Path::new("/sys/fs/bpf"))?;
    let journal = Journal::of(&node)?;
    node.containerd.import(&image::image()?, AGENT)?;
    let daemonset = DaemonSet::new(&node)?;

    let (agent, id) = daemonset.run(&node)?;
    let ask = |args: [&str; 2]| -> Result<Value> {
        let command = ["/execwarden", args[0], args[1]];
        let answer = node.kubelet.probe(&id, &command)?;
        serde_json::from_slice(&answer.stdout).with_context(|| format!("{answer:?}"))
    };
    let status = || ask(["status", "--json"]);
    until("the agent to answer", PATIENCE, || Ok(status().ok()))?;
    let pod = node.kubelet.run(node.replica("x7k2p"))?;
    let container = node.kubelet.start(&pod, "api", IMAGE, &["sleep", "1000"])?;
    node.kubelet.exec(&container, &["/app/worker"])?;
    let records = node.wait_for_records(&pod.pod, 1)?;

    has(
        &records[0],
        &[
            ("workload", &node.workload("api")),
            ("path", "/app/worker"),
            ("pod_uid", &pod.pod.uid),
            ("origin", "injected"),
            ("layer", "image"),
        ],
    )?;
    ensure!(records[0].hostname == "node-1", "{:?}", records[0]);
    let status = status()?;
    ensure!(status["cri"]["state"] == "answers", "{status:#}");
    ensure!(status["accounting"]["holds"] == true, "{status:#}");
    let is_pinned = status["agent"]["pins"]["error"].is_null();
    ensure!(is_pinned, "{:#}", status["agent"]);
    let refuses = unit::refuses(&status);
    ensure!(refuses == asks_before_execs(), "{:#}", status["agent"]);
    // It is a workload like others, with a list of its own.
    let own = workload_in(&status, "execwarden/DaemonSet/execwarden/agent");
    let own = own.with_context(|| format!("{status:#}"))?;
    ensure!(own["mode"] == "enforce", "{own:#}");
    let report = ask(["doctor", "--json"])?;
    // Whatever this node lacks, nothing is for the pod to give.
    for finding in report["findings"].as_array().context("findings")? {
        ensure!(finding["state"] != "missing", "{finding:#}");
    }

    node.kubelet.stop(&agent)?;
    // Its programs go on, and its next pod tells what they saw.
    node.kubelet.exec(&container, &["/app/worker"])?;
    let (agent, _) = daemonset.run(&node)?;
    let records = node.wait_for_records(&pod.pod, 2).with_context(printed)?;
    has(&records[1], &[("path", "/app/worker"), ("count", "1")])?;

    node.kubelet.stop(&agent)?;
    let all = node.scene.records()?;
    ensure!(all.len() == 2, "{all:#?}");
    drop(journal);
    drop(pins);
    Ok(())
}

/// What the agents of this node printed.
fn printed() -> String {
    let logs = fs::read_dir("/var/log/pods")
        .into_iter()
        .flatten()
        .flatten();
    let logs = logs.map(|pod| pod.path().join("agent/0.log"));
    let printed: Vec<String> = logs
        .filter_map(|log| fs::read_to_string(log).ok())
        .collect();
    printed.join("\n")
}

/// The receiver where a node has its journald, until dropped.
struct Journal;

impl Journal {
    const FOLDER: &str = "/run/systemd/journal";

    fn of(node: &Node) -> Result<Self> {
        let socket = node.scene.rsyslogd.socket();
        let folder = socket.parent().context("a socket is in a folder")?;
        symlink(
            socket.file_name().context("a socket has a name")?,
            folder.join("dev-log"),
        )?;
        fs::create_dir_all(Self::FOLDER)?;
        mount_bind(folder, Self::FOLDER).context("cannot mount the receiver's folder")?;
        Ok(Self)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = unmount(Self::FOLDER, UnmountFlags::DETACH);
    }
}

/// What `kubectl apply` would bring to the node.
struct DaemonSet {
    pod: Value,
    config: TempDir,
    allowlists: PathBuf,
    state: PathBuf,
}

impl DaemonSet {
    fn new(node: &Node) -> Result<Self> {
        let mut objects = manifests::objects(image::DAEMONSET)?;
        let pod = objects[0]["spec"]["template"]["spec"].take();
        let config = tempfile::tempdir()?;
        fs::write(config.path().join("config.toml"), image::CONFIG)?;
        let allowlists = node.scene.home.allowlists();
        fs::write(allowlists.join("execwarden.yaml"), image::ALLOWLIST)?;
        Ok(Self {
            pod,
            config,
            allowlists,
            state: node.scene.home.state(),
        })
    }

    /// Its pod on this node, and the id of the pod's one container.
    fn run(&self, node: &Node) -> Result<(Running, String)> {
        let mut pod = Pod::named("execwarden-x7k2p");
        pod.namespace = "execwarden".to_owned();
        pod.label("controller-revision-hash", "6d4b75cb6d");
        pod.host_pid = self.pod["hostPID"] == true;
        let running = node.kubelet.run(pod)?;
        let container = &self.pod["containers"][0];
        let args = strings(&container["args"])?;
        let mut config = ContainerConfig {
            command: std::iter::once("/execwarden".to_owned())
                .chain(args)
                .collect(),
            envs: vec![KeyValue {
                key: "NODE_NAME".to_owned(),
                value: "node-1".to_owned(),
            }],
            mounts: self.mounts()?,
            ..node.kubelet.container(&running, "agent", AGENT, 0)
        };
        let linux = config.linux.get_or_insert_default();
        self.limit(linux)?;
        self.secure(linux.security_context.get_or_insert_default())?;
        let id = node.kubelet.start_as(&running, config)?;
        Ok((running, id))
    }

    fn limit(&self, linux: &mut LinuxContainerConfig) -> Result<()> {
        let memory = self.pod["containers"][0]["resources"]["limits"]["memory"].as_str();
        let mebibytes = memory.and_then(|memory| memory.strip_suffix("Mi"));
        let mebibytes: i64 = mebibytes.context("a limit of memory")?.parse()?;
        linux.resources = Some(LinuxContainerResources {
            memory_limit_in_bytes: mebibytes << 20,
        });
        Ok(())
    }

    fn secure(&self, context: &mut LinuxContainerSecurityContext) -> Result<()> {
        let wanted = &self.pod["containers"][0]["securityContext"];
        ensure!(wanted["seccompProfile"]["type"] == "RuntimeDefault");
        context.capabilities = Some(Capability {
            add_capabilities: strings(&wanted["capabilities"]["add"])?,
            drop_capabilities: strings(&wanted["capabilities"]["drop"])?,
        });
        context.readonly_rootfs = wanted["readOnlyRootFilesystem"] == true;
        context.no_new_privs = wanted["allowPrivilegeEscalation"] == false;
        context.seccomp = Some(SecurityProfile::default());
        Ok(())
    }

    fn mounts(&self) -> Result<Vec<Mount>> {
        let mounts = self.pod["containers"][0]["volumeMounts"].as_array();
        let mounts = mounts.context("it has mounts")?.iter();
        mounts
            .map(|mount| {
                let name = mount["name"].as_str().context("a volume has a name")?;
                let path = mount["mountPath"].as_str().context("a mount has a path")?;
                Ok(Mount {
                    container_path: path.to_owned(),
                    host_path: self.source(name)?.display().to_string(),
                    readonly: mount["readOnly"] == true,
                    // `HostToContainer`, and else private.
                    propagation: i32::from(mount["mountPropagation"] == "HostToContainer"),
                })
            })
            .collect()
    }

    fn source(&self, volume: &str) -> Result<PathBuf> {
        Ok(match volume {
            "config" => self.config.path().to_owned(),
            "allowlists" => self.allowlists.clone(),
            // Not that of a test before.
            "state" => self.state.clone(),
            of_the_node => {
                let mut volumes = self.pod["volumes"].as_array().into_iter().flatten();
                let volume = volumes.find(|volume| volume["name"] == of_the_node);
                let path = volume.and_then(|volume| volume["hostPath"]["path"].as_str());
                let path = Path::new(path.context("a volume is a folder of the node")?);
                // As `DirectoryOrCreate` does.
                fs::create_dir_all(path)?;
                path.to_owned()
            }
        })
    }
}

fn strings(list: &Value) -> Result<Vec<String>> {
    let list = list.as_array().context("a list")?.iter();
    list.map(|one| one.as_str().map(str::to_owned).context("text"))
        .collect()
}
