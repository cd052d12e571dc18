//! `cargo xtask test`: what CI runs.

use crate::sum::Sum;
use crate::{command, setup, vm};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Only tests whose name contains this, without the checks of format and
    /// lints, and without the virtual machine
    filter: Option<String>,
}

/// Checks format and lints, then runs all tests to the end, on this machine's
/// kernel and shortly on another one, and prints their sum in the words of the
/// test runner.
pub fn run(args: Args) -> Result<()> {
    setup::ensure(setup::Scope::Everything)?;
    if args.filter.is_none() {
        check_sources()?;
    }
    let begun = Instant::now();
    let mut sum = run_tests(args.filter.as_deref())?;
    if args.filter.is_none() {
        sum.add_sum(&vm::test_shortly()?);
    }
    sum.duration = begun.elapsed();
    // Once more: a run prints thousands of lines after them.
    for line in sum.failures() {
        println!("{line}");
    }
    println!("\nall suites\n{sum}");
    if !sum.is_good() {
        bail!("not every test passed");
    }
    Ok(())
}

fn check_sources() -> Result<()> {
    command::run(command::cargo().args(["fmt", "--all", "--check"]))?;
    // Each is a workspace of its own.
    for other in ["agent-ebpf", "fuzz"] {
        let manifest = command::workspace().join(other).join("Cargo.toml");
        command::run(
            command::cargo()
                .args(["fmt", "--check", "--manifest-path"])
                .arg(manifest),
        )?;
    }
    command::run(command::cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))
}

/// Tests of another package start the agent's binary too, which is built before
/// any of them runs because the agent's own do.
fn run_tests(filter: Option<&str>) -> Result<Sum> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast", "--"]);
    cargo.args(filter);
    let mut running = cargo
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo test")?;
    let output = running.stdout.take().expect("it was piped above");
    let mut sum = Sum::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read what cargo test prints")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        sum.add(&line);
    }
    let status = running.wait().context("cannot wait for cargo test")?;

    sum.broken = !status.success();
    Ok(sum)
}
