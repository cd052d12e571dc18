use super::*;
use crate::control::client::{self, ClientError};
use crate::control::protocol::{Answer, Reloaded, decode_response};

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(50);

fn reloaded() -> Response {
    Ok(Answer::Reload(Reloaded {
        allowlists: 1,
        errors: Vec::new(),
    }))
}

/// A server with a node behind it, and somebody who asks.
struct Scene {
    folder: tempfile::TempDir,
    calls: mpsc::Receiver<Call>,
    _serving: JoinSet<()>,
}

impl Scene {
    fn new(deadline: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Server::listen(&folder.path().join("s")).expect("listening");
        server.deadline = deadline;
        let (sender, calls) = mpsc::channel(1);
        let mut serving = JoinSet::new();
        serving.spawn(server.serve(sender));
        Self {
            folder,
            calls,
            _serving: serving,
        }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("s"))
            .await
            .expect("connected")
    }

    async fn send(&self, bytes: &[u8]) -> UnixStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.expect("sent");
        stream
    }
}

async fn response(stream: UnixStream) -> Response {
    let mut line = Vec::new();
    timeout(LONG, BufReader::new(stream).read_until(b'\n', &mut line))
        .await
        .expect("an end in time")
        .expect("readable");
    decode_response(&line).expect("a response")
}

async fn check_refused(scene: &Scene, bytes: &[u8], kind: RefusalKind, expected: &str) {
    let refusal = response(scene.send(bytes).await)
        .await
        .expect_err("refused");

    assert_eq!(refusal.kind, kind, "{refusal}");
    assert!(refusal.message.contains(expected), "{refusal}");
}

#[tokio::test]
async fn the_nodes_answer_comes_back() {
    let mut scene = Scene::new(LONG);
    let asker = scene.send(Request::Reload.encode().as_bytes()).await;

    let call = scene.calls.recv().await.expect("a call");
    assert_eq!(call.request, Request::Reload);
    // Who asks, the kernel says.
    let peer = call.peer.expect("a peer");
    assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
    assert_eq!(peer.pid, Some(std::process::id()));
    call.reply.send(reloaded()).expect("somebody waits");

    assert_eq!(response(asker).await, reloaded());
}

#[tokio::test]
async fn what_is_malformed_is_told_what_is_wrong_and_never_reaches_the_node() {
    let mut scene = Scene::new(LONG);
    let bad = RefusalKind::BadRequest;

    check_refused(&scene, b"hello\n", bad, "not JSON").await;
    check_refused(&scene, b"\xff\0\n", bad, "not JSON").await;
    check_refused(&scene, b"{\"v\":9}\n", bad, "version 9").await;
    check_refused(
        &scene,
        &vec![b'x'; REQUEST_MAX + 1],
        bad,
        "longer than 65536",
    )
    .await;

    assert!(scene.calls.try_recv().is_err());
}

#[tokio::test]
async fn an_asker_who_says_nothing_is_let_go_in_time() {
    let scene = Scene::new(SHORT);

    check_refused(
        &scene,
        b"{\"v\":1,",
        RefusalKind::BadRequest,
        "no whole request line came within 0.05 s",
    )
    .await;
}

#[tokio::test]
async fn a_node_that_is_stuck_or_gone_is_told_of() {
    let mut scene = Scene::new(SHORT);
    let status = Request::Status.encode();

    check_refused(
        &scene,
        status.as_bytes(),
        RefusalKind::Busy,
        "did not answer within",
    )
    .await;

    scene.calls.close();
    check_refused(&scene, status.as_bytes(), RefusalKind::Busy, "is stopping").await;
}

#[tokio::test]
async fn one_too_many_is_turned_away_and_the_others_are_served() {
    let mut scene = Scene::new(LONG);
    let mut patient = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        patient.push(scene.send(b"{\"v\":1,").await);
    }

    let status = Request::Status.encode();
    check_refused(
        &scene,
        status.as_bytes(),
        RefusalKind::Busy,
        "16 others are asking",
    )
    .await;

    let mut first = patient.remove(0);
    first
        .write_all(b"\"do\":\"reload\"}\n")
        .await
        .expect("sent");
    let call = scene.calls.recv().await.expect("a call");
    call.reply.send(reloaded()).expect("somebody waits");
    assert_eq!(response(first).await, reloaded());
}

#[tokio::test]
async fn an_asker_who_only_connects_leaves_no_trace() {
    let mut scene = Scene::new(LONG);

    for _ in 0..100 {
        drop(scene.connect().await);
    }

    let asker = scene.send(Request::Reload.encode().as_bytes()).await;
    let call = timeout(LONG, scene.calls.recv()).await;
    let call = call.expect("in time").expect("a call");
    call.reply.send(reloaded()).expect("somebody waits");
    assert_eq!(response(asker).await, reloaded());
}

#[tokio::test]
async fn the_file_goes_with_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");

    drop(Server::listen(&path).expect("listening"));

    assert!(!path.exists());
}

#[tokio::test]
async fn the_command_and_the_agent_understand_each_other() {
    let mut scene = Scene::new(LONG);
    let path = scene.folder.path().join("s");
    let request = Request::AllowlistShow {
        workload: "runc/web".to_owned(),
    };
    let asked = request.clone();
    let command = tokio::task::spawn_blocking(move || client::ask(&path, &asked));

    let call = scene.calls.recv().await.expect("a call");
    assert_eq!(call.request, request);
    let refusal = Refusal::new(RefusalKind::NotFound, "there is no workload runc/web");
    call.reply
        .send(Err(refusal.clone()))
        .expect("somebody waits");

    let answer = command.await.expect("no panic").expect_err("refused");
    assert!(matches!(answer, ClientError::Refused(why) if why == refusal));
}
