//! The agent's questions to docker and podman, against an engine of our own that
//! is slow, away or wrong.

mod server;

use execwarden::containers::{
    AskError, Asker, CgroupName, Description, Engine as Kind, InPod, Question, Reply, ask_engine,
    replies, try_engine,
};
use execwarden::model::{CgroupId, ContainerId, Runtime, WorkloadId};
use hyper::StatusCode;
use serde_json::{Value, json};
use server::Engine;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;
use tokio::sync::mpsc;

const ID: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
const POD: &str = "0123456701234567012345670123456701234567012345670123456701234567";
const DIGEST: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// As dockerd 20.10 answers, but for what nobody reads.
fn of_docker() -> Value {
    json!({
        "Id": ID, "Created": "2026-11-26T05:02:04.738481688Z", "Path": "/bin/busybox",
        "State": { "Status": "running", "Pid": 520 }, "Image": DIGEST,
        "Name": "/shop-web-2", "HostConfig": { "Binds": null, "NetworkMode": "none" },
        "Config": { "Hostname": "c0ffee00c0ff", "Image": "acme/web:1.4", "Env": null, "Labels": {
            "com.docker.compose.project": "shop", "com.docker.compose.service": "web" } },
    })
}

/// As podman 4.3 answers.
fn of_podman() -> Value {
    json!({
        "Id": ID, "Name": "shop_web_2", "Image": &DIGEST[7..],
        "ImageName": "localhost/shop/web:1.2", "ImageDigest": DIGEST, "Pod": POD,
        "IsInfra": false, "Rootfs": "", "Config": { "Image": "localhost/shop/web:1.2", "Labels": {
            "com.docker.compose.project": "shop", "com.docker.compose.service": "web",
            "PODMAN_SYSTEMD_UNIT": "podman-compose@shop.service" } },
    })
}

fn page(kind: Kind, answer: &Value) -> (String, String) {
    let path = match kind {
        Kind::Docker => format!("/containers/{ID}/json"),
        Kind::Podman => format!("/v4.0.0/libpod/containers/{ID}/json"),
    };
    (path, answer.to_string())
}

fn pod_page(id: &str, name: &str) -> (String, String) {
    let path = format!("/v4.0.0/libpod/pods/{POD}/json");
    (path, json!({ "Id": id, "Name": name }).to_string())
}

/// A folder for a socket, and the agent's side of it.
struct Scene {
    folder: TempDir,
    asker: Asker,
    replies: mpsc::Receiver<Reply>,
}

impl Scene {
    fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (said, replies) = replies();
        let asker = ask_engine(kind, folder.path().join("engine.sock"), said);
        Self {
            folder,
            asker,
            replies,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    async fn ask(&mut self, id: &str) -> Reply {
        let asked = self.asker.ask(question(7, id));
        assert!(asked);
        let reply = tokio::time::timeout(Duration::from_secs(10), self.replies.recv());
        let reply = reply.await.expect("a reply in time").expect("an asker");
        assert_eq!(reply.cgroup, CgroupId(7));
        reply
    }
}

fn question(cgroup: u64, id: &str) -> Question {
    Question {
        cgroup: CgroupId(cgroup),
        name: CgroupName {
            runtime: Runtime::Docker,
            id: ContainerId::new(id).expect("an id"),
            pod_uid: None,
        },
    }
}

async fn answer_of(kind: Kind, engine: Engine) -> Result<Option<Description>, AskError> {
    let mut scene = Scene::new(kind);
    let server = engine.serve(&scene.socket()).expect("a socket");
    let reply = scene.ask(ID).await;
    server.abort();
    assert_eq!(reply.is_final, reply.result.is_ok());
    reply.result
}

async fn docker(answer: &Value) -> Result<Option<Description>, AskError> {
    answer_of(Kind::Docker, Engine::with([page(Kind::Docker, answer)])).await
}

async fn podman(answer: &Value, pod: (String, String)) -> Result<Option<Description>, AskError> {
    let engine = Engine::with([page(Kind::Podman, answer), pod]);
    answer_of(Kind::Podman, engine).await
}

async fn check_error(kind: Kind, engine: Engine, expected: &str) {
    let error = answer_of(kind, engine)
        .await
        .expect_err(expected)
        .to_string();

    assert!(error.contains(expected), "{error:?}, not {expected:?}");
    assert!(error.chars().count() < 300, "{error}");
}

fn named(runtime: Runtime, name: &str) -> WorkloadId {
    WorkloadId::Runtime {
        runtime,
        name: name.to_owned(),
    }
}

#[tokio::test]
async fn dockers_container_is_named_by_its_labels() {
    assert_eq!(
        docker(&of_docker()).await.unwrap().unwrap(),
        Description {
            workload: named(Runtime::Docker, "shop/web"),
            image: Some("acme/web:1.4".to_owned()),
            image_digest: Some(DIGEST.to_owned()),
            pod: None,
            pod_uid: None,
            in_pod: InPod::default(),
            complete: true,
        }
    );
}

#[tokio::test]
async fn podmans_container_has_its_pod() {
    assert_eq!(
        podman(&of_podman(), pod_page(POD, "pod_shop"))
            .await
            .unwrap()
            .unwrap(),
        Description {
            workload: named(Runtime::Podman, "shop/web"),
            image: Some("localhost/shop/web:1.2".to_owned()),
            image_digest: Some(DIGEST.to_owned()),
            pod: Some("pod_shop".to_owned()),
            pod_uid: None,
            in_pod: InPod::default(),
            complete: true,
        }
    );

    let mut infra = of_podman();
    infra["IsInfra"] = true.into();
    infra["Name"] = format!("{}-infra", &POD[..12]).into();
    let found = podman(&infra, pod_page(POD, "pod_shop"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.workload, named(Runtime::Podman, "pod_shop/pause"));

    // The pod was removed meanwhile, or has none.
    let none = ("/".to_owned(), String::new());
    assert_eq!(
        podman(&of_podman(), none.clone())
            .await
            .unwrap()
            .unwrap()
            .pod,
        None
    );
    let mut alone = of_podman();
    alone["Pod"] = "".into();
    assert_eq!(podman(&alone, none).await.unwrap().unwrap().pod, None);
}

#[tokio::test]
async fn one_that_is_not_there_is_not_asked_for_again() {
    let mut scene = Scene::new(Kind::Docker);
    let engine = Engine::with([page(Kind::Docker, &of_docker())]);
    let server = engine.serve(&scene.socket()).unwrap();

    // An unknown one, and what an engine would take for a name or a short id.
    for id in [&"9".repeat(64), "shop-web-2", "c0ffee00c0ff"] {
        let reply = scene.ask(id).await;

        assert_eq!((reply.result, reply.is_final), (Ok(None), true), "{id}");
    }
    assert_eq!(scene.asker.state().answered, 3);
    server.abort();
}

#[tokio::test]
async fn an_answer_for_another_container_is_refused() {
    let mut other = of_docker();
    other["Id"] = "9".repeat(64).into();
    let engine = Engine::with([page(Kind::Docker, &other)]);
    check_error(Kind::Docker, engine, "it has another id").await;

    let engine = Engine::with([page(Kind::Podman, &of_podman()), pod_page(ID, "mine")]);
    check_error(Kind::Podman, engine, "its pod has another id").await;
}

#[tokio::test]
async fn what_is_no_name_becomes_none() {
    for hostile in ["", "a/b", "../etc", "x\n\x1b[31m", &"a".repeat(300)] {
        let mut container = of_docker();
        container["Name"] = hostile.into();
        container["Image"] = hostile.into();
        container["Config"]["Labels"] = json!({ hostile: hostile });
        let found = docker(&container).await.unwrap().unwrap();
        assert_eq!(found.workload, named(Runtime::Docker, "acme.web"));
        assert_eq!(found.image_digest, None);

        container["Config"]["Image"] = format!("{hostile}\0").into();
        let found = docker(&container).await.unwrap().unwrap();
        assert_eq!(found.workload, named(Runtime::Docker, ID));
        assert_eq!(found.image, None);

        let found = podman(&of_podman(), pod_page(POD, hostile)).await;
        assert_eq!(found.unwrap().unwrap().pod, None);
    }
}

#[tokio::test]
async fn what_is_missing_is_done_without() {
    for answer in [
        json!({ "Id": ID }),
        json!({ "Id": ID, "Name": null, "Image": null, "Config": null }),
        json!({ "Id": ID, "Config": { "Labels": null, "Image": null } }),
    ] {
        let found = docker(&answer).await.unwrap().unwrap();

        assert_eq!(found.workload, named(Runtime::Docker, ID));
    }
}

#[tokio::test]
async fn an_answer_is_bounded_in_time_and_size() {
    let usual = || Engine::with([page(Kind::Docker, &of_docker())]);
    let mut slow = usual();
    slow.delay = Duration::from_secs(3600);
    check_error(Kind::Docker, slow, "did not answer within 2 s").await;

    let mut huge = of_docker();
    huge["Config"]["Labels"]["x"] = "x".repeat(1 << 20).into();
    let huge = Engine::with([page(Kind::Docker, &huge)]);
    check_error(Kind::Docker, huge, "with more than 1048576 bytes").await;

    let mut refusing = usual();
    refusing.status = Some(StatusCode::INTERNAL_SERVER_ERROR);
    check_error(Kind::Docker, refusing, "the runtime answers 500").await;
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    for answer in [
        json!([]),
        json!({ "Id": 7 }),
        json!({ "id": ID }),
        json!("\u{1b}[31m"),
    ] {
        let engine = Engine::with([page(Kind::Docker, &answer)]);
        check_error(Kind::Docker, engine, "what is no description").await;
    }
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    for bytes in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"Id\":",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        head.as_bytes(),
        &[0xff; 4096],
    ] {
        let mut scene = Scene::new(Kind::Docker);
        let listener = UnixListener::bind(scene.socket()).unwrap();
        let bytes = bytes.to_vec();
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(&bytes).await;
            }
        });

        let reply = scene.ask(ID).await;

        assert!(reply.result.is_err() && !reply.is_final, "{reply:?}");
        assert_eq!(scene.asker.state().failed, 1);
        server.abort();
    }
}

#[tokio::test]
async fn an_engine_that_comes_back_is_asked_again() {
    let mut scene = Scene::new(Kind::Docker);
    assert!(!scene.asker.is_there());
    let error = scene.ask(ID).await.result.unwrap_err();
    assert!(matches!(error, AskError::Unreachable(_)), "{error}");

    for _ in 0..3 {
        let engine = Engine::with([page(Kind::Docker, &of_docker())]);
        let server = engine.serve(&scene.socket()).unwrap();
        assert!(scene.asker.is_there());
        assert!(scene.ask(ID).await.result.unwrap().is_some());
        server.abort();
        let _ = server.await;
        assert!(scene.ask(ID).await.result.is_err());
        std::fs::remove_file(scene.socket()).unwrap();
    }

    let state = scene.asker.state();
    assert_eq!((state.answered, state.failed), (3, 4));
    assert!(state.error.is_some());
}

#[tokio::test]
async fn a_nodes_containers_may_all_start_at_once() {
    const CONTAINERS: u64 = 500;
    let mut scene = Scene::new(Kind::Docker);
    let mut engine = Engine::with([page(Kind::Docker, &of_docker())]);
    engine.delay = Duration::from_millis(5);
    let most = Arc::clone(&engine.most);
    let server = engine.serve(&scene.socket()).unwrap();

    for number in 0..CONTAINERS {
        assert!(scene.asker.ask(question(number, ID)), "{number}");
    }

    let mut replied = BTreeSet::new();
    while replied.len() < CONTAINERS as usize {
        let reply = scene.replies.recv().await.unwrap();
        assert!(reply.result.unwrap().is_some());
        assert!(replied.insert(reply.cgroup));
    }
    assert_eq!(most.load(Ordering::Relaxed), 8);
    server.abort();
}

#[tokio::test]
async fn doctor_tells_one_engine_from_another() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let ok = "OK".to_owned();
    let server = Engine::with([("/_ping".to_owned(), ok)])
        .serve(&socket)
        .unwrap();

    assert_eq!(try_engine(Kind::Docker, &socket).await, Ok(()));
    let error = try_engine(Kind::Podman, &socket).await.unwrap_err();
    assert!(error.to_string().contains("not podman"), "{error}");
    server.abort();
}
