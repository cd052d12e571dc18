//! RFC 5424: one message as bytes.
//!
//! Whatever a record holds, the outcome is one line of valid UTF-8 without
//! control characters, no longer than asked, that parses back into the same
//! fields.

use super::fields::Value;
use super::fit::{Draft, fit};
use super::link::PREVIOUS;
use super::sentence::{SENTENCE_TEXT, sentence};
use super::{FIELDS, Facility, Field, Link, Message, list};
use jiff::Timestamp;
use std::fmt::Write as _;

/// The least limit that every message fits: RFC 5424 section 6.1 has
/// receivers take 2048 bytes, and so has UDP.
pub const LEAST_LIMIT: usize = 2048;
/// The limit on sockets with a stream or on the same node. A stock rsyslogd
/// cuts at 8096 bytes, not at the 8 KiB that its manual states.
pub const LOCAL_LIMIT: usize = 8000;

/// The enterprise number that RFC 5612 sets aside for documentation.
pub const DOCUMENTATION_PEN: u32 = 32473;
/// The agent's version, for receivers.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// RFC 5424 section 7.3.1: sequenceId runs from 1 to 2147483647, then again.
const SEQUENCE_IDS: u64 = 2_147_483_647;

/// What stands in every message of this agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Which facility the messages belong to.
    pub facility: Facility,
    /// The private enterprise number behind the `@` of the SD-ID.
    pub pen: u32,
    /// PROCID: the agent's process id.
    pub procid: u32,
}

impl Settings {
    /// The defaults, for the agent with this process id.
    pub fn new(procid: u32) -> Self {
        Self {
            facility: Facility::default(),
            pen: DOCUMENTATION_PEN,
            procid,
        }
    }

    /// The message, its sink's `sequence`th, in at most `limit` bytes (taken as
    /// [`LEAST_LIMIT`] if less).
    /// Where it would be longer, its longest texts are cut, each marked by
    /// `…`, and at the very last the sentence; no field is left out.
    pub fn encode(&self, message: Message<'_>, link: impl Into<Link>, limit: usize) -> Vec<u8> {
        let link = link.into();
        // The structured data fits at its shortest, whatever it holds (a test
        // has the most there can be).
        fit(limit.max(LEAST_LIMIT), |cap| self.draft(message, link, cap))
    }

    /// The message with no text over `cap` bytes.
    fn draft(&self, message: Message<'_>, link: Link, cap: usize) -> Draft {
        let mut before = format!(
            "<{}>1 {:.6} {} execwarden {} {} [execwarden@{}",
            self.facility.prival(message.severity()),
            // RFC 3339 has no years before 0.
            message.time().max(Timestamp::UNIX_EPOCH),
            hostname(message.node(), |c| c.is_ascii_graphic()),
            self.procid,
            message.code(),
            self.pen,
        );
        for field in FIELDS {
            if let Some(value) = (field.value)(message) {
                parameter(&mut before, field, &value, cap);
            }
        }
        if let Some(previous) = link.previous {
            let _ = write!(before, " {PREVIOUS}=\"{previous}\"");
        }
        let _ = write!(
            before,
            "][meta sequenceId=\"{}\"][origin software=\"execwarden\" swVersion=\"{VERSION}\"] ",
            sequence_id(link.sequence)
        );
        Draft {
            before,
            sentence: sentence(message, cap.min(SENTENCE_TEXT)),
            after: String::new(),
        }
    }
}

/// The field as ` name="value"`, with no text over `cap` bytes.
pub(super) fn parameter(out: &mut String, field: &Field, value: &Value, cap: usize) {
    let bound = field.bound.min(cap);
    let _ = write!(out, " {}=\"", field.name);
    match value {
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Flag(flag) => {
            let _ = write!(out, "{flag}");
        }
        Value::Word(word) => param_value(out, word),
        Value::Words(words) => param_value(out, &words.join(",")),
        Value::Text(text) => param_value(out, &text.escaped(bound)),
        Value::Texts(texts) => param_value(out, &list::joined(texts, bound)),
        Value::Ancestors(all) => param_value(out, &list::joined_ancestors(all, bound)),
    }
    out.push('"');
}

/// RFC 5424 section 6.3.3: `"`, `\` and `]` are escaped, nothing else is.
fn param_value(out: &mut String, text: &str) {
    for c in text.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
}

/// HOSTNAME: 1 to 255 characters; what is not plain becomes `-`.
pub(super) fn hostname(node: &str, is_plain: impl Fn(char) -> bool) -> String {
    let name: String = node
        .chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .take(255)
        .collect();
    if name.is_empty() {
        "-".to_owned()
    } else {
        name
    }
}

fn sequence_id(sequence: u64) -> u64 {
    sequence.saturating_sub(1) % SEQUENCE_IDS + 1
}

#[cfg(test)]
#[path = "rfc5424_tests.rs"]
pub(super) mod tests;
