//! The agent's side of the control socket.

use super::protocol::{REQUEST_MAX, Refusal, RefusalKind, Request, Response, encode_response};
use super::socket::{self, BindError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the request, the node's answer, and taking the answer may each
/// last.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// How many connections are served at once; the next is told so and closed.
pub const CONNECTIONS_MAX: usize = 16;

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One question to the node. Where `reply` is dropped, the asker is told that
/// the agent is stopping.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Who asks over the control socket; `None` for the agent's own parts.
    pub peer: Option<Peer>,
    /// Where the answer goes. Nobody may be waiting any more.
    pub reply: oneshot::Sender<Response>,
}

/// Who asks, by the kernel's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The effective user id when it connected.
    pub uid: u32,
    /// The process id, where the agent can see that process.
    pub pid: Option<u32>,
}

impl Peer {
    fn of(stream: &UnixStream) -> Option<Self> {
        let credentials = stream.peer_cred().ok()?;
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
        Some(Self {
            uid: credentials.uid(),
            pid: pid.filter(|pid| *pid != 0),
        })
    }
}

/// The listening socket. Dropping it takes its file away.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    deadline: Duration,
}

impl Server {
    /// Listens at `path`. Needs a tokio runtime around it.
    pub fn listen(path: &Path) -> Result<Self, BindError> {
        let listener = socket::listen_at(path)?;
        let listener = UnixListener::from_std(listener).map_err(|source| BindError::Io {
            doing: "listen at",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            deadline: DEADLINE,
        })
    }

    /// Answers until it is dropped, and cuts every connection then. A full
    /// `calls` makes askers wait, up to their deadline, and nobody else.
    pub async fn serve(self, calls: mpsc::Sender<Call>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                // First, so that only the living count.
                biased;
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                        connections.spawn(exchange(stream, calls.clone(), self.deadline));
                    }
                    Ok((stream, _)) => turn_away(stream),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection to the control socket");
                        // Out of descriptors, most likely: without a pause
                        // this would spin until one is free.
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the control socket");
        }
    }
}

fn turn_away(stream: UnixStream) {
    let refusal = Refusal::new(
        RefusalKind::Busy,
        format!("{CONNECTIONS_MAX} others are asking at the moment; ask again"),
    );
    // The stream does not block, and an empty socket takes this line whole. An
    // asker that cannot take it sees the connection end.
    if let Ok(mut stream) = stream.into_std() {
        let _ = io::Write::write_all(&mut stream, &encode_response(&Err(refusal)));
    }
}

/// One request, one response. Errors of the stream are the asker's affair.
async fn exchange(mut stream: UnixStream, calls: mpsc::Sender<Call>, deadline: Duration) {
    let peer = Peer::of(&stream);
    let response = match timeout(deadline, read_request(&mut stream)).await {
        Ok(Ok(None)) | Ok(Err(_)) => return,
        Ok(Ok(Some(line))) => match decode(&line) {
            Ok(request) => ask(request, peer, &calls, deadline).await,
            Err(refusal) => Err(refusal),
        },
        Err(_) => Err(Refusal::new(
            RefusalKind::BadRequest,
            format!("no whole request line came within {}", seconds(deadline)),
        )),
    };
    let _ = timeout(deadline, stream.write_all(&encode_response(&response))).await;
}

/// The line without its break, or `None` if the asker said nothing. One byte
/// more than [`REQUEST_MAX`] is read, and tells that there is too much.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    BufReader::new(stream.take(REQUEST_MAX as u64 + 1))
        .read_until(b'\n', &mut line)
        .await?;
    Ok((!line.is_empty()).then_some(line))
}

fn decode(line: &[u8]) -> Result<Request, Refusal> {
    if line.len() > REQUEST_MAX {
        return Err(Refusal::new(
            RefusalKind::BadRequest,
            format!("the request is longer than {REQUEST_MAX} bytes"),
        ));
    }
    Request::decode(line)
}

/// Asks the node, as whoever connects to the socket does.
pub async fn ask(
    request: Request,
    peer: Option<Peer>,
    calls: &mpsc::Sender<Call>,
    deadline: Duration,
) -> Response {
    let (reply, answer) = oneshot::channel();
    let call = Call {
        request,
        peer,
        reply,
    };
    let asked = async {
        calls.send(call).await.ok()?;
        answer.await.ok()
    };
    match timeout(deadline, asked).await {
        Ok(Some(response)) => response,
        Ok(None) => Err(Refusal::new(RefusalKind::Busy, "the agent is stopping")),
        Err(_) => Err(Refusal::new(
            RefusalKind::Busy,
            format!(
                "the agent did not answer within {}; its log says what it is doing",
                seconds(deadline)
            ),
        )),
    }
}

fn seconds(deadline: Duration) -> String {
    format!("{} s", deadline.as_secs_f32())
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;
