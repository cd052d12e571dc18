//! How the ways out are opened.

use super::line::Line;
use super::lines::Lines;
use super::log_file::LogFile;
use super::queued::At;
use super::target::{Host, Place};
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

/// Opens the way to a place.
pub(super) async fn open(place: &Place) -> io::Result<Line> {
    match place {
        Place::Unix(path) => unix(path).await,
        Place::Udp(host) => within(udp(host)).await.map(Line::Udp),
        Place::Tcp(host, framing) => {
            let socket = within(tcp(host)).await?;
            Ok(Line::Tcp(socket, *framing))
        }
        Place::Tls(host, tls) => {
            let files = tls::Files::of(tls);
            let opening = async { tls::encrypt(tcp(host).await?, host, tls).await };
            let stream = Box::new(within(opening).await?);
            Ok(Line::Tls { stream, files })
        }
        Place::File(path) => {
            let mut file = LogFile::open(path)?;
            Lines::start(move |line| file.write(line)).map(Line::Lines)
        }
        Place::Stdout => {
            let mut out = io::stdout();
            Lines::start(move |line| out.write_all(line).and_then(|()| out.flush()))
                .map(Line::Lines)
        }
    }
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

async fn tcp(host: &Host) -> io::Result<TcpStream> {
    let socket = TcpStream::connect((host.name.as_str(), host.port)).await?;
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
