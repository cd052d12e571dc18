//! How the ways out are opened.

use super::line::Line;
use super::lines::Lines;
use super::log_file::LogFile;
use super::place::{Host, Place};
use super::post::Post;
use super::queued::At;
use super::tls;
use rustix::net::sockopt;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::net::{TcpStream, UdpSocket, UnixDatagram, UnixStream, lookup_host};
use tokio::time::timeout;

/// How long name resolution and the handshakes of TCP and TLS may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long TCP keeps what nobody acknowledges before it calls the peer dead.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// An open way out.
#[derive(Debug)]
pub(super) enum Way {
    /// One that is written to.
    Line(Line),
    /// One that answers.
    Post(Box<Post>),
}

/// Opens the way to a place.
pub(super) async fn open(place: &Place) -> io::Result<Way> {
    let line = match place {
        Place::Webhook(webhook) => {
            let post = Post::open(webhook).await?;
            return Ok(Way::Post(Box::new(post)));
        }
        Place::Unix(path) => unix(path).await?,
        Place::Journal(path) => datagram(path)?,
        Place::Udp(host) => Line::Udp(within(udp(host)).await?),
        Place::Tcp(host, framing) => Line::Tcp(within(tcp(host)).await?, *framing),
        Place::Tls(host, tls) => {
            let files = tls::Files::of(tls);
            let opening = async { tls::encrypt(tcp(host).await?, host, tls).await };
            let stream = Box::new(within(opening).await?);
            Line::Tls { stream, files }
        }
        Place::File(path) => {
            let mut file = LogFile::open(path)?;
            Line::Lines(Lines::start(move |line| file.write(line))?)
        }
        Place::Stdout => {
            let mut out = io::stdout();
            let write = move |line: &[u8]| out.write_all(line).and_then(|()| out.flush());
            Line::Lines(Lines::start(write)?)
        }
    };
    Ok(Way::Line(line))
}

/// `/dev/log` is a datagram socket with journald and rsyslogd, and a stream
/// with some syslog-ng configurations.
async fn unix(path: &Path) -> io::Result<Line> {
    match datagram(path) {
        Err(error) if is_other_type(&error) => {
            UnixStream::connect(path).await.map(Line::UnixStream)
        }
        other => other,
    }
}

fn datagram(path: &Path) -> io::Result<Line> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    match At::look(path) {
        Some(at) => Ok(Line::UnixDatagram {
            socket,
            path: path.to_owned(),
            at,
        }),
        None => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
    }
}

fn is_other_type(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::PROTOTYPE)
}

async fn udp(host: &Host) -> io::Result<UdpSocket> {
    let to = lookup_host((host.name.as_str(), host.port))
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

/// A connection to another machine.
pub(super) async fn tcp(host: &Host) -> io::Result<TcpStream> {
    let socket = TcpStream::connect((host.name.as_str(), host.port)).await?;
    let most = UNACKNOWLEDGED.as_millis() as u32;
    sockopt::set_tcp_user_timeout(&socket, most)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    Ok(socket)
}

/// What is opened, unless it takes too long.
pub(super) async fn within<T>(opening: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(CONNECT, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "no connection within 5 s",
        )),
    }
}
