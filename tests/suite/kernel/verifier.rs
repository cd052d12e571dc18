//! What the programs cost the verifier, against what docs/KERNELS.md says.

use super::watch::watching;
use anyhow::{Context, Result, ensure};
use std::fs;

/// The record: one row for each kernel, whose columns have the names of the
/// programs' tracepoints.
const RECORD: &str = include_str!("../../../docs/KERNELS.md");

/// Of the million instructions that the kernel allows. A kernel without a row
/// may walk more than those that have one.
const LIMIT: u64 = 500_000;

pub fn the_verifier_walks_no_more_than_is_written_down() -> Result<()> {
    watching(|watch| {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        for program in watch.kernel.programs() {
            let walked = program.verified_insns;
            println!("{}: {walked} instructions", program.tracepoint);
            ensure!(walked < LIMIT, "{program:?}");
            let Some(recorded) = recorded(RECORD, release.trim(), program.tracepoint)? else {
                continue;
            };
            ensure!(
                is_within_a_tenth(walked, recorded),
                "{} has {walked} instructions walked by the verifier of {}, and docs/KERNELS.md \
                 has {recorded}; write {walked} there if that is what it shall cost",
                program.tracepoint,
                release.trim(),
            );
        }
        Ok(())
    })
}

/// Kernels before 5.16 say 0: they do not tell.
fn is_within_a_tenth(walked: u64, recorded: u64) -> bool {
    walked <= recorded + recorded / 10
}

/// The number in a kernel's row and a tracepoint's column; without a row, and
/// where the row has no number, `None`.
fn recorded(record: &str, release: &str, tracepoint: &str) -> Result<Option<u64>> {
    let mut rows = record
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let header = rows
        .find(|cells| cells.contains(&format!("`{tracepoint}`").as_str()))
        .with_context(|| format!("docs/KERNELS.md has no column `{tracepoint}`"))?;
    let column = header
        .iter()
        .position(|cell| cell.trim_matches('`') == tracepoint)
        .context("the column was there")?;
    Ok(rows
        .find(|cells| cells.get(1).is_some_and(|kernel| names(kernel, release)))
        .and_then(|cells| cells.get(column)?.replace(',', "").parse().ok()))
}

/// Whether `6.1` or `7.x` stands for a release such as `6.1.0-50-cloud-amd64`.
fn names(kernel: &str, release: &str) -> bool {
    let series = kernel.strip_suffix('x').unwrap_or(kernel);
    release.strip_prefix(series).is_some_and(|rest| {
        series.ends_with('.') || !rest.starts_with(|c: char| c.is_ascii_digit())
    })
}
