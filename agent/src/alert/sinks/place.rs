//! A place for alerts, as a person writes it before the options.

use super::TargetError;
use super::options::Options;
use super::webhook::{Webhook, hidden};
use std::fmt;
use std::path::PathBuf;

/// Syslog's port over UDP, and by habit over TCP.
const SYSLOG_PORT: u16 = 514;
/// That of syslog over TLS (RFC 5425).
const TLS_PORT: u16 = 6514;
/// Where journald takes messages with fields.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// A place for alerts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// A socket on this node, such as `/dev/log`.
    Unix(PathBuf),
    /// journald's own socket, for messages with fields.
    Journal(PathBuf),
    /// One datagram per record.
    Udp(Host),
    /// A stream of records.
    Tcp(Host, Framing),
    /// The same, encrypted.
    Tls(Host, Tls),
    /// Lines at the end of a file.
    File(PathBuf),
    /// JSON lines on standard output.
    Stdout,
    /// A request for some records.
    Webhook(Webhook),
}

/// Another machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// A name or an address, without brackets.
    pub name: String,
    /// The port.
    pub port: u16,
}

/// How a receiver of TCP finds the end of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// Its length stands before it (RFC 6587 section 3.4.1).
    OctetCounting,
    /// A line feed stands behind it (section 3.4.2), which no record holds.
    Newline,
}

/// How an encrypted connection is trusted. Files are read for each connection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tls {
    /// The name that the receiver's certificate has to have; its host's if none.
    pub name: Option<String>,
    /// Who may have signed it: a file of certificates (PEM); those that the system
    /// trusts if none.
    pub ca: Option<PathBuf>,
    /// The agent's own certificate, with those between it and its authority, and
    /// its key (PEM).
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Place {
    /// Reads it, and takes its own options.
    pub(super) fn parse(url: &str, options: &mut Options<'_>) -> Result<Self, TargetError> {
        if let Some(path) = url.strip_prefix("unix:") {
            return Ok(Self::Unix(socket(url, path)?));
        }
        if let Some(path) = url.strip_prefix("journald:") {
            let path = if path.is_empty() { JOURNAL } else { path };
            return Ok(Self::Journal(socket(url, path)?));
        }
        if let Some(path) = url.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let names_one = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0');
            return match names_one {
                true => Ok(Self::File(path.into())),
                false => Err(TargetError::File(url.to_owned())),
            };
        }
        if let Some(rest) = url.strip_prefix("udp://") {
            return Ok(Self::Udp(host(url, rest, SYSLOG_PORT)?));
        }
        if let Some(rest) = url.strip_prefix("tcp://") {
            let host = host(url, rest, SYSLOG_PORT)?;
            let framings = "octet-counting or newline";
            let framing = options.take_as("framing", framings, |word| match word {
                "octet-counting" => Some(Framing::OctetCounting),
                "newline" => Some(Framing::Newline),
                _ => None,
            })?;
            return Ok(Self::Tcp(host, framing.unwrap_or(Framing::OctetCounting)));
        }
        if let Some(rest) = url.strip_prefix("tls://") {
            let host = host(url, rest, TLS_PORT)?;
            return Ok(Self::Tls(host, Tls::of(url, options)?));
        }
        if url.starts_with("http://") || url.starts_with("https://") {
            return Err(TargetError::ForWebhook(hidden(url)));
        }
        Err(TargetError::Scheme(url.to_owned()))
    }
}

impl Tls {
    pub(super) fn of(url: &str, options: &mut Options<'_>) -> Result<Self, TargetError> {
        let file = |text: &str| text.starts_with('/').then(|| PathBuf::from(text));
        let path = "the absolute path of a file of PEM";
        let name = options.take_as("name", "a host's name, or its address", |name| {
            (is_host(name) || name.parse::<std::net::Ipv6Addr>().is_ok()).then(|| name.to_owned())
        })?;
        let ca = options.take_as("ca", path, file)?;
        let cert = options.take_as("cert", path, file)?;
        let key = options.take_as("key", path, file)?;
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(TargetError::HalfIdentity(url.to_owned())),
        };
        Ok(Self { name, ca, identity })
    }
}

/// A socket on this node; `url` is for errors.
fn socket(url: &str, path: &str) -> Result<PathBuf, TargetError> {
    // `unix:///dev/log` is what a URL's grammar would have.
    let path = path.strip_prefix("//").unwrap_or(path);
    // sockaddr_un holds 108 bytes with the terminating NUL.
    let fits = path.len() <= 107 && path.starts_with('/') && !path.contains('\0');
    match fits && path != "/" {
        true => Ok(path.into()),
        false => Err(TargetError::Path(url.to_owned())),
    }
}

/// A host and perhaps a port; `url` is for errors.
pub(super) fn host(url: &str, rest: &str, default_port: u16) -> Result<Host, TargetError> {
    let bad_host = || TargetError::Host(url.to_owned());
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
        let (host, after) = inner.split_once(']').ok_or_else(bad_host)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| bad_host())?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err(bad_host()),
        }
    } else {
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        };
        // A second colon means an IPv6 address without its brackets.
        if port.is_some_and(|port| port.contains(':')) || !is_host(host) {
            return Err(bad_host());
        }
        (host, port)
    };
    let port = match port {
        None => default_port,
        Some(port) => port
            .parse()
            .ok()
            .filter(|_| port.bytes().all(|b| b.is_ascii_digit()))
            .filter(|port| *port > 0)
            .ok_or_else(|| TargetError::Port(url.to_owned()))?,
    };
    let name = host.to_owned();
    Ok(Host { name, port })
}

/// A DNS name or an IPv4 address.
fn is_host(host: &str) -> bool {
    (1..=253).contains(&host.len())
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// Without its options.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Journal(path) => write!(f, "journald:{}", path.display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Stdout => f.write_str("stdout"),
            Self::Udp(host) => write!(f, "udp://{host}"),
            Self::Tcp(host, _) => write!(f, "tcp://{host}"),
            Self::Tls(host, _) => write!(f, "tls://{host}"),
            Self::Webhook(webhook) => write!(f, "{webhook}"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        match name.contains(':') {
            true => write!(f, "[{name}]:{port}"),
            false => write!(f, "{name}:{port}"),
        }
    }
}
