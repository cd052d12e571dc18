//! Whether what was read back from a line says what the message says.
//!
//! Texts are unescaped by a reader of its own, back to the bytes that the
//! container chose.

use crate::alert::fields::Value;
use crate::alert::list;
use crate::model::{Ancestor, Untrusted};
use serde_json::Value as Json;

/// Stands where something was cut.
const MARK: char = '…';

/// In RFC 5424, `value` is `got`; what needs no more than `room` is not cut.
pub(super) fn in_rfc5424(name: &str, got: &str, value: &Value, room: usize) {
    match value {
        Value::Number(number) => assert_eq!(got, number.to_string(), "{name}"),
        Value::Flag(flag) => assert_eq!(got, flag.to_string(), "{name}"),
        Value::Word(word) => assert_eq!(got, word, "{name}"),
        Value::Words(words) => assert_eq!(got, words.join(","), "{name}"),
        Value::Text(text) => assert_text(name, got, text, room),
        Value::Texts(texts) => {
            let elements: Vec<&str> = got.split(',').collect();
            assert_list(name, &elements, texts, room);
        }
        Value::Ancestors(ancestors) => assert_ancestors(name, got, ancestors),
    }
}

/// The same in JSON.
pub(super) fn in_json(name: &str, got: &Json, value: &Value, room: usize) {
    let text = |got: &Json| got.as_str().expect(name).to_owned();
    let list = |got: &Json| got.as_array().expect(name).clone();
    match value {
        Value::Number(number) => assert_eq!(got, number, "{name}"),
        Value::Flag(flag) => assert_eq!(got, flag, "{name}"),
        Value::Word(word) => assert_eq!(got, word, "{name}"),
        Value::Words(words) => {
            let got: Vec<String> = list(got).iter().map(text).collect();
            assert_eq!(&got, words, "{name}");
        }
        Value::Text(whole) => assert_text(name, &text(got), whole, room),
        Value::Texts(texts) => {
            let got: Vec<String> = list(got).iter().map(text).collect();
            let got: Vec<&str> = got.iter().map(String::as_str).collect();
            assert_list(name, &got, texts, room);
        }
        Value::Ancestors(ancestors) => {
            let got = list(got);
            assert_eq!(got.len(), ancestors.len(), "{name}");
            for (got, ancestor) in got.iter().zip(ancestors) {
                assert_eq!(got["pid"], ancestor.pid, "{name}");
                assert_eq!(got["start_ns"], ancestor.start_ns, "{name}");
                assert_eq!(got["place"], list::place(ancestor), "{name}");
                let path = list::path(ancestor);
                assert_eq!(got.get("binary").is_some(), path.is_some(), "{name}");
                if let Some(path) = path {
                    assert_text(name, &text(&got["binary"]), &path, 0);
                }
            }
        }
    }
}

/// A text that is whole, or of which a beginning is there with a mark behind.
fn assert_text(name: &str, got: &str, whole: &Untrusted, room: usize) {
    if unescaped(got).as_deref() == Some(whole.as_bytes()) {
        return;
    }
    let needed = whole.escaped_element(usize::MAX).len();
    assert!(needed > room, "{name} is {got:?}, not {whole:?}");
    assert_begins(name, got, whole);
}

fn assert_begins(name: &str, got: &str, whole: &Untrusted) {
    let kept = got.strip_suffix(MARK).map(unescaped);
    let Some(Some(kept)) = kept else {
        panic!("{name} is {got:?}, not a beginning of {whole:?}");
    };
    assert!(
        whole.as_bytes().starts_with(&kept),
        "{name} is {got:?}, not a beginning of {whole:?}"
    );
}

/// A list that is whole, or of which the first elements are there, the last of
/// them with a mark behind.
fn assert_list(name: &str, got: &[&str], whole: &[Untrusted], room: usize) {
    assert!(got.len() <= whole.len(), "{name} is {got:?}, not {whole:?}");
    let (last, first) = got.split_last().expect("a list that is there has elements");
    for (got, whole) in first.iter().zip(whole) {
        assert_text(name, got, whole, usize::MAX);
    }
    // Every element but the last has to leave room for a mark behind its comma.
    let needed = list::joined(whole, usize::MAX).len() + MARK.len_utf8();
    let is_whole = got.len() == whole.len();
    let of_last = &whole[first.len()];
    if needed <= room {
        assert!(is_whole, "{name} is {got:?}, not {whole:?}");
        assert_text(name, last, of_last, usize::MAX);
    } else if is_whole {
        assert_text(name, last, of_last, 0);
    } else {
        assert_begins(name, last, of_last);
    }
}

/// Each `pid:start:place:path`; a mark stands for those that had no room.
fn assert_ancestors(name: &str, got: &str, whole: &[Ancestor]) {
    let mut whole = whole.iter();
    let mut all = got.split(',').peekable();
    while let Some(got) = all.next() {
        if got == MARK.to_string() && all.peek().is_none() {
            return;
        }
        let ancestor = whole.next().expect("no more than there are");
        let parts: Vec<&str> = got.splitn(4, ':').collect();
        let [pid, start, place, path] = parts[..] else {
            panic!("{name} has {got:?}");
        };
        assert_eq!(pid, ancestor.pid.to_string(), "{name}");
        assert_eq!(start, ancestor.start_ns.to_string(), "{name}");
        assert_eq!(place, list::place(ancestor), "{name}");
        assert_text(name, path, &list::path(ancestor).unwrap_or_default(), 0);
    }
    assert_eq!(whole.next(), None, "{name} lacks one");
}

/// The bytes that an escaped text stands for; `None` if it is not escaped as a
/// text is.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.extend_from_slice(plain.as_bytes());
        rest = if let Some(behind) = escape.strip_prefix('\\') {
            out.push(b'\\');
            behind
        } else if let Some(digits) = escape.strip_prefix('x') {
            let (digits, behind) = digits.split_at_checked(2)?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            behind
        } else {
            let (digits, behind) = escape.strip_prefix("u{")?.split_once('}')?;
            let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            behind
        };
    }
    out.extend_from_slice(rest.as_bytes());
    Some(out)
}
