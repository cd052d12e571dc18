//! The agent's side of CRI, against a runtime of our own that is slow, away or
//! wrong.

mod runtime;

use execwarden::containers::cri::messages::ImageSpec;
use execwarden::containers::{
    AskError, Asker, CgroupName, Description, InPod, Question, Reply, Wishes, ask_cri, replies,
};
use execwarden::model::{CgroupId, ContainerId, ContainerKind, Runtime as Kind, WorkloadId};
use runtime::{DIGEST, ID, POD, Runtime, UID};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;
use tokio::sync::mpsc;

/// A folder for a socket, and the agent's side of it.
struct Scene {
    folder: TempDir,
    cri: Asker,
    replies: mpsc::Receiver<Reply>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (said, replies) = replies();
        let socket = folder.path().join("cri.sock");
        let cri = ask_cri(Some(socket), Path::new("/"), "node-1", said);
        Self {
            folder,
            cri,
            replies,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("cri.sock")
    }

    async fn ask(
        &mut self,
        id: &str,
        pod_uid: Option<&str>,
    ) -> Result<Option<Description>, AskError> {
        let question = Question {
            cgroup: CgroupId(7),
            name: CgroupName {
                runtime: Kind::Containerd,
                id: ContainerId::new(id).expect("an id"),
                pod_uid: pod_uid.map(str::to_owned),
            },
        };
        assert!(self.cri.ask(question));
        let reply = tokio::time::timeout(Duration::from_secs(10), self.replies.recv());
        let reply = reply.await.expect("a reply in time").expect("an asker");
        assert_eq!(reply.cgroup, CgroupId(7));
        reply.result
    }
}

/// The usual runtime, but for what is changed.
fn changed(change: impl FnOnce(&mut Runtime)) -> Runtime {
    let mut runtime = Runtime::of_a_deployment();
    change(&mut runtime);
    runtime
}

async fn answer_of(runtime: Runtime) -> Result<Option<Description>, AskError> {
    let mut scene = Scene::new();
    let server = runtime.serve(&scene.socket()).expect("a socket");
    let answer = scene.ask(ID, Some(UID)).await;
    server.abort();
    answer
}

async fn check_error(runtime: Runtime, expected: &str) {
    let error = answer_of(runtime).await.expect_err(expected).to_string();

    assert!(error.contains(expected), "{error:?}, not {expected:?}");
    assert!(error.chars().count() < 300, "{error}");
}

fn checkout(container: &str) -> WorkloadId {
    WorkloadId::Kubernetes {
        namespace: "shop".to_owned(),
        kind: "Deployment".to_owned(),
        name: "checkout".to_owned(),
        container: container.to_owned(),
    }
}

#[tokio::test]
async fn a_container_is_named_by_its_pods_labels() {
    let found = answer_of(Runtime::of_a_deployment())
        .await
        .unwrap()
        .unwrap();

    assert_eq!(
        found,
        Description {
            workload: checkout("api"),
            image: Some("registry.example.org/checkout:1.4".to_owned()),
            image_digest: Some(DIGEST.to_owned()),
            pod: Some("checkout-7d5f-x7k2p".to_owned()),
            pod_uid: Some(UID.to_owned()),
            in_pod: InPod {
                attempt: Some(2),
                runtime_handler: Some("runsc".to_owned()),
                labels: [("pod-template-hash".to_owned(), "7d5f".to_owned())].into(),
                ..InPod::default()
            },
            complete: true,
        }
    );
}

#[tokio::test]
async fn a_pods_own_container_is_named_after_it() {
    let mut scene = Scene::new();
    let server = Runtime::of_a_deployment().serve(&scene.socket()).unwrap();

    let found = scene.ask(POD, None).await.unwrap().unwrap();
    let nothing = scene.ask(&"9".repeat(64), None).await.unwrap();

    assert_eq!(found.workload, checkout("pause"));
    assert_eq!(found.in_pod.kind, Some(ContainerKind::Sandbox));
    assert_eq!(nothing, None);
    assert_eq!(scene.cri.state().answered, 2);
    server.abort();
}

#[tokio::test]
async fn a_pods_annotations_are_told_for_its_containers_and_not_for_its_own() {
    let mut scene = Scene::new();
    let runtime = changed(|runtime| {
        let annotations = &mut runtime.sandboxes[0].annotations;
        annotations.insert(Wishes::MODE.to_owned(), "enforce".to_owned());
        runtime.sandboxes[0].runtime_handler = "a b".to_owned();
    });
    let server = runtime.serve(&scene.socket()).unwrap();

    let container = scene.ask(ID, Some(UID)).await.unwrap().unwrap().in_pod;
    let sandbox = scene.ask(POD, Some(UID)).await.unwrap().unwrap().in_pod;

    assert_eq!(container.wishes.mode, Some("enforce".into()));
    assert_eq!(container.runtime_handler, None);
    assert_eq!(sandbox.wishes, Wishes::default());
    server.abort();
}

#[tokio::test]
async fn an_image_without_a_name_is_its_digest() {
    for (user, image, reference, name, digest) in [
        ("", "busybox:1", "", Some("busybox:1"), None),
        ("", DIGEST, DIGEST, Some(DIGEST), Some(DIGEST)),
        ("a b", "", "a b", None, None),
        ("x:1", "", "sha256:12", Some("x:1"), None),
    ] {
        let runtime = changed(|runtime| {
            runtime.containers[0].image = Some(ImageSpec {
                image: image.to_owned(),
                user_specified_image: user.to_owned(),
            });
            runtime.containers[0].image_ref = reference.to_owned();
        });

        let found = answer_of(runtime).await.unwrap().unwrap();

        assert_eq!(found.image.as_deref(), name);
        assert_eq!(found.image_digest.as_deref(), digest);
    }
}

#[tokio::test]
async fn an_answer_for_another_container_is_refused() {
    let without_pod = changed(|runtime| runtime.sandboxes.clear());
    check_error(without_pod, "it has no pod").await;

    let other_pod = changed(|runtime| {
        let metadata = runtime.sandboxes[0].metadata.as_mut();
        metadata.unwrap().uid = "another".to_owned();
    });
    check_error(other_pod, "in another pod than its cgroup").await;

    // Somebody else's is passed over.
    let other = changed(|runtime| runtime.containers[0].id = "9".repeat(64));
    assert_eq!(answer_of(other).await, Ok(None));
}

#[tokio::test]
async fn what_is_no_name_becomes_none() {
    for hostile in ["", "a/b", "../etc", "x\n\x1b[31m", &"a".repeat(300)] {
        let pod = changed(|runtime| {
            let metadata = runtime.sandboxes[0].metadata.as_mut();
            metadata.unwrap().name = hostile.to_owned();
        });
        check_error(pod, "its pod's name is no name").await;

        let namespace = changed(|runtime| {
            let metadata = runtime.sandboxes[0].metadata.as_mut();
            metadata.unwrap().namespace = hostile.to_owned();
        });
        check_error(namespace, "its namespace's name is no name").await;

        let container = changed(|runtime| {
            let metadata = runtime.containers[0].metadata.as_mut();
            metadata.unwrap().name = hostile.to_owned();
        });
        check_error(container, "its name is no name").await;

        // A label that is not one of a controller's changes nothing.
        let label = changed(|runtime| {
            let labels = &mut runtime.sandboxes[0].labels;
            labels.insert("job-name".to_owned(), hostile.to_owned());
        });
        let found = answer_of(label).await.unwrap().unwrap();
        assert_eq!(found.workload, checkout("api"));
    }
}

#[tokio::test]
async fn an_answer_is_bounded_in_time_and_size() {
    let slow = changed(|runtime| runtime.delay = Duration::from_secs(3600));
    check_error(slow, "did not answer within 2 s").await;

    let huge = changed(|runtime| {
        let one = runtime.containers[0].clone();
        runtime.containers = vec![one; 40_000];
    });
    check_error(huge, "the runtime answers").await;

    let refusing = changed(|runtime| runtime.refuses = true);
    check_error(refusing, "the runtime answers no").await;

    let other = changed(|runtime| runtime.is_no_cri = true);
    check_error(other, "does not speak CRI").await;
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    for bytes in [&b""[..], b"HTTP/1.1 200 OK\r\n\r\n", &[0xff; 4096]] {
        let mut scene = Scene::new();
        let listener = UnixListener::bind(scene.socket()).unwrap();
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(bytes).await;
            }
        });

        assert!(scene.ask(ID, Some(UID)).await.is_err());

        assert_eq!(scene.cri.state().failed, 1);
        server.abort();
    }
}

#[tokio::test]
async fn a_runtime_that_comes_back_is_asked_again() {
    let mut scene = Scene::new();
    assert!(!scene.cri.is_there());
    let error = scene.ask(ID, Some(UID)).await.unwrap_err();
    assert!(matches!(error, AskError::Unreachable(_)), "{error}");

    for _ in 0..3 {
        let server = Runtime::of_a_deployment().serve(&scene.socket()).unwrap();
        assert!(scene.cri.is_there());
        assert!(scene.ask(ID, Some(UID)).await.unwrap().is_some());
        server.abort();
        let _ = server.await;
        assert!(scene.ask(ID, Some(UID)).await.is_err());
        std::fs::remove_file(scene.socket()).unwrap();
    }

    let state = scene.cri.state();
    assert_eq!((state.answered, state.failed), (3, 4));
    assert!(state.error.is_some());
}

#[tokio::test]
async fn a_nodes_containers_may_all_start_at_once() {
    const CONTAINERS: usize = 500;
    let mut scene = Scene::new();
    let server = Runtime::of_a_deployment().serve(&scene.socket()).unwrap();

    for number in 0..CONTAINERS {
        let asked = scene.cri.ask(Question {
            cgroup: CgroupId(number as u64),
            name: CgroupName {
                runtime: Kind::Containerd,
                id: ContainerId::new(ID).unwrap(),
                pod_uid: None,
            },
        });
        assert!(asked, "{number}");
    }

    let mut replied = BTreeSet::new();
    while replied.len() < CONTAINERS {
        let reply = scene.replies.recv().await.unwrap();
        assert!(reply.result.unwrap().is_some());
        assert!(replied.insert(reply.cgroup));
    }
    server.abort();
}
