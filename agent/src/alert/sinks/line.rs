//! One open way out, whatever its kind.

use super::Target;
use super::queued::{At, is_there, queued};
use super::stdout::Lines;
use rustix::net::sockopt;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, UnixDatagram, UnixStream, lookup_host};
use tokio::time::timeout;

/// How long name resolution and TCP's handshake may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long TCP keeps what nobody acknowledges before it calls the peer dead.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// How long a receiver may take to hang up when the agent does.
const FAREWELL: Duration = Duration::from_secs(1);
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
    Tcp(TcpStream),
    Stdout(Lines),
}

impl Line {
    /// Opens the way to `target`.
    pub(super) async fn open(target: &Target) -> io::Result<Self> {
        match target {
            Target::Unix(path) => unix(path).await,
            Target::Udp { host, port } => within(udp(host, *port)).await.map(Self::Udp),
            Target::Tcp { host, port } => within(tcp(host, *port)).await.map(Self::Tcp),
            Target::Stdout => Lines::start(io::stdout()).map(Self::Stdout),
        }
    }

    /// Writes one record whole; how many bytes that were. After an error, what part
    /// of it went out is not known: it has to be sent again, on a new line.
    pub(super) async fn send(&mut self, record: &[u8]) -> io::Result<u64> {
        let frame = match self {
            // RFC 6587 section 3.4.2; no record holds a line feed.
            Self::UnixStream(_) => [record, b"\n"].concat(),
            // RFC 6587 section 3.4.1.
            Self::Tcp(_) => [format!("{} ", record.len()).as_bytes(), record].concat(),
            Self::UnixDatagram { .. } | Self::Udp(_) | Self::Stdout(_) => record.to_vec(),
        };
        let length = frame.len() as u64;
        match self {
            Self::UnixDatagram { socket, .. } => socket.send(&frame).await.map(drop)?,
            Self::UnixStream(socket) => socket.write_all(&frame).await?,
            Self::Udp(socket) => socket.send(&frame).await.map(drop)?,
            Self::Tcp(socket) => socket.write_all(&frame).await?,
            Self::Stdout(lines) => lines.send(frame).await?,
        }
        Ok(length)
    }

    /// How many bytes, of those written last, the receiver may not have. What it has
    /// but did not look at is not told apart from what it did not get.
    pub(super) fn unsure(&self) -> u64 {
        let unsure = match self {
            Self::Udp(_) | Self::Stdout(_) => Ok(0),
            // Those that its kernel did not acknowledge, and those that this may
            // hold for a program that does not read.
            Self::Tcp(socket) => queued(socket).map(|queued| queued + UNREAD),
            Self::UnixStream(socket) => match queued(socket) {
                // It went away with what it did not read.
                Ok(0) if !is_there(socket) => Ok(u64::MAX),
                queued => queued,
            },
            Self::UnixDatagram { socket, path, at } => match queued(socket) {
                Ok(0) if At::look(path) != Some(*at) => Ok(u64::MAX),
                queued => queued,
            },
        };
        unsure.unwrap_or(u64::MAX)
    }

    /// The same once the receiver has hung up in an orderly manner: its kernel does
    /// that only if all was read that it had.
    pub(super) fn unsure_in_the_end(&self) -> u64 {
        match self {
            Self::Tcp(socket) => queued(socket).unwrap_or(u64::MAX),
            _ => 0,
        }
    }

    /// Whether what is unsure becomes less by itself.
    pub(super) fn is_underway(&self) -> bool {
        let queued = match self {
            Self::Tcp(socket) => queued(socket),
            Self::UnixStream(socket) => queued(socket),
            Self::UnixDatagram { socket, .. } => queued(socket),
            Self::Udp(_) | Self::Stdout(_) => Ok(0),
        };
        queued.is_ok_and(|queued| queued > 0)
    }

    /// Says that no more will come, and waits until the receiver hangs up too: it
    /// has all of it then.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.shutdown().await?,
            Self::UnixStream(socket) => socket.shutdown().await?,
            Self::UnixDatagram { .. } | Self::Udp(_) | Self::Stdout(_) => return Ok(()),
        }
        match timeout(FAREWELL, self.hung_up()).await {
            Ok(HungUp::Orderly) => Ok(()),
            Ok(HungUp::Failed(error)) => Err(error),
            Err(_) => Err(io::Error::new(
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
                Self::Tcp(socket) => socket.read(&mut said).await,
                Self::UnixStream(socket) => socket.read(&mut said).await,
                Self::UnixDatagram { .. } | Self::Udp(_) | Self::Stdout(_) => pending().await,
            };
            match read {
                Ok(0) => return HungUp::Orderly,
                Ok(_) => {}
                Err(error) => return HungUp::Failed(error),
            }
        }
    }
}

/// How the other end hung up.
#[derive(Debug)]
pub(super) enum HungUp {
    /// It has closed the line.
    Orderly,
    /// The line is broken.
    Failed(io::Error),
}

/// `/dev/log` is a datagram socket with journald and rsyslogd, and a stream
/// with some syslog-ng configurations.
async fn unix(path: &Path) -> io::Result<Line> {
    let socket = UnixDatagram::unbound()?;
    match socket.connect(path) {
        Ok(()) => match At::look(path) {
            Some(at) => Ok(Line::UnixDatagram {
                socket,
                path: path.to_owned(),
                at,
            }),
            None => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
        },
        Err(error) if is_other_type(&error) => {
            UnixStream::connect(path).await.map(Line::UnixStream)
        }
        Err(error) => Err(error),
    }
}

fn is_other_type(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::PROTOTYPE)
}

async fn udp(host: &str, port: u16) -> io::Result<UdpSocket> {
    let to = lookup_host((host, port))
        .await?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))?;
    let any: SocketAddr = if to.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(to).await?;
    Ok(socket)
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let socket = TcpStream::connect((host, port)).await?;
    let most = UNACKNOWLEDGED.as_millis() as u32;
    sockopt::set_tcp_user_timeout(&socket, most)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    Ok(socket)
}

async fn within<T>(opening: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(CONNECT, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "no connection within 5 s",
        )),
    }
}
