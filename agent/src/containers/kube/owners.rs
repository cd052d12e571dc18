//! Whose ReplicaSets and Jobs are: Deployment, Rollout, CronJob, or nobody's.

use super::client::{Client, KubeError};
use super::facts::{self, Link, LinkKind};
use super::objects::Object;
use super::shared::{Part, Shared};
use super::store::Resolved;
use crate::containers::pod_owner::Owner;
use std::path::Path;
use std::time::Duration;

/// Questions at once.
const AT_ONCE: usize = 4;
/// How long what could not be told is left alone, at first and at most.
const AGAIN: Duration = Duration::from_secs(60);
const AGAIN_MAX: Duration = Duration::from_secs(3600);

/// Finds out for ever what is behind the links of the pods that come.
pub(super) async fn resolve(kubeconfig: Option<&Path>, shared: &Shared) {
    let mut client = None;
    let mut again = AGAIN;
    loop {
        let links = shared.with_store(|store| store.unresolved(AT_ONCE));
        if links.is_empty() {
            tokio::select! {
                () = shared.link_came() => {}
                () = tokio::time::sleep(again) => {
                    let some = shared.with_store(|store| store.ask_again());
                    again = if some { (again * 2).min(AGAIN_MAX) } else { AGAIN };
                }
            }
            continue;
        }
        let connected = match &client {
            Some(client) => Ok(Client::clone(client)),
            None => Client::connect(kubeconfig).await.map(|(client, _)| client),
        };
        match connected {
            Ok(connected) => {
                let works = ask(&connected, links, shared).await;
                client = works.then_some(connected);
            }
            Err(error) => {
                shared.failed(Part::Owners, error, |store| {
                    for link in links {
                        store.resolved(link, Resolved::Untold);
                    }
                });
            }
        }
    }
}

/// Asks for each, all at once; whether the client is of use further on.
async fn ask(client: &Client, links: Vec<Link>, shared: &Shared) -> bool {
    let mut works = true;
    let mut asked = tokio::task::JoinSet::new();
    for link in links {
        let client = client.clone();
        asked.spawn(async move {
            let answer = client.metadata::<Object>(&path(&link), &link.name).await;
            (link, answer)
        });
    }
    while let Some(answer) = asked.join_next().await {
        // None of them is ended by us, nor can panic.
        let Ok((link, answer)) = answer else { continue };
        match answer {
            Ok(object) => {
                let found = behind(&link, &object);
                shared.heard(Part::Owners, |store| store.resolved(link, found));
            }
            Err(error) if error.is_gone() => {
                shared.heard(Part::Owners, |store| store.resolved(link, Resolved::Untold));
            }
            Err(error) => {
                works &= !matches!(
                    error,
                    KubeError::Unreachable(_) | KubeError::Refused { code: 401, .. }
                );
                shared.failed(Part::Owners, error, |store| {
                    store.resolved(link, Resolved::Untold);
                });
            }
        }
    }
    works
}

/// Where an object like this is asked for.
fn path(link: &Link) -> String {
    let namespace = &link.namespace;
    match link.kind {
        LinkKind::ReplicaSet => format!("/apis/apps/v1/namespaces/{namespace}/replicasets"),
        LinkKind::Job => format!("/apis/batch/v1/namespaces/{namespace}/jobs"),
    }
}

/// The controller of the object, or itself if it has none. One of the same name
/// with another uid is not the one that the pod speaks of.
fn behind(link: &Link, object: &Object) -> Resolved {
    if object.metadata.uid != link.uid {
        return Resolved::Untold;
    }
    let owner = match facts::controlling(&object.metadata) {
        Some(reference) => facts::owner(reference),
        None => Some(Owner {
            kind: link.kind.as_str().into(),
            name: link.name.clone(),
        }),
    };
    owner.map_or(Resolved::Untold, Resolved::Owner)
}
