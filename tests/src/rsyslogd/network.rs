//! What a receiver listens at beside its socket: a port of the loopback.

use crate::until;
use anyhow::Result;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

/// Who a receiver is to those who reach it over TLS, and who they have to be.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Who signed the certificates of both (PEM).
    pub ca: PathBuf,
    /// The receiver's certificate (PEM).
    pub cert: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
    /// The name in the certificate of whoever may send.
    pub peer: String,
}

/// Whether rsyslogd has what it needs for TLS: Debian's `rsyslog-gnutls`.
pub fn has_tls() -> bool {
    let architecture = format!("{}-linux-gnu", std::env::consts::ARCH);
    ["/usr/lib64", "/usr/lib"]
        .map(PathBuf::from)
        .into_iter()
        .chain([Path::new("/usr/lib").join(architecture)])
        .any(|folder| folder.join("rsyslog/lmnsd_gtls.so").exists())
}

/// A port, and what is spoken there.
#[derive(Debug)]
pub(super) struct Network {
    port: u16,
    /// Without it UDP and TCP.
    tls: Option<Tls>,
}

impl Network {
    pub(super) fn new(tls: Option<Tls>) -> Result<Self> {
        let port = free_port()?;
        Ok(Self { port, tls })
    }

    /// As the agent's flag has it.
    pub(super) fn url(&self, protocol: &str) -> String {
        format!("{protocol}://127.0.0.1:{}", self.port)
    }

    /// Whether somebody listens. The kernel is asked: a port that is tried here
    /// could not be had by rsyslogd in the same instant, and it does not try again.
    pub(super) fn is_open(&self) -> bool {
        const UNCONNECTED: &str = "07";
        const LISTENS: &str = "0A";
        let by_udp = self.tls.is_some() || self.is_in("/proc/net/udp", UNCONNECTED);
        by_udp && self.is_in("/proc/net/tcp", LISTENS)
    }

    /// Whether the kernel's table has a socket of this port in this state.
    fn is_in(&self, table: &str, state: &str) -> bool {
        let port = format!(":{:04X}", self.port);
        let text = fs::read_to_string(table).unwrap_or_default();
        text.lines().any(|line| {
            let mut columns = line.split_whitespace().skip(1);
            let local = columns.next().unwrap_or_default();
            local.ends_with(&port) && columns.nth(1) == Some(state)
        })
    }

    /// The part of rsyslogd's configuration, for a ruleset.
    pub(super) fn configuration(&self, ruleset: &str) -> String {
        let listen = format!(
            r#"address="127.0.0.1" port="{}" ruleset="{ruleset}""#,
            self.port
        );
        let Some(tls) = &self.tls else {
            return ["udp", "tcp"]
                .map(|protocol| {
                    format!(
                        "module(load=\"im{protocol}\")\ninput(type=\"im{protocol}\" {listen})\n"
                    )
                })
                .concat();
        };
        format!(
            r#"global(defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="{}"
       defaultNetstreamDriverCertFile="{}" defaultNetstreamDriverKeyFile="{}")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1"
       streamDriver.authMode="x509/name" permittedPeer="{}")
input(type="imtcp" {listen})
"#,
            tls.ca.display(),
            tls.cert.display(),
            tls.key.display(),
            tls.peer
        )
    }
}

/// A port that nobody has for UDP or TCP. Somebody may take it before rsyslogd
/// does: its UDP input cannot choose one itself.
fn free_port() -> Result<u16> {
    until("a free port", crate::container::PATIENCE, || {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(UdpSocket::bind(("127.0.0.1", port)).is_ok().then_some(port))
    })
}
