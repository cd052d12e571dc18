//! `execwarden doctor`: what this node has of what the agent needs, and what
//! each absence costs.
//!
//! - `gather`: asks the node; the only part with I/O
//! - `finding`: the answers' shape, and the verdict over all of them
//! - `kernel`, `rights`, `places`, `receivers`: facts → findings, each with the
//!   facts it judges (pure)
//! - `page`: findings for a person
//!
//! It changes nothing on the node. The programs that it tries are attached for
//! a moment, with maps of their own; a running agent does not notice. After that it
//! gives up what the agent gives up, and looks at the rest as the agent would.

mod finding;
mod gather;
mod kernel;
mod page;
mod places;
mod receivers;
mod rights;

pub use rights::needed_capabilities;

use super::args::DoctorArguments;
use super::paint::Paint;
use super::{CommandError, Outcome, output};
use crate::confine::Confinement;
use finding::{Finding, Report, Verdict};
use std::io::{self, IsTerminal as _};

/// Everything that is known of a node.
#[derive(Debug)]
struct Facts {
    kernel: kernel::Facts,
    rights: rights::Facts,
    confinement: Confinement,
    places: places::Facts,
    receivers: receivers::Facts,
}

/// What the facts mean, in the order in which the agent starts.
fn findings(facts: &Facts) -> Vec<Finding> {
    let version = kernel::version(&facts.kernel.release);
    [
        kernel::findings(&facts.kernel),
        rights::findings(&facts.rights, version),
        vec![rights::confinement(&facts.confinement)],
        places::findings(&facts.places),
        receivers::findings(&facts.receivers),
    ]
    .concat()
}

pub(super) fn execute(arguments: DoctorArguments) -> Result<Outcome, CommandError> {
    let json = arguments.json;
    let facts = gather::facts(arguments);
    let report = Report::new(&facts.kernel.release, findings(&facts));
    if json {
        output::print_json(&report)?;
    } else {
        let paint = Paint::for_terminal(io::stdout().is_terminal());
        output::print(&page::render(&report, paint))?;
    }
    Ok(match report.verdict() {
        Verdict::Fit => Outcome::Done,
        Verdict::FitWithLimits => Outcome::No,
        Verdict::NotFit => Outcome::NotFit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: &str = include_str!("../../../../docs/CONFIGURATION.md");

    /// A node on which everything is as it should be.
    pub(super) fn healthy() -> Facts {
        Facts {
            kernel: kernel::tests::healthy(),
            rights: rights::tests::healthy(),
            confinement: rights::tests::confined(),
            places: places::tests::healthy(),
            receivers: receivers::tests::healthy(),
        }
    }

    /// The names in the manual; one that ends with `…` stands for all that
    /// begin like it. Either column has names.
    fn documented() -> Vec<&'static str> {
        let (_, section) = MANUAL
            .split_once("\n### What doctor finds\n")
            .expect("such a section");
        let section = section.split("\n#").next().unwrap_or_default();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.flat_map(|row| row.split('`').step_by(2))
            .filter(|piece| !piece.is_empty())
            .collect()
    }

    #[test]
    fn the_manual_names_every_finding_and_no_other() {
        let mut blind = healthy();
        blind.kernel.programs = Err("no maps".to_owned());
        blind.rights.capabilities = Err("refused".to_owned());
        blind.receivers.receivers[0].target = "stdout".to_owned();
        let mut posting = healthy();
        posting.receivers.receivers[0].target = "https://a:443/…c0ffee".to_owned();
        let nodes = [healthy(), blind, posting];
        let findings: Vec<Finding> = nodes.iter().flat_map(findings).collect();
        let is_for = |name: &str, finding: &Finding| match name.strip_suffix('…') {
            Some(start) => finding.name.starts_with(start),
            None => finding.name == name,
        };

        for finding in &findings {
            let mut names = documented().into_iter();
            assert!(names.any(|name| is_for(name, finding)), "{finding:?}");
        }
        for name in documented() {
            let is_found = findings.iter().any(|finding| is_for(name, finding));
            assert!(is_found, "there is no finding {name}");
        }
    }
}
