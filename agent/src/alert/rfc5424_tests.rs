//! What the encoder promises, read back by a strict parser of RFC 5424.

use super::super::evidence::tests::{exec, without_nul};
use super::super::gone::tests::gone;
use super::super::record::tests::{hostile_record, record};
use super::super::rfc5424_reader::{Parsed, parse};
use super::super::{Kind, Lost, Subject};
use super::*;
use crate::alert::{ExecEvidence, Record};
use crate::model::{
    Ancestor, ContainerId, Identity, Layer, Reason, Role, Runtime, Script, Untrusted,
};
use proptest::prelude::*;

impl Parsed {
    fn param(&self, name: &str) -> Option<&str> {
        let (_, params) = self.elements.first()?;
        let (_, value) = params.iter().find(|(n, _)| n == name)?;
        Some(value)
    }
}

fn encode(record: &Record, limit: usize) -> Vec<u8> {
    Settings::new(77).encode(Message::Record(record), 7, limit)
}

/// Under pressure a text is shorter than it was, and then says so.
fn assert_begins(name: &str, got: &str, whole: &str) {
    let begins = got.strip_suffix('…').unwrap_or(got);
    assert!(
        whole.starts_with(begins),
        "{name} is {got:?}, not {whole:?}"
    );
}

/// Encodes a record full of `hostile` and has every text field back.
fn check_hostile(hostile: &[u8]) {
    let mut record = hostile_record(hostile);
    let parsed = parse(&encode(&record, LOCAL_LIMIT));
    let param = |name| parsed.param(name).expect("is there");

    let whole = Untrusted::new(hostile).escaped(usize::MAX);
    for name in [
        "path",
        "script",
        "cwd",
        "comm",
        "parent_comm",
        "image",
        "pod",
        "nearest",
    ] {
        assert_begins(name, param(name), &whole);
    }
    assert_begins("parent_path", param("parent_path"), &format!("…{whole}"));
    assert_begins("called", param("called"), &format!("x{whole}"));

    let element = Untrusted::new(hostile).escaped_element(usize::MAX);
    let argument = Untrusted::new(without_nul(hostile)).escaped_element(usize::MAX);
    for (name, most, element) in [("arguments", 3, &argument), ("via", 2, &element)] {
        let elements: Vec<_> = param(name).split(',').collect();
        assert!(elements.len() <= most, "{elements:?}");
        elements
            .iter()
            .for_each(|got| assert_begins(name, got, element));
    }
    for ancestor in param("ancestors").split(',').filter(|got| *got != "…") {
        let path = ancestor.strip_prefix("4294967295:18446744073709551615:outside:…");
        assert_begins("ancestors", path.expect(ancestor), &element);
    }
    assert_eq!(parsed.param("pid"), Some("4711"));
    assert_eq!(parsed.param("layer"), Some("unknown"));

    if let Subject::Exec { identity, .. } = &mut record.subject {
        identity.role = Role::Applet(Untrusted::new(hostile));
    }
    let parsed = parse(&encode(&record, LOCAL_LIMIT));
    assert_begins("applet", parsed.param("applet").expect("is there"), &whole);
}

#[test]
fn the_documented_example_is_what_comes_out() {
    let line = String::from_utf8(encode(&record(), LOCAL_LIMIT)).unwrap();
    let ours = |version: &str| format!("swVersion=\"{version}\"");
    let line = line.replace(&ours(VERSION), &ours("0.1.0"));

    let documented = include_str!("../../../docs/ALERTS.md");
    assert!(
        documented.contains(&line),
        "docs/ALERTS.md has no line {line}"
    );
}

#[test]
fn a_notice_of_loss_looks_like_this() {
    let lost = Lost {
        time: record().time,
        node: "node-1".to_owned(),
        gone: gone(),
    };

    let line = Settings::new(77).encode(Message::Lost(&lost), 9, LEAST_LIMIT);

    let line = String::from_utf8(line).unwrap();
    assert_eq!(
        line.replace(VERSION, "VERSION"),
        "<83>1 2026-01-02T03:04:05.123456Z node-1 execwarden 77 lost \
         [execwarden@32473 number=\"7\" kind=\"lost\" count=\"3\" from=\"5\" to=\"7\" \
         lost_of=\"2:runc/web,1:runc/a\\\\x2cb\"][meta sequenceId=\"9\"]\
         [origin software=\"execwarden\" swVersion=\"VERSION\"] 3 alerts were lost (numbers 5 to 7): \
         the receiver did not take them, and there was no more room; 2 of runc/web, 1 of \
         runc/a,b"
    );
}

#[test]
fn settings_reach_the_header() {
    let settings = Settings {
        facility: Facility::new(16).unwrap(),
        pen: 12345,
        procid: 9,
    };

    let parsed = parse(&settings.encode(Message::Record(&record()), 7, LOCAL_LIMIT));

    assert_eq!(parsed.prival, 16 * 8 + 3);
    assert_eq!(parsed.elements[0].0, "execwarden@12345");
    assert_eq!(parsed.procid, "9");
}

#[test]
fn hostname_is_printable_ascii() {
    for (node, expected) in [
        ("node-1", "node-1"),
        ("", "-"),
        ("a b\n", "a-b-"),
        ("knötchen", "kn-tchen"),
        (&"n".repeat(300), &"n".repeat(255)),
    ] {
        assert_eq!(hostname(node, |c| c.is_ascii_graphic()), expected);
    }
}

#[test]
fn sequence_ids_begin_again_after_the_last() {
    for (number, id) in [
        (0, 1),
        (1, 1),
        (2_147_483_647, 2_147_483_647),
        (2_147_483_648, 1),
    ] {
        assert_eq!(sequence_id(number), id);
    }
}

#[test]
fn every_reason_is_its_msgid() {
    for reason in Reason::ALL {
        let mut record = record();
        record.reason = reason;

        assert_eq!(parse(&encode(&record, LOCAL_LIMIT)).msgid, reason.as_str());
    }
}

#[test]
fn b31_hostile_bytes_come_back_as_one_record() {
    let all: Vec<u8> = (0..=255).collect();
    for hostile in [
        &all[..],
        b"a\nb\r\n<13>1 - evil sshd - - - Accepted",
        b"\x1b[2J\x1b]0;title\x07",
        b"\0\0",
        br#"]"\]"\ [x@1 a="b"]"#,
        b"\xff\xfe\xc0\x80",
        "\u{feff}/bin/\u{202e}hs".as_bytes(),
        b"",
    ] {
        check_hostile(hostile);
    }
}

#[test]
fn b31_every_single_byte_comes_back() {
    for byte in 0..=255 {
        check_hostile(&[b'/', byte, b'x']);
    }
}

#[test]
fn b31_long_texts_are_cut_not_the_structure() {
    for piece in [
        &b"a"[..],
        b"\n",
        b"\"",
        b"\\",
        b"]",
        b"\xff",
        "ä".as_bytes(),
        "\u{202e}".as_bytes(),
    ] {
        let record = hostile_record(&piece.repeat(128 * 1024 / piece.len()));
        for limit in [0, LEAST_LIMIT, 4096, LOCAL_LIMIT] {
            let line = encode(&record, limit);

            assert!(
                line.len() <= limit.max(LEAST_LIMIT),
                "{} > {limit}",
                line.len()
            );
            let parsed = parse(&line);
            assert!(parsed.param("path").expect("is there").ends_with('…'));
            assert_eq!(parsed.param("differs"), Some("layer"));
            assert_eq!(parsed.elements[1].0, "meta");
        }
    }
}

/// Every field that a record of an exec can have, each as long as it can be
/// whatever it is cut to.
#[test]
fn the_most_there_can_be_is_whole_in_the_least_limit() {
    for piece in [&b"\\"[..], b"\"", b"]", b",", b"\xff", "\u{e4}".as_bytes()] {
        let longest: jiff::Timestamp = "2026-01-02T03:04:05.123456789Z".parse().unwrap();
        let mut record = hostile_record(&piece.repeat(4096));
        record.node = "n".repeat(255);
        record.number = u64::MAX;
        record.kind = Kind::Repeats {
            count: u64::MAX,
            first: longest,
            last: longest,
        };
        record.reason = Reason::NoAllowlist;
        // The others are about no single exec, or stand alone.
        record.also = Reason::ALL
            .into_iter()
            .filter(|reason| *reason < Reason::Unverified)
            .collect();
        if let Some(container) = &mut record.container {
            container.runtime = Some(Runtime::Containerd);
            container.id = ContainerId::new(&"x".repeat(255)).expect("is plain");
        }
        let settings = Settings {
            pen: u32::MAX,
            ..Settings::new(u32::MAX)
        };
        let line = settings.encode(Message::Record(&record), u64::MAX, LEAST_LIMIT);

        assert!(line.len() <= LEAST_LIMIT, "{}", line.len());
        let parsed = parse(&line);
        let (_, params) = &parsed.elements[0];
        let names: Vec<_> = params.iter().map(|(name, _)| &name[..]).collect();
        let of_notices = [
            "notice",
            "until",
            "executables",
            "by",
            "why",
            "new_images",
            "new_paths",
            "gone_paths",
        ];
        let of_beats = [
            "seen",
            "known",
            "learning",
            "deviating",
            "ignored",
            "errors",
            "blocked",
            "sent",
            "spooled",
            "lost",
            "canary",
            "canary_ms",
            "canary_why",
        ];
        let of_others = [
            "from",
            "to",
            "lost_of",
            "alerts",
            "rules_added",
            "rules_removed",
            "rules_changed",
            "applet",
            "to_cgroup",
        ];
        let expected: Vec<_> = FIELDS
            .iter()
            .map(|field| field.name)
            .filter(|name| !of_others.contains(name) && !of_notices.contains(name))
            .filter(|name| !of_beats.contains(name))
            .collect();
        assert_eq!(names, expected);
        assert!(parsed.msg.starts_with("xxxxxx"), "{:?}", parsed.msg);
        assert!(parsed.msg.len() > 90, "{:?}", parsed.msg);
    }
}

#[test]
fn what_the_kernel_keeps_of_plain_text_is_whole_on_this_node() {
    let path = |length: usize| format!("/{}", "x".repeat(length - 1));
    let mut record = record();
    let Subject::Exec {
        identity,
        evidence: Some(evidence),
        ..
    } = &mut record.subject
    else {
        panic!("no exec");
    };
    *identity = Identity::script(&path(1024), &path(1024));
    let mut exec = exec();
    exec.args.list = vec![Untrusted::from(&*path(500)), Untrusted::from(&*path(522))];
    exec.cwd = Some(path(256).as_str().into());
    exec.ancestors = vec![
        Ancestor {
            pid: u32::MAX,
            start_ns: u64::MAX,
            path: Some(path(160).as_str().into()),
            ..exec.ancestors[0].clone()
        };
        8
    ];
    **evidence = ExecEvidence::from(&exec);

    let parsed = parse(&encode(&record, LOCAL_LIMIT));

    let (_, params) = &parsed.elements[0];
    for (name, value) in params {
        assert!(!value.contains('…'), "{name} is cut: {value}");
    }
}

#[test]
fn a_long_path_alone_is_whole_up_to_its_bound() {
    let mut record = record();
    let path = format!("/{}", "x".repeat(1023));
    if let Subject::Exec { identity, .. } = &mut record.subject {
        identity.file = path.as_str().into();
    }

    assert_eq!(
        parse(&encode(&record, LOCAL_LIMIT)).param("path"),
        Some(&path[..])
    );
}

#[test]
fn a_long_script_name_leaves_the_path_what_room_there_is() {
    let mut record = record();
    let path = format!("/{}", "x".repeat(99));
    if let Subject::Exec { identity, .. } = &mut record.subject {
        identity.file = path.as_str().into();
        identity.role = Role::Script(Script {
            path: Untrusted::new(b"]".repeat(4096)),
            via: Vec::new(),
            layer: Layer::Image,
        });
    }

    let line = encode(&record, LEAST_LIMIT);

    assert!(line.len() > LEAST_LIMIT - 8, "{} bytes", line.len());
    let parsed = parse(&line);
    assert_eq!(parsed.param("path"), Some(&path[..]));
    assert!(parsed.param("script").expect("is there").ends_with('…'));
}

proptest! {
    #[test]
    fn b31_any_bytes_parse_back(hostile: Vec<u8>, limit in 0usize..9000) {
        let line = encode(&hostile_record(&hostile), limit);

        prop_assert!(line.len() <= limit.max(LEAST_LIMIT));
        parse(&line);
        check_hostile(&hostile);
    }
}
