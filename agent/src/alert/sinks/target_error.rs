//! Why text names no place for alerts.

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
