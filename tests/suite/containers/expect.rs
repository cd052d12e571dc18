//! Expected records, as short as a test can say them.
//!
//! `drift /tmp/x` is the first record of a file that ran, or of a script;
//! `drift /tmp/x +3` a sum of three more; `no-allowlist` a record about a
//! container. One `*` stands for what the kernel makes up, such as the name of
//! a file without one.

use super::scene::ELEMENT;
use anyhow::{Result, bail, ensure};
use testbed::{Container, Record};

/// The records that containers are to leave, by container.
pub type Expected<'a> = [(&'a Container, &'a [&'a str])];

/// The one record of a container that is this in short.
pub fn only<'r>(records: &'r [Record], container: &Container, text: &str) -> Result<&'r Record> {
    let mut found = records
        .iter()
        .filter(|record| is_of(record, container) && brief(record) == text);
    match (found.next(), found.next()) {
        (Some(record), None) => Ok(record),
        _ => bail!("not one record `{text}`: {records:#?}"),
    }
}

/// Fails unless exactly the expected records came.
pub fn exactly(expected: &Expected<'_>, records: &[Record]) -> Result<()> {
    let mut unexpected: Vec<&Record> = records.iter().collect();
    let mut missing = Vec::new();
    for (container, texts) in expected {
        for text in *texts {
            let place = unexpected
                .iter()
                .position(|record| is_of(record, container) && fits(text, &brief(record)));
            match place {
                Some(place) => drop(unexpected.remove(place)),
                None => missing.push(format!("{} of {}", text, container.id())),
            }
        }
    }
    ensure!(
        unexpected.is_empty() && missing.is_empty(),
        "missing: {missing:#?}; came and was not expected: {:#?}",
        unexpected
            .iter()
            .map(|record| format!("{} | {}", brief(record), record.raw))
            .collect::<Vec<_>>()
    );
    Ok(())
}

/// Whether a record is about this container.
pub fn is_of(record: &Record, container: &Container) -> bool {
    record.parameter(ELEMENT, "container") == Some(container.id())
}

/// How many deviations a record stands for.
pub fn count(record: &Record) -> u64 {
    let count = record.parameter(ELEMENT, "count");
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// How many deviations the container's records of a file, or of a script, stand
/// for together.
pub fn counted(records: &[Record], container: &Container, what: &str) -> u64 {
    records
        .iter()
        .filter(|record| is_of(record, container) && subject(record) == Some(what))
        .map(count)
        .sum()
}

/// The record in a test's words.
pub fn brief(record: &Record) -> String {
    let field = |name| record.parameter(ELEMENT, name);
    let mut text = field("reason").unwrap_or(&record.msgid).to_owned();
    if let Some(what) = subject(record) {
        text.push(' ');
        text.push_str(what);
    }
    if field("kind") == Some("repeats") {
        text.push_str(" +");
        text.push_str(field("count").unwrap_or_default());
    }
    text
}

/// What ran: the script, or where there is none, the file.
fn subject(record: &Record) -> Option<&str> {
    let field = |name| record.parameter(ELEMENT, name);
    field("script").or(field("path"))
}

fn fits(wanted: &str, text: &str) -> bool {
    match wanted.split_once('*') {
        Some((before, after)) => text
            .strip_prefix(before)
            .is_some_and(|rest| rest.ends_with(after)),
        None => wanted == text,
    }
}
