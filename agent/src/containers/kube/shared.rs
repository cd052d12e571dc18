//! What the tasks that ask and the node share: what is known, and how it stands.

use super::client::KubeError;
use super::store::Store;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Pods,
    Namespaces,
    Owners,
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Namespaces => "namespaces",
            Self::Owners => "owners",
        }
    }
}

/// How it stands with one of them.
#[derive(Clone, Debug, Default)]
enum Standing {
    /// Nobody has answered or failed to.
    #[default]
    Unasked,
    Answers,
    Fails(KubeError),
}

/// How it stands with the API server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KubeState {
    /// Its address; `None` before it is known.
    pub server: Option<String>,
    /// Whether all that was asked for has been answered.
    pub answers: bool,
    /// What is wrong, if something is.
    pub error: Option<String>,
    /// Lists, changes and objects that came.
    pub answered: u64,
    /// Questions that were not answered.
    pub failed: u64,
    /// Pods of this node that are known.
    pub pods: u64,
    /// Pods and namespaces that there was no room for.
    pub left_out: u64,
}

/// What is shared. Its lock is held for a look, and never across an await.
#[derive(Debug, Default)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    changed: Notify,
    links: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    store: Store,
    server: Option<String>,
    parts: [Standing; 3],
    answered: u64,
    failed: u64,
}

impl Shared {
    /// The address of the server that will be asked.
    pub(super) fn connected(&self, server: String) {
        self.lock().server = Some(server);
    }

    /// It answered; what is known changes so.
    pub(super) fn heard(&self, part: Part, change: impl FnOnce(&mut Store)) {
        let mut inner = self.lock();
        change(&mut inner.store);
        inner.answered += 1;
        let before = std::mem::replace(&mut inner.parts[part as usize], Standing::Answers);
        drop(inner);
        if !matches!(before, Standing::Answers) {
            tracing::info!(what = part.as_str(), "the API server answers");
        }
        self.tell();
    }

    /// It did not answer; what is known changes so. Told once, until it answers or
    /// something else is wrong.
    pub(super) fn failed(&self, part: Part, error: KubeError, change: impl FnOnce(&mut Store)) {
        let mut inner = self.lock();
        change(&mut inner.store);
        inner.failed += 1;
        let standing = &mut inner.parts[part as usize];
        let is_news = match standing {
            Standing::Unasked | Standing::Answers => true,
            Standing::Fails(before) => error.is_other_than(before),
        };
        *standing = Standing::Fails(error.clone());
        drop(inner);
        let what = part.as_str();
        if is_news {
            tracing::warn!(what, %error, "the API server does not answer; until it does, pods go by their runtime's word");
        } else {
            tracing::debug!(what, %error, "the API server still does not answer");
        }
        self.tell();
    }

    fn tell(&self) {
        self.changed.notify_one();
        self.links.notify_one();
    }

    /// Waits until something has changed since the last time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The same for what there may be to resolve.
    pub(super) async fn link_came(&self) {
        self.links.notified().await;
    }

    /// Looks at what is known, or changes it.
    pub(super) fn with_store<T>(&self, look: impl FnOnce(&mut Store) -> T) -> T {
        look(&mut self.lock().store)
    }

    /// Whether pods may still be told of: nothing has failed since they last were.
    pub(super) fn tells_of_pods(&self) -> bool {
        !matches!(self.lock().parts[Part::Pods as usize], Standing::Fails(_))
    }

    /// How it stands.
    pub(super) fn state(&self) -> KubeState {
        let inner = self.lock();
        let error = inner.parts.iter().find_map(|part| match part {
            Standing::Fails(error) => Some(error.to_string()),
            Standing::Unasked | Standing::Answers => None,
        });
        KubeState {
            server: inner.server.clone(),
            answers: error.is_none()
                && matches!(inner.parts[Part::Pods as usize], Standing::Answers),
            error,
            answered: inner.answered,
            failed: inner.failed,
            pods: inner.store.pods(),
            left_out: inner.store.left_out(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
