//! The task that asks the runtime, boundedly many questions at once.

use super::client::{Client, CriError};
use super::facts;
use crate::containers::Description;
use crate::containers::cgroup_path::CgroupName;
use crate::model::CgroupId;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, mpsc};

/// Where runtimes listen that kubelet drives: containerd alone, CRI-O, in k3s
/// and k0s, docker's adapter.
const USUAL_SOCKETS: [&str; 5] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/run/cri-dockerd.sock",
];
/// Questions at once. A runtime looks through all its containers for each.
const AT_ONCE: usize = 8;
/// Questions that wait for their turn, and replies for their reader: a node's
/// containers may all start at once.
const WAITING: usize = 1024;

/// Which container is meant.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its cgroup.
    pub cgroup: CgroupId,
    /// What the cgroup's path told.
    pub name: CgroupName,
}

/// What came of a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The cgroup that was asked for.
    pub cgroup: CgroupId,
    /// The description; `None` if the runtime knows of no such container.
    pub result: Result<Option<Description>, CriError>,
}

/// How it stands with the runtime.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CriState {
    /// The socket; `None` if there was none to be found.
    pub socket: Option<PathBuf>,
    /// Questions that it has answered.
    pub answered: u64,
    /// Questions that it has not.
    pub failed: u64,
    /// Why the last one failed; `None` if it did not.
    pub error: Option<String>,
}

/// The runtime that is asked.
#[derive(Debug)]
pub struct Cri {
    questions: mpsc::Sender<Question>,
    sockets: Vec<PathBuf>,
    state: Arc<Mutex<CriState>>,
}

impl Cri {
    /// Asks at this socket, or else at whichever of the usual is there
    /// below `root`. Static pods have the name of their `node` in theirs. Needs a
    /// tokio runtime to run in.
    pub fn start(
        socket: Option<PathBuf>,
        root: &Path,
        node: &str,
    ) -> (Self, mpsc::Receiver<Reply>) {
        let (questions, asked) = mpsc::channel(WAITING);
        let (replies, replied) = mpsc::channel(WAITING);
        let sockets = socket.map_or_else(|| usual_sockets(root), |socket| vec![socket]);
        let state = Arc::new(Mutex::new(CriState::default()));
        let asker = Asker {
            sockets: sockets.clone(),
            node: node.into(),
            replies: Replies {
                replies,
                state: Arc::clone(&state),
            },
        };
        tokio::spawn(asker.run(asked));
        let cri = Self {
            questions,
            sockets,
            state,
        };
        (cri, replied)
    }

    /// Whether there is anybody to ask: a socket of which the name is there.
    pub fn is_there(&self) -> bool {
        there(&self.sockets).is_some()
    }

    /// Asks; `false` if too many questions wait already.
    pub fn ask(&self, question: Question) -> bool {
        self.questions.try_send(question).is_ok()
    }

    /// How it stands.
    pub fn state(&self) -> CriState {
        let mut state = lock(&self.state).clone();
        if state.socket.is_none() {
            state.socket = there(&self.sockets).cloned();
        }
        state
    }
}

/// Where replies go, and what is known by them.
#[derive(Clone)]
struct Replies {
    replies: mpsc::Sender<Reply>,
    state: Arc<Mutex<CriState>>,
}

struct Asker {
    sockets: Vec<PathBuf>,
    node: Arc<str>,
    replies: Replies,
}

impl Asker {
    async fn run(self, mut asked: mpsc::Receiver<Question>) {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut connection: Option<(PathBuf, Client)> = None;
        while let Some(question) = asked.recv().await {
            let turn = Arc::clone(&turns).acquire_owned().await;
            let replies = self.replies.clone();
            let Some(socket) = there(&self.sockets) else {
                let reason = "there is no socket of a runtime".to_owned();
                let result = Err(CriError::Unreachable(reason));
                replies.send(question.cgroup, result).await;
                continue;
            };
            let client = match &connection {
                Some((at, client)) if at == socket => client.clone(),
                _ => {
                    let client = Client::to(socket);
                    connection = Some((socket.clone(), client.clone()));
                    lock(&self.replies.state).socket = Some(socket.clone());
                    client
                }
            };
            let node = Arc::clone(&self.node);
            tokio::spawn(async move {
                let answer = client.look_up(question.name.id.as_str()).await;
                let result =
                    answer.and_then(|answer| facts::description(&answer, &question.name, &node));
                replies.send(question.cgroup, result).await;
                drop(turn);
            });
        }
    }
}

impl Replies {
    async fn send(&self, cgroup: CgroupId, result: Result<Option<Description>, CriError>) {
        {
            let mut state = lock(&self.state);
            match &result {
                Ok(_) => {
                    state.answered += 1;
                    state.error = None;
                }
                Err(error) => {
                    state.failed += 1;
                    state.error = Some(error.to_string());
                }
            }
        }
        // Nobody reads any more: the agent ends.
        let _ = self.replies.send(Reply { cgroup, result }).await;
    }
}

fn usual_sockets(root: &Path) -> Vec<PathBuf> {
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    USUAL_SOCKETS.into_iter().map(below).collect()
}

/// The socket that is asked where none is set: the first of the
/// usual that is there below `root`.
pub fn usual_socket(root: &Path) -> Option<PathBuf> {
    there(&usual_sockets(root)).cloned()
}

fn there(sockets: &[PathBuf]) -> Option<&PathBuf> {
    sockets.iter().find(|socket| socket.exists())
}

fn lock(state: &Mutex<CriState>) -> std::sync::MutexGuard<'_, CriState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
