//! Follows a collection: a list first, then what changes, and so on for ever.

use super::client::{Client, Collection, KubeError};
use super::facts;
use super::objects::{Event, Metadata, Object, Pod};
use super::shared::{Part, Shared};
use super::store::{MAX_NAMESPACES, MAX_PODS, Store};
use crate::backoff::Backoff;
use crate::containers::Wishes;
use crate::containers::plain::plain_name;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// The waits after a failure: all nodes of a cluster ask the same server.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A watch that went on for so long has worked, though nothing was said.
const WORKED: Duration = Duration::from_secs(10);

/// What is followed, and what is kept of it.
pub(super) trait Followed {
    /// One of it.
    type Object: DeserializeOwned;
    /// What it is called in the state.
    const PART: Part;
    /// The most of a list that is looked at: more is left out, and whatever is
    /// kept of it is bounded once more.
    const MOST: usize;

    fn collection(&self) -> Collection;
    fn metadata(object: &Self::Object) -> &Metadata;
    fn put(store: &mut Store, object: &Self::Object);
    fn gone(store: &mut Store, metadata: &Metadata);
    fn all(store: &mut Store, objects: &[Self::Object]);
    /// It cannot be listed.
    fn failed(store: &mut Store);
}

/// The pods of one node.
pub(super) struct Pods {
    pub(super) node: String,
}

impl Followed for Pods {
    type Object = Pod;
    const PART: Part = Part::Pods;
    const MOST: usize = 2 * MAX_PODS;

    fn collection(&self) -> Collection {
        Collection {
            path: "/api/v1/pods",
            fields: Some(format!("spec.nodeName={}", self.node)),
            metadata_only: false,
        }
    }

    fn metadata(pod: &Pod) -> &Metadata {
        &pod.metadata
    }

    fn put(store: &mut Store, pod: &Pod) {
        if let Some(facts) = facts::pod(pod) {
            store.pod(facts);
        }
    }

    fn gone(store: &mut Store, metadata: &Metadata) {
        store.pod_gone(&metadata.uid);
    }

    fn all(store: &mut Store, pods: &[Pod]) {
        store.all_pods(pods.iter().filter_map(facts::pod).collect());
    }

    fn failed(_: &mut Store) {}
}

/// All namespaces, as far as they ask for something.
pub(super) struct Namespaces;

impl Followed for Namespaces {
    type Object = Object;
    const PART: Part = Part::Namespaces;
    const MOST: usize = 4 * MAX_NAMESPACES;

    fn collection(&self) -> Collection {
        Collection {
            path: "/api/v1/namespaces",
            fields: None,
            metadata_only: true,
        }
    }

    fn metadata(namespace: &Object) -> &Metadata {
        &namespace.metadata
    }

    fn put(store: &mut Store, namespace: &Object) {
        if let Some((name, wishes)) = named(namespace) {
            store.namespace(name, wishes);
        }
    }

    fn gone(store: &mut Store, metadata: &Metadata) {
        store.namespace_gone(&metadata.name);
    }

    fn all(store: &mut Store, namespaces: &[Object]) {
        store.all_namespaces(namespaces.iter().filter_map(named).collect());
    }

    fn failed(store: &mut Store) {
        store.no_namespaces();
    }
}

fn named(namespace: &Object) -> Option<(String, Wishes)> {
    let metadata = &namespace.metadata;
    Some((
        plain_name(&metadata.name)?,
        Wishes::of(&metadata.annotations),
    ))
}

/// Follows a collection for ever. What was known stays known while the server is
/// away.
pub(super) async fn follow<F: Followed>(followed: F, kubeconfig: Option<&Path>, shared: &Shared) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut place = Place::default();
    let mut client = None;
    loop {
        match go_on(
            &followed,
            &mut client,
            kubeconfig,
            &mut place,
            &mut backoff,
            shared,
        )
        .await
        {
            Ok(()) => {}
            // Too long ago to go on from: usual after a while without a word.
            Err(error) if error.is_gone() && place.from.is_some() => place = Place::anew(),
            Err(error) => {
                // What it said last cannot be gone on from; or it does not know the
                // version, as after etcd was restored.
                if !matches!(error, KubeError::Unreachable(_) | KubeError::Slow) {
                    place = Place::anew();
                }
                // Another certificate or another token may be there by now.
                if matches!(
                    error,
                    KubeError::Configuration(_)
                        | KubeError::Unreachable(_)
                        | KubeError::Refused { code: 401, .. }
                ) {
                    client = None;
                }
                shared.failed(F::PART, error, F::failed);
            }
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Where to go on.
#[derive(Default)]
struct Place {
    /// The version after which changes are asked for; `None` if all is to be
    /// listed first.
    from: Option<String>,
    /// Whether a list has to be of this moment, and not of the server's memory.
    newest: bool,
}

impl Place {
    /// At the beginning: all of it is listed, as it is at this moment.
    fn anew() -> Self {
        Self {
            from: None,
            newest: true,
        }
    }
}

/// Until a watch ends.
async fn go_on<F: Followed>(
    followed: &F,
    client: &mut Option<Client>,
    kubeconfig: Option<&Path>,
    place: &mut Place,
    backoff: &mut Backoff,
    shared: &Shared,
) -> Result<(), KubeError> {
    let client = match client {
        Some(client) => client,
        None => {
            let (connected, server) = Client::connect(kubeconfig).await?;
            shared.connected(server);
            client.insert(connected)
        }
    };
    let collection = followed.collection();
    let from = match &mut place.from {
        Some(from) => from,
        None => {
            let listed = client.list(&collection, !place.newest, F::MOST).await;
            let (objects, version) = listed?;
            shared.heard(F::PART, |store| F::all(store, &objects));
            place.from.insert(version)
        }
    };
    let mut watch = client.watch(&collection, from).await?;
    shared.heard(F::PART, |_| {});
    let began = Instant::now();
    while let Some(event) = watch.next().await? {
        backoff.reset();
        let version = match event {
            Event::Added(object) | Event::Modified(object) => {
                shared.heard(F::PART, |store| F::put(store, &object));
                F::metadata(&object).resource_version.clone()
            }
            Event::Deleted(object) => {
                shared.heard(F::PART, |store| F::gone(store, F::metadata(&object)));
                F::metadata(&object).resource_version.clone()
            }
            Event::Bookmark(object) => object.metadata.resource_version,
            Event::Error(refusal) => return Err(KubeError::refused(refusal)),
        };
        if !version.is_empty() {
            *from = version;
        }
    }
    if began.elapsed() >= WORKED {
        backoff.reset();
    }
    Ok(())
}
