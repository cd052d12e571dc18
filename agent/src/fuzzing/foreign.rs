//! Fuzzing of other products' files: each ends in documents that the agent takes,
//! or in an error.

use super::Source;
use super::allowlist::assert_written_as_read;
use crate::allowlist::Document;
use crate::exchange::{Assignment, Format, assign, export, import};
use std::collections::BTreeSet;

/// All but our own, which is another target.
const FORMATS: [Format; 5] = [
    Format::NeuVector,
    Format::Kubescape,
    Format::KubeArmor,
    Format::Tetragon,
    Format::WorkloadPolicy,
];

/// A file in the format that its first byte names.
pub fn foreign(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let format = source.pick(&FORMATS);
    let Some(documents) = documents(format, source.rest()) else {
        return;
    };
    for document in documents {
        assert_written_as_read(&document);
        // What is written in the format is read again, and allows no other path.
        let Ok(exported) = export(format, std::slice::from_ref(&document)) else {
            continue;
        };
        let back = self::documents(format, exported.text.as_bytes());
        let paths = paths(&document);
        for back in back.expect(&exported.text) {
            let more: Vec<String> = self::paths(&back).difference(&paths).cloned().collect();
            assert!(more.is_empty(), "{more:?} is not in {paths:?}");
        }
    }
}

/// What is made of a file, where it is one; a person's word says whose it is where
/// the file does not.
fn documents(format: Format, bytes: &[u8]) -> Option<Vec<Document>> {
    let word: Assignment = "shop/Deployment/checkout/api".parse().expect("a workload");
    let parts = import(format, "it.yaml", bytes).ok()?.parts;
    let documents = assign(parts.clone(), &[]);
    documents.or_else(|_| assign(parts, &[word])).ok()
}

fn paths(document: &Document) -> BTreeSet<String> {
    let all = document.spec.processes.iter();
    all.map(|process| process.path().as_str().to_owned())
        .collect()
}
