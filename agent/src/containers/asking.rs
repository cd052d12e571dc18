//! Asking over a runtime's socket: boundedly many questions at once, each for a
//! bounded time, and how it stands with the socket.
//!
//! What is spoken there is a [`Speaker`]'s: `cri`, `engine`. A server that is
//! slow, away or wrong costs time and names, never an exec: who asks waits as
//! long as it likes and goes on without.

use super::Description;
use super::cgroup_path::CgroupName;
use crate::model::CgroupId;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// How long a runtime has for one answer. kubelet gives it two minutes; an exec
/// that waits for a name is not to wait that long for one try.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);
/// Questions at once. A runtime looks through all its containers for each.
const AT_ONCE: usize = 8;
/// Questions that wait for their turn, and replies for their reader: a node's
/// containers may all start at once.
const WAITING: usize = 1024;

/// What a runtime speaks at one of its sockets.
pub(super) trait Speaker: Clone + Send + 'static {
    /// Whether it has every container in its books before that has a cgroup:
    /// then it has nothing more to say of one that it does not know.
    const KNOWS_ALL: bool;

    /// What it says of a container; `None` if it knows of no such.
    fn ask(
        &self,
        name: &CgroupName,
    ) -> impl Future<Output = Result<Option<Description>, AskError>> + Send;
}

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
    pub result: Result<Option<Description>, AskError>,
    /// Whether asking again would tell no more.
    pub is_final: bool,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens, or nobody does any more.
    #[error("the runtime cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("the runtime did not answer within {} s", DEADLINE.as_secs())]
    Slow,
    /// It knows of no CRI: docker's containerd, which has that turned off.
    #[error("the runtime does not speak CRI")]
    NotCri,
    /// It refuses, or what it says is no answer.
    #[error("the runtime answers {0}")]
    Refused(String),
    /// It answers for something else than was asked.
    #[error("the runtime answers for another container: {0}")]
    Other(&'static str),
}

/// How it stands with the runtime.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AskState {
    /// The socket; `None` if there was none to be found.
    pub socket: Option<PathBuf>,
    /// Questions that it has answered.
    pub answered: u64,
    /// Questions that it has not.
    pub failed: u64,
    /// Why the last one failed; `None` if it did not.
    pub error: Option<String>,
}

/// Where replies of all runtimes go, and where they are read.
pub fn replies() -> (mpsc::Sender<Reply>, mpsc::Receiver<Reply>) {
    mpsc::channel(WAITING)
}

/// A runtime that is asked.
#[derive(Debug)]
pub struct Asker {
    questions: mpsc::Sender<Question>,
    sockets: Vec<PathBuf>,
    state: Arc<Mutex<AskState>>,
}

impl Asker {
    /// Asks at the first of these sockets that is there when it asks. Needs a
    /// tokio runtime to run in.
    pub(super) fn start<S: Speaker>(
        sockets: Vec<PathBuf>,
        replies: mpsc::Sender<Reply>,
        connect: impl Fn(&Path) -> S + Send + 'static,
    ) -> Self {
        let (questions, asked) = mpsc::channel(WAITING);
        let state = Arc::new(Mutex::new(AskState::default()));
        let replies = Replies {
            replies,
            state: Arc::clone(&state),
        };
        tokio::spawn(ask_all(sockets.clone(), asked, replies, connect));
        Self {
            questions,
            sockets,
            state,
        }
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
    pub fn state(&self) -> AskState {
        let mut state = lock(&self.state).clone();
        if state.socket.is_none() {
            state.socket = there(&self.sockets).cloned();
        }
        state
    }
}

/// An answer, or that it took too long.
pub(super) async fn in_time<T>(
    answer: impl Future<Output = Result<T, AskError>>,
) -> Result<T, AskError> {
    match tokio::time::timeout(DEADLINE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(AskError::Slow),
    }
}

/// The first of these sockets that is there.
pub(super) fn there(sockets: &[PathBuf]) -> Option<&PathBuf> {
    sockets.iter().find(|socket| socket.exists())
}

/// An error in bounded words, with what caused it: a server may have chosen
/// some of them.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    bounded(&crate::causes::with_causes(error))
}

/// Bounded words.
pub(super) fn bounded(words: &str) -> String {
    const CHARACTERS: usize = 200;
    words.chars().take(CHARACTERS).collect()
}

/// Where replies go, and what is known by them.
#[derive(Clone)]
struct Replies {
    replies: mpsc::Sender<Reply>,
    state: Arc<Mutex<AskState>>,
}

async fn ask_all<S: Speaker>(
    sockets: Vec<PathBuf>,
    mut asked: mpsc::Receiver<Question>,
    replies: Replies,
    connect: impl Fn(&Path) -> S,
) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut connection: Option<(PathBuf, S)> = None;
    while let Some(Question { cgroup, name }) = asked.recv().await {
        let turn = Arc::clone(&turns).acquire_owned().await;
        let replies = replies.clone();
        let Some(socket) = there(&sockets) else {
            let reason = "there is no socket of a runtime".to_owned();
            let result = Err(AskError::Unreachable(reason));
            replies.send::<S>(cgroup, result).await;
            continue;
        };
        let speaker = match &connection {
            Some((at, speaker)) if at == socket => speaker.clone(),
            _ => {
                let speaker = connect(socket);
                connection = Some((socket.clone(), speaker.clone()));
                lock(&replies.state).socket = Some(socket.clone());
                speaker
            }
        };
        tokio::spawn(async move {
            let result = in_time(speaker.ask(&name)).await;
            replies.send::<S>(cgroup, result).await;
            drop(turn);
        });
    }
}

impl Replies {
    async fn send<S: Speaker>(
        &self,
        cgroup: CgroupId,
        result: Result<Option<Description>, AskError>,
    ) {
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
        let reply = Reply {
            cgroup,
            is_final: matches!(result, Ok(Some(_))) || (S::KNOWS_ALL && result == Ok(None)),
            result,
        };
        // Nobody reads any more: the agent ends.
        let _ = self.replies.send(reply).await;
    }
}

fn lock(state: &Mutex<AskState>) -> std::sync::MutexGuard<'_, AskState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
