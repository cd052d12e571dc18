//! Messages of every kind, for the tests of each form.

use super::Severity;
use super::beat::tests::beat;
use super::gone::tests::gone;
use super::notice::tests::notice;
use super::record::tests::{hostile_record, record};
use super::{About, Kind, Leaver, Lost, Message, Record, Subject, Upgrade};
use super::{CanaryTold, Cause};
use crate::model::{
    CanaryResult, CgroupId, Identity, Meddling, Reason, Role, Tampering, Untrusted, WorkloadId,
};

/// Has `check` look at a message of every kind, reason and subject, with plain
/// texts and with hostile ones, as short and as long as there can be.
pub(super) fn every_message(check: impl Fn(Message<'_>)) {
    records().iter().for_each(|one| check(Message::Record(one)));
    for hostile in HOSTILE {
        let all = hostile.repeat(16 * 1024 / hostile.len());
        for text in [&b""[..], hostile, &all] {
            with_hostile(text, &check);
        }
    }
    check(Message::Lost(&lost()));
    check(Message::Beat(&beat()));
}

const HOSTILE: [&[u8]; 9] = [
    b"a",
    b"\n",
    b"\\",
    b"\"",
    b",",
    b"\xff",
    b"/x\" sequence=\"1\" id=\"0",
    b"\x1b[2J{\"a\":1}\0",
    "\u{202e}\u{e4}".as_bytes(),
];

fn with_hostile(text: &[u8], check: &impl Fn(Message<'_>)) {
    let mut record = hostile_record(text);
    check(Message::Record(&record));
    if let Subject::Exec {
        identity,
        evidence: Some(evidence),
        ..
    } = &mut record.subject
    {
        identity.role = Role::Applet(Untrusted::new(text));
        evidence.script_sha256 = None;
    }
    record.kind = repeats();
    check(Message::Record(&record));

    let mut lost = lost();
    lost.gone.add(8, &String::from_utf8_lossy(text));
    check(Message::Lost(&lost));

    let text = || Untrusted::new(text);
    let mut notice = notice();
    notice.workload = record.workload;
    notice.by = Some(text());
    notice.why = Some(text());
    check(Message::Notice(&notice));
    let mut test = beat();
    test.cause = Cause::Test { by: text() };
    check(Message::Beat(&test));
    test.cause = Cause::Canary(CanaryTold {
        why: Some(text()),
        ..CanaryTold::failed(CanaryResult::NotTold, "")
    });
    check(Message::Beat(&test));
    notice.about = About::Allowed { until: notice.time };
    check(Message::Notice(&notice));
    notice.about = About::SteppedBack { containers: 3 };
    check(Message::Notice(&notice));
    notice.about = About::Upgrade(Upgrade {
        images: vec![text(); 3],
        new: vec![text(); 30],
        gone: vec![text(); 3],
    });
    check(Message::Notice(&notice));
}

/// Records of plain texts: of every reason, kind and subject.
fn records() -> Vec<Record> {
    let mut all: Vec<_> = Reason::ALL
        .map(|reason| Record {
            reason,
            severity: Severity::of(reason),
            ..record()
        })
        .into();
    let subjects = [
        Subject::Escape(Leaver {
            pid: 9,
            uid: 0,
            comm: "sh".into(),
            start_ns: 1,
            to: CgroupId(5),
        }),
        Subject::Overflow,
        Subject::HeldBack { alerts: 56 },
        Subject::Tampered(Tampering {
            added: 1,
            removed: 2,
            changed: 3,
        }),
        Subject::Meddled(Meddling::Turned { is_undone: true }),
        Subject::Meddled(Meddling::Unpinned { is_undone: false }),
        Subject::Meddled(Meddling::Frozen),
        Subject::Container,
        bare(Identity::image("/bin/sh")),
        bare(Identity::script("/bin/sh", "/x.sh")),
        bare(Identity::applet("/bin/busybox", "wget")),
        bare(Identity::image("")),
    ];
    for subject in subjects {
        for kind in [Kind::Deviation, repeats()] {
            all.push(Record {
                subject: subject.clone(),
                kind,
                ..record()
            });
        }
    }
    all.push(Record {
        container: None,
        also: Vec::new(),
        workload: WorkloadId::Unit {
            unit: "sshd.service".to_owned(),
        },
        ..record()
    });
    all
}

/// An exec of which only the count is left.
fn bare(identity: Identity) -> Subject {
    Subject::Exec {
        identity,
        evidence: None,
        nearest: None,
    }
}

fn repeats() -> Kind {
    Kind::Repeats {
        count: 57,
        first: record().time,
        last: record().time,
    }
}

/// Three records that never went out.
pub(super) fn lost() -> Lost {
    Lost {
        time: record().time,
        node: "node-1".to_owned(),
        gone: gone(),
    }
}
