//! One GET over an engine's socket.

use crate::containers::asking::{AskError, with_causes};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::path::Path;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

/// The longest answer, in bytes. A container has some six thousand and its
/// labels.
const ANSWER_MAX: usize = 1 << 20;
/// The longest head of an answer, in bytes; engines have a few hundred.
const HEAD_MAX: usize = 16 << 10;

/// What is at a path; `None` if the engine has nothing there. The connection
/// ends with the question.
pub(super) async fn get(socket: &Path, path: &str) -> Result<Option<Bytes>, AskError> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| AskError::Unreachable(error.to_string()))?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    // Ends when this question does, however that is.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::get(path)
        .header(HOST, "localhost")
        .body(Empty::<Bytes>::new())
        .expect("a path made of plain characters");
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| failed(&error))?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        other => return Err(AskError::Refused(other.as_u16().to_string())),
    }
    let body = Limited::new(response.into_body(), ANSWER_MAX)
        .collect()
        .await;
    let body = body.map_err(|error| match error.downcast_ref::<hyper::Error>() {
        Some(error) => failed(error),
        None => AskError::Refused(format!("with more than {ANSWER_MAX} bytes")),
    })?;
    Ok(Some(body.to_bytes()))
}

fn failed(error: &hyper::Error) -> AskError {
    if error.is_parse() {
        AskError::Refused("no HTTP".to_owned())
    } else {
        AskError::Unreachable(with_causes(error))
    }
}
