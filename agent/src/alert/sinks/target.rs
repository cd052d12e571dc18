//! Where alerts go, as a person writes it.

use super::filter::Filter;
use super::form::FormName;
use super::options::Options;
use super::webhook::{Webhook, hidden};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Syslog's port over UDP, and by habit over TCP.
const SYSLOG_PORT: u16 = 514;
/// That of syslog over TLS (RFC 5425).
const TLS_PORT: u16 = 6514;
/// Where journald takes messages with fields.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// Where alerts go, which of them, and in what form: a URL, and behind a `#`
/// options.
#[derive(Clone, Debug)]
pub struct Target {
    /// As it was written, but for what goes without saying and what may be secret.
    text: String,
    pub(super) place: Place,
    pub(super) form: Option<FormName>,
    pub(super) filter: Filter,
    /// Whether each record has the digest of the one before.
    pub(super) is_chained: bool,
}

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

/// Text that names no place for alerts.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TargetError {
    /// There is no `scheme:` that is known.
    #[error(
        "{0:?} is no syslog URL; write unix:/dev/log, unix:/PATH, journald:, udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT or file:/PATH"
    )]
    Scheme(String),
    /// It is a webhook's. As in all errors of a webhook's, what may be secret is not
    /// shown.
    #[error("{0:?} is no syslog URL but a webhook; give it with --webhook")]
    ForWebhook(String),
    /// It is no webhook's.
    #[error("{0:?} is no webhook; write http://HOST:PORT/PATH or https://HOST:PORT/PATH")]
    NoWebhook(String),
    /// There is a user or a password in a webhook's URL.
    #[error(
        "{0:?} has a user or a password before its host; write the Authorization header into a file, and name that with #header-file=/PATH"
    )]
    Credentials(String),
    /// What stands behind a webhook's host.
    #[error(
        "{0:?} has a path or a query with characters that no URL has; write them as %20 and the like"
    )]
    WebPath(String),
    /// What follows `unix:` or `journald:` is no absolute path of a socket.
    #[error(
        "{0:?} names no socket; after unix: or journald: comes an absolute path of at most 107 bytes, such as unix:/dev/log"
    )]
    Path(String),
    /// What follows `file:` is no absolute path.
    #[error(
        "{0:?} names no file; after file: comes an absolute path, such as file:/var/log/execwarden.log"
    )]
    File(String),
    /// There is no host that could be one.
    #[error(
        "{0:?} names no host; write a name, an IPv4 address or an IPv6 address in brackets, such as udp://[2001:db8::1]:514"
    )]
    Host(String),
    /// The port is none.
    #[error(
        "{0:?} has no good port; write a number from 1 to 65535, or leave it out for 514 (tls: 6514, http: 80, https: 443)"
    )]
    Port(String),
    /// An option without a value.
    #[error(
        "in {url:?}, {option:?} is no option; options stand behind the # as KEY=VALUE, joined by &"
    )]
    NoValue {
        /// The URL.
        url: String,
        /// What stands there.
        option: String,
    },
    /// An option that is there twice.
    #[error("in {url:?}, the option {option} is there twice")]
    Twice {
        /// The URL.
        url: String,
        /// Its key.
        option: String,
    },
    /// An option with a value that it cannot have.
    #[error("in {url:?}, {option} is not understood; it is {expected}")]
    Value {
        /// The URL.
        url: String,
        /// It, with its value.
        option: String,
        /// What it may be.
        expected: &'static str,
    },
    /// An option that there is not.
    #[error("in {url:?}, there is no option {option}; there are {known}")]
    Unknown {
        /// The URL.
        url: String,
        /// Its key.
        option: String,
        /// Those that there are.
        known: String,
    },
    /// A chain in a form that has no room for it.
    #[error("{0:?}: the form rfc3164 has no room for a chain; choose another one")]
    NoRoom(String),
    /// Of a certificate and its key one only.
    #[error("{0:?} has one of cert and key; a certificate of the agent's own needs both")]
    HalfIdentity(String),
}

impl Target {
    /// Standard output, as JSON.
    pub fn stdout() -> Self {
        Self {
            text: "stdout".to_owned(),
            place: Place::Stdout,
            form: None,
            filter: Filter::default(),
            is_chained: false,
        }
    }

    /// A receiver of HTTP requests, of its URL.
    pub fn webhook(url: &str) -> Result<Self, TargetError> {
        let shown = hidden(url);
        let (address, mut options) = Options::split_shown(url, &shown)?;
        let webhook = Webhook::parse(address, url, &mut options)?;
        let form = FormName::of_webhook(&mut options)?;
        let filter = Filter::of(&mut options)?;
        options.end()?;
        let place = Place::Webhook(webhook.with_form(form));
        Ok(Self {
            text: place.to_string(),
            place,
            form,
            filter,
            is_chained: false,
        })
    }

    /// The place.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

/// As it is written, with the port.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let (target, mut options) = Options::split(url)?;
        let place = Place::parse(target, &mut options)?;
        let is_sha256 = |word: &str| (word == "sha256").then_some(());
        let (form, chain) = match place {
            // It has a form of its own, and seals its files itself.
            Place::Journal(_) => (None, None),
            _ => (
                FormName::of(&mut options)?,
                options.take_as("chain", "sha256", is_sha256)?,
            ),
        };
        let filter = Filter::of(&mut options)?;
        if chain.is_some() && form == Some(FormName::Rfc3164) {
            return Err(TargetError::NoRoom(url.to_owned()));
        }
        options.end()?;
        let written = url.split_once('#').map(|(_, options)| options);
        let text = match written.filter(|options| !options.is_empty()) {
            Some(options) => format!("{place}#{options}"),
            None => place.to_string(),
        };
        Ok(Self {
            text,
            place,
            form,
            filter,
            is_chained: chain.is_some(),
        })
    }
}

impl Place {
    fn parse(url: &str, options: &mut Options<'_>) -> Result<Self, TargetError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (url, shown) in [
            ("unix:/dev/log", "unix:/dev/log"),
            ("unix:///run/x.sock", "unix:/run/x.sock"),
            ("journald:", "journald:/run/systemd/journal/socket"),
            (
                "journald:/run/x#reason=drift",
                "journald:/run/x#reason=drift",
            ),
            ("udp://logs.example", "udp://logs.example:514"),
            ("udp://10.0.0.1:1514", "udp://10.0.0.1:1514"),
            ("tcp://[2001:db8::1]:601", "tcp://[2001:db8::1]:601"),
            ("tcp://[::1]", "tcp://[::1]:514"),
            ("tcp://log_host:514/", "tcp://log_host:514"),
            ("tls://logs.example", "tls://logs.example:6514"),
            ("file:///var/log/x", "file:/var/log/x"),
            ("udp://a#", "udp://a:514"),
            ("udp://a#severity=error", "udp://a:514#severity=error"),
            (
                "tls://a#ca=/x&cert=/y&key=/z&name=b&reason=drift",
                "tls://a:6514#ca=/x&cert=/y&key=/z&name=b&reason=drift",
            ),
            ("tcp://a#framing=newline", "tcp://a:514#framing=newline"),
        ] {
            let target: Target = url.parse().expect(url);
            assert_eq!(target.to_string(), shown);
            let again: Target = shown.parse().expect(shown);
            assert_eq!(again.to_string(), shown);
            assert_eq!(again.place(), target.place());
        }
    }

    #[test]
    fn refuses_the_rest_by_its_kind() {
        let long = format!("unix:/{}", "x".repeat(107));
        let text = |url: &str| url.to_owned();
        for (url, error) in [
            ("", TargetError::Scheme as fn(String) -> TargetError),
            ("/dev/log", TargetError::Scheme),
            ("file:x", TargetError::File),
            ("file:/var/", TargetError::File),
            ("tls://a#cert=/y", TargetError::HalfIdentity),
            ("udp:a:514", TargetError::Scheme),
            ("unix:", TargetError::Path),
            ("unix:/", TargetError::Path),
            ("unix:dev/log", TargetError::Path),
            ("unix:/a\0b", TargetError::Path),
            (&long, TargetError::Path),
            ("journald:run/x", TargetError::Path),
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
            let refused = url.parse::<Target>().expect_err(url);
            let (shown, _) = url.split_once('#').unwrap_or((url, ""));
            assert_eq!(refused, error(text(shown)), "{url}");
        }
    }

    #[test]
    fn refuses_options_by_name() {
        for (url, expected) in [
            ("journald:#form=json", "there is no option form"),
            ("udp://a#form=falcosidekick", "form=falcosidekick is not"),
            ("udp://a#framing=newline", "there is no option framing"),
            ("tcp://a#framing=lines", "framing=lines is not understood"),
            ("tls://a#ca=x.pem", "ca=x.pem is not understood"),
            ("tls://a#name=a b", "name=a b is not understood"),
            ("unix:/a#form=xml", "form=xml is not understood"),
        ] {
            let error = url.parse::<Target>().expect_err(url).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_webhook_is_no_syslog_url_and_its_token_is_not_shown() {
        let error = "https://a/t0ken".parse::<Target>().expect_err("no syslog");

        assert_eq!(error, TargetError::ForWebhook("https://a/…".to_owned()));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_shown_as_itself(
            url in "(unix:|journald:|udp://|tcp://|tls://|file:)[\\x20-\\x7e]{0,20}"
        ) {
            if let Ok(target) = url.parse::<Target>() {
                let shown = target.to_string();
                let again: Target = shown.parse().expect("it was shown");
                prop_assert_eq!(again.to_string(), shown);
                prop_assert_eq!(again.place(), target.place());
            }
        }
    }
}
