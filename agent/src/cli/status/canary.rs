//! The canary's line.

use super::seconds;
use crate::cli::output::plain;
use crate::cli::table::wrapped;
use crate::control::status::{CanaryState, CanaryStatus};

/// Whether it passes, and how long it took.
pub(super) fn line(canary: &CanaryStatus) -> String {
    let every = seconds(canary.interval_s);
    let error = canary.error.as_deref().unwrap_or_default();
    let at = |before: &str| match canary.passed_at {
        Some(at) => format!("{before} {at:.0}"),
        None => String::new(),
    };
    let sentence = match canary.state {
        CanaryState::Untried => format!("has not run yet (every {every})"),
        CanaryState::Passed => format!("passed{}{} (every {every})", took(canary), at(" at")),
        CanaryState::Failed => format!("FAILED: {error}{}", at("; it passed last at")),
        CanaryState::NotRunning => format!("CANNOT RUN: {error}{}", at("; it passed last at")),
    };
    wrapped("canary", &plain(&sentence))
}

/// ` in 3 ms`; what took less is one.
fn took(canary: &CanaryStatus) -> String {
    match canary.took_s {
        Some(took) => format!(" in {:.0} ms", (took * 1000.0).ceil()),
        None => String::new(),
    }
}
