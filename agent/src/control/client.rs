//! The command's side of the control socket. Synchronous: a command asks once.

use super::protocol::{Answer, RESPONSE_MAX, Refusal, Request, decode_response};
use super::server::DEADLINE;
use super::socket::connect_to;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the agent may be silent. Longer than the agent's own deadlines
/// for reading and answering, so that its explanation arrives.
const PATIENCE: Duration = Duration::from_secs(2 * DEADLINE.as_secs() + 1);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "no agent is listening at {}; start it with `execwarden run`, \
         or name its socket with --control",
        path.display()
    )]
    NoAgent {
        /// The socket.
        path: PathBuf,
    },
    /// The socket is root's.
    #[error("the agent at {} answers root alone; ask as root", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
    },
    /// It did not accept or answer in time.
    #[error(
        "the agent at {} does not answer; its log says what it is doing",
        path.display()
    )]
    Silent {
        /// The socket.
        path: PathBuf,
    },
    /// The connection broke.
    #[error("cannot talk to the agent at {}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What came is no answer.
    #[error("the answer from {} is of no use: {problem}", path.display())]
    Malformed {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The agent refused, and says why.
    #[error(transparent)]
    Refused(Refusal),
}

/// Asks the agent that listens at `path`; at most some ten seconds.
pub fn ask(path: &Path, request: &Request) -> Result<Answer, ClientError> {
    let line = exchange(path, request).map_err(|error| explain(path, error))?;
    decode_response(&line)
        .map_err(|problem| ClientError::Malformed {
            path: path.to_owned(),
            problem,
        })?
        .map_err(ClientError::Refused)
}

/// A [`ClientError::Malformed`] for an answer to another question.
pub fn unexpected(path: &Path) -> ClientError {
    ClientError::Malformed {
        path: path.to_owned(),
        problem: "it answers another question".to_owned(),
    }
}

fn exchange(path: &Path, request: &Request) -> io::Result<Vec<u8>> {
    let mut stream = connect_to(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // An agent with too many askers answers without reading, and closes: the
    // answer is worth more than the broken pipe.
    let sent = stream.write_all(request.encode().as_bytes());
    let mut line = Vec::new();
    BufReader::new(stream.take(RESPONSE_MAX as u64)).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        sent?;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}

fn explain(path: &Path, source: io::Error) -> ClientError {
    use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied, TimedOut, WouldBlock};

    let path = path.to_owned();
    match source.kind() {
        NotFound | ConnectionRefused => ClientError::NoAgent { path },
        PermissionDenied => ClientError::Denied { path },
        TimedOut | WouldBlock => ClientError::Silent { path },
        _ => ClientError::Io { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::{RefusalKind, Reloaded, Response, encode_response};
    use crate::control::socket::listen_at;

    /// What an asker gets from an agent that says `bytes` and closes.
    fn asked(bytes: Vec<u8>) -> Result<Answer, ClientError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let listener = listen_at(&path).expect("listening");
        listener.set_nonblocking(false).expect("set");
        let agent = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("an asker");
            let mut request = String::new();
            BufReader::new(&stream)
                .read_line(&mut request)
                .expect("a line");
            (&stream).write_all(&bytes).expect("sent");
            request
        });

        let answer = ask(&path, &Request::Reload);

        let request = agent.join().expect("no panic");
        assert_eq!(request, Request::Reload.encode());
        answer
    }

    fn asked_for(response: Response) -> Result<Answer, ClientError> {
        asked(encode_response(&response))
    }

    #[test]
    fn an_answer_comes_back() {
        let answer = Answer::Reload(Reloaded {
            allowlists: 2,
            errors: Vec::new(),
        });

        assert_eq!(asked_for(Ok(answer.clone())).expect("answered"), answer);
    }

    #[test]
    fn a_refusal_keeps_its_kind_and_sentence() {
        let refusal = Refusal::new(RefusalKind::NotFound, "there is no workload x");

        let error = asked_for(Err(refusal)).expect_err("refused");

        assert_eq!(error.to_string(), "there is no workload x");
    }

    #[test]
    fn what_is_no_answer_is_named() {
        for (bytes, expected) in [
            (&b""[..], "cannot talk to the agent"),
            (b"\n", "not JSON"),
            (b"{\"v\":1}\n", "neither an answer nor an error"),
            (b"{\"v\":7}\n", "version 7"),
            (b"{\"v\":1,\"ok\":{\"dance\":1}}\n", "dance"),
        ] {
            let error = asked(bytes.to_vec()).expect_err("no answer").to_string();

            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn nobody_listening_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");

        let missing = ask(&path, &Request::Status)
            .expect_err("nobody")
            .to_string();
        drop(listen_at(&path).expect("listening"));
        let dead = ask(&path, &Request::Status)
            .expect_err("nobody")
            .to_string();

        assert!(missing.starts_with("no agent is listening at"), "{missing}");
        assert!(missing.contains("`execwarden run`"), "{missing}");
        assert_eq!(missing, dead);
    }
}
