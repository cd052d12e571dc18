//! One question to the API server, bounded in time and size.

use super::objects::{Event, List, Refusal};
use bytes::{Buf as _, BytesMut};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use kube::core::params::{GetParams, ListParams, WatchParams};
use serde::de::DeserializeOwned;
use std::error::Error as StdError;
use std::path::Path;
use std::time::Duration;

/// How long it has to begin an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long it has for the whole of a list.
const LIST_DEADLINE: Duration = Duration::from_secs(30);
/// How long it has for one object.
pub(super) const GET_DEADLINE: Duration = Duration::from_secs(2);
/// How long a watch goes on before a new one is asked for, in seconds: so long a
/// connection that is dead, and says nothing, may go unnoticed.
const WATCH: u32 = 180;
/// How much longer it gets to end by itself.
const WATCH_GRACE: Duration = Duration::from_secs(20);
/// The longest page of a list, in bytes. A pod has some kilobytes, and a node
/// some hundred pods.
const LIST_MAX: usize = 32 << 20;
/// The longest line of a watch, in bytes: etcd keeps no larger objects.
const LINE_MAX: usize = 4 << 20;
/// The longest single object, in bytes.
const OBJECT_MAX: usize = 4 << 20;
/// Objects in one page of a list, where the server looks at that.
const PAGE: u32 = 250;

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KubeError {
    /// Nobody has said where it is, or not so that it is understood.
    #[error("there is no usable configuration for the API server: {0}")]
    Configuration(String),
    /// Nobody listens, or it is not who it should be.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("the API server is too slow to answer")]
    Slow,
    /// It says no: 401, 403 and the like.
    #[error("the API server answers {code}: {message}")]
    Refused {
        /// The status of HTTP.
        code: u16,
        /// What it says.
        message: String,
    },
    /// What it says is no answer.
    #[error("the API server's answer is not understood: {0}")]
    Garbage(String),
    /// Its answer is longer than is read.
    #[error("the API server's answer is longer than is read")]
    TooLarge,
}

impl KubeError {
    /// Whether this is another trouble than `other`, and not the same in other
    /// words.
    pub(super) fn is_other_than(&self, other: &Self) -> bool {
        let kind = std::mem::discriminant::<Self>;
        match (self, other) {
            (Self::Refused { code, .. }, Self::Refused { code: other, .. }) => code != other,
            _ => kind(self) != kind(other),
        }
    }

    /// Whether what is asked for has gone.
    pub(super) fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                code: 404 | 410,
                ..
            }
        )
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        Self::Refused {
            code: refusal.code,
            message: bounded(&refusal.message),
        }
    }
}

/// Which objects are meant.
#[derive(Clone, Debug)]
pub(super) struct Collection {
    /// The path of its list.
    pub(super) path: &'static str,
    /// Which of them.
    pub(super) fields: Option<String>,
    /// Whether their metadata is enough.
    pub(super) metadata_only: bool,
}

/// The API server.
#[derive(Clone)]
pub(super) struct Client {
    client: kube::Client,
}

impl Client {
    /// The one that this file names, or else the one that `kubectl` would ask
    /// here, or a program in a pod. May run a program, if the configuration says
    /// that one has the credentials.
    pub(super) async fn connect(kubeconfig: Option<&Path>) -> Result<(Self, String), KubeError> {
        let no = |error: &dyn StdError| KubeError::Configuration(with_causes(error));
        let mut config = match kubeconfig {
            None => kube::Config::infer().await.map_err(|error| no(&error))?,
            Some(file) => {
                let file = Kubeconfig::read_from(file).map_err(|error| no(&error))?;
                let options = KubeConfigOptions::default();
                let config = kube::Config::from_custom_kubeconfig(file, &options).await;
                config.map_err(|error| no(&error))?
            }
        };
        // Retries are ours: each is to be seen.
        config.default_retry = false;
        config.connect_timeout = Some(DEADLINE);
        let server = config.cluster_url.to_string();
        let client = kube::Client::try_from(config).map_err(|error| no(&error))?;
        Ok((Self { client }, bounded(&server)))
    }

    /// All objects of a collection, page after page, and the version of the
    /// list. `any` lets the server answer from its memory.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        of: &Collection,
        any: bool,
        most: usize,
    ) -> Result<(Vec<T>, String), KubeError> {
        let mut all = Vec::new();
        let mut params = ListParams {
            field_selector: of.fields.clone(),
            limit: Some(PAGE),
            resource_version: any.then(|| "0".to_owned()),
            ..ListParams::default()
        };
        loop {
            let request = Request::new(of.path);
            let request = match of.metadata_only {
                true => request.list_metadata(&params),
                false => request.list(&params),
            };
            let page: List<T> = self.read(request, LIST_MAX, LIST_DEADLINE).await?;
            all.extend(page.items);
            if page.metadata.next.is_empty() || all.len() >= most {
                all.truncate(most);
                return Ok((all, page.metadata.resource_version));
            }
            params.continue_token = Some(page.metadata.next);
            params.resource_version = None;
        }
    }

    /// One object.
    pub(super) async fn metadata<T: DeserializeOwned>(
        &self,
        path: &str,
        name: &str,
    ) -> Result<T, KubeError> {
        let request = Request::new(path).get_metadata(name, &GetParams::default());
        self.read(request, OBJECT_MAX, GET_DEADLINE).await
    }

    /// What changes from this version on.
    pub(super) async fn watch(&self, of: &Collection, from: &str) -> Result<Watch, KubeError> {
        let params = WatchParams {
            field_selector: of.fields.clone(),
            timeout: Some(WATCH),
            bookmarks: true,
            ..WatchParams::default()
        };
        let request = Request::new(of.path);
        let request = match of.metadata_only {
            true => request.watch_metadata(&params, from),
            false => request.watch(&params, from),
        };
        Ok(Watch {
            body: self.send(request).await?,
            read: BytesMut::new(),
            until: tokio::time::Instant::now() + Duration::from_secs(WATCH.into()) + WATCH_GRACE,
        })
    }

    async fn read<T: DeserializeOwned>(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
        most: usize,
        deadline: Duration,
    ) -> Result<T, KubeError> {
        let answer = tokio::time::timeout(deadline, async {
            let body = self.send(request).await?;
            whole(body, most).await
        });
        let bytes = answer.await.map_err(|_| KubeError::Slow)??;
        understood(&bytes)
    }

    /// The body of an answer that is none of refusal.
    async fn send(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Body, KubeError> {
        let request = request.map_err(|error| KubeError::Garbage(bounded(&error.to_string())))?;
        let request = request.map(Body::from);
        let response = tokio::time::timeout(DEADLINE, self.client.send(request)).await;
        let response = response.map_err(|_| KubeError::Slow)?;
        let response = response.map_err(|error| KubeError::Unreachable(with_causes(&error)))?;
        let code = response.status();
        if code.is_success() {
            return Ok(response.into_body());
        }
        // A refusal is a Status most of the time, and words of a proxy else.
        let words = tokio::time::timeout(DEADLINE, whole(response.into_body(), 64 << 10)).await;
        let words = words.ok().and_then(Result::ok).unwrap_or_default();
        let said = serde_json::from_slice::<Refusal>(&words).unwrap_or_default();
        Err(KubeError::refused(Refusal {
            code: code.as_u16(),
            message: match said.message.as_str() {
                "" => code.canonical_reason().unwrap_or("no").to_owned(),
                message => message.to_owned(),
            },
        }))
    }
}

/// What changes, line by line.
pub(super) struct Watch {
    body: Body,
    read: BytesMut,
    until: tokio::time::Instant,
}

impl Watch {
    /// The next change; `None` at the end, after which a new watch goes on where
    /// this one ended.
    pub(super) async fn next<T: DeserializeOwned>(
        &mut self,
    ) -> Result<Option<Event<T>>, KubeError> {
        let mut looked_at = 0;
        loop {
            if let Some(end) = self.read[looked_at..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let line = self.read.split_to(looked_at + end);
                self.read.advance(1);
                return understood(&line).map(Some);
            }
            looked_at = self.read.len();
            if looked_at > LINE_MAX {
                return Err(KubeError::TooLarge);
            }
            let frame = tokio::time::timeout_at(self.until, self.body.frame()).await;
            match frame.map_err(|_| KubeError::Slow)? {
                None => return Ok(None),
                Some(Err(error)) => return Err(KubeError::Unreachable(with_causes(&error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

async fn whole(body: Body, most: usize) -> Result<bytes::Bytes, KubeError> {
    match Limited::new(body, most).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(KubeError::TooLarge),
        Err(error) => Err(KubeError::Unreachable(with_causes(&*error))),
    }
}

fn understood<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, KubeError> {
    serde_json::from_slice(bytes).map_err(|error| KubeError::Garbage(bounded(&error.to_string())))
}

fn with_causes(error: &dyn StdError) -> String {
    bounded(&crate::causes::with_causes(error))
}

/// Bounded, and on one line: the server chose the words.
fn bounded(words: &str) -> String {
    crate::model::Untrusted::from(words).escaped(200)
}
