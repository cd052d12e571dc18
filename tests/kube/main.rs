//! The agent's side of the API server, against one of our own that is slow, away
//! or wrong.

mod server;

use execwarden::containers::{Description, InPod, Kube, KubeState, Wishes, Words, try_kube};
use execwarden::model::{ContainerKind, WorkloadId};
use serde_json::{Value, json};
use server::{
    AUTHORITY, ApiServer, JOBS, Manner, NAMESPACES, OTHER_AUTHORITY, PATIENCE, PODS, REPLICA_SETS,
    namespace, pod, replica_set,
};
use std::time::Duration;
use tempfile::TempDir;

const NAME: &str = "checkout-7d5f-x7k2p";
const NODE: &str = "node-1";

/// A server, and the agent's side of it.
struct Scene {
    folder: TempDir,
    server: ApiServer,
    kube: Kube,
}

impl Scene {
    /// With a server that has a pod.
    async fn new() -> Self {
        Self::with(ApiServer::start().await.expect("a port"), |_| {})
    }

    fn with(server: ApiServer, change: impl FnOnce(&ApiServer)) -> Self {
        server.put(REPLICA_SETS, replica_set("checkout"));
        server.put(NAMESPACES, json!({ "metadata": { "name": "shop" } }));
        server.put(PODS, pod(NAME, "p-1", NODE));
        change(&server);
        Self::of(server, None)
    }

    fn of(server: ApiServer, authority: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = server.kubeconfig(folder.path(), authority).expect("a file");
        let kube = Kube::start(NODE, Some(file)).expect("a thread");
        Self {
            folder,
            server,
            kube,
        }
    }

    /// Waits until the state is so.
    async fn state(&self, what: &str, enough: impl Fn(&KubeState) -> bool) -> KubeState {
        until(
            what,
            || Some(self.kube.state()).filter(&enough),
            || format!("{:?}", self.kube.state()),
        )
        .await
    }

    async fn error(&self, expected: &str) -> KubeState {
        let found = |state: &KubeState| state.error.as_ref().is_some_and(|e| e.contains(expected));
        let state = self.state(expected, found).await;
        let error = state.error.clone().unwrap_or_default();
        assert!(
            error.chars().count() < 400 && !error.contains(char::is_control),
            "{error:?}"
        );
        state
    }

    /// Waits until all is known of a container, and gives how it is described.
    async fn known(&self, uid: &str, container: &str) -> Description {
        let words = || match self.kube.words(uid, Some(container)) {
            Words::All(word) => Some(word),
            Words::Some(_) | Words::None => None,
        };
        let look = || {
            format!(
                "{:?}, {:?}",
                self.kube.words(uid, Some(container)),
                self.kube.state()
            )
        };
        let word = until("all to be known", words, look).await;
        let mut description = of_the_runtime(container);
        assert!(word.complete(&mut description));
        description
    }

    async fn gone(&self, what: &str, is_so: impl Fn(&Words) -> bool, uid: &str) {
        let words = || Some(self.kube.words(uid, Some("api"))).filter(&is_so);
        until(what, words, || {
            format!("{:?}", self.kube.words(uid, Some("api")))
        })
        .await;
    }
}

async fn until<T>(what: &str, look: impl Fn() -> Option<T>, print: impl Fn() -> String) -> T {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < end,
            "waited for {what}: {}",
            print()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What a runtime has told before.
fn of_the_runtime(container: &str) -> Description {
    Description {
        workload: WorkloadId::Kubernetes {
            namespace: "shop".to_owned(),
            kind: "Deployment".to_owned(),
            name: "checkout".to_owned(),
            container: container.to_owned(),
        },
        image: None,
        image_digest: None,
        pod: Some(NAME.to_owned()),
        pod_uid: Some("p-1".to_owned()),
        in_pod: InPod::default(),
        complete: true,
    }
}

/// The pod, changed.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut pod = pod(NAME, "p-1", NODE);
    change(&mut pod);
    pod
}

#[tokio::test]
async fn a_pod_has_its_controller_and_its_kinds() {
    let scene = Scene::new().await;

    let found = scene.known("p-1", "api").await;

    assert_eq!(found.workload.to_string(), "shop/Rollout/checkout/api");
    assert_eq!(found.in_pod.kind, Some(ContainerKind::Main));
    let state = scene.state("an answer", |state| state.answers).await;
    assert_eq!((state.pods, state.failed, state.error), (1, 0, None));
}

/// Only those of this node, and never more than lists, watches and metadata.
#[tokio::test]
async fn only_what_is_needed_is_asked_for() {
    let scene = Scene::with(ApiServer::start().await.expect("a port"), |server| {
        server.put(PODS, pod("elsewhere-7d5f-x7k2p", "p-2", "node-2"));
    });
    scene.known("p-1", "api").await;

    assert_eq!(scene.kube.words("p-2", Some("api")), Words::None);
    let requests = scene.server.requests();
    for request in &requests {
        let known = ["/api/v1/pods?", "/api/v1/namespaces?", "/checkout-7d5f?"];
        assert!(request.starts_with("GET "), "{request}");
        assert!(known.iter().any(|path| request.contains(path)), "{request}");
        let is_pods = request.contains(PODS);
        assert_eq!(
            request.contains("fieldSelector=spec.nodeName%3Dnode-1"),
            is_pods,
            "{request}"
        );
    }
    let owners = requests
        .iter()
        .filter(|request| request.contains("replicasets"));
    assert_eq!(owners.count(), 1, "{requests:?}");
}

#[tokio::test]
async fn what_changes_is_heard_of() {
    let scene = Scene::new().await;
    scene.known("p-1", "api").await;

    // A debug container, and a namespace that asks for something.
    scene
        .server
        .put(NAMESPACES, namespace("shop", Wishes::WINDOW, "1h"));
    scene.server.bookmark();
    scene.server.put(
        PODS,
        changed(|pod| {
            pod["spec"]["ephemeralContainers"] = json!([{ "name": "look" }]);
            pod["metadata"]["annotations"][Wishes::MODE] = json!("enforce");
        }),
    );
    let found = scene.known("p-1", "look").await.in_pod;
    assert_eq!(found.kind, Some(ContainerKind::Ephemeral));
    assert_eq!(found.wishes.mode, Some("enforce".into()));
    let defaults = || async { scene.known("p-1", "api").await.in_pod.defaults.window };
    while defaults().await != Some("1h".into()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    // Of a Job, whose CronJob is asked for.
    scene.server.put(JOBS, json!({ "metadata": { "name": "backup-1", "uid": "j-1", "ownerReferences": [
        { "apiVersion": "batch/v1", "kind": "CronJob", "name": "backup", "uid": "c-1", "controller": true }
    ] } }));
    scene.server.put(PODS, changed(|pod| {
        pod["metadata"]["uid"] = json!("p-3");
        pod["metadata"]["ownerReferences"][0] = json!({
            "apiVersion": "batch/v1", "kind": "Job", "name": "backup-1", "uid": "j-1", "controller": true
        });
    }));
    let found = scene.known("p-3", "api").await;
    assert_eq!(found.workload.to_string(), "shop/CronJob/backup/api");

    scene.server.delete(PODS, NAME);
    scene
        .state("a pod to be gone", |state| state.pods == 1)
        .await;
}

#[tokio::test]
async fn a_controller_is_the_one_that_the_pod_means() {
    let scene = Scene::with(ApiServer::start().await.expect("a port"), |server| {
        let mut other = replica_set("bank");
        other["metadata"]["uid"] = json!("r-2");
        server.put(REPLICA_SETS, other);
    });

    // What the runtime's labels tell stands.
    let found = scene.known("p-1", "api").await;
    assert_eq!(found.workload.to_string(), "shop/Deployment/checkout/api");

    scene.server.delete(REPLICA_SETS, "checkout-7d5f");
    scene.server.put(
        PODS,
        changed(|pod| {
            pod["metadata"]["ownerReferences"][0]["uid"] = json!("r-3");
        }),
    );
    let found = scene.known("p-1", "api").await;
    assert_eq!(found.workload.to_string(), "shop/Deployment/checkout/api");
    let state = scene.kube.state();
    assert_eq!(
        (state.failed, state.error),
        (0, None),
        "that there is none is an answer"
    );
}

#[tokio::test]
async fn what_may_not_be_asked_is_done_without() {
    let scene = Scene::with(ApiServer::start().await.expect("a port"), |server| {
        server.behave(Manner::HidesOwners);
    });

    let found = scene.known("p-1", "api").await;

    assert_eq!(found.workload.to_string(), "shop/Deployment/checkout/api");
    assert_eq!(found.in_pod.kind, Some(ContainerKind::Main));
    let state = scene.error("answers 403: no \\x1b[31m today").await;
    assert!(scene.kube.tells_of_pods() && !state.answers);
}

#[tokio::test]
async fn a_server_that_is_wrong_is_told_of_and_asked_again() {
    for (manner, expected) in [
        (Manner::Refuses(403), "answers 403"),
        (Manner::Refuses(401), "answers 401"),
        (Manner::Refuses(500), "answers 500"),
        (Manner::Garbage, "not understood"),
        (Manner::Endless, "longer than is read"),
    ] {
        let scene = Scene::with(ApiServer::start().await.expect("a port"), |server| {
            server.behave(manner);
        });

        scene.error(expected).await;
        scene
            .state("it to be of pods too", |_| !scene.kube.tells_of_pods())
            .await;
        assert_eq!(scene.kube.words("p-1", Some("api")), Words::None);
        scene.server.behave(Manner::Usual);

        scene.known("p-1", "api").await;
        scene
            .state("the error to go", |state| state.error.is_none())
            .await;
    }
}

/// Ten seconds are what it has.
#[tokio::test]
async fn a_server_that_is_silent_is_given_up() {
    let scene = Scene::with(ApiServer::start().await.expect("a port"), |server| {
        server.behave(Manner::Silent);
    });
    assert!(
        scene.kube.tells_of_pods(),
        "it has not failed to answer yet"
    );

    scene.error("too slow").await;

    scene
        .state("it to be of pods too", |_| !scene.kube.tells_of_pods())
        .await;
}

#[tokio::test]
async fn a_watch_that_breaks_goes_on_where_it_was() {
    let scene = Scene::new().await;
    scene.known("p-1", "api").await;
    scene.server.behave(Manner::BreaksWatches);

    for n in 2..5 {
        let uid = format!("p-{n}");
        scene
            .server
            .put(PODS, pod(&format!("{NAME}-{n}"), &uid, NODE));
        scene
            .gone(
                "the pod to come",
                |words| matches!(words, Words::All(_)),
                &uid,
            )
            .await;
    }

    let lists = |requests: &[String]| {
        let of_pods = requests.iter().filter(|request| request.contains(PODS));
        of_pods
            .filter(|request| !request.contains("watch=true"))
            .count()
    };
    assert_eq!(
        lists(&scene.server.requests()),
        1,
        "{:?}",
        scene.server.requests()
    );
}

#[tokio::test]
async fn what_was_too_long_ago_is_listed_anew() {
    let scene = Scene::with(ApiServer::start().await.expect("a port"), |server| {
        server.behave(Manner::Forgets);
        server.page(2);
        for n in 2..7 {
            server.put(PODS, pod(&format!("{NAME}-{n}"), &format!("p-{n}"), NODE));
        }
    });
    let has_pages = || {
        let requests = scene.server.requests();
        let next = requests
            .iter()
            .any(|request| request.contains("continue=4"));
        next.then_some(())
    };

    until("pages to be asked for", has_pages, || {
        format!("{:?}", scene.server.requests())
    })
    .await;
    scene.server.delete(PODS, &format!("{NAME}-6"));
    scene.state("all pods", |state| state.pods == 5).await;
    // That is how watches end, and no trouble.
    assert_eq!(scene.kube.state().error, None);
    let asked = scene.server.requests().len();
    assert!(asked < 100, "asked {asked} times");
}

/// What was known stays known meanwhile.
#[tokio::test]
async fn a_server_that_comes_back_is_found() {
    let scene = Scene::new().await;
    scene.known("p-1", "api").await;
    let Scene {
        folder,
        server,
        kube,
    } = scene;
    let (address, version) = (server.address(), server.version());
    drop(server);
    let failing = || {
        kube.state()
            .error
            .filter(|error| error.contains("cannot be reached"))
    };
    until("it to be missed", failing, || format!("{:?}", kube.state())).await;
    assert!(matches!(kube.words("p-1", Some("api")), Words::All(_)));

    let server = ApiServer::start_at(address, version)
        .await
        .expect("the same port");
    let scene = Scene {
        folder,
        server,
        kube,
    };
    scene.server.put(REPLICA_SETS, replica_set("checkout"));
    scene.server.put(PODS, pod(NAME, "p-9", NODE));

    scene.known("p-9", "api").await;
    scene.state("it to answer", |state| state.answers).await;
    assert!(scene.folder.path().exists());
}

#[tokio::test]
async fn a_certificate_has_to_be_of_the_authority() {
    let server = ApiServer::start_with_tls().await.expect("a port");
    server.put(REPLICA_SETS, replica_set("checkout"));
    server.put(PODS, pod(NAME, "p-1", NODE));
    let scene = Scene::of(server, Some(AUTHORITY));
    let found = scene.known("p-1", "api").await;
    assert_eq!(found.workload.to_string(), "shop/Rollout/checkout/api");

    let server = ApiServer::start_with_tls().await.expect("a port");
    let scene = Scene::of(server, Some(OTHER_AUTHORITY));
    scene.error("certificate").await;
    assert!(scene.server.requests().is_empty(), "it was told nothing");
}

#[tokio::test]
async fn without_a_configuration_there_is_no_server() {
    let folder = tempfile::tempdir().expect("a folder");
    for text in [None, Some("{}"), Some("a: [b"), Some("clusters: 7")] {
        let file = folder.path().join("kubeconfig");
        let _ = std::fs::remove_file(&file);
        if let Some(text) = text {
            std::fs::write(&file, text).expect("written");
        }

        let error = try_kube(NODE, Some(&file))
            .await
            .expect_err("none")
            .to_string();

        assert!(error.contains("no usable configuration"), "{error}");
        assert!(!error.contains(char::is_control), "{error}");
    }
}

#[tokio::test]
async fn the_doctor_tries_all_that_the_agent_asks() {
    let server = ApiServer::start().await.expect("a port");
    let folder = tempfile::tempdir().expect("a folder");
    let file = server.kubeconfig(folder.path(), None).expect("a file");

    let found = try_kube(NODE, Some(&file)).await.expect("an answer");
    assert!(found.contains(&server.address().to_string()), "{found}");

    server.behave(Manner::HidesOwners);
    let error = try_kube(NODE, Some(&file))
        .await
        .expect_err("403")
        .to_string();
    assert!(error.contains("answers 403"), "{error}");
}
