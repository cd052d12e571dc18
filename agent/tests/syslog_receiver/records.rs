//! Records that are hard to write down.

use execwarden::alert::{
    Action, AlertId, Arguments, ContainerInfo, ExecEvidence, Kind, Mode, Nearest, Record, Severity,
    Subject,
};
use execwarden::model::{
    Ancestor, Args, CgroupId, ContainerId, ContainerKind, Digest, Identity, Layer, Origin, Reason,
    Role, Runtime, Script, Untrusted, WorkloadId,
};

/// A record in which every text is `hostile`.
pub fn record(number: u64, hostile: &[u8]) -> Record {
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
pub fn hostile_records() -> Vec<Record> {
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
