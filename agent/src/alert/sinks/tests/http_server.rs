//! A receiver of HTTP requests of the tests' own.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

/// What a server was asked.
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Json,
}

impl Asked {
    /// The numbers of the records in it.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let list = self.body.as_array().expect("a list");
        let number = |record: &Json| record["execwarden"]["number"].as_u64().expect("a number");
        list.iter().map(number).collect()
    }
}

/// What a server says; `None`: nothing, ever.
pub(super) type Answer = Option<Response<Full<Bytes>>>;
type Answers = dyn Fn(&Asked, usize) -> Answer + Send + Sync;

/// A server that answers each request as it is told, given how many there were
/// before.
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) asked: Mutex<Vec<Asked>>,
    pub(super) connections: Mutex<usize>,
    answer: Box<Answers>,
}

impl Server {
    pub(super) async fn start(
        answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static,
    ) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self::new(&listener, answer));
        let serving = Arc::clone(&server);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        server
    }

    pub(super) fn new(
        listener: &TcpListener,
        answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self {
            port: listener.local_addr().unwrap().port(),
            asked: Mutex::default(),
            connections: Mutex::default(),
            answer: Box::new(answer),
        }
    }

    pub(super) async fn serve(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin) {
        *self.connections.lock().unwrap() += 1;
        let service = service_fn(|request| self.answer(request));
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        assert_eq!(head.method, "POST");
        let body = body.collect().await.expect("a body").to_bytes();
        let asked = Asked {
            path: head.uri.to_string(),
            headers: head.headers,
            body: serde_json::from_slice(&body).expect("is JSON"),
        };
        let answer = {
            let mut all = self.asked.lock().unwrap();
            let answer = (self.answer)(&asked, all.len());
            all.push(asked);
            answer
        };
        match answer {
            Some(answer) => Ok(answer),
            None => pending().await,
        }
    }

    pub(super) fn url(&self, rest: &str) -> String {
        format!("http://127.0.0.1:{}{rest}", self.port)
    }

    /// The numbers of each request's records.
    pub(super) fn numbers(&self) -> Vec<Vec<u64>> {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .map(Asked::numbers)
            .collect()
    }
}

pub(super) fn says(status: u16, body: &str) -> Answer {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    Some(Response::builder().status(status).body(body).unwrap())
}

pub(super) fn takes(_: &Asked, _: usize) -> Answer {
    says(200, "ok")
}
