//! Hostile alerts into a real journald: each is one entry, with every fact in a
//! field of its own.

mod journald;

use execwarden::alert::{
    Action, AlertId, Kind, Message, Mode, Nearest, Record, Severity, Sinks, Subject, Target,
    journal, rfc5424,
};
use execwarden::model::{CgroupId, Identity, Layer, Reason, Role, Untrusted, WorkloadId};
use journald::Journald;
use serde_json::Value;
use std::time::{Duration, Instant};

const PROCID: u32 = 77;

/// A record in which every text is `hostile`.
fn record(number: u64, hostile: &[u8]) -> Record {
    let identity = Identity {
        file: Untrusted::new(hostile),
        role: Role::Applet(Untrusted::new(hostile)),
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
            evidence: None,
            nearest: Some(Nearest {
                entry: Untrusted::new(hostile),
                differs: "layer",
            }),
        },
        workload: WorkloadId::Unit {
            unit: String::from_utf8_lossy(hostile).into_owned(),
        },
        container: None,
        attributed: true,
        mode: Mode::Enforce,
        action: Action::Alerted,
    }
}

fn records() -> Vec<Record> {
    let all: Vec<u8> = (0..=255).collect();
    let texts = [
        &b"/usr/bin/plain"[..],
        &all,
        b"a\nPRIORITY=0\nEXECWARDEN_REASON=none\n_PID=1",
        b"a=b\0c",
        b"\xff\xfe\xc0\x80\xf5",
        "\u{feff}/bin/\u{202e}hs ä 漢 🦀".as_bytes(),
        b"",
        &b"x".repeat(128 * 1024),
    ];
    { (1..).zip(texts) }
        .map(|(number, text)| record(number, text))
        .collect()
}

#[test]
fn b31_every_record_is_one_entry_with_each_fact_in_its_field() {
    let Some(server) = Journald::start() else {
        println!("skipped: there is no systemd-journald, or this is not root");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let records = records();
    let settings = rfc5424::Settings::new(PROCID);
    let url = format!("journald:{}", server.socket().display());
    let target: Target = url.parse().expect("is a target");

    let left = runtime.block_on(async {
        let sinks = Sinks::start(vec![target], "node-1", settings, None);
        records.iter().for_each(|record| sinks.send(record));
        sinks.drain(Instant::now() + Duration::from_secs(10)).await
    });

    assert_eq!((left[0].sent, left[0].waiting), (records.len() as u64, 0));
    let entries = server.entries("EXECWARDEN_REASON=drift", records.len());
    for (entry, (record, sequence)) in entries.iter().zip(records.iter().zip(1..)) {
        let sent = journal::encode(Message::Record(record), &settings, sequence);
        let sent = String::from_utf8(sent).expect("is UTF-8");
        for field in sent.lines() {
            let (name, value) = field.split_once('=').expect("a field");
            assert_eq!(entry[name], value, "{name} of record {}", record.number);
        }
        let is_ours = |name: &&String| name.starts_with("EXECWARDEN_");
        let received = fields(entry).filter(is_ours).count();
        let ours = sent.lines().filter(|line| line.starts_with("EXECWARDEN_"));
        assert_eq!(received, ours.count(), "{entry}");
    }
}

fn fields(entry: &Value) -> impl Iterator<Item = &String> {
    entry.as_object().expect("an object").keys()
}
