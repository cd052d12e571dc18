//! What the encoder promises, read back by a strict parser of RFC 5424.

use super::super::record::tests::record;
use super::super::{Lost, Nearest, Record, Subject};
use super::*;
use crate::model::{Identity, Layer, Reason, Untrusted, WorkloadId};
use proptest::prelude::*;

/// A message as the ABNF of RFC 5424 section 6 has it.
#[derive(Debug, PartialEq)]
struct Parsed {
    prival: u8,
    timestamp: String,
    hostname: String,
    app_name: String,
    procid: String,
    msgid: String,
    elements: Vec<(String, Vec<(String, String)>)>,
    msg: String,
}

impl Parsed {
    fn param(&self, name: &str) -> Option<&str> {
        let (_, params) = self.elements.first()?;
        let (_, value) = params.iter().find(|(n, _)| n == name)?;
        Some(value)
    }
}

fn header_word<'a>(text: &mut &'a str, most: usize) -> &'a str {
    let (word, rest) = text
        .split_once(' ')
        .expect("a header field ends in a space");
    assert!((1..=most).contains(&word.len()), "{word:?}");
    assert!(word.bytes().all(|b| b.is_ascii_graphic()), "{word:?}");
    *text = rest;
    word
}

fn parse(bytes: &[u8]) -> Parsed {
    let text = std::str::from_utf8(bytes).expect("is UTF-8");
    assert!(
        !text.chars().any(char::is_control),
        "a control character in {text:?}"
    );
    let (prival, mut rest) = text.strip_prefix('<').unwrap().split_once(">1 ").unwrap();
    let timestamp = header_word(&mut rest, 27).to_owned();
    assert!(
        timestamp.ends_with('Z') && timestamp.len() == 27,
        "{timestamp}"
    );
    let hostname = header_word(&mut rest, 255).to_owned();
    let app_name = header_word(&mut rest, 48).to_owned();
    let procid = header_word(&mut rest, 128).to_owned();
    let msgid = header_word(&mut rest, 32).to_owned();
    let mut elements = Vec::new();
    while let Some(inner) = rest.strip_prefix('[') {
        let end = inner.find([' ', ']']).expect("an SD-ID ends");
        let id = inner[..end].to_owned();
        rest = &inner[end..];
        let mut params = Vec::new();
        while let Some(param) = rest.strip_prefix(' ') {
            let (name, quoted) = param.split_once("=\"").expect("a parameter has a value");
            assert!((1..=32).contains(&name.len()), "{name:?}");
            let (value, after) = param_value_of(quoted);
            params.push((name.to_owned(), value));
            rest = after;
        }
        rest = rest.strip_prefix(']').expect("an element ends in ]");
        elements.push((id, params));
    }
    Parsed {
        prival: prival.parse().expect("PRIVAL is a number"),
        timestamp,
        hostname,
        app_name,
        procid,
        msgid,
        elements,
        msg: rest
            .strip_prefix(' ')
            .expect("a space before MSG")
            .to_owned(),
    }
}

fn param_value_of(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            ']' => panic!("a bare ] in a value: {text:?}"),
            '\\' => {
                let (_, escaped) = chars.next().expect("a backslash escapes something");
                assert!(
                    matches!(escaped, '"' | '\\' | ']'),
                    "\\{escaped} in {text:?}"
                );
                value.push(escaped);
            }
            c => value.push(c),
        }
    }
    panic!("a value does not end: {text:?}")
}

fn encode(record: &Record, limit: usize) -> Vec<u8> {
    Settings::new(77).encode(Message::Record(record), limit)
}

/// Every text of the record is `hostile`.
fn hostile_record(hostile: &[u8]) -> Record {
    let text = || Untrusted::new(hostile);
    let lossy = || String::from_utf8_lossy(hostile).into_owned();
    let mut record = record();
    record.node = lossy();
    record.workload = WorkloadId::Kubernetes {
        namespace: lossy(),
        kind: lossy(),
        name: lossy(),
        container: lossy(),
    };
    if let Some(container) = &mut record.container {
        container.pod = Some(text());
        container.image = Some(text());
    }
    if let Subject::Exec {
        identity,
        evidence: Some(evidence),
        nearest,
    } = &mut record.subject
    {
        *identity = Identity {
            file: text(),
            script: Some(text()),
            layer: Layer::Unknown,
        };
        evidence.comm = text();
        evidence.parent_comm = text();
        *nearest = Some(Nearest {
            entry: text(),
            differs: "layer",
        });
    }
    record
}

/// Encodes a record full of `hostile` and has every text field back.
fn check_hostile(hostile: &[u8]) {
    let parsed = parse(&encode(&hostile_record(hostile), LOCAL_LIMIT));

    for (name, bound) in [
        ("path", 1024),
        ("script", 512),
        ("comm", 64),
        ("image", 512),
    ] {
        let whole = Untrusted::new(hostile).escaped(bound);
        let got = parsed.param(name).expect("is there");
        // Under pressure a text is shorter than its bound, and then says so.
        let begins = got.strip_suffix('…').unwrap_or(got);
        assert!(
            whole.starts_with(begins),
            "{name} is {got:?}, not {whole:?}"
        );
    }
    assert_eq!(parsed.param("pid"), Some("4711"));
    assert_eq!(parsed.param("layer"), Some("unknown"));
}

#[test]
fn the_documented_example_is_what_comes_out() {
    let line = String::from_utf8(encode(&record(), LOCAL_LIMIT)).unwrap();

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
        count: 3,
        first: 5,
        last: 7,
    };

    let line = Settings::new(77).encode(Message::Lost(&lost), LEAST_LIMIT);

    assert_eq!(
        String::from_utf8(line).unwrap(),
        "<83>1 2026-01-02T03:04:05.123456Z node-1 execwarden 77 lost \
         [execwarden@32473 number=\"7\" kind=\"lost\" count=\"3\" from=\"5\" to=\"7\"]\
         [meta sequenceId=\"7\"] 3 alerts were lost (numbers 5 to 7): the receiver could not be \
         reached and the queue was full"
    );
}

#[test]
fn settings_reach_the_header() {
    let settings = Settings {
        facility: Facility::new(16).unwrap(),
        pen: 12345,
        procid: 9,
    };

    let parsed = parse(&settings.encode(Message::Record(&record()), LOCAL_LIMIT));

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
        assert_eq!(hostname(node), expected);
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
    let path = format!("/{}", "x".repeat(299));
    if let Subject::Exec { identity, .. } = &mut record.subject {
        identity.file = path.as_str().into();
        identity.script = Some(Untrusted::new(b"]".repeat(4096)));
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
