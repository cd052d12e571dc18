//! One open way out, whatever its kind.

use super::lines::Lines;
use super::place::Framing;
use super::queued::{At, is_there, queued};
use super::tls::Files;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, UnixDatagram, UnixStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::client::TlsStream;

/// How long a receiver may take to hang up when the agent does.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a reset is waited for where a receiver has hung up.
const RESET: Duration = Duration::from_millis(250);
/// How much a receiver's kernel acknowledges, at most, that its program does not
/// read: Linux gives a connection 128 KiB (`tcp_rmem`), and more only to a program
/// that has read fast before, which alerts do not let it.
const UNREAD: u64 = 256 * 1024;

/// One open way out.
#[derive(Debug)]
pub(super) enum Line {
    UnixDatagram {
        socket: UnixDatagram,
        path: PathBuf,
        /// Which socket it is connected to.
        at: At,
    },
    UnixStream(UnixStream),
    Udp(UdpSocket),
    Tcp(TcpStream, Framing),
    Tls {
        stream: Box<TlsStream<TcpStream>>,
        files: Files,
    },
    Lines(Lines),
}

/// How the other end hung up.
#[derive(Debug)]
pub(super) enum HungUp {
    /// It has closed the line.
    Orderly,
    /// The line is to be made anew, for other certificates.
    Renewed,
    /// The line is broken.
    Failed(io::Error),
}

impl Line {
    /// Writes one record whole; how many bytes that were. After an error, what part
    /// of it went out is not known: it has to be sent again, on a new line.
    pub(super) async fn send(&mut self, record: &[u8]) -> io::Result<u64> {
        let frame = match self {
            Self::UnixDatagram { .. } | Self::Udp(_) => record.to_vec(),
            // RFC 6587 section 3.4.2; no record holds a line feed.
            Self::UnixStream(_) | Self::Lines(_) | Self::Tcp(_, Framing::Newline) => {
                [record, b"\n"].concat()
            }
            // RFC 6587 section 3.4.1, RFC 5425 section 4.3.
            Self::Tcp(_, Framing::OctetCounting) | Self::Tls { .. } => {
                [format!("{} ", record.len()).as_bytes(), record].concat()
            }
        };
        let length = frame.len() as u64;
        match self {
            Self::UnixDatagram { socket, .. } => socket.send(&frame).await.map(drop)?,
            Self::UnixStream(socket) => socket.write_all(&frame).await?,
            Self::Udp(socket) => socket.send(&frame).await.map(drop)?,
            Self::Tcp(socket, _) => socket.write_all(&frame).await?,
            Self::Tls { stream, .. } => {
                stream.write_all(&frame).await?;
                stream.flush().await?;
            }
            Self::Lines(lines) => lines.send(frame).await?,
        }
        Ok(length)
    }

    /// How many bytes, of those written last, the receiver may not have. What it has
    /// but did not look at is not told apart from what it did not get.
    pub(super) fn unsure(&self) -> u64 {
        let unsure = match self {
            Self::Udp(_) | Self::Lines(_) => Ok(0),
            // Those that its kernel did not acknowledge, and those that this may
            // hold for a program that does not read.
            Self::Tcp(..) | Self::Tls { .. } => self.queued().map(|queued| queued + UNREAD),
            Self::UnixStream(socket) => match self.queued() {
                // It went away with what it did not read.
                Ok(0) if !is_there(socket) => Ok(u64::MAX),
                queued => queued,
            },
            Self::UnixDatagram { path, at, .. } => match self.queued() {
                Ok(0) if At::look(path) != Some(*at) => Ok(u64::MAX),
                queued => queued,
            },
        };
        unsure.unwrap_or(u64::MAX)
    }

    /// The same once the receiver has hung up in an orderly manner, and
    /// [`is_read`](Self::is_read).
    pub(super) fn unsure_in_the_end(&self) -> u64 {
        match self {
            Self::Tcp(..) | Self::Tls { .. } => self.queued().unwrap_or(u64::MAX),
            _ => 0,
        }
    }

    /// Whether what is unsure becomes less by itself.
    pub(super) fn is_underway(&self) -> bool {
        self.queued().is_ok_and(|queued| queued > 0)
    }

    fn queued(&self) -> rustix::io::Result<u64> {
        match self {
            Self::Tcp(socket, _) => queued(socket),
            Self::Tls { stream, .. } => queued(stream.get_ref().0),
            Self::UnixStream(socket) => queued(socket),
            Self::UnixDatagram { socket, .. } => queued(socket),
            Self::Udp(_) | Self::Lines(_) => Ok(0),
        }
    }

    /// Says that no more will come, and waits until the receiver hangs up too: it
    /// has all of it then.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(socket, _) => socket.shutdown().await?,
            Self::Tls { stream, .. } => stream.shutdown().await?,
            Self::UnixStream(socket) => socket.shutdown().await?,
            Self::UnixDatagram { .. } | Self::Udp(_) | Self::Lines(_) => return Ok(()),
        }
        match timeout(FAREWELL, self.hung_up()).await {
            Ok(HungUp::Orderly) => Ok(()),
            Ok(HungUp::Failed(error)) => Err(error),
            Ok(HungUp::Renewed) | Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the receiver does not hang up",
            )),
        }
    }

    /// Returns when the other end hangs up. A stream takes what is written
    /// after that without an error, and it is lost: so it is looked for.
    pub(super) async fn hung_up(&mut self) -> HungUp {
        // A receiver of syslog says nothing; if it does, that is passed over.
        let mut said = [0; 256];
        loop {
            let read = match self {
                Self::Tcp(socket, _) => socket.read(&mut said).await,
                Self::Tls { stream, files } => tokio::select! {
                    read = stream.read(&mut said) => read,
                    () = files.changed() => return HungUp::Renewed,
                },
                Self::UnixStream(socket) => socket.read(&mut said).await,
                Self::UnixDatagram { .. } | Self::Udp(_) | Self::Lines(_) => pending().await,
            };
            match read {
                Ok(0) => return HungUp::Orderly,
                Ok(_) => {}
                Err(error) => return HungUp::Failed(error),
            }
        }
    }

    /// Whether the receiver that hung up is seen to have read all. Of TLS that is its
    /// word only; and a program may close its own direction and then the rest, with
    /// what it did not read, which its kernel answers with a reset.
    pub(super) async fn is_read(&self) -> io::Result<()> {
        let socket = match self {
            Self::Tcp(socket, _) => socket,
            Self::Tls { stream, .. } => {
                let socket = stream.get_ref().0;
                timeout(FAREWELL, end_of(socket)).await??;
                socket
            }
            _ => return Ok(()),
        };
        sleep(RESET).await;
        match socket.take_error()? {
            Some(reset) => Err(reset),
            None => Ok(()),
        }
    }
}

/// Until the other end has closed the connection, whatever it says before.
async fn end_of(socket: &TcpStream) -> io::Result<()> {
    let mut said = [0; 256];
    loop {
        socket.readable().await?;
        match socket.try_read(&mut said) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
