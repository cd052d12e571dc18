//! Hostile alerts through every kind of sink into a real rsyslogd: each is
//! received once, as one message, with the fields it was sent with.

mod rsyslogd;

use execwarden::alert::{
    Action, AlertId, Arguments, ContainerInfo, ExecEvidence, FIELDS, Kind, Message, Mode, Nearest,
    Record, Severity, Sinks, Subject, Target, json, rfc5424,
};
use execwarden::model::{
    Ancestor, Args, CgroupId, ContainerId, ContainerKind, Digest, Identity, Layer, Origin, Reason,
    Role, Runtime, Script, Untrusted, WorkloadId,
};
use rsyslogd::Rsyslogd;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Few enough for the receive buffer of a UDP socket.
const BATCH: usize = 16;

/// Runs the test with a receiver, or says why not.
fn with_rsyslogd(test: impl AsyncFnOnce(&mut Rsyslogd)) {
    let Some(mut server) = Rsyslogd::start() else {
        println!("skipped: rsyslogd is not installed; run cargo xtask setup");
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "under CI=true rsyslogd has to be there; run cargo xtask setup"
        );
        return;
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test(&mut server));
}

/// A record in which every text is `hostile`.
fn record(number: u64, hostile: &[u8]) -> Record {
    let text = || Untrusted::new(hostile);
    let lossy = || String::from_utf8_lossy(hostile).into_owned();
    let identity = Identity {
        file: text(),
        role: Role::Script(Script {
            path: text(),
            via: vec![text()],
            layer: Layer::Image,
        }),
        layer: Layer::Upper,
    };
    Record {
        id: AlertId::new("boot", CgroupId(number), Reason::Drift, Some(&identity)),
        number,
        time: "2026-01-02T03:04:05.123456Z".parse().expect("is RFC 3339"),
        node: "node-1".to_owned(),
        kind: Kind::Deviation,
        reason: Reason::Drift,
        severity: Severity::Error,
        also: vec![Reason::Unlisted, Reason::Script],
        subject: Subject::Exec {
            identity,
            evidence: Some(Box::new(evidence(hostile))),
            nearest: Some(Nearest {
                entry: text(),
                differs: "layer",
            }),
        },
        workload: WorkloadId::Kubernetes {
            namespace: lossy(),
            kind: lossy(),
            name: lossy(),
            container: lossy(),
        },
        container: Some(ContainerInfo {
            id: ContainerId::new("3f2a9c0b12de").expect("is plain"),
            runtime: Some(Runtime::Containerd),
            pod: Some(text()),
            pod_uid: Some(text()),
            image: Some(text()),
            image_digest: Some(text()),
            kind: Some(ContainerKind::Ephemeral),
            attempt: Some(u32::MAX),
            runtime_handler: Some(text()),
        }),
        attributed: true,
        mode: Mode::Enforce,
        action: Action::Alerted,
    }
}

/// As much as there can be, with `hostile` in every text.
fn evidence(hostile: &[u8]) -> ExecEvidence {
    let text = || Untrusted::new(hostile);
    let without_nul: Vec<u8> = hostile.iter().copied().filter(|byte| *byte != 0).collect();
    let ancestor = |pid, init| Ancestor {
        pid,
        start_ns: u64::MAX,
        path: Some(text()),
        path_cut: false,
        inside: true,
        init,
    };
    ExecEvidence {
        pid: 4711,
        ns_pid: 12,
        ppid: 4700,
        uid: 0,
        euid: u32::MAX,
        loginuid: Some(1000),
        gained: 1 << 21 | 1 << 63,
        comm: text(),
        parent_comm: text(),
        tty: true,
        origin: Origin::Injected,
        from_outside: false,
        start_ns: u64::MAX,
        host_mntns: false,
        outside_file: false,
        outside_cwd: true,
        partial: false,
        called: "other".into(),
        links: 2,
        arguments: Arguments::from(&Args {
            list: vec![Untrusted::new(without_nul), Untrusted::from("a,b c")],
            cut: true,
            unread: false,
        }),
        cwd: Some(text()),
        ancestors: vec![ancestor(4700, false), ancestor(u32::MAX, true)],
        sha256: Some(Digest([0xa5; 32])),
        script_sha256: None,
    }
}

/// The hostile texts, and every byte by itself.
fn hostile_records() -> Vec<Record> {
    let all: Vec<u8> = (0..=255).collect();
    let mut texts: Vec<Vec<u8>> = [
        &b"/usr/bin/plain"[..],
        &all,
        b"a\nb\r\n<13>1 2026-01-02T03:04:05Z evil sshd - - - Accepted",
        b"\x1b[2J\x1b]0;title\x07",
        b"/\0/\0",
        br#"]"\]"\ [x@1 a="b"] \" \\"#,
        b"\\",
        b"\"",
        b"\xff\xfe\xc0\x80\xf5",
        "\u{feff}/bin/\u{202e}hs ä 漢 🦀".as_bytes(),
        b"%s%n #012 $!x %msg%",
        b"",
        b" ",
    ]
    .map(<[u8]>::to_vec)
    .into();
    for piece in [
        &b"a"[..],
        b"\n",
        b"\"",
        b"\\",
        b"]",
        b"\xff",
        "ä".as_bytes(),
    ] {
        texts.push(piece.repeat(128 * 1024 / piece.len()));
    }
    texts.extend((0..=255).map(|byte| vec![b'/', byte, b'x']));
    (1..)
        .zip(texts)
        .map(|(number, text)| record(number, &text))
        .collect()
}

/// The facts by their names in the structured data, as text, taken from the
/// JSON form.
fn facts(record: &Record) -> BTreeMap<String, String> {
    let line = json::encode(Message::Record(record), None);
    let json: Value = serde_json::from_slice(&line).expect("is JSON");
    FIELDS
        .iter()
        .filter_map(|field| {
            let value = json.pointer(&format!("/{}", field.json.replace('.', "/")))?;
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Array(list) => list.iter().map(element).collect::<Vec<_>>().join(","),
                other => other.to_string(),
            };
            Some((field.name.to_owned(), text))
        })
        .collect()
}

/// An element of a list as the structured data has it.
fn element(value: &Value) -> String {
    let text = |value: &Value| value.as_str().expect("is text").replace(',', "\\x2c");
    if value.is_string() {
        return text(value);
    }
    format!(
        "{}:{}:{}:{}",
        value["pid"],
        value["start_ns"],
        text(&value["place"]),
        text(&value["binary"])
    )
}

/// What rsyslogd's own parser made of the structured data.
fn received_facts(message: &Value) -> BTreeMap<String, String> {
    let fields = message["fields"].as_object();
    let fields = fields.unwrap_or_else(|| panic!("no structured data in {message}"));
    fields
        .iter()
        .map(|(name, value)| {
            let value = value.as_str().expect("a parameter's value is text");
            (name.clone(), value.to_owned())
        })
        .collect()
}

/// Whether `got` is `sent`, or is `sent` cut to fit the transport; of a list,
/// each of its elements may be cut.
fn is_cut_list_of(got: &str, sent: &str) -> bool {
    let (got, sent): (Vec<_>, Vec<_>) = (got.split(',').collect(), sent.split(',').collect());
    let is_each_cut = got
        .iter()
        .zip(&sent)
        .all(|(got, sent)| is_cut_of(got, sent) || *got == "…");
    is_each_cut && (got.len() == sent.len() || got.last().is_some_and(|last| last.ends_with('…')))
}

/// Whether `got` is `sent`, or is `sent` cut to fit the transport.
fn is_cut_of(got: &str, sent: &str) -> bool {
    let is_beginning = |begin: &str| sent.starts_with(begin) && got.len() < sent.len();
    got == sent || got.strip_suffix('…').is_some_and(is_beginning)
}

fn assert_received(record: &Record, message: &Value) {
    for (name, expected) in [
        // authpriv (10) and error (3).
        ("pri", "83"),
        ("hostname", "node-1"),
        ("app", "execwarden"),
        ("procid", "77"),
        ("msgid", "drift"),
        ("time", "2026-01-02T03:04:05.123456Z"),
    ] {
        assert_eq!(message[name], expected, "{name} of {message}");
    }
    let (sent, got) = (facts(record), received_facts(message));
    assert_eq!(
        got.keys().collect::<Vec<_>>(),
        sent.keys().collect::<Vec<_>>(),
        "of record {}",
        record.number
    );
    for (name, sent) in sent {
        let got = &got[&name];
        let is_list = ["arguments", "via", "ancestors"].contains(&&*name);
        assert!(
            is_cut_of(got, &sent) || is_list && is_cut_list_of(got, &sent),
            "{name} of record {} is {got:?}, not {sent:?}",
            record.number
        );
    }
    let sentence = message["msg"].as_str().expect("is text");
    assert!(
        sentence.is_ascii() && sentence.contains("[drift]"),
        "{sentence}"
    );
}

/// Sends every hostile record to `url` and compares what is received.
async fn check(server: &mut Rsyslogd, url: &str, input: &str) {
    let target: Target = url.parse().expect("is a target");
    let sinks = Sinks::start(vec![target], "node-1", rfc5424::Settings::new(77), None);
    let records = hostile_records();

    for (batch, sent) in records.chunks(BATCH).zip(1..) {
        batch.iter().for_each(|record| sinks.send(record));
        let so_far = records.len().min(sent * BATCH);
        wait_until_sent(&sinks, so_far as u64).await;
        server.messages(so_far);
    }
    let left = sinks.drain(Instant::now() + Duration::from_secs(1)).await;

    assert_eq!((left[0].sent, left[0].lost), (records.len() as u64, 0));
    let messages = server.messages(records.len());
    assert_eq!(messages.len(), records.len(), "each record is one message");
    for (record, message) in records.iter().zip(&messages) {
        assert_eq!(message["input"], input);
        assert_received(record, message);
    }
}

async fn wait_until_sent(sinks: &Sinks, count: u64) {
    let end = Instant::now() + Duration::from_secs(20);
    while sinks.status()[0].sent < count {
        assert!(Instant::now() < end, "not sent: {:?}", sinks.status());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn b31_every_record_arrives_once_through_a_unix_socket() {
    with_rsyslogd(async |server| {
        let url = format!("unix:{}", server.socket().display());
        check(server, &url, "imuxsock").await;
    });
}

#[test]
fn b31_every_record_arrives_once_over_udp() {
    with_rsyslogd(async |server| {
        let url = format!("udp://127.0.0.1:{}", server.port);
        check(server, &url, "imudp").await;
    });
}

#[test]
fn b31_every_record_arrives_once_over_tcp() {
    with_rsyslogd(async |server| {
        let url = format!("tcp://127.0.0.1:{}", server.port);
        check(server, &url, "imtcp").await;
    });
}

/// What docs/ALERTS.md says of `/dev/log` as Debian sets it up.
#[test]
fn a_stock_log_socket_keeps_the_record_whole_but_unparsed() {
    with_rsyslogd(async |server| {
        let url = format!("unix:{}", server.stock_socket().display());
        let target = url.parse().expect("is a target");
        let sinks = Sinks::start(vec![target], "node-1", rfc5424::Settings::new(77), None);

        sinks.send(&record(1, b"/tmp/\nevil"));
        wait_until_sent(&sinks, 1).await;

        let messages = server.messages(1);
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0]["pri"], "83");
        assert_eq!(messages[0]["app"], "1");
        assert_eq!(messages[0]["sd"], "-");
        let text = messages[0]["msg"].as_str().expect("is text");
        assert!(text.contains(r#" path="/tmp/\\x0aevil" "#), "{text}");
    });
}
