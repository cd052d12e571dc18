//! A receiver of lists over HTTP, slow and then no use, and an agent that is killed
//! in the middle.

use super::scene::{PATIENCE, Scene};
use super::sinks::{LISTED, deviate};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testbed::{Agent, until};
use tokio::net::TcpListener;

/// So many before the agent is killed, and as many after.
const HALF: u64 = 30;

pub fn a_webhook_has_all_when_the_agent_was_killed() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let receiver = Receiver::start()?;
    let options = ["--alert-burst", "10000", "--webhook", &receiver.url];
    let start = || scene.agent(&[&["--enforce"], &options[..]].concat());
    let agent = start()?;
    let container = scene.idle()?;
    deviate(&container, 1..=HALF)?;
    // Each answer takes its time: the last ones are underway.
    agent.wait_for("all to be told", PATIENCE, |status| {
        let of = |sink: &Value| Some(sink["sent"].as_u64()? + sink["queued"].as_u64()?);
        any_sink(status, |sink| of(sink) == Some(HALF))
    })?;
    agent.crash()?;

    let agent = start()?;
    receiver.wait_for(HALF as usize)?;
    receiver.puts_off.store(true, Ordering::Relaxed);
    deviate(&container, HALF + 1..=2 * HALF)?;
    wait_until_all_wait(&agent)?;
    agent.crash()?;

    let agent = start()?;
    wait_until_all_wait(&agent)?;
    receiver.puts_off.store(false, Ordering::Relaxed);
    receiver.wait_for(2 * HALF as usize)?;
    scene.stop(agent)?;
    let numbers: Vec<u64> = receiver.taken()?.into_keys().collect();
    ensure!(
        numbers == (1..=2 * HALF).collect::<Vec<u64>>(),
        "{numbers:?}"
    );
    Ok(())
}

/// The second half, for the webhook.
fn wait_until_all_wait(agent: &Agent<'_>) -> Result<()> {
    let waited = agent.wait_for("records to wait", PATIENCE, |status| {
        any_sink(status, |sink| sink["queued"] == HALF)
    });
    waited.map(drop)
}

/// The webhook's, in whatever place: the other one has a receiver.
fn any_sink(status: &Value, holds: impl Fn(&Value) -> bool) -> bool {
    let sinks = status["sinks"].as_array();
    sinks.is_some_and(|sinks| sinks.iter().any(holds))
}

/// Takes lists of records.
struct Receiver {
    url: String,
    state: Arc<State>,
    _tokio: tokio::runtime::Runtime,
}

#[derive(Default)]
struct State {
    puts_off: AtomicBool,
    /// In the order they came, doubles too.
    taken: Mutex<Vec<Value>>,
}

impl std::ops::Deref for Receiver {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl Receiver {
    fn start() -> Result<Self> {
        let tokio = tokio::runtime::Runtime::new()?;
        let listener = tokio.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}/", listener.local_addr()?);
        let state = Arc::new(State::default());
        tokio.spawn(serve(listener, Arc::clone(&state)));
        Ok(Self {
            url,
            state,
            _tokio: tokio,
        })
    }

    fn wait_for(&self, count: usize) -> Result<()> {
        until("records at the webhook", PATIENCE, || {
            let taken = self.taken()?;
            Ok((taken.len() >= count).then_some(()))
        })
        .with_context(|| {
            format!(
                "it has {} of {count}",
                self.taken().map_or(0, |taken| taken.len())
            )
        })
    }

    /// By number; what came twice is the same both times.
    fn taken(&self) -> Result<BTreeMap<u64, Value>> {
        let mut by_number = BTreeMap::new();
        for record in self.taken.lock().expect("nobody panicked").iter() {
            let number = record["execwarden"]["number"].as_u64();
            let number = number.with_context(|| format!("no number: {record}"))?;
            let before = by_number.insert(number, record.clone());
            ensure!(
                before.as_ref().is_none_or(|before| before == record),
                "{number} is two records: {before:?} and {record}"
            );
        }
        Ok(by_number)
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &state));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // The agent may be killed in the middle of a request.
            let _ = connection.await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    state: &State,
) -> Result<Response<Full<Bytes>>, anyhow::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let mut answer = Response::default();
    if state.puts_off.load(Ordering::Relaxed) {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return Ok(answer);
    }
    let records: Vec<Value> = serde_json::from_slice(&body)?;
    state.taken.lock().expect("nobody panicked").extend(records);
    // It has them, and the agent does not know yet.
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(answer)
}
