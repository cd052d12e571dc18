//! What a `*` in a path may stand for, where an entry says so.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A kind of text that changes from one release, build or run to the next.
/// Recognised narrowly: what is not clearly one of these is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Filling {
    /// `0f8fad5b-d9cb-469f-a165-70867728950e`.
    Uuid,
    /// `20261123`, `2026-11-23`, each also with a time of day behind it:
    /// `20261123T101112`, `20261123101112`.
    Date,
    /// Numbers with dots between them, and what marks a step to a release:
    /// `1.31`, `2.4.1-rc1`, `17.0.2+8`.
    Version,
    /// Seven or more hex digits in small letters, a decimal digit among them.
    Hash,
    /// Digits.
    Counter,
}

/// The years that a date may have.
const YEARS: RangeInclusive<u32> = 1990..=2099;
/// What numbers one step to a release.
const STEPS: [&str; 9] = [
    "alpha", "beta", "rc", "pre", "dev", "snapshot", "post", "a", "b",
];
/// The digits of one number, at most.
const MAX_DIGITS: usize = 20;

impl Filling {
    /// Every kind; the narrowest first.
    pub const ALL: [Self; 5] = [
        Self::Uuid,
        Self::Date,
        Self::Version,
        Self::Hash,
        Self::Counter,
    ];

    /// The word, as documents have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Date => "date",
            Self::Version => "version",
            Self::Hash => "hash",
            Self::Counter => "counter",
        }
    }

    /// Whether the whole of `text` is one.
    pub fn fits(self, text: &[u8]) -> bool {
        match self {
            Self::Uuid => is_uuid(text),
            Self::Date => date_at_start(text) == Some(text.len()),
            Self::Version => version_at_start(text) == Some(text.len()),
            Self::Hash => is_hash(text),
            Self::Counter => {
                (1..=MAX_DIGITS).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
            }
        }
    }
}

impl fmt::Display for Filling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no kind.
#[derive(Debug, thiserror::Error)]
#[error("a * stands for no {0:?}; it may stand for version, hash, uuid, date or counter")]
pub struct UnknownFilling(String);

impl FromStr for Filling {
    type Err = UnknownFilling;

    fn from_str(word: &str) -> Result<Self, UnknownFilling> {
        Self::ALL
            .into_iter()
            .find(|filling| filling.as_str() == word)
            .ok_or_else(|| UnknownFilling(word.to_owned()))
    }
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_hash(text: &[u8]) -> bool {
    (7..=128).contains(&text.len())
        && text
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && text.iter().any(u8::is_ascii_digit)
}

/// How many bytes of a version `text` begins with: the most that is one.
pub fn version_at_start(text: &[u8]) -> Option<usize> {
    let mut at = digits(text);
    let mut dots = 0;
    while at > 0 && text.get(at) == Some(&b'.') && digits(&text[at + 1..]) > 0 {
        at += 1 + digits(&text[at + 1..]);
        dots += 1;
    }
    (1..=4).contains(&dots).then(|| at + step(&text[at..]))
}

/// How many bytes of `text` mark a step: `-rc1`, `.dev3`, `b2`, `+8`.
fn step(text: &[u8]) -> usize {
    if let Some((b'+', rest)) = text.split_first() {
        return match digits(rest) {
            0 => 0,
            found => 1 + found,
        };
    }
    let mark = usize::from(text.first().is_some_and(|byte| b"-._~".contains(byte)));
    let word = STEPS
        .iter()
        .find(|word| starts_with_word(&text[mark..], word));
    let Some(word) = word else {
        return 0;
    };
    let end = mark + word.len();
    let dot = usize::from(text.get(end) == Some(&b'.'));
    match digits(&text[end + dot..]) {
        0 => end,
        found => end + dot + found,
    }
}

/// Whether a word begins `text` and no letter goes on with it.
fn starts_with_word(text: &[u8], word: &str) -> bool {
    let (start, rest) = text.split_at(word.len().min(text.len()));
    start.eq_ignore_ascii_case(word.as_bytes())
        && !rest.first().is_some_and(u8::is_ascii_alphabetic)
}

/// How many bytes of a date `text` begins with, its time of day included.
pub fn date_at_start(text: &[u8]) -> Option<usize> {
    let dashes = text.get(4) == Some(&b'-');
    let (month, day, end) = if dashes { (5, 8, 10) } else { (4, 6, 8) };
    let is_date = YEARS.contains(&number(text, 0, 4)?)
        && (1..=12).contains(&number(text, month, 2)?)
        && (1..=31).contains(&number(text, day, 2)?)
        && (!dashes || text.get(7) == Some(&b'-'));
    if !is_date {
        return None;
    }
    let rest = &text[end..];
    let mark = match rest.first() {
        Some(b'T' | b't' | b'-' | b'_') => 1,
        _ => 0,
    };
    let time = [6, 4].into_iter().find(|len| {
        digits(&rest[mark..]) == *len
            && number(rest, mark, 2).is_some_and(|hour| hour < 24)
            && number(rest, mark + 2, 2).is_some_and(|minute| minute < 60)
            && (*len == 4 || number(rest, mark + 4, 2).is_some_and(|second| second < 61))
    });
    match time {
        Some(len) => {
            let end = end + mark + len;
            Some(end + usize::from(text.get(end) == Some(&b'Z')))
        }
        // Longer digits are no date with something behind it.
        None if digits(rest) > 0 => None,
        None => Some(end),
    }
}

/// The number that these digits are.
fn number(text: &[u8], at: usize, len: usize) -> Option<u32> {
    let found = text.get(at..at + len)?;
    found.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + u32::from(byte - b'0'))
    })
}

/// How many digits `text` begins with; 0 for more than a number has.
pub fn digits(text: &[u8]) -> usize {
    let found = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if found > MAX_DIGITS { 0 } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<&'static str> {
        let all = Filling::ALL.into_iter();
        all.filter(|filling| filling.fits(text.as_bytes()))
            .map(Filling::as_str)
            .collect()
    }

    #[test]
    fn each_kind_is_recognised_narrowly() {
        for (text, expected) in [
            ("1.31", &["version"] as &[&str]),
            ("2.4.1-rc1", &["version"]),
            ("1.0.0-beta.2", &["version"]),
            ("3.0.0-SNAPSHOT", &["version"]),
            ("17.0.2+8", &["version"]),
            ("1.2.dev3", &["version"]),
            ("3.12.0b2", &["version"]),
            ("1", &["counter"]),
            ("v1.2", &[]),
            ("1.", &[]),
            ("1.2.3.4.5.6", &[]),
            ("1.2-linux", &[]),
            ("1.2-rcx", &[]),
            ("3f2a9c1", &["hash"]),
            ("3f2a9c", &[]),
            ("3F2A9C1D", &[]),
            ("deadbeef", &[]),
            ("123456789", &["hash", "counter"]),
            ("0f8fad5b-d9cb-469f-a165-70867728950e", &["uuid"]),
            ("0f8fad5b-d9cb-469f-a165-70867728950", &[]),
            ("0f8fad5bxd9cb-469f-a165-70867728950e", &[]),
            ("20261123", &["date", "hash", "counter"]),
            ("2026-11-23", &["date"]),
            ("20261123T101112", &["date"]),
            ("20261123T101112Z", &["date"]),
            ("20261123-1011", &["date"]),
            ("20261123101112", &["date", "hash", "counter"]),
            ("20261323", &["hash", "counter"]),
            ("2026-11-32", &[]),
            ("2026-11-23T25", &[]),
            ("18261123", &["hash", "counter"]),
            ("001", &["counter"]),
            ("", &[]),
            ("*", &[]),
            ("1\n", &[]),
            ("\u{661}", &[]),
        ] {
            assert_eq!(kinds(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_kind_is_read_as_it_is_written() {
        for filling in Filling::ALL {
            assert_eq!(filling.as_str().parse::<Filling>().ok(), Some(filling));
        }
        assert!("text".parse::<Filling>().is_err());
    }
}
