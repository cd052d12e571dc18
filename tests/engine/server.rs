//! An engine of our own, which answers docker's and podman's API as it is told
//! to, over HTTP/1 at a unix socket.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::task::{JoinHandle, JoinSet};

/// What the engine has, and how it answers.
#[derive(Clone, Default)]
pub struct Engine {
    /// What it says at a path. Anything else is 404.
    pub pages: BTreeMap<String, String>,
    /// How long it takes for each answer.
    pub delay: Duration,
    /// The status of each answer, instead of 200.
    pub status: Option<StatusCode>,
    /// How many questions it is answering.
    now: Arc<AtomicUsize>,
    /// How many these were at the most.
    pub most: Arc<AtomicUsize>,
}

impl Engine {
    /// One with these pages.
    pub fn with(pages: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            pages: pages.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Listens until the task that comes back is ended. Needs a tokio runtime.
    pub fn serve(self, socket: &Path) -> io::Result<JoinHandle<()>> {
        let listener = UnixListener::bind(socket)?;
        Ok(tokio::spawn(async move {
            // They end with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let engine = self.clone();
                let service = service_fn(move |request| engine.clone().answer(request));
                connections
                    .spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        }))
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        tokio::time::sleep(self.delay).await;
        self.now.fetch_sub(1, Ordering::Relaxed);
        let page = self.pages.get(request.uri().path());
        let page = page.filter(|_| request.method() == Method::GET);
        let (status, text) = match page {
            Some(page) => (StatusCode::OK, page.clone()),
            None => (
                StatusCode::NOT_FOUND,
                r#"{"message":"No such container"}"#.to_owned(),
            ),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = self.status.unwrap_or(status);
        Ok(response)
    }
}
