//! YAML with the library's limits drawn tight and its errors in our words.

use crate::model::Untrusted;
use serde::de::DeserializeOwned;
use serde_saphyr::Location;
use serde_saphyr::options::MergeKeyPolicy;
use std::fmt::Display;

/// How much YAML is read.
struct Limits {
    /// The deepest nesting of mappings and lists.
    depth: usize,
    documents: usize,
    /// Mappings, lists and texts.
    nodes: usize,
}

/// A document needs a depth of five.
const OURS: Limits = Limits {
    depth: 16,
    documents: 1,
    nodes: 250_000,
};
/// In what other products write, stacks of calls are nested deeply, and a
/// cluster's profiles are in one file.
const FOREIGN: Limits = Limits {
    depth: 100,
    documents: 256,
    nodes: 1_000_000,
};
/// The longest message about a file, in bytes.
const MAX_MESSAGE: usize = 600;

/// A [`super::ParseError`] whose file is not known yet.
pub(super) struct Fault {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(at: Location, message: impl Display) -> Self {
        Self {
            // 0 is the library's "unknown".
            line: at.line().max(1),
            column: at.column().max(1),
            message: Untrusted::new(message.to_string()).escaped(MAX_MESSAGE),
        }
    }

    pub(super) fn whole_file(message: impl Display) -> Self {
        Self::new(Location::UNKNOWN, message)
    }
}

pub(super) fn not_utf8(bytes: &[u8], valid: usize) -> Fault {
    let before = &bytes[..valid];
    let line_start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |i| i + 1);
    // Up to `valid` it is UTF-8, and so is a part that ends there and starts
    // after a line feed.
    let column = std::str::from_utf8(&before[line_start..]).map_or(0, |s| s.chars().count());
    Fault {
        line: 1 + before.iter().filter(|b| **b == b'\n').count() as u64,
        column: 1 + column as u64,
        message: "the file is not UTF-8 from here on; save it as UTF-8".to_owned(),
    }
}

/// Reads one YAML document into `T`.
pub(super) fn yaml<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_saphyr::from_str_with_options(text, options(&OURS)).map_err(|error| yaml_fault(&error))
}

/// Reads all documents of a file; empty ones are skipped.
pub(super) fn foreign(text: &str) -> Result<Vec<serde_json::Value>, Fault> {
    serde_saphyr::from_multiple_with_options(text, options(&FOREIGN))
        .map_err(|error| yaml_fault(&error))
}

fn options(limits: &Limits) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: limits.depth,
            flow_nesting_limit: limits.depth,
            max_anchors: 0,
            max_aliases: 0,
            max_documents: limits.documents,
            max_nodes: limits.nodes,
            // A node has one, a mapping and a list have two.
            max_events: 4 * limits.nodes,
        },
        merge_keys: MergeKeyPolicy::Error,
        // A program may be called y.
        strict_booleans: true,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    }
}

fn yaml_fault(error: &serde_saphyr::Error) -> Fault {
    use serde_saphyr::Error as E;
    use serde_saphyr::budget::BudgetBreach as B;

    let at = error.location().unwrap_or(Location::UNKNOWN);
    match error {
        E::SerdeUnknownField {
            field, expected, ..
        } => {
            let known = expected.join(", ");
            Fault::new(
                at,
                format_args!("unknown field {field:?}; the fields here are {known}"),
            )
        }
        E::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or_default();
            Fault::new(at, format_args!("the field {key:?} stands here twice"))
        }
        E::NullIntoString { .. } => Fault::new(at, "the value is missing; write a text"),
        E::Unexpected { expected, .. } => {
            let expected = match *expected {
                "sequence start" => "a list",
                "mapping start" => "fields and their values",
                "string scalar" => "a text",
                other => other,
            };
            Fault::new(at, format_args!("expected {expected} here"))
        }
        E::Eof { .. } => Fault::new(
            at,
            "the file ends here, without a document or in the middle of one",
        ),
        E::MultipleDocuments { .. } => Fault::new(at, ONE_DOCUMENT),
        E::Budget { breach, .. } => match breach {
            B::Documents { .. } => Fault::new(at, ONE_DOCUMENT),
            B::Anchors { .. } | B::Aliases { .. } => {
                Fault::new(at, "anchors and aliases are refused; write each entry out")
            }
            B::Depth { .. } => Fault::new(at, TOO_DEEP),
            _ => Fault::new(at, format_args!("too large for an allowlist ({breach:?})")),
        },
        E::MergeKeyNotAllowed { .. } => {
            Fault::new(at, "merge keys (<<) are refused; write each field out")
        }
        _ => {
            let text = error.to_string();
            let place = format!(" at line {}, column {}", at.line(), at.column());
            match text.strip_suffix(&place).unwrap_or(&text) {
                // Many brackets are counted before there is anything in them.
                "recursion limit exceeded" => Fault::new(at, TOO_DEEP),
                text => Fault::new(at, text),
            }
        }
    }
}

const TOO_DEEP: &str = "nested too deeply for an allowlist";
const ONE_DOCUMENT: &str = "a second document begins here; write one document per file";
