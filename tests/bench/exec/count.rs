//! The accounting equation: a number from a run where it does not hold is not
//! a number.

use anyhow::{Result, ensure};
use execwarden::model::ExecCounts;

/// What the kernel must have counted each of the execs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Covered by the allowlist.
    Known,
    /// New, in learn mode.
    Learning,
    /// New, in enforce mode.
    Deviating,
    /// Outside containers.
    Ignored,
}

/// Fails unless exactly `execs` were counted between the two, all of them with
/// this verdict.
pub fn check(before: ExecCounts, after: ExecCounts, execs: u64, verdict: Verdict) -> Result<()> {
    let counted = match verdict {
        Verdict::Known => after.known - before.known,
        Verdict::Learning => after.learning - before.learning,
        Verdict::Deviating => after.deviating - before.deviating,
        Verdict::Ignored => after.ignored - before.ignored,
    };
    let seen = after.seen - before.seen;
    ensure!(
        counted == execs && seen == execs && after.holds(),
        "the accounting is broken: of {execs} execs, {seen} were seen and {counted} counted as {verdict:?}; {after:?}"
    );
    Ok(())
}
