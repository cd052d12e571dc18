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
pub const USUAL_SOCKETS: [&str; 5] = [
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
    /// Asks at this socket, or else at whichever of the [usual](USUAL_SOCKETS) is there
    /// below `root`. Static pods have the name of their `node` in theirs. Needs a
    /// tokio runtime to run in.
    pub fn start(
        socket: Option<PathBuf>,
        root: &Path,
        node: &str,
    ) -> (Self, mpsc::Receiver<Reply>) {
        let (questions, asked) = mpsc::channel(WAITING);
        let (replies, replied) = mpsc::channel(WAITING);
        let below = |path: &str| root.join(path.trim_start_matches('/'));
        let sockets = socket.map_or_else(
            || USUAL_SOCKETS.into_iter().map(below).collect(),
            |socket| vec![socket],
        );
        let state = Arc::new(Mutex::new(CriState::default()));
        let asker = Asker {
            sockets: sockets.clone(),
            node: node.into(),
            replies,
            state: Arc::clone(&state),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
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

struct Asker {
    sockets: Vec<PathBuf>,
    node: Arc<str>,
    replies: mpsc::Sender<Reply>,
    state: Arc<Mutex<CriState>>,
    turns: Arc<Semaphore>,
}

impl Asker {
    async fn run(self, mut asked: mpsc::Receiver<Question>) {
        let mut connection: Option<(PathBuf, Client)> = None;
        while let Some(question) = asked.recv().await {
            let turn = Arc::clone(&self.turns).acquire_owned().await;
            let Some(socket) = there(&self.sockets) else {
                let reason = "there is no socket of a runtime".to_owned();
                self.reply(question.cgroup, Err(CriError::Unreachable(reason)))
                    .await;
                continue;
            };
            let client = match &connection {
                Some((at, client)) if at == socket => client.clone(),
                _ => {
                    let client = Client::to(socket);
                    connection = Some((socket.clone(), client.clone()));
                    lock(&self.state).socket = Some(socket.clone());
                    client
                }
            };
            let asker = self.another();
            tokio::spawn(async move {
                let answer = client.look_up(question.name.id.as_str()).await;
                let result = answer
                    .and_then(|answer| facts::description(&answer, &question.name, &asker.node));
                asker.reply(question.cgroup, result).await;
                drop(turn);
            });
        }
    }

    /// For one question.
    fn another(&self) -> Self {
        Self {
            sockets: Vec::new(),
            node: Arc::clone(&self.node),
            replies: self.replies.clone(),
            state: Arc::clone(&self.state),
            turns: Arc::clone(&self.turns),
        }
    }

    async fn reply(&self, cgroup: CgroupId, result: Result<Option<Description>, CriError>) {
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

fn there(sockets: &[PathBuf]) -> Option<&PathBuf> {
    sockets.iter().find(|socket| socket.exists())
}

fn lock(state: &Mutex<CriState>) -> std::sync::MutexGuard<'_, CriState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
