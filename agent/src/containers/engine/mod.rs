//! What docker and podman say of a container over their own sockets.
//!
//! - [`ask_engine`]: questions in, replies out (`asking`)
//! - [`Engines`]: which of them has a container's name
//! - `client`: one GET over the socket
//! - `facts`: an answer, checked and made into a description (pure)
//!
//! It only GETs: nothing of an engine is ever changed. Only root's engines are
//! asked: a user's would say of a container what that user likes.

mod client;
mod facts;

use super::Description;
use super::asking::{AskError, Asker, Reply, Speaker, in_time};
use super::cgroup_path::CgroupName;
use crate::model::{Runtime, WorkloadId};
use client::get;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// An engine with a socket of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// docker, at the path without a version: dockerd of 2025 refuses the
    /// newest version that dockerd of 2022 knows. What is read here has been
    /// there since the first.
    Docker,
    /// podman, by its own API: docker's, which it serves too, has no pods and no
    /// digests. 4.0.0 is the oldest version that podman 4 and 5 take.
    Podman,
}

impl Engine {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        self.runtime().as_str()
    }

    fn runtime(self) -> Runtime {
        match self {
            Self::Docker => Runtime::Docker,
            Self::Podman => Runtime::Podman,
        }
    }

    fn container(self, id: &str) -> String {
        match self {
            Self::Docker => format!("/containers/{id}/json"),
            Self::Podman => format!("/v4.0.0/libpod/containers/{id}/json"),
        }
    }

    fn pod(id: &str) -> String {
        format!("/v4.0.0/libpod/pods/{id}/json")
    }

    fn ping(self) -> &'static str {
        match self {
            Self::Docker => "/_ping",
            Self::Podman => "/v4.0.0/libpod/_ping",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The engines that are asked.
#[derive(Debug, Default)]
pub struct Engines(Vec<(Engine, Asker)>);

impl Engines {
    /// Asks those that have a socket here. Needs a tokio runtime to run in.
    pub fn start(
        sockets: impl IntoIterator<Item = (Engine, Option<PathBuf>)>,
        replies: &mpsc::Sender<Reply>,
    ) -> Self {
        let asked = sockets.into_iter().filter_map(|(engine, socket)| {
            let asker = ask_engine(engine, socket?, replies.clone());
            Some((engine, asker))
        });
        Self(asked.collect())
    }

    /// The one whose container goes by this name so far.
    pub fn of(&self, workload: &WorkloadId) -> Option<&Asker> {
        let WorkloadId::Runtime { runtime, .. } = workload else {
            return None;
        };
        let mut engines = self.0.iter();
        engines
            .find(|(engine, _)| engine.runtime() == *runtime)
            .map(|(_, asker)| asker)
    }

    /// Every one.
    pub fn iter(&self) -> impl Iterator<Item = (Engine, &Asker)> {
        self.0.iter().map(|(engine, asker)| (*engine, asker))
    }
}

/// Asks at this socket. Needs a tokio runtime to run in.
pub fn ask_engine(engine: Engine, socket: PathBuf, replies: mpsc::Sender<Reply>) -> Asker {
    Asker::start(vec![socket], replies, move |socket| AtSocket {
        engine,
        socket: socket.into(),
    })
}

/// Asks an engine whether it is there.
///
/// # Errors
/// Why it does not answer.
pub async fn try_engine(engine: Engine, socket: &Path) -> Result<(), AskError> {
    match in_time(get(socket, engine.ping())).await? {
        Some(_) => Ok(()),
        None => Err(AskError::Refused(format!("as what is not {engine}"))),
    }
}

#[derive(Clone)]
struct AtSocket {
    engine: Engine,
    socket: Arc<Path>,
}

impl Speaker for AtSocket {
    /// A container is in the books before it is started.
    const KNOWS_ALL: bool = true;

    async fn ask(&self, name: &CgroupName) -> Result<Option<Description>, AskError> {
        let id = name.id.as_str();
        // They take names and shortened ids as well, and have none of these.
        if !facts::is_id(id) {
            return Ok(None);
        }
        let Some(answer) = get(&self.socket, &self.engine.container(id)).await? else {
            return Ok(None);
        };
        let container = facts::container(&answer, id)?;
        let pod = match container.pod() {
            Some(pod) => get(&self.socket, &Engine::pod(pod))
                .await?
                .map(|answer| facts::pod(&answer, pod))
                .transpose()?
                .flatten(),
            None => None,
        };
        Ok(Some(container.description(self.engine.runtime(), pod)))
    }
}
