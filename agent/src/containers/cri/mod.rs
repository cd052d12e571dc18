//! What a runtime says of a container through CRI, the socket that kubelet
//! drives it by.
//!
//! - [`ask_cri`]: questions in, replies out (`asking`)
//! - `client`: one question over the socket
//! - `facts`: an answer, checked and made into a description (pure)
//! - `messages`: CRI v1 on the wire
//!
//! It only lists: nothing of a runtime is ever changed.

mod client;
mod facts;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod messages;

use super::Description;
use super::asking::{AskError, Asker, Reply, Speaker, in_time, there};
use super::cgroup_path::CgroupName;
use client::Client;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Where runtimes listen that kubelet drives: containerd alone, CRI-O, in k3s
/// and k0s, docker's adapter.
const USUAL_SOCKETS: [&str; 5] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/run/cri-dockerd.sock",
];

/// Asks at this socket, or else at whichever of the usual is there below
/// `root`. Static pods have the name of their `node` in theirs. Needs a tokio
/// runtime to run in.
pub fn ask_cri(
    socket: Option<PathBuf>,
    root: &Path,
    node: &str,
    replies: mpsc::Sender<Reply>,
) -> Asker {
    let sockets = socket.map_or_else(|| usual_sockets(root), |socket| vec![socket]);
    let node: Arc<str> = node.into();
    Asker::start(sockets, replies, move |socket| Cri {
        client: Client::to(socket),
        node: Arc::clone(&node),
    })
}

/// Asks a runtime for a container that there is none of.
///
/// # Errors
/// Why it does not answer.
pub async fn try_cri(socket: &Path) -> Result<(), AskError> {
    in_time(Client::to(socket).look_up("execwarden"))
        .await
        .map(drop)
}

/// The socket that is asked where none is set: the first of the
/// usual that is there below `root`.
pub fn usual_socket(root: &Path) -> Option<PathBuf> {
    there(&usual_sockets(root)).cloned()
}

fn usual_sockets(root: &Path) -> Vec<PathBuf> {
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    USUAL_SOCKETS.into_iter().map(below).collect()
}

#[derive(Clone)]
struct Cri {
    client: Client,
    node: Arc<str>,
}

impl Speaker for Cri {
    /// A container is listed when it was made, which is after its cgroup.
    const KNOWS_ALL: bool = false;

    async fn ask(&self, name: &CgroupName) -> Result<Option<Description>, AskError> {
        let answer = self.client.look_up(name.id.as_str()).await?;
        facts::description(&answer, name, &self.node)
    }
}
