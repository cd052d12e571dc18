//! What the runtimes left on disk of a container: whether there is one, and
//! what it is called.
//!
//! Reads files and changes none. A file that is missing, too big or malformed
//! costs a name, never the container: the workload is then named by its id.

mod bundle;
mod files;
mod names;
mod oci_state;

use super::InPod;
use super::cgroup_path::{CgroupName, Recognised, recognise};
use crate::model::{ContainerId, Runtime, WorkloadId};
pub use bundle::Bundle;
use bundle::{BundleConfig, CONFIG};
use files::{below, names_in, read_json};
pub(super) use names::{Names, SANDBOX};
use oci_state::OciState;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where containerd keeps its bundles, by namespace: alone, in k3s, in k0s.
const CONTAINERD_TASKS: [&str; 3] = [
    "run/containerd/io.containerd.runtime.v2.task",
    "run/k3s/containerd/io.containerd.runtime.v2.task",
    "run/k0s/containerd/io.containerd.runtime.v2.task",
];
/// Where CRI-O and podman keep their bundles and the names of their containers.
const CONTAINER_STORAGES: [&str; 2] = [
    "var/lib/containers/storage/overlay-containers",
    "run/containers/storage/overlay-containers",
];
/// Where docker keeps its containers.
const DOCKER_CONTAINERS: &str = "var/lib/docker/containers";

/// What a container is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// What its baseline belongs to.
    pub workload: WorkloadId,
    /// The image's reference, as its runtime has it.
    pub image: Option<String>,
    /// The image's digest: `sha256:` and 64 hexadecimal digits.
    pub image_digest: Option<String>,
    /// The pod's whole name.
    pub pod: Option<String>,
    /// The pod's uid.
    pub pod_uid: Option<String>,
    /// What it is there.
    pub in_pod: InPod,
    /// Whether the runtime's files were there. If not, `workload` is named by
    /// the id; the runtime may write them within moments.
    pub complete: bool,
}

/// Whether a cgroup is that of a container which runc or crun made by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Confirmed {
    /// It is.
    Yes(CgroupName),
    /// A container is just being made, and its state does not say yet where.
    /// Ask again shortly; a container that died while it was made may leave
    /// this answer behind for good, so not for long.
    NotYet,
    /// It is not.
    No,
}

/// The files that runtimes leave on a node.
#[derive(Clone, Debug)]
pub struct RuntimeFiles {
    root: PathBuf,
    /// Further state folders of runc, with nothing above it.
    runc_roots: Vec<PathBuf>,
}

impl RuntimeFiles {
    /// The files below `root`: `/`, or where the node's root is mounted.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            runc_roots: Vec::new(),
        }
    }

    /// Also looks for state in `folder` (`runc --root`), which is taken as it
    /// is, not below the root.
    #[must_use]
    pub fn with_runc_root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.runc_roots.push(folder.into());
        self
    }

    /// Whether the cgroup at `path`, which could be made of one of `ids`, is a
    /// container's.
    ///
    /// runc and crun make the state folder first, then the cgroup, then write
    /// the state. So a folder of the right name is enough at first, and where
    /// the state says another cgroup it is believed.
    pub fn confirm(&self, path: &[u8], ids: &[ContainerId]) -> Confirmed {
        let roots = self.state_roots();
        let yes = |id: &ContainerId, runtime| {
            Confirmed::Yes(CgroupName {
                runtime,
                id: id.clone(),
                pod_uid: None,
            })
        };
        for id in ids {
            for (root, runtime) in &roots {
                let folder = root.join(id.as_str());
                let is_here = || OciState::read(&folder).is_none_or(|state| state.is_at(path));
                if folder.is_dir() && is_here() {
                    return yes(id, *runtime);
                }
            }
        }

        // The container's id need not be in its cgroup's name.
        let mut answer = Confirmed::No;
        for (root, runtime) in &roots {
            // Ids of 64 characters are always in the name (`recognise`), and a
            // node may have hundreds.
            let others = names_in(root)
                .into_iter()
                .filter(|name| name.len() < 64)
                .filter_map(|name| ContainerId::new(&name));
            for id in others {
                let folder = root.join(id.as_str());
                match OciState::read(&folder) {
                    Some(state) if state.is_at(path) => return yes(&id, *runtime),
                    Some(_) => {}
                    None if folder.is_dir() => answer = Confirmed::NotYet,
                    None => {}
                }
            }
        }
        answer
    }

    /// Whether the cgroup at `path` is a container's, or below one, by all that
    /// is known now.
    pub fn is_container(&self, path: &[u8]) -> bool {
        match recognise(path) {
            Recognised::Container { .. } => true,
            Recognised::Bare { ids } => matches!(self.confirm(path, &ids), Confirmed::Yes(_)),
            Recognised::Host => false,
        }
    }

    /// What the container is called.
    pub fn describe(&self, name: &CgroupName) -> Description {
        let found = self
            .in_docker(name)
            .or_else(|| self.in_containerd(&name.id))
            .or_else(|| self.in_container_storage(&name.id))
            .or_else(|| self.in_oci_state(&name.id));
        let complete = found.is_some();
        let (runtime, names) = found.unwrap_or((name.runtime, Names::default()));
        // `Runc` is what the path is taken for when it does not tell.
        let runtime = match name.runtime {
            Runtime::Runc => runtime,
            known => known,
        };
        Description {
            workload: names.workload(runtime, name.id.as_str()),
            image: names.image().map(str::to_owned),
            image_digest: None,
            pod: names.pod().map(str::to_owned),
            pod_uid: name.pod_uid.clone(),
            in_pod: InPod::default(),
            complete,
        }
    }

    fn in_docker(&self, name: &CgroupName) -> Option<(Runtime, Names)> {
        let folder = self.root.join(DOCKER_CONTAINERS).join(name.id.as_str());
        let container: DockerContainer = read_json(&folder.join("config.v2.json"))?;
        let config = container.config;
        let labels = config.labels.unwrap_or_default();
        let names = Names::labelled(Some(&container.name), config.image.as_deref(), &labels);
        // An image brings its labels along: they tell of a pod only in one.
        let names = match name.pod_uid {
            Some(_) => Names::from_annotations(&labels).or(names),
            None => names,
        };
        Some((Runtime::Docker, names))
    }

    fn in_containerd(&self, id: &ContainerId) -> Option<(Runtime, Names)> {
        CONTAINERD_TASKS.iter().find_map(|tasks| {
            let tasks = self.root.join(tasks);
            names_in(&tasks).into_iter().find_map(|namespace| {
                let bundle = tasks.join(&namespace).join(id.as_str());
                Some((by_namespace(&namespace), bundle_names(&bundle)?))
            })
        })
    }

    fn in_container_storage(&self, id: &ContainerId) -> Option<(Runtime, Names)> {
        let storages = CONTAINER_STORAGES.map(|storage| self.root.join(storage));
        let names = storages
            .iter()
            .find_map(|storage| bundle_names(&storage.join(id.as_str()).join("userdata")))?;
        let stored = storages
            .iter()
            .find_map(|storage| stored_names(storage, id))
            .unwrap_or_default();
        Some((Runtime::Podman, names.or(stored)))
    }

    fn in_oci_state(&self, id: &ContainerId) -> Option<(Runtime, Names)> {
        self.state_roots().into_iter().find_map(|(root, runtime)| {
            let folder = root.join(id.as_str());
            let state = OciState::read(&folder)?;
            let mut names = Names::from_annotations(&state.annotations);
            if let Some(bundle) = state.bundle {
                let bundle = below(&self.root, &bundle);
                names = names.or(bundle_names(&bundle).unwrap_or_default());
                // Rootless podman: a storage in somebody's home.
                if let Some(storage) = bundle.ancestors().nth(2) {
                    names = names.or(stored_names(storage, id).unwrap_or_default());
                }
                if let Some(folder) = bundle.file_name().and_then(|name| name.to_str()) {
                    names = names.or(Names::of_folder(folder));
                }
            }
            Some((runtime, names))
        })
    }

    /// Whether a runtime has begun to write down a container and has not ended:
    /// its state folder is there, and no state in it.
    pub fn is_being_written(&self, id: &ContainerId) -> bool {
        let mut folders = self
            .state_roots()
            .into_iter()
            .map(|(root, _)| root.join(id.as_str()));
        folders.any(|folder| folder.is_dir() && OciState::read(&folder).is_none())
    }

    /// What a container of this bundle is called, where the runtime's own files
    /// are gone before they were read, or not written yet.
    pub fn describe_by(&self, bundle: &Bundle, name: &CgroupName) -> Description {
        let Bundle(names) = bundle;
        Description {
            workload: names.workload(name.runtime, name.id.as_str()),
            image: names.image().map(str::to_owned),
            image_digest: None,
            pod: names.pod().map(str::to_owned),
            pod_uid: name.pod_uid.clone(),
            in_pod: InPod::default(),
            complete: true,
        }
    }

    /// Every folder that is looked into, whether it is there or not.
    pub fn folders(&self) -> Vec<PathBuf> {
        let states = self.state_roots().into_iter().map(|(root, _)| root);
        let others = CONTAINERD_TASKS
            .iter()
            .chain(&CONTAINER_STORAGES)
            .chain([&DOCKER_CONTAINERS])
            .map(|folder| self.root.join(folder));
        states.chain(others).collect()
    }

    /// The folders in which runc and crun keep a folder per container, and whose
    /// containers those are.
    fn state_roots(&self) -> Vec<(PathBuf, Runtime)> {
        let at = |folder: &str| self.root.join(folder);
        let mut roots = vec![
            (at("run/runc"), Runtime::Runc),
            (at("run/crun"), Runtime::Runc),
            (at("run/docker/runtime-runc/moby"), Runtime::Docker),
        ];
        for folder in &self.runc_roots {
            roots.push((folder.clone(), Runtime::Runc));
        }
        let containerd = at("run/containerd/runc");
        for namespace in names_in(&containerd) {
            roots.push((containerd.join(&namespace), by_namespace(&namespace)));
        }
        let users = at("run/user");
        for user in names_in(&users) {
            for runtime in ["runc", "crun"] {
                roots.push((users.join(&user).join(runtime), Runtime::Runc));
            }
        }
        roots
    }
}

/// docker is a client of containerd, in a namespace of its own.
fn by_namespace(namespace: &str) -> Runtime {
    match namespace {
        "moby" => Runtime::Docker,
        _ => Runtime::Containerd,
    }
}

/// The names in a bundle's `config.json`; `None` if it cannot be read.
fn bundle_names(bundle: &Path) -> Option<Names> {
    let config: BundleConfig = read_json(&bundle.join(CONFIG))?;
    Some(config.names())
}

/// What the storage of podman and CRI-O has on a container.
fn stored_names(storage: &Path, id: &ContainerId) -> Option<Names> {
    ["containers.json", "volatile-containers.json"]
        .iter()
        .find_map(|file| {
            let all: Vec<StoredContainer> = read_json(&storage.join(file))?;
            let one = all.into_iter().find(|one| one.id == id.as_str())?;
            let image = one
                .metadata
                .and_then(|text| serde_json::from_str::<StoredMetadata>(&text).ok())
                .and_then(|metadata| metadata.image_name);
            let name = one.names.unwrap_or_default().into_iter().next();
            Some(Names::of_container(name.as_deref(), image.as_deref()))
        })
}

/// docker's `config.v2.json`, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerContainer {
    name: String,
    config: DockerConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerConfig {
    image: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

/// One entry of containers/storage's `containers.json`.
#[derive(Deserialize)]
struct StoredContainer {
    id: String,
    names: Option<Vec<String>>,
    /// JSON in a string.
    metadata: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct StoredMetadata {
    image_name: Option<String>,
}

#[cfg(test)]
mod tests;
