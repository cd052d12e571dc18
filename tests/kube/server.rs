//! An API server of our own, which lists, watches and gets as it is told to: over
//! HTTP/1.1 on the loopback, with or without TLS.

use http_body_util::channel::{Channel, Sender};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// What clients say who they are with.
pub const TOKEN: &str = "a-token-of-the-test";

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Manner {
    /// As an API server does.
    #[default]
    Usual,
    /// Every question with this status.
    Refuses(u16),
    /// Not at all.
    Silent,
    /// With what is no JSON.
    Garbage,
    /// With a list that does not end.
    Endless,
    /// It breaks every watch off after its first line, in the middle of the next.
    BreaksWatches,
    /// Every watch is told that what it asks for is too long ago.
    Forgets,
    /// It refuses to tell what is behind a pod, and nothing else.
    HidesOwners,
}

/// What it has, by the path of its collection and by its name.
#[derive(Debug, Default)]
struct State {
    manner: Manner,
    objects: BTreeMap<(String, String), Value>,
    /// Every change, in order: its version, its collection, its type, the object.
    changes: Vec<(u64, String, &'static str, Value)>,
    version: u64,
    /// Every request: method, path and query.
    requests: Vec<String>,
    page: usize,
}

/// A server, as long as it is kept.
#[derive(Debug)]
pub struct ApiServer {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    address: SocketAddr,
    task: JoinHandle<()>,
    has_tls: bool,
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ApiServer {
    /// Listens at some port, in clear. Needs a tokio runtime.
    pub async fn start() -> io::Result<Self> {
        Self::listen(TcpListener::bind("127.0.0.1:0").await?, false)
    }

    /// The same at the port of another that is gone, whose versions it goes on with.
    pub async fn start_at(address: SocketAddr, version: u64) -> io::Result<Self> {
        let server = Self::listen(TcpListener::bind(address).await?, false)?;
        lock(&server.state).version = version;
        Ok(server)
    }

    /// The version of its latest change.
    pub fn version(&self) -> u64 {
        lock(&self.state).version
    }

    /// With a certificate of the tests' authority.
    pub async fn start_with_tls() -> io::Result<Self> {
        Self::listen(TcpListener::bind("127.0.0.1:0").await?, true)
    }

    fn listen(listener: TcpListener, has_tls: bool) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let (changed, changes) = watch::channel(0);
        let acceptor = has_tls.then(acceptor);
        let known = Arc::clone(&state);
        let task = tokio::spawn(async move {
            // They end with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (state, changes) = (Arc::clone(&known), changes.clone());
                match acceptor.clone() {
                    None => connections.spawn(serve(stream, state, changes)),
                    Some(acceptor) => connections.spawn(async move {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, state, changes).await;
                        }
                    }),
                };
            }
        });
        Ok(Self {
            state,
            changed,
            address,
            task,
            has_tls,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it answers so. Watches that go on are not asked anew.
    pub fn behave(&self, manner: Manner) {
        lock(&self.state).manner = manner;
        self.changed.send_modify(|_| {});
    }

    /// It splits lists into pages of so many.
    pub fn page(&self, objects: usize) {
        lock(&self.state).page = objects;
    }

    /// Adds an object, or changes it.
    pub fn put(&self, collection: &str, object: Value) {
        let mut state = lock(&self.state);
        state.version += 1;
        let version = state.version;
        let mut object = object;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let key = (collection.to_owned(), name_of(&object));
        let known = state.objects.insert(key, object.clone()).is_some();
        let kind = if known { "MODIFIED" } else { "ADDED" };
        let change = (version, collection.to_owned(), kind, object);
        state.changes.push(change);
        drop(state);
        self.changed.send_replace(version);
    }

    /// Takes an object away.
    pub fn delete(&self, collection: &str, name: &str) {
        let mut state = lock(&self.state);
        let key = (collection.to_owned(), name.to_owned());
        let Some(object) = state.objects.remove(&key) else {
            return;
        };
        state.version += 1;
        let version = state.version;
        let change = (version, collection.to_owned(), "DELETED", object);
        state.changes.push(change);
        drop(state);
        self.changed.send_replace(version);
    }

    /// Says in every watch how far it has come.
    pub fn bookmark(&self) {
        let mut state = lock(&self.state);
        state.version += 1;
        let version = state.version;
        let object = json!({ "metadata": { "resourceVersion": version.to_string() } });
        for collection in [PODS, NAMESPACES] {
            let change = (version, collection.to_owned(), "BOOKMARK", object.clone());
            state.changes.push(change);
        }
        drop(state);
        self.changed.send_replace(version);
    }

    /// What it was asked, so far.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.state).requests.clone()
    }

    /// Writes a file by which `kubectl`, and the agent, find it, and one with the
    /// certificate of its authority, if that is to be known.
    pub fn kubeconfig(&self, folder: &Path, authority: Option<&str>) -> io::Result<PathBuf> {
        let scheme = if self.has_tls { "https" } else { "http" };
        let mut cluster = json!({ "server": format!("{scheme}://{}", self.address) });
        if let Some(authority) = authority {
            let file = folder.join("ca.pem");
            fs::write(&file, authority)?;
            cluster["certificate-authority"] = json!(file);
        }
        let file = folder.join("kubeconfig");
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "test", "cluster": cluster }],
            "users": [{ "name": "test", "user": { "token": TOKEN } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
            "current-context": "test",
        });
        fs::write(&file, config.to_string())?;
        Ok(file)
    }
}

/// The path of the collection of pods.
pub const PODS: &str = "/api/v1/pods";
/// The path of the collection of namespaces.
pub const NAMESPACES: &str = "/api/v1/namespaces";
/// The path of the ReplicaSets of the namespace `shop`.
pub const REPLICA_SETS: &str = "/apis/apps/v1/namespaces/shop/replicasets";
/// The path of the Jobs of the namespace `shop`.
pub const JOBS: &str = "/apis/batch/v1/namespaces/shop/jobs";

async fn serve<S>(stream: S, state: Arc<Mutex<State>>, changes: watch::Receiver<u64>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(Arc::clone(&state), changes.clone(), request));
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type Answer = Response<Channel<Bytes, io::Error>>;

async fn answer(
    state: Arc<Mutex<State>>,
    changes: watch::Receiver<u64>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (path, query) = (request.uri().path(), request.uri().query());
    let query = query.unwrap_or_default().to_owned();
    let manner = {
        let mut state = lock(&state);
        let asked = format!("{} {path}?{query}", request.method());
        state.requests.push(asked);
        state.manner
    };
    let token = request.headers().get("authorization");
    if token.is_none_or(|token| *token != *format!("Bearer {TOKEN}")) {
        return Ok(refusal(401));
    }
    let is_collection = [PODS, NAMESPACES].contains(&path);
    let is_watch = parameter(&query, "watch").is_some();
    Ok(match manner {
        Manner::Silent => std::future::pending().await,
        Manner::Refuses(status) => refusal(status),
        Manner::HidesOwners if !is_collection => refusal(403),
        Manner::Garbage => whole(StatusCode::OK, "{\"items\": [{]} \u{1b}[31m no"),
        Manner::Endless => endless(),
        _ if is_watch && manner == Manner::Forgets => {
            let line = json!({ "type": "ERROR", "object": { "code": 410, "message": "too old" } });
            whole(StatusCode::OK, &format!("{line}\n"))
        }
        _ if is_watch => watching(state, changes, path, &query),
        _ if is_collection => list(&lock(&state), path, &query),
        _ => get(&lock(&state), path),
    })
}

fn get(state: &State, path: &str) -> Answer {
    let (collection, name) = path.rsplit_once('/').unwrap_or_default();
    match state.objects.get(&(collection.to_owned(), name.to_owned())) {
        Some(object) => whole(StatusCode::OK, &object.to_string()),
        None => refusal(404),
    }
}

fn list(state: &State, collection: &str, query: &str) -> Answer {
    let objects = state.objects.iter();
    let all: Vec<&Value> = objects
        .filter(|((of, _), object)| of == collection && is_selected(object, query))
        .map(|(_, object)| object)
        .collect();
    let from: usize = parameter(query, "continue").map_or(0, |from| from.parse().unwrap_or(0));
    // As real ones do, it answers from its memory without pages.
    let has_pages = state.page > 0 && parameter(query, "resourceVersion").is_none();
    let end = match has_pages || from > 0 {
        true => (from + state.page).min(all.len()),
        false => all.len(),
    };
    let next = if end < all.len() {
        end.to_string()
    } else {
        String::new()
    };
    let list = json!({
        "kind": "List",
        "metadata": { "resourceVersion": state.version.to_string(), "continue": next },
        "items": all[from..end],
    });
    whole(StatusCode::OK, &list.to_string())
}

fn watching(
    state: Arc<Mutex<State>>,
    mut changes: watch::Receiver<u64>,
    collection: &str,
    query: &str,
) -> Answer {
    let (mut sender, body) = Channel::new(16);
    let (collection, query) = (collection.to_owned(), query.to_owned());
    let from = parameter(&query, "resourceVersion").and_then(|from| from.parse().ok());
    let mut told: u64 = from.unwrap_or(0);
    tokio::spawn(async move {
        loop {
            let (lines, breaks) = {
                let state = lock(&state);
                let news = state.changes.iter().filter(|(version, of, _, object)| {
                    *version > told && *of == collection && is_selected(object, &query)
                });
                let lines: Vec<String> = news
                    .map(|(_, _, kind, object)| {
                        format!("{}\n", json!({ "type": kind, "object": object }))
                    })
                    .collect();
                told = state.version;
                (lines, state.manner == Manner::BreaksWatches)
            };
            for line in lines {
                if sender.send_data(line.into()).await.is_err() {
                    return;
                }
                if breaks {
                    // Else what was sent would not go out.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    let _ = sender.send_data("{\"type\":\"ADD".into()).await;
                    sender.abort(io::Error::other("broken off"));
                    return;
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    });
    Response::new(body)
}

fn endless() -> Answer {
    let (mut sender, body) = Channel::new(16);
    tokio::spawn(async move {
        let _ = send(&mut sender, "{\"metadata\":{},\"items\":[{}").await;
        let piece = ",{}".repeat(64 << 10);
        while send(&mut sender, &piece).await {}
    });
    Response::new(body)
}

async fn send(sender: &mut Sender<Bytes, io::Error>, text: &str) -> bool {
    sender.send_data(text.to_owned().into()).await.is_ok()
}

fn refusal(code: u16) -> Answer {
    let message = format!("no \u{1b}[31m today: {code}");
    let status = json!({ "kind": "Status", "code": code, "message": message });
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    whole(code, &status.to_string())
}

fn whole(status: StatusCode, text: &str) -> Answer {
    let (mut sender, body) = Channel::new(1);
    let text = text.to_owned();
    tokio::spawn(async move { send(&mut sender, &text).await });
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// A bookmark is everybody's; of pods, those of the node that is asked for.
fn is_selected(object: &Value, query: &str) -> bool {
    let Some(selector) = parameter(query, "fieldSelector") else {
        return true;
    };
    let node = selector.replace("%3D", "=");
    let node = node.trim_start_matches("spec.nodeName=");
    object
        .get("spec")
        .is_none_or(|spec| spec["nodeName"] == node)
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn name_of(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str();
    name.unwrap_or_default().to_owned()
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tests' authority, which has signed the server's certificate. All of them
/// are good for a hundred years, for the loopback, and for nothing else.
pub const AUTHORITY: &str = include_str!("tls/ca.pem");
/// Another authority, which has not.
pub const OTHER_AUTHORITY: &str = include_str!("tls/other.pem");

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem"));
    let certificate = certificate.expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they belong together");
    TlsAcceptor::from(Arc::new(config))
}

/// A pod of a ReplicaSet on this node, with one container.
pub fn pod(name: &str, uid: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "annotations": {},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "checkout-7d5f",
                "uid": "r-1", "controller": true,
            }],
        },
        "spec": { "nodeName": node, "containers": [{ "name": "api" }] },
    })
}

/// That ReplicaSet, which is a Rollout's: no label would have told.
pub fn replica_set(owner: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": "checkout-7d5f",
            "namespace": "shop",
            "uid": "r-1",
            "ownerReferences": [{
                "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": owner,
                "uid": "o-1", "controller": true,
            }],
        },
    })
}

/// A namespace with an annotation.
pub fn namespace(name: &str, key: &str, value: &str) -> Value {
    json!({ "metadata": { "name": name, "annotations": { key: value } } })
}

/// How long a test waits for what takes a moment.
pub const PATIENCE: Duration = Duration::from_secs(20);
