//! HTTP requests to one receiver: a batch in each, and what it answers.

use super::answer::{Answer, Secrets};
use super::batch::Batch;
use super::connect::{tcp, within};
use super::entry::Entry;
use super::header_file;
use super::tls::{Files, encrypt};
use super::webhook::Webhook;
use crate::causes::with_causes;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// How long an answer may take. Whether the receiver has the records is not known
/// then.
const ANSWER: Duration = Duration::from_secs(10);
/// For how long a connection is used again: its host's name may have another
/// address by then.
const KEPT: Duration = Duration::from_secs(60);
/// The longest head of an answer, in bytes.
const HEAD_MAX: usize = 64 << 10;
/// So many bytes of an answer's body are read. Of one that is longer the connection
/// is not used again.
const BODY_MAX: usize = 16 << 10;

/// What came of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// The receiver says that it has all of it.
    Taken,
    /// It says that it never takes one of it at least.
    Refused {
        /// Its words.
        why: String,
    },
    /// It may take it later.
    PutOff {
        /// Why not now.
        why: String,
        /// How long it asks to be left alone.
        wait: Option<Duration>,
    },
}

/// The way to one receiver, with the connection that was used last.
#[derive(Debug)]
pub(super) struct Post {
    webhook: Webhook,
    kept: Option<Connection>,
}

impl Post {
    /// Makes a connection, and sends nothing.
    pub(super) async fn open(webhook: &Webhook) -> io::Result<Self> {
        headers(webhook)?;
        let connection = Connection::open(webhook).await?;
        Ok(Self {
            webhook: webhook.clone(),
            kept: Some(connection),
        })
    }

    /// How much is sent at once.
    pub(super) fn batch(&self) -> Batch {
        match self.webhook.takes_lists {
            true => Batch::MANY,
            false => Batch::ONE,
        }
    }

    /// Sends a batch in one request.
    pub(super) async fn send(&mut self, batch: &[Entry]) -> Outcome {
        let put_off = |error: io::Error| Outcome::PutOff {
            why: error.to_string(),
            wait: None,
        };
        let headers = match headers(&self.webhook) {
            Ok(headers) => headers,
            Err(error) => return put_off(error),
        };
        let secrets = Secrets::of(&self.webhook, &headers);
        let mut request = Request::new(Full::new(self.body(batch)));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = Uri::from(self.webhook.path.clone());
        *request.headers_mut() = headers;
        match self.ask(request).await {
            Ok(answer) => answer.outcome(&secrets),
            Err(error) => put_off(error),
        }
    }

    fn body(&self, batch: &[Entry]) -> Bytes {
        let records: Vec<&[u8]> = batch.iter().map(|entry| entry.text.as_slice()).collect();
        let records = records.join(&b',');
        match self.webhook.takes_lists {
            true => [b"[", records.as_slice(), b"]"].concat().into(),
            false => records.into(),
        }
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> io::Result<Answer> {
        let kept = self.kept.take().filter(Connection::is_good);
        if let Some(connection) = kept {
            match self.ask_on(connection, request.clone()).await {
                // Receivers close what nobody uses, at any time: that is no failure.
                Err(error) if error.kind() != io::ErrorKind::TimedOut => {}
                answered => return answered,
            }
        }
        let connection = Connection::open(&self.webhook).await?;
        self.ask_on(connection, request).await
    }

    async fn ask_on(
        &mut self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
    ) -> io::Result<Answer> {
        let (answer, is_whole) = connection.ask(request).await?;
        self.kept = is_whole.then_some(connection);
        Ok(answer)
    }
}

/// All of a request.
fn headers(webhook: &Webhook) -> io::Result<HeaderMap> {
    let json = HeaderValue::from_static("application/json");
    let agent = HeaderValue::from_static(concat!("execwarden/", env!("CARGO_PKG_VERSION")));
    let host = HeaderValue::try_from(webhook.authority()).map_err(io::Error::other)?;
    let mut headers =
        HeaderMap::from_iter([(CONTENT_TYPE, json), (USER_AGENT, agent), (HOST, host)]);
    if let Some(file) = &webhook.header_file {
        headers.extend(header_file::read(file)?);
    }
    Ok(headers)
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Ends with the connection.
    _driver: JoinSet<()>,
    /// Those of an encrypted one.
    files: Option<Files>,
    opened: Instant,
}

impl Connection {
    async fn open(webhook: &Webhook) -> io::Result<Self> {
        let host = &webhook.host;
        let opening = async {
            match &webhook.tls {
                Some(tls) => {
                    let files = Files::of(tls);
                    Self::over(encrypt(tcp(host).await?, host, tls).await?, Some(files)).await
                }
                None => Self::over(tcp(host).await?, None).await,
            }
        };
        within(opening).await
    }

    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        files: Option<Files>,
    ) -> io::Result<Self> {
        let (sender, connection) = Builder::new()
            .max_buf_size(HEAD_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        let mut driver = JoinSet::new();
        // What ends it is told to who asks.
        driver.spawn(async { drop(connection.await) });
        Ok(Self {
            sender,
            _driver: driver,
            files,
            opened: Instant::now(),
        })
    }

    fn is_good(&self) -> bool {
        let is_same = { self.files.as_ref() }.is_none_or(|files| !files.are_others());
        !self.sender.is_closed() && self.opened.elapsed() < KEPT && is_same
    }

    /// What is answered, and whether the connection can be used again.
    async fn ask(&mut self, request: Request<Full<Bytes>>) -> io::Result<(Answer, bool)> {
        let deadline = Instant::now() + ANSWER;
        let asking = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let Ok(response) = timeout_at(deadline, asking).await else {
            let why = format!("no answer within {} s", ANSWER.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        };
        let (head, body) = response.map_err(failed)?.into_parts();
        // The status alone says what came of it.
        let mut said = Vec::new();
        let reading = timeout_at(deadline, read(body, &mut said));
        let is_whole = reading.await.unwrap_or(false);
        let answer = Answer {
            status: head.status,
            retry_after: head.headers.get(http::header::RETRY_AFTER).cloned(),
            said,
        };
        Ok((answer, is_whole))
    }
}

/// Whether the body is at its end.
async fn read(mut body: Incoming, said: &mut Vec<u8>) -> bool {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return false;
        };
        if let Ok(data) = frame.into_data() {
            said.extend_from_slice(&data);
        }
        if said.len() > BODY_MAX {
            return false;
        }
    }
    true
}

fn failed(error: hyper::Error) -> io::Error {
    io::Error::other(with_causes(&error))
}
