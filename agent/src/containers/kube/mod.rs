//! What the API server says of this node's pods: their controllers, what their
//! containers are, what their teams ask for. Optional: without it, and while it
//! does not answer, pods go by their runtime's word.
//!
//! - [`Kube`]: starts, looks up, says how it stands
//! - `watch`: follows the pods of this node, and all namespaces' metadata
//! - `owners`: ReplicaSet and Job → the controller behind them
//! - `client`: one question over HTTP, bounded in time and size
//! - `objects`: the API's JSON, as far as it is used
//! - `facts`: a pod's object → what of it is kept (pure)
//! - `store`: what is known (pure)
//! - `word`: what of it completes a description (pure)
//! - `shared`: between the tasks and the node
//!
//! It only gets, lists and watches. It has a thread of its own: a program that is
//! to find credentials, and long lists, hold nobody else up.

mod client;
mod facts;
mod objects;
mod owners;
mod shared;
mod store;
mod watch;
mod word;

pub use client::KubeError;
pub use shared::KubeState;
pub use word::{Word, Words};

use client::Client;
use objects::Object;
use shared::Shared;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use watch::{Followed as _, Namespaces, Pods};

/// The API server that is asked.
#[derive(Debug)]
pub struct Kube {
    shared: Arc<Shared>,
    /// The thread ends when this goes.
    _runs: oneshot::Sender<()>,
}

/// By which the node hears that something changed.
#[derive(Clone, Debug)]
pub struct KubeNews(Arc<Shared>);

impl KubeNews {
    /// Waits until something has changed since the last time.
    pub async fn changed(&self) {
        self.0.changed().await;
    }
}

impl Kube {
    /// Asks for the pods of this node. The server is that of `kubeconfig`, or else
    /// the one that `kubectl` would ask here (`KUBECONFIG`, `~/.kube/config`), or
    /// a program in a pod.
    ///
    /// # Errors
    /// There can be no thread. What is wrong with the server is in the
    /// [state](Self::state).
    pub fn start(node: &str, kubeconfig: Option<PathBuf>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared::default());
        let (runs, ended) = oneshot::channel();
        let pods = Pods {
            node: node.to_owned(),
        };
        let known = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("kube".to_owned())
            .spawn(move || {
                // The agent comes before others; this may wait.
                let _ = rustix::process::setpriority_process(None, 0);
                let file = kubeconfig.as_deref();
                runtime.block_on(async {
                    tokio::select! {
                        _ = ended => {}
                        () = watch::follow(pods, file, &known) => {}
                        () = watch::follow(Namespaces, file, &known) => {}
                        () = owners::resolve(file, &known) => {}
                    }
                });
                runtime.shutdown_background();
            })?;
        Ok(Self {
            shared,
            _runs: runs,
        })
    }

    /// What is known of a container of the pod of this uid; of the pod's own,
    /// without a name.
    pub fn words(&self, uid: &str, container: Option<&str>) -> Words {
        self.shared.with_store(|store| store.words(uid, container))
    }

    /// Whether there is any use in waiting for more.
    pub fn tells_of_pods(&self) -> bool {
        self.shared.tells_of_pods()
    }

    /// How it stands.
    pub fn state(&self) -> KubeState {
        self.shared.state()
    }

    /// By which to hear that something changed.
    pub fn news(&self) -> KubeNews {
        KubeNews(Arc::clone(&self.shared))
    }
}

/// Asks once for everything that the agent would ask for, within ten seconds; the
/// server's address.
///
/// # Errors
/// The first thing that is not answered.
pub async fn try_kube(node: &str, kubeconfig: Option<&Path>) -> Result<String, KubeError> {
    const PATIENCE: Duration = Duration::from_secs(10);

    let answer = tokio::time::timeout(PATIENCE, ask_for_all(node, kubeconfig)).await;
    answer.unwrap_or(Err(KubeError::Slow))
}

async fn ask_for_all(node: &str, kubeconfig: Option<&Path>) -> Result<String, KubeError> {
    let (client, server) = Client::connect(kubeconfig).await?;
    let node = node.to_owned();
    for collection in [Pods { node }.collection(), Namespaces.collection()] {
        client.list::<Object>(&collection, true, 1).await?;
    }
    for path in [
        "/apis/apps/v1/namespaces/default/replicasets",
        "/apis/batch/v1/namespaces/default/jobs",
    ] {
        // There is none of that name, and that is an answer.
        match client.metadata::<Object>(path, "execwarden").await {
            Err(error) if !error.is_gone() => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(server)
}
