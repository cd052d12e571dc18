//! Receivers behind TLS: good ones, false ones, and ones that ask who the agent is.

use super::*;
use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::PathBuf;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// An authority, and the folder of what it signed.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("is fine");
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("generated");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("signed");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { issuer, folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Signs a certificate for a host, into `NAME.pem` and `NAME.key`.
    pub(super) fn sign(&self, name: &str, host: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new([host.to_owned()]).expect("is a host");
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut params);
        let key = KeyPair::generate().expect("generated");
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        std::fs::write(self.path(&format!("{name}.pem")), signed.pem()).expect("written");
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).expect("written");
    }

    pub(super) fn acceptor(&self, name: &str, asks: bool) -> TlsAcceptor {
        let certificate = CertificateDer::from_pem_file(self.path(&format!("{name}.pem")));
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key")));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let config = match asks {
            false => config.with_no_client_auth(),
            true => {
                let mut roots = RootCertStore::empty();
                let ca = CertificateDer::from_pem_file(self.path("ca.pem")).expect("is PEM");
                roots.add(ca).expect("added");
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                config.with_client_cert_verifier(verifier.build().expect("built"))
            }
        };
        let chain = vec![certificate.expect("is PEM")];
        let config = config.with_single_cert(chain, key.expect("is PEM"));
        TlsAcceptor::from(Arc::new(config.expect("fits")))
    }

    fn url(&self, port: u16, options: &str) -> String {
        let ca = self.path("ca.pem");
        format!("tls://127.0.0.1:{port}#ca={}{options}", ca.display())
    }
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// One with a good certificate, and the sink that is to reach it, which reads the
/// authority's files for each connection.
async fn good_receiver() -> (Authority, TcpListener, TlsAcceptor, Sinks) {
    let authority = Authority::new();
    authority.sign("good", "127.0.0.1", |_| {});
    let acceptor = authority.acceptor("good", false);
    let (listener, port) = listen().await;
    let sinks = start(&authority.url(port, ""), 100);
    (authority, listener, acceptor, sinks)
}

pub(super) async fn accept(listener: &TcpListener, acceptor: &TlsAcceptor) -> TlsStream<TcpStream> {
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.expect("a handshake")
    };
    soon("a connection", accepting).await
}

pub(super) async fn refused(
    listener: &TcpListener,
    acceptor: &TlsAcceptor,
    sinks: &Sinks,
) -> String {
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = acceptor.accept(stream).await.map(drop);
    };
    soon("a connection", accepting).await;
    let mut why = String::new();
    soon("a refusal", async {
        while why.is_empty() {
            if let SinkState::Failing { error } = &sinks.status()[0].state {
                why.clone_from(error);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    why
}

#[tokio::test]
async fn records_arrive_encrypted_and_the_name_may_be_another() {
    let authority = Authority::new();
    authority.sign("here", "127.0.0.1", |_| {});
    authority.sign("logs", "logs.example", |_| {});
    for (certificate, options) in [("here", ""), ("logs", "&name=logs.example")] {
        let (listener, port) = listen().await;
        let sinks = start(&authority.url(port, options), 100);
        send(&sinks, 1..=2);

        let mut stream = accept(&listener, &authority.acceptor(certificate, false)).await;

        assert_eq!(frame(&mut stream).await, "1");
        assert_eq!(frame(&mut stream).await, "2");
    }
}

#[tokio::test]
async fn a_receiver_that_is_not_the_one_that_is_meant_gets_nothing_until_it_is() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.sign("good", "127.0.0.1", |_| {});
    authority.sign("other", "logs.example", |_| {});
    authority.sign("expired", "127.0.0.1", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 2, 1);
    });
    stranger.sign("false", "127.0.0.1", |_| {});
    for (of, certificate, expected) in [
        (&authority, "other", "not valid for name"),
        (&authority, "expired", "expired"),
        (&stranger, "false", "BadSignature"),
    ] {
        let (listener, port) = listen().await;
        let sinks = start(&authority.url(port, ""), 100);
        send(&sinks, 1..=2);

        let why = refused(&listener, &of.acceptor(certificate, false), &sinks).await;
        assert!(why.contains(expected), "{certificate}: {why}");
        assert_eq!(sinks.status()[0].sent, 0);

        let mut stream = accept(&listener, &authority.acceptor("good", false)).await;
        assert_eq!(frame(&mut stream).await, "1");
        assert_eq!(frame(&mut stream).await, "2");
    }
}

#[tokio::test]
async fn a_receiver_may_ask_who_the_agent_is() {
    let authority = Authority::new();
    authority.sign("good", "127.0.0.1", |_| {});
    authority.sign("agent", "node-1", |_| {});
    let acceptor = authority.acceptor("good", true);
    let (cert, key) = (authority.path("agent.pem"), authority.path("agent.key"));
    let shown = format!("&cert={}&key={}", cert.display(), key.display());
    let (listener, port) = listen().await;
    let sinks = start(&authority.url(port, &shown), 100);
    send(&sinks, [1]);

    let mut stream = accept(&listener, &acceptor).await;

    assert_eq!(frame(&mut stream).await, "1");
    let (listener, port) = listen().await;
    let nobody = start(&authority.url(port, ""), 100);
    let why = refused(&listener, &acceptor, &nobody).await;
    assert!(why.contains("CertificateRequired"), "{why}");
}

#[tokio::test]
async fn what_a_receiver_did_not_read_is_sent_again_though_it_said_farewell() {
    let (_authority, listener, acceptor, sinks) = good_receiver().await;
    send(&sinks, 1..=4);

    let mut deaf = accept(&listener, &acceptor).await;
    until(&sinks, "all sent", |status| status.sent == 4).await;
    // TLS's own word first, then a reset.
    deaf.shutdown().await.expect("it is said");
    drop(deaf);

    let mut stream = accept(&listener, &acceptor).await;
    for number in ["1", "2", "3", "4"] {
        assert_eq!(frame(&mut stream).await, number);
    }
}

#[tokio::test]
async fn what_a_receiver_has_read_is_not_sent_again_when_it_said_farewell() {
    let (_authority, listener, acceptor, sinks) = good_receiver().await;
    send(&sinks, 1..=2);

    let mut stream = accept(&listener, &acceptor).await;
    assert_eq!(frame(&mut stream).await, "1");
    assert_eq!(frame(&mut stream).await, "2");
    stream.shutdown().await.expect("it is said");
    drop(stream);

    let mut stream = accept(&listener, &acceptor).await;
    send(&sinks, [3]);
    assert_eq!(frame(&mut stream).await, "3");
}

#[tokio::test]
async fn files_that_are_missing_or_hold_nothing_are_named() {
    let authority = Authority::new();
    let (_listener, port) = listen().await;
    std::fs::write(authority.path("empty.pem"), "").expect("written");
    for (file, expected) in [("none.pem", "none.pem: "), ("empty.pem", "no certificate")] {
        let ca = authority.path(file);
        let url = format!("tls://127.0.0.1:{port}#ca={}", ca.display());
        let target: Target = url.parse().expect("is a target");

        let error = try_open(&target).await.expect_err(file).to_string();

        assert!(error.contains(expected), "{error}");
        assert!(error.contains(file), "{error}");
    }
}
