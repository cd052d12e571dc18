//! The pages over HTTP.

use super::{ready, render};
use crate::control::protocol::{Answer, Request};
use crate::control::server::{self, Call};
use crate::control::status::Status;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How many are served at once; more wait in the kernel's own queue.
const CONNECTIONS_MAX: usize = 16;
/// How long a connection may last, with its question and its answer.
const DEADLINE: Duration = Duration::from_secs(15);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Nobody can be answered at this address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address} for metrics: {source}; give another address with --metrics")]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// The listening socket.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Listens at an address.
    pub async fn listen(address: SocketAddr) -> Result<Self, ListenError> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ListenError { address, source })?;
        Ok(Self { listener })
    }

    /// Answers until it is dropped.
    pub async fn serve(self, calls: mpsc::Sender<Call>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                    match accepted {
                        Ok((stream, _)) => {
                            connections.spawn(connection(stream, calls.clone()));
                        }
                        Err(error) => {
                            tracing::warn!(%error, "cannot accept a connection for metrics");
                            tokio::time::sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            }
        }
    }
}

/// One question; what is wrong with the connection is the asker's affair.
async fn connection(stream: TcpStream, calls: mpsc::Sender<Call>) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let calls = calls.clone();
        async move {
            let page = page(request.method(), request.uri().path(), &calls).await;
            Ok::<_, Infallible>(page)
        }
    });
    let mut http = http1::Builder::new();
    http.keep_alive(false);
    let served = http.serve_connection(TokioIo::new(stream), service);
    let _ = tokio::time::timeout(DEADLINE, served).await;
}

async fn page(method: &Method, path: &str, calls: &mpsc::Sender<Call>) -> Response<String> {
    if !["/metrics", "/healthz", "/readyz"].contains(&path) {
        let pages = "there are /metrics, /healthz and /readyz\n";
        return plain(StatusCode::NOT_FOUND, pages.to_owned());
    }
    if method != Method::GET {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        let get = HeaderValue::from_static("GET");
        response.headers_mut().insert(ALLOW, get);
        return response;
    }
    let status = match status(calls).await {
        Ok(status) => status,
        Err(sentence) => return plain(StatusCode::SERVICE_UNAVAILABLE, sentence + "\n"),
    };
    match path {
        "/metrics" => with_type(StatusCode::OK, OPEN_METRICS, render::render(*status)),
        "/healthz" => plain(StatusCode::OK, "alive\n".to_owned()),
        _ => match ready::unready(&status).as_slice() {
            [] => plain(StatusCode::OK, "ready\n".to_owned()),
            sentences => plain(StatusCode::SERVICE_UNAVAILABLE, sentences.join("\n") + "\n"),
        },
    }
}

async fn status(calls: &mpsc::Sender<Call>) -> Result<Box<Status>, String> {
    match server::ask(Request::Status, None, calls, server::DEADLINE).await {
        Ok(Answer::Status(status)) => Ok(status),
        Ok(_) => Err("the agent answered something else".to_owned()),
        Err(refusal) => Err(refusal.to_string()),
    }
}

fn plain(code: StatusCode, text: String) -> Response<String> {
    with_type(code, PLAIN, text)
}

fn with_type(code: StatusCode, kind: &'static str, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = code;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
