use super::roundtrip::{baseline, load};
use crate::learn::Baseline;
use crate::store::{Store, StoreError};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn filled(dir: &Path) -> Vec<Baseline> {
    let baselines = vec![baseline("a", 20, 1), baseline("b", 200, 1)];
    let mut store = Store::open(dir).unwrap();
    for baseline in &baselines {
        store.save(&[baseline]).unwrap();
    }
    baselines
}

fn refused(dir: &Path) {
    let file = dir.join("execwarden.redb");

    let error = Store::open(dir).unwrap_err();

    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("{} cannot be read: ", file.display())));
    assert!(text.contains("move it away to start with nothing learned"));
}

#[test]
fn a_truncated_file_is_refused_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let file = dir.path().join("execwarden.redb");
    let whole = fs::read(&file).unwrap();

    for kept in [0, 1, 9, 100, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..kept]).unwrap();

        refused(dir.path());
    }
}

#[test]
fn another_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("execwarden.redb"),
        "#!/bin/sh\n".repeat(900),
    )
    .unwrap();

    refused(dir.path());
}

#[test]
fn a_database_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("execwarden.redb");
    drop(redb::Database::create(&file).unwrap());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();

    refused(dir.path());
}

#[test]
fn once_moved_away_learning_starts_over() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("execwarden.redb");
    fs::write(&file, "broken").unwrap();
    refused(dir.path());

    fs::rename(&file, dir.path().join("execwarden.redb.broken")).unwrap();

    assert!(load(dir.path()).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every committed page has a checksum: what is read is what some commit
    /// wrote, or nothing is.
    #[test]
    fn flipped_bits_are_never_read_as_something_else(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), 1u8..), 1..4),
        in_head: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let saved = filled(dir.path());
        let file = dir.path().join("execwarden.redb");
        let mut bytes = fs::read(&file).unwrap();
        let reach = if in_head { 320 } else { bytes.len() };
        for (place, bits) in flips {
            bytes[place.index(reach)] ^= bits;
        }
        fs::write(&file, bytes).unwrap();

        match Store::open(dir.path()).and_then(|mut store| store.load()) {
            Err(error) => prop_assert!(
                matches!(error, StoreError::Corrupt { .. } | StoreError::Io { .. }),
                "{error:?}"
            ),
            Ok(loaded) => {
                prop_assert!(loaded.damaged.is_empty());
                prop_assert!(loaded.baselines.iter().all(|found| saved.contains(found)));
            }
        }
    }
}
