//! What is said beside a result: on stderr, or with it where that is JSON.

use crate::allowlist::merge::Struck;
use crate::allowlist::{Mode, fields};
use crate::cli::output::tell;
use crate::exchange::Losses;
use serde::Serialize;
use std::collections::BTreeSet;

/// The most rules of a file that are named on stderr when they are left out.
const MAX_LEFT_OUT: usize = 100;

/// One thing that a person should know of a result.
#[derive(Serialize)]
#[serde(tag = "note", rename_all = "kebab-case")]
pub(super) enum Note {
    /// The comments of a file are not carried over.
    Comments { file: String },
    /// The modes of files differ, and this one holds.
    Modes { holds: Mode },
    /// An entry that one file allows is not in the union, for another one's
    /// strike.
    Struck {
        entry: fields::Entry,
        allowed_by: Vec<String>,
        removed_by: Vec<String>,
    },
    /// What the translation of a file could not carry over.
    Lost {
        file: String,
        #[serde(flatten)]
        losses: Losses,
    },
}

impl Note {
    /// That the comments of a file are lost, if it has some.
    pub(super) fn of_comments(file: String, bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        text.lines()
            .any(has_comment)
            .then_some(Self::Comments { file })
    }

    /// Which of the modes of files holds, where they differ.
    pub(super) fn of_modes(mut of_files: impl Iterator<Item = Mode>, holds: Mode) -> Option<Self> {
        of_files
            .any(|mode| mode != holds)
            .then_some(Self::Modes { holds })
    }

    /// That an entry is not in the union of the files with these names.
    pub(super) fn of_struck(one: &Struck, names: &[String]) -> Self {
        let of = |files: &BTreeSet<usize>| {
            let names = files.iter().filter_map(|file| names.get(*file));
            names.cloned().collect()
        };
        Self::Struck {
            entry: fields::identity(&one.entry),
            allowed_by: of(&one.allowed_by),
            removed_by: of(&one.struck_by),
        }
    }

    /// What was lost of a file, if anything was.
    pub(super) fn of_losses(file: String, losses: Losses) -> Option<Self> {
        (losses != Losses::default()).then_some(Self::Lost { file, losses })
    }

    /// Whether something that may run by a file may not by the result.
    pub(super) fn is_left_out(&self) -> bool {
        matches!(self, Self::Lost { losses, .. } if !losses.left_out().is_empty())
    }

    /// Says it on stderr.
    pub(super) fn tell(&self) {
        match self {
            Self::Comments { file } => tell(&format_args!(
                "note: {file}: its comments are not carried over"
            )),
            Self::Modes { holds } => tell(&format_args!(
                "note: their modes differ: {holds} holds, which is the strictest"
            )),
            Self::Struck {
                entry,
                allowed_by,
                removed_by,
            } => {
                let role = entry.fields.iter();
                let role: Vec<String> = role
                    .map(|field| format!(", {}: {}", field.name, field.value))
                    .collect();
                tell(&format_args!(
                    "note: {}{} is allowed by {} and removed by {}: it stays removed",
                    entry.path,
                    role.concat(),
                    allowed_by.join(", "),
                    removed_by.join(", "),
                ));
            }
            Self::Lost { file, losses } => tell_lost(file, losses),
        }
    }
}

/// One line for each rule that was left out, and one for all the rest.
fn tell_lost(file: &str, losses: &Losses) {
    let left_out = losses.left_out();
    for one in left_out.iter().take(MAX_LEFT_OUT) {
        tell(&format_args!("left out: {file}: {}: {}", one.what, one.why));
    }
    if left_out.len() > MAX_LEFT_OUT {
        let more = left_out.len() - MAX_LEFT_OUT;
        tell(&format_args!("left out: {file}: and {more} more"));
    }
    if let Some(summary) = losses.summary() {
        tell(&format_args!("lost: {file}: {summary}"));
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
