//! What is said on stderr beside a result.

use crate::allowlist::merge::Struck;
use crate::allowlist::{Mode, fields};
use crate::cli::output::tell;
use crate::exchange::Losses;
use std::collections::BTreeSet;

/// The most rules of a file that are named when they are left out.
const MAX_LEFT_OUT: usize = 100;

/// What a translation of the file `name` has lost: one line for each rule that
/// it left out, and one for all the rest.
pub(super) fn lost(name: &str, losses: &Losses) {
    let left_out = losses.left_out();
    for one in left_out.iter().take(MAX_LEFT_OUT) {
        tell(&format_args!("left out: {name}: {}: {}", one.what, one.why));
    }
    if left_out.len() > MAX_LEFT_OUT {
        let more = left_out.len() - MAX_LEFT_OUT;
        tell(&format_args!("left out: {name}: and {more} more"));
    }
    if let Some(summary) = losses.summary() {
        tell(&format_args!("lost: {name}: {summary}"));
    }
}

/// Which of the modes of files holds, where they differ.
pub(super) fn modes(mut of_files: impl Iterator<Item = Mode>, holds: Mode) {
    if of_files.any(|mode| mode != holds) {
        tell(&format_args!(
            "note: their modes differ: {holds} holds, which is the strictest"
        ));
    }
}

/// That an entry is not in the union of files.
pub(super) fn struck(one: &Struck, names: &[String]) {
    let entry = fields::identity(&one.entry);
    let role: Vec<String> = entry
        .fields
        .iter()
        .map(|field| format!(", {}: {}", field.name, field.value))
        .collect();
    tell(&format_args!(
        "note: {}{} is allowed by {} and removed by {}: it stays removed",
        entry.path,
        role.concat(),
        of(&one.allowed_by, names),
        of(&one.struck_by, names),
    ));
}

fn of(files: &BTreeSet<usize>, names: &[String]) -> String {
    let names: Vec<&str> = files
        .iter()
        .filter_map(|file| names.get(*file).map(String::as_str))
        .collect();
    names.join(", ")
}

/// That the comments of a file are lost, if it has some.
pub(super) fn comments(name: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if text.lines().any(has_comment) {
        tell(&format_args!(
            "note: {name}: its comments are not carried over"
        ));
    }
}

/// Whether a line has a comment: a `#` at its beginning or behind a space,
/// where it is in no quotes.
fn has_comment(line: &str) -> bool {
    let mut quote = None;
    let mut before = ' ';
    for c in line.chars() {
        match (quote, c) {
            (None, '#') if before.is_whitespace() => return true,
            (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
            (Some(open), c) if c == open && before != '\\' => quote = None,
            _ => {}
        }
        before = c;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_no_text_with_a_hash() {
        for (line, expected) in [
            ("# all", true),
            ("  - path: /a  # why", true),
            ("  - path: /a#b", false),
            ("  - path: \"/a #b\"", false),
            ("  - path: '/a #b' # c", true),
            ("  - \"a\\\" # b\"", false),
            ("  - it's # c", true),
            ("", false),
        ] {
            assert_eq!(has_comment(line), expected, "{line}");
        }
    }
}
