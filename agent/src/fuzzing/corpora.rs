//! Every input that is kept goes through its target: what fuzzing has found once
//! stays found, without a fuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

type Target = fn(&[u8]);

/// All targets by the name of their file in `fuzz/fuzz_targets`.
const TARGETS: [(&str, Target); 8] = [
    ("alert_json", super::alert_json),
    ("alert_rfc5424", super::alert_rfc5424),
    ("allowlist", super::allowlist),
    ("cgroup_path", super::cgroup_path),
    ("control_request", super::control_request),
    ("cri_reply", super::cri_reply),
    ("foreign", super::foreign),
    ("kernel_event", super::kernel_event),
];
/// The most inputs of one target: they are for the test to be quick, and for a
/// fuzzer to begin with.
const MOST: usize = 60;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz")
        .join(name)
}

/// The files of a folder below `fuzz/`, hidden ones left out.
fn files(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).expect(name);
    let paths = entries.map(|entry| entry.expect(name).path());
    let is_hidden = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(b".")
    };
    paths.filter(|path| !is_hidden(path)).collect()
}

#[test]
fn every_target_has_a_program_and_inputs() {
    let names = |folder| -> BTreeSet<String> {
        let stems = files(folder).into_iter().map(|path| {
            let stem = path.file_stem().expect("a name");
            stem.to_string_lossy().into_owned()
        });
        stems.collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();

    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
}

#[test]
fn what_is_kept_holds() {
    for (name, target) in TARGETS {
        let inputs = files(&format!("corpus/{name}"));
        assert!(
            (1..=MOST).contains(&inputs.len()),
            "{name} has {} inputs",
            inputs.len()
        );
        for input in inputs {
            let bytes = fs::read(&input).expect("readable");
            // Printed where the target panics.
            println!("{}", input.display());
            target(&bytes);
        }
    }
}

#[test]
fn nothing_and_any_single_byte_hold() {
    for (_, target) in TARGETS {
        target(&[]);
        (0..=u8::MAX).for_each(|byte| target(&[byte]));
    }
}
