//! Pods as kubelet would have them run: the runtime that is asked for them, and
//! the API server that knows them, are ours; the containers are runc's.

use super::scene::Scene;
use crate::api_server::{ApiServer, NAMESPACES, PODS, REPLICA_SETS, pod, replica_set};
use crate::cri::Runtime;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use testbed::container::Builder;
use testbed::{Agent, Container, cgroup, unique_name};
use tokio::task::JoinHandle;

/// The node's name, as the API server has it.
const NODE: &str = "node-1";

/// One pod, of a Deployment of its own by its labels.
pub struct Pod {
    /// The name of its controller.
    pub owner: String,
    /// Its uid.
    pub uid: String,
    annotations: Vec<(&'static str, String)>,
    containers: Vec<(String, String)>,
}

impl Pod {
    /// With containers of these names.
    pub fn of(containers: &[&str]) -> Self {
        let owner = unique_name();
        // No other test's, and as long as a uid is.
        let number = owner.rsplit('-').next().unwrap_or("0");
        let uid = format!("8a3f1c2d-0000-4000-8000-{number:0>12}");
        let named = |name: &&str| ((*name).to_owned(), unique_name());
        Self {
            owner,
            uid,
            annotations: Vec::new(),
            containers: containers.iter().map(named).collect(),
        }
    }

    /// With an annotation of its team's.
    pub fn asking(mut self, key: &'static str, value: &str) -> Self {
        self.annotations.push((key, value.to_owned()));
        self
    }

    /// Its whole name.
    pub fn name(&self) -> String {
        format!("{}-7d5f-{}", self.owner, self.suffix())
    }

    /// What a ReplicaSet would put behind its own name: another for each.
    fn suffix(&self) -> String {
        /// Kubernetes has no others there.
        const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut number: usize = self
            .uid
            .rsplit('-')
            .next()
            .map_or(0, |last| last.parse().unwrap_or(0));
        let mut suffix = String::new();
        for _ in 0..5 {
            suffix.push(char::from(LETTERS[number % LETTERS.len()]));
            number /= LETTERS.len();
        }
        suffix
    }

    /// What a container's workload is called, of a controller of this kind.
    pub fn workload(&self, kind: &str, container: &str) -> String {
        format!("shop/{kind}/{}/{container}", self.owner)
    }

    /// Starts one of its containers, which then does nothing but stay.
    pub fn start(&self, scene: &Scene, name: &str) -> Result<Container> {
        self.container(scene, name, &["sleep", "1000"])?.run()
    }

    /// One of its containers, to run this.
    pub fn container<'s>(
        &self,
        scene: &'s Scene,
        name: &str,
        args: &[&str],
    ) -> Result<Builder<'s>> {
        let mut containers = self.containers.iter();
        let (_, id) = containers
            .find(|(known, _)| known == name)
            .with_context(|| format!("there is no container {name}"))?;
        let place = cgroup::of_pod(&self.uid, "cri-containerd", id);
        Ok(scene.container(args).id(id).cgroups_path(&place))
    }

    /// As the API server has it, with these containers beside those of the main
    /// kind.
    pub fn object(&self, change: impl FnOnce(&mut Value)) -> Value {
        let mut object = pod(&self.name(), &self.uid, NODE);
        let names = self
            .containers
            .iter()
            .map(|(name, _)| json!({ "name": name }));
        object["spec"]["containers"] = names.collect();
        let reference = &mut object["metadata"]["ownerReferences"][0];
        reference["name"] = json!(format!("{}-7d5f", self.owner));
        for (key, value) in &self.annotations {
            object["metadata"]["annotations"][*key] = json!(value);
        }
        change(&mut object);
        object
    }

    /// Its ReplicaSet, which is a Rollout's: nothing but the API server tells.
    pub fn replica_set(&self) -> Value {
        let mut object = replica_set(&self.owner);
        object["metadata"]["name"] = json!(format!("{}-7d5f", self.owner));
        object
    }
}

/// Where they are.
pub struct Cluster {
    folder: TempDir,
    tokio: tokio::runtime::Runtime,
    runtime: Option<JoinHandle<()>>,
    server: Option<ApiServer>,
}

impl Cluster {
    /// A runtime that has these pods, and no API server.
    pub fn of(pods: &[&Pod]) -> Result<Self> {
        let mut cluster = Self {
            folder: tempfile::tempdir()?,
            tokio: tokio::runtime::Runtime::new()?,
            runtime: None,
            server: None,
        };
        let template = Runtime::of_a_deployment();
        let mut runtime = Runtime {
            containers: Vec::new(),
            sandboxes: Vec::new(),
            heeds_filters: true,
            ..template.clone()
        };
        for pod in pods {
            let mut sandbox = template.sandboxes[0].clone();
            sandbox.id = format!("sandbox-of-{}", pod.uid);
            let metadata = sandbox.metadata.as_mut().context("a pod has a name")?;
            (metadata.name, metadata.uid) = (pod.name(), pod.uid.clone());
            let annotations = pod.annotations.iter();
            sandbox.annotations = annotations
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect();
            for (name, id) in &pod.containers {
                let mut container = template.containers[0].clone();
                (container.id, container.pod_sandbox_id) = (id.clone(), sandbox.id.clone());
                let metadata = container.metadata.as_mut().context("it has a name")?;
                (metadata.name, metadata.attempt) = (name.clone(), 0);
                runtime.containers.push(container);
            }
            runtime.sandboxes.push(sandbox);
        }
        let inside = cluster.tokio.enter();
        cluster.runtime = Some(runtime.serve(&cluster.socket())?);
        drop(inside);
        Ok(cluster)
    }

    /// The same with an API server that has the pods' ReplicaSets, their namespace
    /// and what is put there.
    pub fn with_api_server(pods: &[&Pod]) -> Result<Self> {
        let mut cluster = Self::of(pods)?;
        let server = cluster.tokio.block_on(ApiServer::start())?;
        server.put(NAMESPACES, json!({ "metadata": { "name": "shop" } }));
        for pod in pods {
            server.put(REPLICA_SETS, pod.replica_set());
        }
        server.kubeconfig(cluster.folder.path(), None)?;
        cluster.server = Some(server);
        Ok(cluster)
    }

    /// The API server.
    pub fn server(&self) -> Result<&ApiServer> {
        self.server.as_ref().context("there is an API server")
    }

    /// Puts pods there as they are.
    pub fn put(&self, pods: &[&Pod]) -> Result<()> {
        for pod in pods {
            self.server()?.put(PODS, pod.object(|_| {}));
        }
        Ok(())
    }

    /// Ends the API server; what led to it still does.
    pub fn end_api_server(&mut self) {
        self.server = None;
    }

    /// Starts another in its place, with the pods' ReplicaSets.
    pub fn start_api_server_at(&mut self, address: SocketAddr, pods: &[&Pod]) -> Result<()> {
        let server = self.tokio.block_on(ApiServer::start_at(address, 100))?;
        for pod in pods {
            server.put(REPLICA_SETS, pod.replica_set());
        }
        self.server = Some(server);
        Ok(())
    }

    /// Starts the agent, which asks the runtime.
    pub fn agent<'s>(&self, scene: &'s Scene, args: &[&str]) -> Result<Agent<'s>> {
        let socket = self.socket().display().to_string();
        scene.agent(&[&["--cri", &socket], args].concat())
    }

    /// The same; it asks the API server too.
    pub fn agent_with_kube<'s>(&self, scene: &'s Scene, args: &[&str]) -> Result<Agent<'s>> {
        let socket = self.socket().display().to_string();
        let own = ["--cri", &socket, "--kube", "--node-name", NODE];
        let kubeconfig = self.folder.path().join("kubeconfig");
        let kubeconfig = kubeconfig.display().to_string();
        scene.agent_where(&[("KUBECONFIG", &kubeconfig)], &[&own, args].concat())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("cri.sock")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(runtime) = &self.runtime {
            runtime.abort();
        }
    }
}

/// Writes a person's document of this name about a workload of a Deployment, which
/// may run busybox and `more`.
pub fn write_document(
    scene: &Scene,
    name: &str,
    owner: &str,
    container: &str,
    more: &str,
) -> Result<()> {
    let text = format!(
        "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
         metadata: {{ name: {name} }}\nspec:\n  workload: {{ namespace: shop, \
         kind: Deployment, name: {owner}, container: {container} }}\n  \
         processes:\n    - path: /bin/busybox\n{more}"
    );
    let file = scene.home.allowlists().join(format!("{name}.yaml"));
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}
