//! Whether the documents that come with the agent are documents, and whether what
//! is said of them is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use testbed::{agent, software};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("allowlists")
}

/// Every document there, with its file's stem.
fn documents() -> Vec<(String, PathBuf)> {
    let files = fs::read_dir(folder()).expect("the folder");
    files
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .map(|path| {
            let stem = path.file_stem().expect("a name").to_string_lossy();
            (stem.into_owned(), path)
        })
        .collect()
}

#[test]
fn each_is_valid() {
    let files: Vec<_> = documents().into_iter().map(|(_, path)| path).collect();

    let output = Command::new(agent::binary().expect("the agent"))
        .args(["allowlist", "validate"])
        .args(&files)
        .output()
        .expect("started");

    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        printed.matches(": valid\n").count(),
        files.len(),
        "{printed}"
    );
}

#[test]
fn each_is_of_one_software_but_for_the_example() {
    let there: BTreeSet<String> = documents().into_iter().map(|(stem, _)| stem).collect();
    let names = software::ALL.map(|software| software.name);
    let expected: BTreeSet<String> = names
        .into_iter()
        .chain(["checkout"])
        .map(str::to_owned)
        .collect();

    assert_eq!(there, expected);
}

/// Its name is what the annotation `execwarden.dev/allowlist` asks for; what was
/// of the agent, the node or the day, is not there.
#[test]
fn each_that_was_learned_has_its_own_name_and_no_evidence() {
    for (name, path) in documents() {
        if software::named(&name).is_none() {
            continue;
        }
        let text = fs::read_to_string(&path).expect("readable");

        let head = format!("# What {name} runs, ");
        assert!(text.starts_with(&head), "{}", path.display());
        assert!(text.contains(&format!("\nmetadata:\n  name: {name}\nspec:\n")));
        for word in ["\nstatus:", " sha256:", "written-by"] {
            assert!(!text.contains(word), "{word} is in {}", path.display());
        }
    }
}

#[test]
fn the_readme_has_each() {
    let readme = fs::read_to_string(folder().join("README.md")).expect("readable");

    for (name, _) in documents() {
        let file = format!("[`{name}.yaml`]({name}.yaml)");
        assert!(readme.contains(&file), "README.md lacks {file}");
    }
}
