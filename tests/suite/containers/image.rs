//! The agent in a container: with the rights, the mounts and the files of the
//! DaemonSet in `deploy/kustomize/base`, in a cgroup namespace of its own, as a
//! runtime makes it for a pod. Not the image of `cargo xtask image`, whose build
//! takes minutes, but the agent of this build with its libraries.

use super::expect;
use super::scene::{PATIENCE, Scene, exec};
use super::slow_runtimes::Hold;
use anyhow::{Context, Result, ensure};
use execwarden::kernel::ExecHooks;
use rustix::thread::{CapabilitySet, capabilities};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use testbed::agent::binary;
use testbed::{BpfFs, Container, Image, find_busybox, manifests, unique_name, until};

pub const DAEMONSET: &str = include_str!("../../../deploy/kustomize/base/daemonset.yaml");
pub const CONFIG: &str = include_str!("../../../deploy/kustomize/base/config.toml");
pub const ALLOWLIST: &str =
    include_str!("../../../deploy/kustomize/base/allowlists/execwarden.yaml");

pub fn image_runs_with_the_daemonsets_rights_and_no_other() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let node = Node::new(&scene)?;
    let image = image()?;
    let other = unique_name();
    let early = scene.container_of(&other, &["sleep", "1000"]).run()?;
    let agent = node.start(&image, &scene)?;

    let container = scene.idle()?;
    until("the workload to be enforced", PATIENCE, || {
        let status = answer(&agent, &["status", "--json"])?;
        let workload = scene.of_status(&status);
        Ok(workload
            .is_some_and(|one| one["mode"] == "enforce")
            .then_some(()))
    })
    .with_context(|| format!("the agent printed:\n{}", agent.printed()))?;
    exec(&container, &["/app/worker"])?;
    scene.wait_for_records(&container, 1)?;

    // What ran before the agent is found by its cgroup's name, which is another in
    // the agent's cgroup namespace.
    until("the early container to be taken in", PATIENCE, || {
        let workload = format!("runc/{other}");
        let shown = agent.exec(["/execwarden", "allowlist", "show", &workload])?;
        let shown = String::from_utf8_lossy(&shown.stdout).contains("/bin/busybox");
        Ok(shown.then_some(()))
    })
    .with_context(|| format!("the agent printed:\n{}", agent.printed()))?;
    drop(early);

    let ready = get(&agent, "/readyz")?;
    ensure!(ready == "ready\n", "{ready}");
    // Ready is who has a canary that passes, and it has one.
    let canary = answer(&agent, &["status", "--json"])?["canary"].clone();
    ensure!(canary["state"] == "passed", "{canary:#}");
    let report = answer(&agent, &["doctor", "--json"])?;
    // Whatever this node lacks, nothing is for the container to give.
    for finding in report["findings"].as_array().context("findings")? {
        ensure!(finding["state"] != "missing", "{finding:#}");
    }
    ensure!(report["findings"][0]["name"] == "kernel", "{report:#}");
    let status = answer(&agent, &["status", "--json"])?;
    ensure!(status["accounting"]["holds"] == true, "{status:#}");
    let confinement = &status["agent"]["confinement"];
    ensure!(confinement["problems"] == json!([]), "{confinement:#}");
    let pins = &status["agent"]["pins"];
    ensure!(
        *pins == json!({ "folder": "/sys/fs/bpf/execwarden" }),
        "{pins:#}"
    );

    stop(&agent)?;
    // Its programs go on, and its next pod takes over with the same rights.
    exec(&container, &["/app/worker"])?;
    let agent = node.start(&image, &scene)?;
    scene.wait_for_records(&container, 2)?;

    stop(&agent)?;
    let records = scene.records()?;
    let told = ["unlisted /app/worker", "unlisted /app/worker"];
    expect::exactly(&[(&container, &told)], &records)?;
    ensure!(records[0].hostname == "node-1", "{:?}", records[0]);
    Ok(())
}

/// A bundle is at a path of the node's that the pod does not see. Through the
/// runtime, which works in it, the agent does.
pub fn image_names_a_container_that_is_not_written_down_yet() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let node = Node::new(&scene)?;
    let image = image()?;
    let agent = node.start(&image, &scene)?;
    let hold = Hold::new()?;

    let slow = scene.container(&["sleep", "1000"]);
    let container = hold.run(slow, || {
        until("the container to have its name", PATIENCE, || {
            let status = answer(&agent, &["status", "--json"])?;
            Ok(scene.of_status(&status).map(drop))
        })
        .with_context(|| format!("the agent printed:\n{}", agent.printed()))
    })?;

    stop(&agent)?;
    expect::exactly(&[(&container, &[])], &scene.records()?)
}

/// What of a node the pod's volumes show.
struct Node {
    /// Before the folder, which it is in.
    bpffs: BpfFs,
    folder: TempDir,
    allowlists: PathBuf,
    state: PathBuf,
}

impl Node {
    /// Its journald is the scene's receiver.
    fn new(scene: &Scene) -> Result<Self> {
        let folder = TempDir::with_prefix(unique_name())?;
        let at = |name: &str| folder.path().join(name);
        for name in ["config", "control", "run/systemd", "run/runc"] {
            fs::create_dir_all(at(name))?;
        }
        let receiver = scene.rsyslogd.socket();
        let (place, socket) = (receiver.parent(), receiver.file_name());
        symlink(
            socket.context("a socket")?,
            place.context("a folder")?.join("dev-log"),
        )?;
        fs::create_dir(at("run/systemd/journal"))?;
        fs::write(at("config/config.toml"), CONFIG)?;
        let allowlists = scene.home.allowlists();
        fs::write(allowlists.join("execwarden.yaml"), ALLOWLIST)?;
        fs::create_dir(at("bpf"))?;
        Ok(Self {
            bpffs: BpfFs::mount(&at("bpf"))?,
            folder,
            allowlists,
            state: scene.home.state(),
        })
    }

    /// Starts the pod and waits until the agent in it answers.
    fn start(&self, image: &Image, scene: &Scene) -> Result<Container> {
        let daemonset = manifests::objects(DAEMONSET)?.remove(0);
        let pod = &daemonset["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let args = std::iter::once("/execwarden").chain(strings(&container["args"])?);
        let args: Vec<_> = args.collect();
        let id = unique_name();
        ensure!(
            pod["hostPID"] == true,
            "it does not see the node's processes"
        );
        let security = &container["securityContext"];
        ensure!(security["allowPrivilegeEscalation"] == false);
        let agent = Container::builder(image, &args)
            .cgroups_path(&format!("/{id}-pods/pod/{id}"))
            .id(&id)
            .with_the_nodes_processes()
            .env("NODE_NAME=node-1")
            .set("/process/noNewPrivileges", true.into())
            .set("/process/capabilities", rights(security)?)
            .set("/root/readonly", security["readOnlyRootFilesystem"].clone())
            .set("/mounts", self.mounts(pod, scene)?)
            .set("/linux/namespaces", namespaces())
            .run()?;
        until("the agent in the container to answer", PATIENCE, || {
            Ok(answer(&agent, &["status", "--json"]).ok())
        })
        .with_context(|| format!("the agent printed:\n{}", agent.printed()))?;
        Ok(agent)
    }

    /// A runtime's own, and then the pod's.
    fn mounts(&self, pod: &Value, scene: &Scene) -> Result<Value> {
        let own = |kind, at, options: &[&str]| json!({ "type": kind, "source": kind, "destination": at, "options": options });
        let mut mounts = vec![
            own("proc", "/proc", &["nosuid", "noexec", "nodev"]),
            own("tmpfs", "/dev", &["nosuid", "mode=755"]),
            own("sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"]),
            own(
                "cgroup",
                "/sys/fs/cgroup",
                &["nosuid", "noexec", "nodev", "ro"],
            ),
        ];
        let bind = |from: &Path, at: &str, how| json!({ "type": "bind", "source": from, "destination": at, "options": ["rbind", how] });
        for mount in pod["containers"][0]["volumeMounts"]
            .as_array()
            .context("mounts")?
        {
            let at = mount["mountPath"].as_str().context("a path")?;
            let how = if mount["readOnly"] == true {
                "ro"
            } else {
                "rw"
            };
            let name = mount["name"].as_str().context("a name")?;
            mounts.push(bind(&self.source(pod, name)?, at, how));
            if name == "run" {
                // What the node has there of the scene's: containers, and journald.
                let receiver = scene.rsyslogd.socket();
                let journal = receiver.parent().context("a folder")?;
                mounts.push(bind(Path::new("/run/runc"), &format!("{at}/runc"), how));
                mounts.push(bind(journal, &format!("{at}/systemd/journal"), how));
            }
        }
        Ok(mounts.into())
    }

    /// The kernel's folders are the node's; what the agent keeps is not.
    fn source(&self, pod: &Value, name: &str) -> Result<PathBuf> {
        Ok(match name {
            "allowlists" => self.allowlists.clone(),
            "state" => self.state.clone(),
            "config" | "control" | "run" => self.folder.path().join(name),
            "bpf" => self.bpffs.path().to_owned(),
            kernels => {
                let volumes = pod["volumes"].as_array().context("volumes")?;
                let volume = volumes.iter().find(|volume| volume["name"] == kernels);
                let path = volume.and_then(|volume| volume["hostPath"]["path"].as_str());
                path.with_context(|| format!("no folder of the node for {kernels}"))?
                    .into()
            }
        })
    }
}

/// A root with the agent and its libraries, and nothing else.
pub fn image() -> Result<Image> {
    let image = Image::of_folders(&["dev", "proc", "sys"])?;
    image.linked_program(&binary()?, "/execwarden")?;
    Ok(image)
}

/// The capabilities of the pod. Where a kernel has the stand-in, it may need what
/// the overlay `sys-admin` adds; where this process lacks one that new kernels do
/// not ask for, nobody can have it.
fn rights(security: &Value) -> Result<Value> {
    ensure!(strings(&security["capabilities"]["drop"])? == ["ALL"]);
    let added = &security["capabilities"]["add"];
    let mut rights: Vec<_> = strings(added)?
        .into_iter()
        .map(|name| format!("CAP_{name}"))
        .collect();
    if ExecHooks::of_this_kernel() != ExecHooks::Program {
        rights.push("CAP_SYS_ADMIN".to_owned());
    }
    let own = capabilities(None)?.permitted;
    rights.retain(|name| name != "CAP_SYS_RESOURCE" || own.contains(CapabilitySet::SYS_RESOURCE));
    Ok(json!({ "bounding": rights, "effective": rights, "permitted": rights }))
}

/// Those of a pod with `hostPID`. The network is its own.
fn namespaces() -> Value {
    let kinds = ["ipc", "uts", "mount", "cgroup", "network"];
    kinds.map(|kind| json!({ "type": kind })).to_vec().into()
}

/// What `execwarden` prints in the container, as JSON.
fn answer(agent: &Container, args: &[&str]) -> Result<Value> {
    let args = std::iter::once("/execwarden").chain(args.iter().copied());
    let output = agent.exec(args)?;
    serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))
}

/// A page from the pod's own address, as the kubelet asks for it.
fn get(agent: &Container, path: &str) -> Result<String> {
    let busybox = find_busybox().context("busybox")?;
    let busybox = busybox.display();
    let line =
        format!("{busybox} ip link set lo up; {busybox} wget -q -O - http://127.0.0.1:9797{path}");
    let output: Output = Command::new("nsenter")
        .arg(format!("--net=/proc/{}/ns/net", agent.pid()?))
        .args(["sh", "-c", &line])
        .output()
        .context("cannot start nsenter, of util-linux")?;
    ensure!(output.status.success(), "{path}: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

fn stop(agent: &Container) -> Result<()> {
    let pid = i32::try_from(agent.pid()?)?;
    let pid = rustix::process::Pid::from_raw(pid).context("a process")?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    agent.wait(PATIENCE)
}

fn strings(list: &Value) -> Result<Vec<&str>> {
    let list = list.as_array().context("a list")?.iter();
    list.map(|one| one.as_str().context("text")).collect()
}
