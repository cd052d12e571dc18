//! `cargo xtask fuzz`: new bytes for everything that parses or encodes what may be
//! hostile.

use crate::{command, setup, toolchain};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The longest input, in bytes: a little more than a request may have.
const LONGEST: usize = 70_000;
/// After so many seconds an input counts as one that hangs.
const HANGS: u64 = 10;

/// Arguments of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// Only this target; without it all, one after the other
    target: Option<String>,

    /// How long each is fuzzed
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

/// Fuzzes targets. What is new to one is kept below the target folder, for the next
/// time on this machine; an input that a target fails on is an error with its path.
pub fn run(args: &Args) -> Result<()> {
    setup::ensure(setup::Scope::Build)?;
    if toolchain::find_program("cargo-fuzz").is_none() {
        bail!("cargo-fuzz was not found; run `cargo install cargo-fuzz`");
    }
    let mut failing = Vec::new();
    for target in chosen(args.target.as_deref())? {
        failing.extend(fuzz(&target, args.seconds)?);
    }
    if !failing.is_empty() {
        let paths: Vec<String> = failing.iter().map(|p| p.display().to_string()).collect();
        bail!("these inputs fail:\n  {}", paths.join("\n  "));
    }
    Ok(())
}

/// The target of this name, or all.
fn chosen(name: Option<&str>) -> Result<BTreeSet<String>> {
    let files = files(&folder().join("fuzz_targets"))?;
    let stems = files.iter().filter_map(|file| file.file_stem());
    let all: BTreeSet<String> = stems
        .map(|stem| stem.to_string_lossy().into_owned())
        .collect();
    match name {
        None => Ok(all),
        Some(name) if all.contains(name) => Ok(BTreeSet::from([name.to_owned()])),
        Some(name) => {
            let all: Vec<String> = all.into_iter().collect();
            bail!("there is no target {name:?}; there are {}", all.join(", "))
        }
    }
}

/// Fuzzes one, and gives the inputs that it fails on.
fn fuzz(target: &str, seconds: u64) -> Result<Vec<PathBuf>> {
    let built = testbed::target_folder()?.join("fuzz");
    // libFuzzer adds to the first of its folders, and only reads the others.
    let found = built.join("corpus").join(target);
    let kept = folder().join("corpus").join(target);
    let failing = folder().join("artifacts").join(target);
    for folder in [&found, &failing] {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let begun = SystemTime::now();

    let mut cargo = command::cargo();
    cargo
        .current_dir(folder())
        // Sanitizers are nightly's, but every toolchain has them.
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["fuzz", "run", "--target-dir"])
        .arg(&built)
        .arg(target)
        .args([&found, &kept])
        .args(["--", "-print_final_stats=1"])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-timeout={HANGS}"));
    let dictionary = folder().join("dictionaries").join(target);
    if dictionary.exists() {
        cargo.arg(format!("-dict={}", dictionary.display()));
    }
    let ended = command::run(&mut cargo);
    // One that failed before has the same name again.
    let is_new = |file: &PathBuf| {
        let written = file.metadata().and_then(|file| file.modified());
        written.is_ok_and(|written| written >= begun)
    };
    let failing: Vec<PathBuf> = files(&failing)?.into_iter().filter(is_new).collect();
    match ended {
        Ok(()) => Ok(Vec::new()),
        // Without an input, it was not the target that failed.
        Err(error) if failing.is_empty() => Err(error),
        Err(_) => Ok(failing),
    }
}

fn folder() -> PathBuf {
    command::workspace().join("fuzz")
}

fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let cannot_read = || format!("cannot read the folder {}", folder.display());
    let entries = fs::read_dir(folder).with_context(cannot_read)?;
    entries
        .map(|entry| Ok(entry.with_context(cannot_read)?.path()))
        .collect()
}
