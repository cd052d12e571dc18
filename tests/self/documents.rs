//! The documents name tests, and those exist.

use anyhow::{Result, ensure};

const THREATS: &str = include_str!("../../docs/THREATS.md");

/// The groups of tests, as their names begin, and where each is listed.
const LISTS: [(&str, &str); 5] = [
    ("kernel", include_str!("../suite/kernel/mod.rs")),
    ("containers", include_str!("../suite/containers/mod.rs")),
    ("machine", include_str!("../suite/machine/mod.rs")),
    ("modules", include_str!("../suite/machine/mod.rs")),
    ("v1", include_str!("../suite/machine/mod.rs")),
];

pub fn every_test_named_in_the_threats_exists() -> Result<()> {
    let named: Vec<_> = THREATS
        .split('`')
        .filter_map(|word| word.split_once("::"))
        .collect();
    ensure!(named.len() > 50, "only {named:?} are named");

    let missing: Vec<_> = named.iter().filter(|test| !exists(test)).collect();

    ensure!(
        missing.is_empty(),
        "docs/THREATS.md names tests that are not in tests/suite: {missing:?}"
    );
    Ok(())
}

/// Whether a list has this test: what stands in no list does not compile.
fn exists((group, test): &(&str, &str)) -> bool {
    LISTS.iter().any(|(name, list)| {
        name == group
            && list
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == *test)
    })
}
