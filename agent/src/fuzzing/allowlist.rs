//! Fuzzing of documents: any bytes end in a document that is written as it is
//! read, or in an error that a person can act on.

use crate::allowlist::{Allowlist, Document, ParseError, parse, render};
use crate::model::Untrusted;

/// A document, from a person or from a stranger.
pub fn allowlist(bytes: &[u8]) {
    match parse("it.yaml", bytes) {
        Ok(document) => {
            assert_written_as_read(&document);
            // Patterns that are too much for the matcher are refused, no more.
            let _ = Allowlist::new(&document);
        }
        Err(error) => assert_helpful(&error, bytes),
    }
}

/// What is written of a document reads as that document, and is written so again.
pub(super) fn assert_written_as_read(document: &Document) {
    let written = render(document);
    let read = parse("it.yaml", written.as_bytes());
    assert_eq!(read.as_ref(), Ok(document), "{written}");
    assert_eq!(read.map(|read| render(&read)), Ok(written));
}

/// One line of plain text, and a place that the file has.
fn assert_helpful(error: &ParseError, bytes: &[u8]) {
    let message = Untrusted::from(error.message.as_str());
    assert!(message.as_plain_str().is_some(), "{message:?}");
    assert!(!error.message.is_empty() && error.message.len() <= 600);
    // An error may stand behind the last line break, of which YAML has others too.
    let breaks = bytes.iter().filter(|b| b"\n\r".contains(b)).count() as u64;
    assert!((1..=breaks + 1).contains(&error.line), "{error}");
    assert!(
        (1..=bytes.len() as u64 + 1).contains(&error.column),
        "{error}"
    );
}
