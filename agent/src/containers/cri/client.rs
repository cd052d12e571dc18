//! One question over a runtime's socket.

use super::messages::{
    Container, ContainerFilter, ListContainersRequest, ListContainersResponse,
    ListPodSandboxRequest, ListPodSandboxResponse, PodSandbox, PodSandboxFilter,
};
use hyper_util::rt::TokioIo;
use prost::Message;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// How long a runtime has for one answer. kubelet gives it two minutes; an exec
/// that waits for a name is not to wait that long for one try.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);
/// The longest answer, in bytes. One container with its pod has some kilobytes;
/// an annotation has 256 KiB at the most.
const ANSWER_MAX: usize = 4 << 20;

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CriError {
    /// Nobody listens, or nobody does any more.
    #[error("the runtime cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("the runtime did not answer within {} s", DEADLINE.as_secs())]
    Slow,
    /// It knows of no CRI: docker's containerd, which has that turned off.
    #[error("the runtime does not speak CRI")]
    NotCri,
    /// It refuses, or what it says is no answer.
    #[error("the runtime answers {0}")]
    Refused(String),
    /// It answers for something else than was asked.
    #[error("the runtime answers for another container: {0}")]
    Other(&'static str),
}

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
    pub(super) async fn look_up(&self, id: &str) -> Result<Answer, CriError> {
        match tokio::time::timeout(DEADLINE, self.ask(id)).await {
            Ok(answer) => answer,
            Err(_) => Err(CriError::Slow),
        }
    }

    async fn ask(&self, id: &str) -> Result<Answer, CriError> {
        let Some(container) = self.container(id).await? else {
            return Ok(match self.sandbox(id).await? {
                Some(sandbox) => Answer::Sandbox(Box::new(sandbox)),
                None => Answer::Nothing,
            });
        };
        let sandbox = self.sandbox(&container.pod_sandbox_id).await?;
        let sandbox = sandbox.ok_or(CriError::Other("it has no pod"))?;
        Ok(Answer::Container(Box::new(container), Box::new(sandbox)))
    }

    async fn container(&self, id: &str) -> Result<Option<Container>, CriError> {
        let filter = ContainerFilter { id: id.to_owned() };
        let request = ListContainersRequest {
            filter: Some(filter),
        };
        let response: ListContainersResponse = self.call("ListContainers", request).await?;
        let mut found = response.containers.into_iter();
        Ok(found.find(|container| container.id == id))
    }

    async fn sandbox(&self, id: &str) -> Result<Option<PodSandbox>, CriError> {
        let filter = PodSandboxFilter { id: id.to_owned() };
        let request = ListPodSandboxRequest {
            filter: Some(filter),
        };
        let response: ListPodSandboxResponse = self.call("ListPodSandbox", request).await?;
        Ok(response.items.into_iter().find(|sandbox| sandbox.id == id))
    }

    async fn call<Q, A>(&self, method: &'static str, request: Q) -> Result<A, CriError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(ANSWER_MAX);
        grpc.ready()
            .await
            .map_err(|error| CriError::Unreachable(with_causes(&error)))?;
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
fn said(status: &Status) -> CriError {
    let words = match status.message() {
        "" => status.code().description(),
        message => message,
    };
    let words = bounded(words);
    match status.code() {
        Code::Unavailable => CriError::Unreachable(words),
        Code::DeadlineExceeded => CriError::Slow,
        Code::Unimplemented => CriError::NotCri,
        _ => CriError::Refused(words),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    bounded(&words)
}

fn bounded(words: &str) -> String {
    const CHARACTERS: usize = 200;
    words.chars().take(CHARACTERS).collect()
}
