//! `cargo xtask test`: what CI runs.

use crate::{command, setup};
use anyhow::{Context, Result, bail};
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Only tests whose name contains this, without the checks of format and
    /// lints
    filter: Option<String>,
}

/// Checks format and lints, then runs all tests to the end and prints their
/// sum in the words of the test runner.
pub fn run(args: Args) -> Result<()> {
    setup::ensure(setup::Scope::Everything)?;
    if args.filter.is_none() {
        check_sources()?;
    }
    // Tests of another package start the agent's binary: cargo does not know.
    command::run(command::cargo().args(["build", "--package", "execwarden"]))?;
    run_tests(args.filter.as_deref())
}

fn check_sources() -> Result<()> {
    command::run(command::cargo().args(["fmt", "--all", "--check"]))?;
    let programs = command::workspace().join("agent-ebpf/Cargo.toml");
    command::run(
        command::cargo()
            .args(["fmt", "--check", "--manifest-path"])
            .arg(programs),
    )?;
    command::run(command::cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))
}

fn run_tests(filter: Option<&str>) -> Result<()> {
    let begun = Instant::now();
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

    sum.duration = begun.elapsed();
    sum.broken = !status.success();
    println!("\nall suites\n{sum}");
    if sum.broken {
        bail!("`cargo test --workspace` failed ({status})");
    }
    Ok(())
}

/// The closing lines of all test binaries, added up.
#[derive(Default, Debug, PartialEq)]
struct Sum {
    passed: u64,
    failed: u64,
    ignored: u64,
    measured: u64,
    filtered_out: u64,
    broken: bool,
    duration: Duration,
}

impl Sum {
    /// Takes in a line of output if it is a closing line.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what.trim() {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                "measured" => self.measured += number,
                "filtered out" => self.filtered_out += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.broken || self.failed > 0 {
            "FAILED"
        } else {
            "ok"
        };
        write!(
            f,
            "test result: {verdict}. {} passed; {} failed; {} ignored; {} measured; {} filtered out; finished in {:.2}s",
            self.passed,
            self.failed,
            self.ignored,
            self.measured,
            self.filtered_out,
            self.duration.as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_closing_lines_and_prints_one() {
        let mut sum = Sum::default();

        for line in [
            "running 3 tests",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.10s",
            "test tests::result ... ok",
            "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            sum.add(line);
        }

        assert_eq!(
            sum.to_string(),
            "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s"
        );
    }

    #[test]
    fn one_failure_is_the_verdict() {
        let mut sum = Sum::default();

        sum.add(
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
        );

        assert!(
            sum.to_string()
                .starts_with("test result: FAILED. 2 passed; 1 failed;")
        );
    }

    #[test]
    fn a_suite_that_died_is_a_failure_without_a_count() {
        let sum = Sum {
            passed: 3,
            broken: true,
            ..Sum::default()
        };

        assert!(
            sum.to_string()
                .starts_with("test result: FAILED. 3 passed; 0 failed;")
        );
    }
}
