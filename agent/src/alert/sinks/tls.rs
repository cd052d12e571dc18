//! TLS, for syslog (RFC 5425) and for HTTP: who is trusted, and who the agent is.

use super::place::{Host, Tls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How often it is looked whether a file of certificates is another one.
const LOOK: Duration = Duration::from_secs(30);

/// Encrypts a connection, if the other end proves to be the one that is meant.
pub(super) async fn encrypt(
    socket: TcpStream,
    host: &Host,
    tls: &Tls,
) -> io::Result<TlsStream<TcpStream>> {
    let name = tls.name.as_deref().unwrap_or(&host.name);
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(config(tls)?));
    connector.connect(name, socket).await
}

fn config(tls: &Tls) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in authorities(tls)? {
        // One of the system's that is malformed costs itself alone.
        let added = roots.add(certificate);
        if let (Err(error), Some(ca)) = (added, &tls.ca) {
            return Err(named(ca, error));
        }
    }
    if roots.is_empty() {
        return Err(io::Error::other(
            "no authority is trusted here; name a file of certificates with the option ca",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots);
    let Some((cert, key)) = &tls.identity else {
        return Ok(config.with_no_client_auth());
    };
    let chain = certificates(cert)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| named(key, error))?;
    config
        .with_client_auth_cert(chain, private)
        .map_err(|error| named(cert, error))
}

fn authorities(tls: &Tls) -> io::Result<Vec<CertificateDer<'static>>> {
    match &tls.ca {
        Some(ca) => certificates(ca),
        None => Ok(rustls_native_certs::load_native_certs().certs),
    }
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| named(file, error))?;
    match certificates.is_empty() {
        true => Err(named(file, "there is no certificate in it")),
        false => Ok(certificates),
    }
}

fn named(file: &Path, error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", file.display()))
}

/// The files of a connection, as they were when it was made.
#[derive(Debug)]
pub(super) struct Files {
    files: Vec<(PathBuf, Option<SystemTime>)>,
    /// When it is looked at them again.
    due: Instant,
}

impl Files {
    pub(super) fn of(tls: &Tls) -> Self {
        let identity = tls.identity.iter().flat_map(|(cert, key)| [cert, key]);
        let files = tls.ca.iter().chain(identity);
        Self {
            files: files.map(|file| (file.clone(), written(file))).collect(),
            due: Instant::now() + LOOK,
        }
    }

    /// Waits until one of them is another: what was trusted, or what the agent shows,
    /// is not the same any more. Safe to cancel.
    pub(super) async fn changed(&mut self) {
        loop {
            tokio::time::sleep_until(self.due).await;
            self.due = Instant::now() + LOOK;
            if self.are_others() {
                return;
            }
        }
    }

    /// Whether one of them is another.
    pub(super) fn are_others(&self) -> bool {
        { self.files.iter() }.any(|(file, before)| written(file) != *before)
    }
}

fn written(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|found| found.modified()).ok()
}
