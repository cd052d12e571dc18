//! Where alerts go, as a person writes it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Syslog's port over UDP, and by habit over TCP.
const SYSLOG_PORT: u16 = 514;

/// Where alerts go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A socket on this node, such as `/dev/log`.
    Unix(PathBuf),
    /// One datagram per record.
    Udp {
        /// A name or an address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// Records framed by their length (RFC 6587 section 3.4.1).
    Tcp {
        /// A name or an address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// JSON lines on standard output.
    Stdout,
}

/// Text that names no place for alerts.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TargetError {
    /// There is no `scheme:` that is known.
    #[error(
        "{0:?} is no syslog URL; write unix:/dev/log, unix:/PATH, udp://HOST:PORT or tcp://HOST:PORT"
    )]
    Scheme(String),
    /// What follows `unix:` is no absolute path of a socket.
    #[error(
        "{0:?} names no socket; after unix: comes an absolute path of at most 107 bytes, such as unix:/dev/log"
    )]
    Path(String),
    /// There is no host that could be one.
    #[error(
        "{0:?} names no host; write a name, an IPv4 address or an IPv6 address in brackets, such as udp://[2001:db8::1]:514"
    )]
    Host(String),
    /// The port is none.
    #[error("{0:?} has no good port; write a number from 1 to 65535, or leave it out for 514")]
    Port(String),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        if let Some(path) = url.strip_prefix("unix:") {
            // `unix:///dev/log` is what a URL's grammar would have.
            let path = path.strip_prefix("//").unwrap_or(path);
            // sockaddr_un holds 108 bytes with the terminating NUL.
            let fits = path.len() <= 107 && path.starts_with('/') && !path.contains('\0');
            return if fits && path != "/" {
                Ok(Self::Unix(path.into()))
            } else {
                Err(TargetError::Path(url.to_owned()))
            };
        }
        if let Some(rest) = url.strip_prefix("udp://") {
            let (host, port) = host_and_port(url, rest)?;
            return Ok(Self::Udp { host, port });
        }
        if let Some(rest) = url.strip_prefix("tcp://") {
            let (host, port) = host_and_port(url, rest)?;
            return Ok(Self::Tcp { host, port });
        }
        Err(TargetError::Scheme(url.to_owned()))
    }
}

fn host_and_port(url: &str, rest: &str) -> Result<(String, u16), TargetError> {
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
        None => SYSLOG_PORT,
        Some(port) => port
            .parse()
            .ok()
            .filter(|_| port.bytes().all(|b| b.is_ascii_digit()))
            .filter(|port| *port > 0)
            .ok_or_else(|| TargetError::Port(url.to_owned()))?,
    };
    Ok((host.to_owned(), port))
}

/// A DNS name or an IPv4 address.
fn is_host(host: &str) -> bool {
    (1..=253).contains(&host.len())
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// As it is written, with the port.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
            Self::Stdout => return f.write_str("stdout"),
            Self::Udp { host, port } => ("udp", host, port),
            Self::Tcp { host, port } => ("tcp", host, port),
        };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (url, shown) in [
            ("unix:/dev/log", "unix:/dev/log"),
            ("unix:///run/x.sock", "unix:/run/x.sock"),
            ("udp://logs.example", "udp://logs.example:514"),
            ("udp://10.0.0.1:1514", "udp://10.0.0.1:1514"),
            ("tcp://[2001:db8::1]:601", "tcp://[2001:db8::1]:601"),
            ("tcp://[::1]", "tcp://[::1]:514"),
            ("tcp://log_host:514/", "tcp://log_host:514"),
        ] {
            let target: Target = url.parse().expect(url);
            assert_eq!(target.to_string(), shown);
            assert_eq!(shown.parse(), Ok(target));
        }
    }

    #[test]
    fn refuses_the_rest_by_its_kind() {
        let long = format!("unix:/{}", "x".repeat(107));
        let text = |url: &str| url.to_owned();
        for (url, error) in [
            ("", TargetError::Scheme as fn(String) -> TargetError),
            ("/dev/log", TargetError::Scheme),
            ("tls://a:6514", TargetError::Scheme),
            ("udp:a:514", TargetError::Scheme),
            ("unix:", TargetError::Path),
            ("unix:/", TargetError::Path),
            ("unix:dev/log", TargetError::Path),
            ("unix:/a\0b", TargetError::Path),
            (&long, TargetError::Path),
            ("udp://", TargetError::Host),
            ("udp://:514", TargetError::Host),
            ("udp://a b", TargetError::Host),
            ("udp://user@host", TargetError::Host),
            ("udp://host/path", TargetError::Host),
            ("tcp://2001:db8::1", TargetError::Host),
            ("tcp://[::1", TargetError::Host),
            ("tcp://[1.2.3.4]:5", TargetError::Host),
            ("tcp://[::1]514", TargetError::Host),
            ("tcp://a:", TargetError::Port),
            ("tcp://a:0", TargetError::Port),
            ("tcp://a:65536", TargetError::Port),
            ("tcp://a:+5", TargetError::Port),
        ] {
            assert_eq!(url.parse::<Target>(), Err(error(text(url))), "{url}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_shown_as_itself(url in "(unix:|udp://|tcp://)[\\x20-\\x7e]{0,20}") {
            if let Ok(target) = url.parse::<Target>() {
                prop_assert_eq!(target.to_string().parse(), Ok(target));
            }
        }
    }
}
