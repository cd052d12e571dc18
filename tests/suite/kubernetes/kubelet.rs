//! What kubelet does to a runtime: pods and their containers, with kubelet's
//! labels, annotations and cgroups.

use super::containerd::SOCKET;
use super::driver::Driver;
use super::messages::{
    ContainerConfig, ContainerId, ContainerMetadata, ContainerStatus, ContainerStatusResponse,
    CreateContainerRequest, ExecSyncRequest, ExecSyncResponse, ImageSpec, LinuxContainerConfig,
    LinuxContainerSecurityContext, LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NODE,
    NamespaceOption, Nothing, PodSandboxConfig, PodSandboxMetadata, RunPodSandboxRequest,
    SandboxId,
};
use anyhow::{Context, Result, ensure};
use execwarden::containers::Labels;
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use testbed::{patience, until};
use tokio::net::UnixStream;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_prost::ProstCodec;

/// How long a runtime on an emulated machine may take for one call.
const DEADLINE: Duration = Duration::from_secs(120);
/// `CONTAINER_EXITED`.
const EXITED: i32 = 2;

/// A pod as the API server would have it.
#[derive(Clone)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub labels: Labels,
    pub annotations: Labels,
    /// By which of its runtimes; empty for the usual one.
    pub handler: &'static str,
    /// Whether it sees the node's processes.
    pub host_pid: bool,
}

impl Pod {
    /// A bare one.
    pub fn named(name: impl Into<String>) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let uid = format!("{:08x}-0000-4000-8000-{number:012x}", process::id());
        Self {
            namespace: "shop".to_owned(),
            name: name.into(),
            uid,
            labels: Labels::new(),
            annotations: Labels::new(),
            handler: "",
            host_pid: false,
        }
    }

    /// A replica of a Deployment: `hash` is its template's.
    pub fn of_deployment(name: &str, hash: &str, suffix: &str) -> Self {
        let mut pod = Self::named(format!("{name}-{hash}-{suffix}"));
        pod.label("pod-template-hash", hash);
        pod
    }

    pub fn label(&mut self, key: &str, value: &str) {
        self.labels.insert(key.to_owned(), value.to_owned());
    }

    pub fn annotate(&mut self, key: &str, value: &str) {
        self.annotations.insert(key.to_owned(), value.to_owned());
    }

    fn config(&self, driver: Driver) -> PodSandboxConfig {
        let mut labels = self.labels.clone();
        labels.extend(self.kubelets_labels());
        let mut annotations = self.annotations.clone();
        annotations
            .entry("kubernetes.io/config.source".to_owned())
            .or_insert_with(|| "api".to_owned());
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: self.name.clone(),
                uid: self.uid.clone(),
                namespace: self.namespace.clone(),
            }),
            log_directory: format!(
                "/var/log/pods/{}_{}_{}",
                self.namespace, self.name, self.uid
            ),
            labels,
            annotations,
            // A pod in the node's network has the node's name.
            hostname: String::new(),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: driver.cgroup_of(self),
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(self.namespaces()),
                }),
            }),
        }
    }

    /// The node's network, for which there need be none of the pods'.
    fn namespaces(&self) -> NamespaceOption {
        NamespaceOption {
            network: NODE,
            pid: if self.host_pid { NODE } else { 1 },
            ipc: 0,
        }
    }

    fn kubelets_labels(&self) -> Labels {
        [
            ("io.kubernetes.pod.name", &self.name),
            ("io.kubernetes.pod.namespace", &self.namespace),
            ("io.kubernetes.pod.uid", &self.uid),
        ]
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .into()
    }
}

/// A pod whose sandbox runs.
pub struct Running {
    pub pod: Pod,
    pub sandbox: String,
}

/// Makes pods and containers; what it made is removed when dropped.
pub struct Kubelet {
    driver: Driver,
    tokio: tokio::runtime::Runtime,
    channel: Channel,
    sandboxes: RefCell<Vec<String>>,
}

impl Kubelet {
    /// Of the runtime at [`SOCKET`].
    pub fn new(driver: Driver) -> Result<Self> {
        let tokio = tokio::runtime::Runtime::new()?;
        let channel = {
            let _inside = tokio.enter();
            Endpoint::from_static("http://localhost").connect_with_connector_lazy(
                tower::service_fn(|_: Uri| async {
                    UnixStream::connect(SOCKET).await.map(TokioIo::new)
                }),
            )
        };
        Ok(Self {
            driver,
            tokio,
            channel,
            sandboxes: RefCell::default(),
        })
    }

    /// Starts a pod, without any container yet.
    pub fn run(&self, pod: Pod) -> Result<Running> {
        let request = RunPodSandboxRequest {
            config: Some(pod.config(self.driver)),
            runtime_handler: pod.handler.to_owned(),
        };
        let SandboxId { pod_sandbox_id } = self.call("RunPodSandbox", request)?;
        self.sandboxes.borrow_mut().push(pod_sandbox_id.clone());
        Ok(Running {
            pod,
            sandbox: pod_sandbox_id,
        })
    }

    /// Starts the first run of a container, which gets all that its image has.
    pub fn start(&self, pod: &Running, name: &str, image: &str, args: &[&str]) -> Result<String> {
        self.start_again(pod, name, image, args, 0)
    }

    /// The same for a container that was restarted so often.
    pub fn start_again(
        &self,
        pod: &Running,
        name: &str,
        image: &str,
        args: &[&str],
        restarts: u32,
    ) -> Result<String> {
        let config = ContainerConfig {
            command: args.iter().map(|arg| (*arg).to_owned()).collect(),
            ..self.container(pod, name, image, restarts)
        };
        self.start_as(pod, config)
    }

    /// What kubelet says of every container.
    pub fn container(
        &self,
        pod: &Running,
        name: &str,
        image: &str,
        restarts: u32,
    ) -> ContainerConfig {
        let mut labels = pod.pod.kubelets_labels();
        labels.insert("io.kubernetes.container.name".to_owned(), name.to_owned());
        let annotations = [
            ("io.kubernetes.container.hash", "8aa4d8ff"),
            (
                "io.kubernetes.container.restartCount",
                &restarts.to_string(),
            ),
            (
                "io.kubernetes.container.terminationMessagePath",
                "/dev/termination-log",
            ),
            ("io.kubernetes.container.terminationMessagePolicy", "File"),
            ("io.kubernetes.pod.terminationGracePeriod", "30"),
        ];
        ContainerConfig {
            metadata: Some(ContainerMetadata {
                name: name.to_owned(),
                attempt: restarts,
            }),
            image: Some(ImageSpec {
                image: image.to_owned(),
                ..ImageSpec::default()
            }),
            labels,
            annotations: annotations
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            log_path: format!("{name}/{restarts}.log"),
            linux: Some(LinuxContainerConfig {
                resources: None,
                security_context: Some(LinuxContainerSecurityContext {
                    namespace_options: Some(pod.pod.namespaces()),
                    ..LinuxContainerSecurityContext::default()
                }),
            }),
            ..ContainerConfig::default()
        }
    }

    /// Makes a container and starts it; gives its id.
    pub fn start_as(&self, pod: &Running, config: ContainerConfig) -> Result<String> {
        let request = CreateContainerRequest {
            pod_sandbox_id: pod.sandbox.clone(),
            config: Some(config),
            sandbox_config: Some(pod.pod.config(self.driver)),
        };
        let id: ContainerId = self.call("CreateContainer", request)?;
        let _: Nothing = self.call("StartContainer", id.clone())?;
        Ok(id.container_id)
    }

    /// Waits until a container has ended, and gives its exit status.
    pub fn wait(&self, id: &str) -> Result<i32> {
        until("the container to end", DEADLINE, || {
            let asked = ContainerId {
                container_id: id.to_owned(),
            };
            let answer: ContainerStatusResponse = self.call("ContainerStatus", asked)?;
            let status = answer.status.unwrap_or_default();
            let ContainerStatus { state, exit_code } = status;
            Ok((state == EXITED).then_some(exit_code))
        })
    }

    /// Runs a program in a container, as a probe does; fails unless it succeeds.
    pub fn exec(&self, id: &str, command: &[&str]) -> Result<()> {
        let answer = self.probe(id, command)?;
        ensure!(
            answer.exit_code == 0,
            "{command:?} ended with {}: {}",
            answer.exit_code,
            String::from_utf8_lossy(&answer.stderr)
        );
        Ok(())
    }

    /// The same, however it ends.
    pub fn probe(&self, id: &str, command: &[&str]) -> Result<ExecSyncResponse> {
        let request = ExecSyncRequest {
            container_id: id.to_owned(),
            cmd: command.iter().map(|word| (*word).to_owned()).collect(),
            timeout: DEADLINE.as_secs().cast_signed(),
        };
        self.call("ExecSync", request)
    }

    /// Ends a pod with all its containers. What the runtime fails at it is asked
    /// for again, as a node's kubelet does.
    pub fn stop(&self, pod: &Running) -> Result<()> {
        self.sandboxes
            .borrow_mut()
            .retain(|sandbox| *sandbox != pod.sandbox);
        let mut failed = None;
        let waited = until("the pod to end", DEADLINE, || {
            failed = self.remove(&pod.sandbox).err();
            Ok(failed.is_none().then_some(()))
        });
        waited.with_context(|| format!("the runtime says {:?}", failed))
    }

    fn remove(&self, sandbox: &str) -> Result<()> {
        let id = SandboxId {
            pod_sandbox_id: sandbox.to_owned(),
        };
        let _: Nothing = self.call("StopPodSandbox", id.clone())?;
        let _: Nothing = self.call("RemovePodSandbox", id)?;
        Ok(())
    }

    fn call<Q, A>(&self, method: &str, request: Q) -> Result<A>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let path = format!("/runtime.v1.RuntimeService/{method}");
        let path = PathAndQuery::try_from(path)?;
        let mut grpc = Grpc::new(self.channel.clone());
        let answer = self.tokio.block_on(async {
            grpc.ready().await.context("the runtime is not there")?;
            let asked = grpc.unary(Request::new(request), path, ProstCodec::default());
            let answer = tokio::time::timeout(DEADLINE * patience(), asked).await?;
            Ok::<_, anyhow::Error>(answer?.into_inner())
        });
        answer.with_context(|| format!("{method} failed"))
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        for sandbox in self.sandboxes.take() {
            if let Err(error) = self.remove(&sandbox) {
                eprintln!("a pod is left: {error:#}");
            }
        }
    }
}
