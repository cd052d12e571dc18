use super::super::facts::LinkKind;
use super::*;
use crate::containers::{Description, InPod};
use crate::model::{ContainerKind, WorkloadId};

fn link() -> Link {
    Link {
        kind: LinkKind::ReplicaSet,
        namespace: "shop".to_owned(),
        name: "checkout-7d5f".to_owned(),
        uid: "r-1".to_owned(),
    }
}

fn owner() -> Owner {
    Owner {
        kind: "Rollout".into(),
        name: "checkout".to_owned(),
    }
}

fn pod(uid: &str) -> PodFacts {
    PodFacts {
        uid: uid.to_owned(),
        namespace: "shop".to_owned(),
        name: "checkout-7d5f-x7k2p".to_owned(),
        controller: Controller::Behind(link()),
        containers: [("api".to_owned(), ContainerKind::Main)].into(),
        wishes: Wishes::default(),
    }
}

/// One that has a pod, knows whose it is, and has listed the namespaces.
fn store() -> Store {
    let mut store = Store::default();
    store.all_namespaces(Vec::new());
    store.all_pods(vec![pod("p-1")]);
    store.resolved(link(), Resolved::Owner(owner()));
    store
}

/// What a runtime has told.
fn description() -> Description {
    Description {
        workload: WorkloadId::Kubernetes {
            namespace: "shop".to_owned(),
            kind: "Deployment".to_owned(),
            name: "checkout".to_owned(),
            container: "api".to_owned(),
        },
        image: None,
        image_digest: None,
        pod: Some("checkout-7d5f-x7k2p".to_owned()),
        pod_uid: None,
        in_pod: InPod::default(),
        complete: true,
    }
}

fn all(words: Words) -> Word {
    match words {
        Words::All(word) => word,
        other => panic!("not all: {other:?}"),
    }
}

#[test]
fn all_is_told_when_nothing_is_to_come() {
    let mut store = Store::default();
    assert_eq!(store.words("p-1", Some("api")), Words::None);

    store.pod(pod("p-1"));
    assert_eq!(store.unresolved(4), [link()]);
    assert!(matches!(store.words("p-1", Some("api")), Words::Some(_)));

    store.resolved(link(), Resolved::Owner(owner()));
    assert!(store.unresolved(4).is_empty());
    assert!(matches!(store.words("p-1", Some("api")), Words::Some(_)));

    store.no_namespaces();
    let word = all(store.words("p-1", Some("api")));
    assert_eq!(word.kind, Some(ContainerKind::Main));
    assert_eq!(word.owner, Some(owner()));

    // A debug container, of which the pod's object will tell in a moment.
    assert!(matches!(
        store.words("p-1", Some("debugger-x7k2p")),
        Words::Some(_)
    ));
    // The pod's own is in no spec.
    assert_eq!(all(store.words("p-1", None)).kind, None);
}

#[test]
fn what_cannot_be_told_is_not_waited_for_and_asked_again() {
    let mut store = store();
    store.resolved(link(), Resolved::Untold);

    assert_eq!(all(store.words("p-1", Some("api"))).owner, None);
    assert!(store.unresolved(4).is_empty());

    assert!(store.ask_again());
    assert_eq!(store.unresolved(4), [link()]);
    assert!(!store.ask_again());
}

#[test]
fn a_pod_that_is_gone_is_known_for_a_while() {
    let mut store = store();

    store.all_pods(Vec::new());

    assert_eq!(store.pods(), 0);
    all(store.words("p-1", Some("api")));
    for n in 0..MAX_GONE {
        store.pod(pod(&format!("q-{n}")));
        store.pod_gone(&format!("q-{n}"));
    }
    assert_eq!(store.words("p-1", Some("api")), Words::None);
    all(store.words("q-0", Some("api")));

    // It is there after all, and then its turn has not come.
    store.pod(pod("q-0"));
    store.pod(pod("r-0"));
    store.pod_gone("r-0");
    assert_eq!(store.pods(), 1);
}

#[test]
fn there_is_room_for_so_many_and_what_is_left_out_is_counted() {
    let mut store = store();
    store.pod_gone("p-1");

    store.all_pods((0..MAX_PODS + 5).map(|n| pod(&format!("q-{n}"))).collect());

    assert_eq!(store.pods(), MAX_PODS as u64);
    assert_eq!(store.left_out(), 5);
    // One that is known may change.
    store.pod(pod("q-0"));
    assert_eq!(store.left_out(), 5);

    let wishes = Wishes {
        mode: Some("enforce".into()),
        ..Wishes::default()
    };
    let many = (0..MAX_NAMESPACES + 7).map(|n| (format!("n-{n}"), wishes.clone()));
    store.all_namespaces(many.collect());
    assert_eq!(store.left_out(), 12);
}

#[test]
fn a_namespace_speaks_for_its_pods() {
    let mut store = store();
    let wishes = Wishes {
        window: Some("1h".into()),
        ..Wishes::default()
    };

    store.namespace("shop".to_owned(), wishes.clone());
    assert_eq!(all(store.words("p-1", Some("api"))).defaults, Some(wishes));

    store.namespace("shop".to_owned(), Wishes::default());
    assert_eq!(all(store.words("p-1", Some("api"))).defaults, None);
}

#[test]
fn a_word_completes_what_the_runtime_told() {
    let mut found = description();

    assert!(all(store().words("p-1", Some("api"))).complete(&mut found));

    assert_eq!(found.workload.to_string(), "shop/Rollout/checkout/api");
    assert_eq!(found.in_pod.kind, Some(ContainerKind::Main));
}

#[test]
fn a_word_about_another_pod_changes_nothing() {
    let untouched = description();
    for change in [
        |word: &mut Word| word.pod = "bank-0".to_owned(),
        |word: &mut Word| word.namespace = "bank".to_owned(),
    ] {
        let mut word = all(store().words("p-1", Some("api")));
        change(&mut word);
        let mut found = description();

        assert!(!word.complete(&mut found));

        assert_eq!(found, untouched);
    }
}

#[test]
fn a_controller_that_is_not_told_leaves_the_runtimes_guess() {
    let mut store = store();
    store.resolved(link(), Resolved::Untold);
    let mut found = description();

    assert!(all(store.words("p-1", Some("api"))).complete(&mut found));

    assert_eq!(found.workload.to_string(), "shop/Deployment/checkout/api");
    assert_eq!(found.in_pod.kind, Some(ContainerKind::Main));
}

#[test]
fn the_pods_own_container_stays_that() {
    let mut found = description();
    found.in_pod.kind = Some(ContainerKind::Sandbox);
    let mut store = store();
    let mut asks = pod("p-1");
    asks.wishes.mode = Some("off".into());
    store.pod(asks);

    assert!(all(store.words("p-1", None)).complete(&mut found));

    assert_eq!(found.in_pod.kind, Some(ContainerKind::Sandbox));
    assert_eq!(found.in_pod.wishes, Wishes::default());
}
