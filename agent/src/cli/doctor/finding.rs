//! One answer about a node, and what all of them come to.

use serde::Serialize;

/// The version of the JSON form. It grows when an older reader would
/// misunderstand it; new fields and findings alone do not make it grow.
const VERSION: u32 = 1;

/// How one thing is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It is as it should be, or not needed.
    Ok,
    /// The agent runs without it, at a cost.
    Limit,
    /// The agent does not run, or is of no use, without it.
    Missing,
}

impl State {
    /// The word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limit => "limit",
            Self::Missing => "missing",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Finding {
    /// Its name: a word, and where there are several of a kind, which one.
    pub(super) name: String,
    pub(super) state: State,
    /// What there is.
    pub(super) found: String,
    /// What its absence costs, whether it is absent or not.
    pub(super) cost: String,
    /// What to do; only where there is something to be done.
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(
        name: impl Into<String>,
        found: impl Into<String>,
        cost: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            state: State::Ok,
            found: found.into(),
            cost: cost.into(),
            remedy: None,
        }
    }

    pub(super) fn limit(
        name: impl Into<String>,
        found: impl Into<String>,
        cost: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Limit,
            remedy: Some(remedy.into()),
            ..Self::ok(name, found, cost)
        }
    }

    pub(super) fn missing(
        name: impl Into<String>,
        found: impl Into<String>,
        cost: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Missing,
            ..Self::limit(name, found, cost, remedy)
        }
    }
}

/// Whether a node can run the agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// All is there.
    Fit,
    /// Something costs something.
    FitWithLimits,
    /// Something is missing.
    NotFit,
}

impl Verdict {
    fn over(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.state).max() {
            None | Some(State::Ok) => Self::Fit,
            Some(State::Limit) => Self::FitWithLimits,
            Some(State::Missing) => Self::NotFit,
        }
    }
}

/// Everything that was found. Its JSON form is an interface: fields are added,
/// never renamed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Report {
    v: u32,
    verdict: Verdict,
    /// The version of this command.
    execwarden: &'static str,
    /// The kernel's release.
    kernel: String,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(kernel: &str, findings: Vec<Finding>) -> Self {
        Self {
            v: VERSION,
            verdict: Verdict::over(&findings),
            execwarden: env!("CARGO_PKG_VERSION"),
            kernel: kernel.to_owned(),
            findings,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    pub(super) fn version(&self) -> &'static str {
        self.execwarden
    }

    pub(super) fn kernel(&self) -> &str {
        &self.kernel
    }

    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The state of the finding of this name.
    pub(in crate::cli::doctor) fn find<'a>(findings: &'a [Finding], name: &str) -> &'a Finding {
        let mut found = findings.iter().filter(|finding| finding.name == name);
        let finding = found
            .next()
            .unwrap_or_else(|| panic!("there is no {name} in {findings:#?}"));
        assert_eq!(found.next(), None, "{name} is there twice");
        finding
    }

    /// Fails unless the finding of this name has this state, and says this.
    pub(in crate::cli::doctor) fn check(
        findings: &[Finding],
        name: &str,
        state: State,
        found: &str,
    ) {
        let finding = find(findings, name);

        assert_eq!(finding.state, state, "{finding:?}");
        assert!(finding.found.contains(found), "{finding:?}");
    }

    #[test]
    fn the_worst_finding_is_the_verdict() {
        let finding = |state| Finding {
            state,
            ..Finding::ok("a", "b", "c")
        };
        for (states, verdict) in [
            (&[][..], Verdict::Fit),
            (&[State::Ok], Verdict::Fit),
            (&[State::Ok, State::Limit], Verdict::FitWithLimits),
            (&[State::Limit, State::Missing, State::Ok], Verdict::NotFit),
        ] {
            let findings: Vec<_> = states.iter().copied().map(finding).collect();

            assert_eq!(Verdict::over(&findings), verdict, "{states:?}");
        }
    }

    #[test]
    fn the_json_is_what_the_manual_says() {
        let findings = vec![
            Finding::ok("bpffs", "mounted at /sys/fs/bpf", "nothing"),
            Finding::limit("overlay", "not known", "much", "modprobe overlay"),
        ];

        let json = serde_json::to_value(Report::new("6.18.0", findings)).expect("JSON");

        assert_eq!(
            json,
            serde_json::json!({
                "v": 1,
                "verdict": "fit-with-limits",
                "execwarden": env!("CARGO_PKG_VERSION"),
                "kernel": "6.18.0",
                "findings": [
                    {
                        "name": "bpffs", "state": "ok", "found": "mounted at /sys/fs/bpf",
                        "cost": "nothing", "remedy": null
                    },
                    {
                        "name": "overlay", "state": "limit", "found": "not known",
                        "cost": "much", "remedy": "modprobe overlay"
                    }
                ]
            })
        );
    }
}
