//! The documents name tests, and those exist.

use anyhow::{Result, ensure};
use std::collections::BTreeSet;

const THREATS: &str = include_str!("../../docs/THREATS.md");
/// With what is missing, line by line.
const BLOCKING: &str = include_str!("../../docs/BLOCKING.md");

/// The groups of tests, as their names begin, and where each is listed: what
/// stands in no list does not compile.
const LISTS: [(&[&str], &str); 3] = [
    (&["kernel"], include_str!("../suite/kernel/mod.rs")),
    (&["containers"], include_str!("../suite/containers/mod.rs")),
    (
        &["machine", "modules", "v1"],
        include_str!("../suite/machine/mod.rs"),
    ),
];

pub fn the_documents_name_the_tests_that_there_are() -> Result<()> {
    let words_of = |document: &'static str| document.split('`');
    let named: BTreeSet<(&str, &str)> = { words_of(THREATS).chain(words_of(BLOCKING)) }
        .filter_map(|word| word.split_once("::"))
        .collect();

    for (groups, list) in LISTS {
        let there: BTreeSet<&str> = words(list).collect();
        let here = |group: &str| groups.contains(&group);
        let missing: Vec<_> = named
            .iter()
            .filter(|(group, test)| here(group) && !there.contains(test))
            .collect();
        ensure!(missing.is_empty(), "there are no such tests: {missing:?}");

        let untold: Vec<_> = there
            .iter()
            .filter(|test| is_of_a_threat(test))
            // A list of tests of another group has the name of that.
            .filter(|test| !named.iter().any(|(_, name)| name == *test))
            .collect();
        ensure!(
            untold.is_empty(),
            "docs/THREATS.md does not name {untold:?} of {groups:?}"
        );
    }
    let groups: BTreeSet<&str> = LISTS
        .iter()
        .flat_map(|(groups, _)| *groups)
        .copied()
        .collect();
    let unknown: Vec<_> = named
        .iter()
        .filter(|(group, _)| !groups.contains(group))
        .collect();
    ensure!(unknown.is_empty(), "there are no such groups: {unknown:?}");
    Ok(())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Whether a test's name begins with a threat's number: `b01_`.
fn is_of_a_threat(test: &str) -> bool {
    matches!(test.as_bytes(), [b'b', b'0'..=b'9', b'0'..=b'9', b'_', ..])
}
