//! One question over a runtime's socket.

use super::messages::{
    Container, ContainerFilter, ListContainersRequest, ListContainersResponse,
    ListPodSandboxRequest, ListPodSandboxResponse, PodSandbox, PodSandboxFilter,
};
use crate::containers::asking::{AskError, DEADLINE, bounded, with_causes};
use hyper_util::rt::TokioIo;
use prost::Message;
use std::path::Path;
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// The longest answer, in bytes. One container with its pod has some kilobytes;
/// an annotation has 256 KiB at the most.
const ANSWER_MAX: usize = 4 << 20;

/// What it says of one id.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Answer {
    /// A container, and the pod it is in.
    Container(Box<Container>, Box<PodSandbox>),
    /// The pod's own.
    Sandbox(Box<PodSandbox>),
    /// It knows of none.
    Nothing,
}

/// A connection, made when it is used and again after it was lost.
#[derive(Clone)]
pub(super) struct Client {
    channel: Channel,
}

impl Client {
    /// To this socket.
    pub(super) fn to(socket: &Path) -> Self {
        let socket = socket.to_owned();
        let connect = tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        // The address goes into a header that runtimes do not look at.
        let channel = Endpoint::from_static("http://localhost")
            .connect_timeout(DEADLINE)
            .connect_with_connector_lazy(connect);
        Self { channel }
    }

    /// What it knows of an id: that of a container, or of a pod's sandbox.
    pub(super) async fn look_up(&self, id: &str) -> Result<Answer, AskError> {
        let Some(container) = self.container(id).await? else {
            return Ok(match self.sandbox(id).await? {
                Some(sandbox) => Answer::Sandbox(Box::new(sandbox)),
                None => Answer::Nothing,
            });
        };
        let sandbox = self.sandbox(&container.pod_sandbox_id).await?;
        let sandbox = sandbox.ok_or(AskError::Other("it has no pod"))?;
        Ok(Answer::Container(Box::new(container), Box::new(sandbox)))
    }

    async fn container(&self, id: &str) -> Result<Option<Container>, AskError> {
        let filter = ContainerFilter { id: id.to_owned() };
        let request = ListContainersRequest {
            filter: Some(filter),
        };
        let response: ListContainersResponse = self.call("ListContainers", request).await?;
        let mut found = response.containers.into_iter();
        Ok(found.find(|container| container.id == id))
    }

    async fn sandbox(&self, id: &str) -> Result<Option<PodSandbox>, AskError> {
        let filter = PodSandboxFilter { id: id.to_owned() };
        let request = ListPodSandboxRequest {
            filter: Some(filter),
        };
        let response: ListPodSandboxResponse = self.call("ListPodSandbox", request).await?;
        Ok(response.items.into_iter().find(|sandbox| sandbox.id == id))
    }

    async fn call<Q, A>(&self, method: &'static str, request: Q) -> Result<A, AskError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(ANSWER_MAX);
        grpc.ready()
            .await
            .map_err(|error| AskError::Unreachable(with_causes(&error)))?;
        let path = format!("/runtime.v1.RuntimeService/{method}");
        let path = PathAndQuery::try_from(path).expect("a method's name is plain");
        let codec = ProstCodec::default();
        match grpc.unary(Request::new(request), path, codec).await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(said(&status)),
        }
    }
}

/// A refusal in bounded words: the server chose them.
fn said(status: &Status) -> AskError {
    let words = match status.message() {
        "" => status.code().description(),
        message => message,
    };
    let words = bounded(words);
    match status.code() {
        Code::Unavailable => AskError::Unreachable(words),
        Code::DeadlineExceeded => AskError::Slow,
        Code::Unimplemented => AskError::NotCri,
        _ => AskError::Refused(words),
    }
}
