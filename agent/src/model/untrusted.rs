//! Bytes that a container chose.

use std::fmt;

/// Bytes that a container chose: a path, an argument, a process name. There is
/// no `Display`; [`Untrusted::escaped`] is the only way out as text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Untrusted(Vec<u8>);

impl Untrusted {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes as they are: for comparing and hashing, never for printing.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, if it is UTF-8 without control characters and without
    /// characters that a terminal or an editor reorders or hides.
    pub fn as_plain_str(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.0).ok()?;
        text.chars().all(is_plain).then_some(text)
    }

    /// The text, if it is as plain as [`Self::as_plain_str`] wants it, but for
    /// line feeds and tabs: code that stands in an argument has them.
    pub fn as_plain_lines(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.0).ok()?;
        text.chars()
            .all(|c| is_plain(c) || matches!(c, '\n' | '\t'))
            .then_some(text)
    }

    /// At most `limit` bytes of printable UTF-8 on one line: backslash,
    /// control characters, bidirectional marks and bytes that are no UTF-8
    /// become `\\`, `\xNN` or `\u{N}`; what was cut is marked by `…`.
    pub fn escaped(&self, limit: usize) -> String {
        self.escape(limit, None)
    }

    /// As [`escaped`](Self::escaped), with a comma as `\x2c`: one element of a
    /// list that is joined by commas.
    pub fn escaped_element(&self, limit: usize) -> String {
        self.escape(limit, Some(','))
    }

    /// `also` is one more ASCII character to be escaped.
    fn escape(&self, limit: usize, also: Option<char>) -> String {
        use fmt::Write as _;

        let mut out = String::new();
        // The last end of a piece with room for the mark behind it: half an escape
        // would stand for something else.
        let mut end = 0;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if out.len() + MARK.len_utf8() <= limit {
                    end = out.len();
                }
                match c {
                    '\\' => out.push_str("\\\\"),
                    c if is_plain(c) && Some(c) != also => out.push(c),
                    c if c.is_ascii() => {
                        let _ = write!(out, "\\x{:02x}", c as u32);
                    }
                    c => {
                        let _ = write!(out, "\\u{{{:x}}}", c as u32);
                    }
                }
                if out.len() > limit {
                    return cut(out, end, limit);
                }
            }
            for byte in chunk.invalid() {
                if out.len() + MARK.len_utf8() <= limit {
                    end = out.len();
                }
                let _ = write!(out, "\\x{byte:02x}");
                if out.len() > limit {
                    return cut(out, end, limit);
                }
            }
        }
        out
    }
}

const MARK: char = '…';

/// `out` ran over `limit`: what is behind `end` gives way to the mark, if that fits
/// at all.
fn cut(mut out: String, end: usize, limit: usize) -> String {
    out.truncate(end);
    if end + MARK.len_utf8() <= limit {
        out.push(MARK);
    }
    out
}

fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{61c}' | '\u{e0000}'..='\u{e007f}')
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escaped(512))
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8], limit: usize, expected: &str) {
        assert_eq!(Untrusted::new(bytes).escaped(limit), expected);
    }

    #[test]
    fn plain_text_stays() {
        check("/usr/bin/nginx -g ä".as_bytes(), 100, "/usr/bin/nginx -g ä");
    }

    #[test]
    fn what_could_break_a_line_or_a_terminal_is_escaped() {
        check(
            b"a\nb\x1b[31m\0\\\xff",
            100,
            "a\\x0ab\\x1b[31m\\x00\\\\\\xff",
        );
        check("\u{202e}x\u{feff}".as_bytes(), 100, "\\u{202e}x\\u{feff}");
    }

    #[test]
    fn an_element_of_a_list_has_no_comma() {
        let text = Untrusted::from("a,b\\x2c");

        assert_eq!(text.escaped_element(100), "a\\x2cb\\\\x2c");
        assert_eq!(text.escaped(100), "a,b\\\\x2c");
    }

    #[test]
    fn what_is_cut_is_marked() {
        check(b"abcdefgh", 8, "abcdefgh");
        check(b"abcdefghi", 8, "abcde…");
        check(b"abcdefg\n", 8, "abcde…");
        check(b"abcdefghi", 2, "");
    }

    #[test]
    fn no_escape_is_cut_in_half() {
        check(b"ab\nxyz", 8, "ab…");
        check(b"abcd\\xyz", 8, "abcd…");
        check(b"abcd\xffxyz", 8, "abcd…");
        check("\u{202e}xyz".as_bytes(), 10, "…");
    }

    proptest! {
        #[test]
        fn always_one_bounded_line(bytes: Vec<u8>, limit in 0usize..64) {
            let out = Untrusted::new(bytes).escaped(limit);

            prop_assert!(out.len() <= limit);
            prop_assert!(out.chars().all(|c| !c.is_control()));
        }

        #[test]
        fn different_bytes_stay_different(a: Vec<u8>, b: Vec<u8>) {
            let (left, right) = (Untrusted::new(a.clone()), Untrusted::new(b.clone()));

            prop_assert_eq!(a == b, left.escaped(10_000) == right.escaped(10_000));
        }
    }
}
