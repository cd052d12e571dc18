//! A runtime of our own, which answers CRI as it is told to: over a unix socket,
//! in gRPC, by the library that real ones are asked with.

use execwarden::containers::cri::messages::{
    Container, ContainerMetadata, ImageSpec, ListContainersRequest, ListContainersResponse,
    ListPodSandboxRequest, ListPodSandboxResponse, PodSandbox, PodSandboxMetadata,
};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::task::{JoinHandle, JoinSet};
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

pub const ID: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
pub const POD: &str = "0123456701234567012345670123456701234567012345670123456701234567";
pub const UID: &str = "8a3f1c2d-0000-4000-8000-000000000001";
pub const DIGEST: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// What the runtime has, and how it answers.
#[derive(Clone)]
pub struct Runtime {
    /// Its containers.
    pub containers: Vec<Container>,
    /// Its pods.
    pub sandboxes: Vec<PodSandbox>,
    /// It lists the containers that are asked for, and not all that there are,
    /// as a runtime may.
    pub heeds_filters: bool,
    /// How long it takes for each answer.
    pub delay: Duration,
    /// It refuses each.
    pub refuses: bool,
    /// It has never heard of what it is asked.
    pub is_no_cri: bool,
}

impl Runtime {
    /// One that has a pod of a Deployment with one container.
    pub fn of_a_deployment() -> Self {
        Self {
            containers: vec![Container {
                id: ID.to_owned(),
                pod_sandbox_id: POD.to_owned(),
                metadata: Some(ContainerMetadata {
                    name: "api".to_owned(),
                    attempt: 2,
                }),
                image: Some(ImageSpec {
                    image: DIGEST.to_owned(),
                    user_specified_image: "registry.example.org/checkout:1.4".to_owned(),
                }),
                image_ref: format!("registry.example.org/checkout@{DIGEST}"),
            }],
            sandboxes: vec![PodSandbox {
                id: POD.to_owned(),
                metadata: Some(PodSandboxMetadata {
                    name: "checkout-7d5f-x7k2p".to_owned(),
                    uid: UID.to_owned(),
                    namespace: "shop".to_owned(),
                }),
                labels: [("pod-template-hash".to_owned(), "7d5f".to_owned())].into(),
                annotations: [].into(),
                runtime_handler: "runsc".to_owned(),
            }],
            heeds_filters: false,
            delay: Duration::ZERO,
            refuses: false,
            is_no_cri: false,
        }
    }

    async fn allows(&self) -> Result<(), Status> {
        tokio::time::sleep(self.delay).await;
        if self.refuses {
            return Err(Status::internal("no \x1b[31m today"));
        }
        Ok(())
    }

    /// Listens until the task that comes back is ended. Needs a tokio runtime.
    pub fn serve(self, socket: &Path) -> io::Result<JoinHandle<()>> {
        let listener = UnixListener::bind(socket)?;
        let runtime = Arc::new(self);
        Ok(tokio::spawn(async move {
            // They end with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let runtime = Arc::clone(&runtime);
                let service = service_fn(move |request| answer(Arc::clone(&runtime), request));
                connections.spawn(
                    http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        }))
    }
}

async fn answer(
    runtime: Arc<Runtime>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Body>, Infallible> {
    let request = request.map(Body::new);
    Ok(match request.uri().path() {
        _ if runtime.is_no_cri => Status::unimplemented("unknown service").into_http(),
        "/runtime.v1.RuntimeService/ListContainers" => {
            let mut grpc = Grpc::new(ProstCodec::default());
            grpc.unary(ListContainers(runtime), request).await
        }
        "/runtime.v1.RuntimeService/ListPodSandbox" => {
            let mut grpc = Grpc::new(ProstCodec::default());
            grpc.unary(ListPodSandbox(runtime), request).await
        }
        _ => Status::unimplemented("only lists").into_http(),
    })
}

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

struct ListContainers(Arc<Runtime>);

impl UnaryService<ListContainersRequest> for ListContainers {
    type Response = ListContainersResponse;
    type Future = Pending<Result<Response<Self::Response>, Status>>;

    fn call(&mut self, request: Request<ListContainersRequest>) -> Self::Future {
        let runtime = Arc::clone(&self.0);
        let filter = request.into_inner().filter.unwrap_or_default();
        Box::pin(async move {
            runtime.allows().await?;
            let is_listed =
                |container: &&Container| !runtime.heeds_filters || container.id == filter.id;
            let containers = runtime
                .containers
                .iter()
                .filter(is_listed)
                .cloned()
                .collect();
            Ok(Response::new(ListContainersResponse { containers }))
        })
    }
}

/// Lists what was asked for.
struct ListPodSandbox(Arc<Runtime>);

impl UnaryService<ListPodSandboxRequest> for ListPodSandbox {
    type Response = ListPodSandboxResponse;
    type Future = Pending<Result<Response<Self::Response>, Status>>;

    fn call(&mut self, request: Request<ListPodSandboxRequest>) -> Self::Future {
        let runtime = Arc::clone(&self.0);
        let filter = request.into_inner().filter.unwrap_or_default();
        Box::pin(async move {
            runtime.allows().await?;
            let is_listed = |sandbox: &&PodSandbox| sandbox.id == filter.id;
            let items = runtime
                .sandboxes
                .iter()
                .filter(is_listed)
                .cloned()
                .collect();
            Ok(Response::new(ListPodSandboxResponse { items }))
        })
    }
}
