//! Where containers are, and what they are called.
//!
//! - `hierarchy`: the node's cgroup v2 tree, found and walked
//! - `mounts`: `mountinfo`, for it
//! - `namespace`: how this process's cgroup namespace names its cgroups (pure)
//! - `cgroup_path`: a cgroup's path → runtime, container id, pod (pure)
//! - `asking`: questions over a runtime's socket, boundedly
//! - `cri`: what a runtime says over its socket → workload, image, pod
//! - `engine`: what docker and podman say over theirs → workload, image, pod
//! - `in_pod`: a container as a part of its pod (pure)
//! - `kube`: what the API server says of pods → controller, kind, wishes
//! - `plain`: what may be a name at all (pure)
//! - `pod_owner`: a pod's name and labels → its controller (pure)
//! - `replicas`: a container's name and labels → the name of all replicas (pure)
//! - `runtime_state`: the files runtimes leave → workload, image
//! - `table`: which cgroup belongs to which container (pure)
//! - `processes`, `live_layer`: what ran before the agent started
//!
//! Reads `/proc`, `/sys/fs/cgroup`, the runtimes' files and what they answer at
//! their sockets, and asks the API server; changes nothing and knows nothing of
//! the kernel side.

mod asking;
mod cgroup_path;
pub mod cri;
mod engine;
mod hierarchy;
mod in_pod;
pub mod kube;
mod live_layer;
mod mounts;
mod namespace;
mod plain;
mod pod_owner;
mod processes;
mod replicas;
mod root;
mod runtime_state;
mod table;

pub use asking::{AskError, AskState, Asker, Question, Reply, replies};
pub use cgroup_path::{CgroupName, Recognised, recognise};
pub use cri::{ask_cri, try_cri, usual_socket};
pub use engine::{Engine, Engines, ask_engine, try_engine};
pub use hierarchy::{Hierarchy, HierarchyError, Mode, Placement};
pub use in_pod::{EPHEMERAL, InPod, Wishes, with_debuggers_as_one};
pub use kube::{Kube, KubeError, KubeNews, KubeState, Words, try_kube};
pub use live_layer::live_layer;
pub use namespace::CgroupNamespace;
pub use pod_owner::Labels;
pub use processes::{LiveProcess, first_process, live_processes, processes_in};
pub use root::{Root, root_of};
pub use runtime_state::{Bundle, Confirmed, Description, RuntimeFiles};
pub use table::{Container, Containers, Made, Since};
