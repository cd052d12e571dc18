//! One open way out, whatever its kind.

use super::Target;
use super::queue::Item;
use super::stdout::Lines;
use crate::alert::json;
use crate::alert::rfc5424::{LEAST_LIMIT, LOCAL_LIMIT, Settings};
use rustix::net::sockopt;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, UnixDatagram, UnixStream, lookup_host};
use tokio::time::timeout;

/// How long name resolution and TCP's handshake may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long TCP keeps what nobody acknowledges before it calls the peer dead.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// One open way out.
#[derive(Debug)]
pub(super) enum Line {
    UnixDatagram(UnixDatagram),
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

    /// Writes one item whole. After an error, what part of it went out is not
    /// known: it has to be sent again, on a new line.
    pub(super) async fn send(&mut self, settings: &Settings, item: &Item) -> io::Result<()> {
        let message = item.message();
        match self {
            Self::UnixDatagram(socket) => {
                let record = settings.encode(message, LOCAL_LIMIT);
                socket.send(&record).await.map(drop)
            }
            Self::UnixStream(socket) => {
                let mut record = settings.encode(message, LOCAL_LIMIT);
                // RFC 6587 section 3.4.2; no record holds a line feed.
                record.push(b'\n');
                socket.write_all(&record).await
            }
            Self::Udp(socket) => {
                let record = settings.encode(message, LEAST_LIMIT);
                socket.send(&record).await.map(drop)
            }
            Self::Tcp(socket) => {
                let record = settings.encode(message, LOCAL_LIMIT);
                // RFC 6587 section 3.4.1.
                let mut frame = format!("{} ", record.len()).into_bytes();
                frame.extend(record);
                socket.write_all(&frame).await
            }
            Self::Stdout(lines) => lines.send(json::encode(message)).await,
        }
    }

    /// Returns when the other end hangs up. A stream takes what is written
    /// after that without an error, and it is lost: so it is looked for.
    pub(super) async fn hung_up(&mut self) -> io::Error {
        // A receiver of syslog says nothing; if it does, that is passed over.
        let mut said = [0; 256];
        loop {
            let read = match self {
                Self::Tcp(socket) => socket.read(&mut said).await,
                Self::UnixStream(socket) => socket.read(&mut said).await,
                Self::UnixDatagram(_) | Self::Udp(_) | Self::Stdout(_) => pending().await,
            };
            match read {
                Ok(0) => return io::Error::new(io::ErrorKind::BrokenPipe, "the receiver hung up"),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }
}

/// `/dev/log` is a datagram socket with journald and rsyslogd, and a stream
/// with some syslog-ng configurations.
async fn unix(path: &Path) -> io::Result<Line> {
    let socket = UnixDatagram::unbound()?;
    match socket.connect(path) {
        Ok(()) => Ok(Line::UnixDatagram(socket)),
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
