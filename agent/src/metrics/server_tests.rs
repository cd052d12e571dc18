use super::*;
use crate::control::status::tests::status;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A server whose node answers with this status, if with any.
async fn serving(status: Option<Status>) -> (SocketAddr, JoinSet<()>) {
    let server = Server::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = server.listener.local_addr().unwrap();
    let (calls, mut called) = mpsc::channel::<Call>(4);
    let mut tasks = JoinSet::new();
    tasks.spawn(server.serve(calls));
    tasks.spawn(async move {
        while let Some(call) = called.recv().await {
            if let Some(status) = &status {
                let answer = Answer::Status(Box::new(status.clone()));
                let _ = call.reply.send(Ok(answer));
            }
        }
    });
    (address, tasks)
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nhost: node\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

async fn check(status: Option<Status>, request: &str, code: &str, body: &str) {
    let (address, _tasks) = serving(status).await;

    let response = ask(address, request).await;

    let first = response.lines().next().unwrap_or_default();
    assert!(first.contains(code), "{request}: {response}");
    assert!(response.ends_with(body), "{request}: {response}");
}

#[tokio::test]
async fn three_pages_and_no_other() {
    check(Some(status()), "GET /metrics", "200", "# EOF\n").await;
    check(Some(status()), "GET /metrics?x=1", "200", "# EOF\n").await;
    check(Some(status()), "GET /healthz", "200", "alive\n").await;
    check(Some(status()), "GET /readyz", "200", "ready\n").await;
    check(Some(status()), "GET /", "404", "/readyz\n").await;
    check(Some(status()), "POST /metrics", "405", "only GET\n").await;
}

#[tokio::test]
async fn who_is_not_ready_says_why() {
    let mut unready = status();
    unready.agent.attached = false;

    check(Some(unready.clone()), "GET /healthz", "200", "alive\n").await;
    check(Some(unready), "GET /readyz", "503", "are not seen\n").await;
}

#[tokio::test]
async fn a_node_that_ends_is_not_alive() {
    check(None, "GET /healthz", "503", "the agent is stopping\n").await;
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let (address, _tasks) = serving(None).await;

    let error = Server::listen(address).await.unwrap_err().to_string();

    let expected = format!("cannot listen at {address} for metrics: Address already in use");
    assert!(error.starts_with(&expected), "{error}");
    assert!(
        error.ends_with("give another address with --metrics"),
        "{error}"
    );
}

#[tokio::test]
async fn who_says_nothing_keeps_nobody_else_waiting() {
    let (address, _tasks) = serving(Some(status())).await;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_MAX - 1 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }

    let response = ask(address, "GET /healthz").await;

    assert!(response.ends_with("alive\n"), "{response}");
}
