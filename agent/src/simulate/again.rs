//! One subject of the journal, judged again.

use crate::allowlist::{Allowlist, Nearest, Observed, Process};
use crate::journal::{Arguments, Subject};
use crate::judge::{Policy, Scope, Verdict, judge};
use crate::model::{Inspection, Needs, Reason, Role, WorkloadId};

/// What a candidate says of a subject.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It is covered.
    Known,
    /// It would have been reported.
    Reported {
        reason: Reason,
        also: Vec<Reason>,
        nearest: Option<Nearest>,
    },
    /// Entries for it ask for what the journal does not have.
    Undecided(Needs),
    /// It is covered, or would have been reported, by what one of its execs was
    /// like; entries for it ask for what others may have had differently.
    ByOne(Box<Outcome>),
}

/// What an allowlist says of it once it is enforced, and the entries that are of
/// use for that.
pub(super) fn again(allowlist: &Allowlist, subject: &Subject) -> (Outcome, Vec<Process>) {
    let identity = &subject.identity;
    let (exec, inspection) = subject.exec();
    let observed = Observed {
        identity,
        exec: &exec,
        inspection: &inspection,
    };
    let needs = allowlist.needs(identity);
    let naming = || allowlist.naming_of(&observed);
    if subject.circumstances.is_none() && !needs.is_none() {
        return (
            Outcome::Undecided(needs),
            naming().map(|(entry, _)| entry.clone()).collect(),
        );
    }
    let scope = match subject.workload {
        WorkloadId::Unit { .. } => Scope::Unit,
        WorkloadId::Kubernetes { .. } | WorkloadId::Runtime { .. } => Scope::Container,
    };
    let used = || {
        let naming = naming();
        let holding = naming.filter(|(_, failing)| failing.is_none());
        holding.map(|(entry, _)| entry.clone()).collect()
    };
    match judge(Policy::Enforcing { allowlist }, scope, &exec, &inspection) {
        Verdict::Deviates {
            reason,
            also,
            nearest,
        } => {
            let lacking = lacking(subject, &inspection);
            let asked = [
                (Reason::Args, Needs::ARGS),
                (Reason::Modified, Needs::CONTENT),
            ];
            // The weakest of all that holds: without it, nothing would.
            let open = asked
                .into_iter()
                .find(|(one, need)| reason == *one && also.is_empty() && lacks(lacking, *need));
            match open {
                Some((_, need)) => {
                    let entries = naming().map(|(entry, _)| entry.clone());
                    (Outcome::Undecided(need), entries.collect())
                }
                None => {
                    let outcome = Outcome::Reported {
                        reason,
                        also,
                        nearest,
                    };
                    (by_one(outcome, needs), used())
                }
            }
        }
        Verdict::Known => (by_one(Outcome::Known, needs), used()),
        // An enforced allowlist learns nothing, and the runtime's own stage is
        // not in the journal.
        Verdict::Learn(_) | Verdict::RuntimeStage => (Outcome::Known, used()),
    }
}

fn by_one(outcome: Outcome, needs: Needs) -> Outcome {
    match needs.is_none() {
        true => outcome,
        false => Outcome::ByOne(Box::new(outcome)),
    }
}

/// What of its circumstances was not kept or read.
fn lacking(subject: &Subject, inspection: &Inspection) -> Needs {
    let content = match subject.identity.role {
        Role::Script(_) => inspection.script,
        Role::Program | Role::Applet(_) => inspection.program,
    };
    let seen = subject.circumstances.as_ref();
    let withheld = seen.is_some_and(|seen| seen.arguments == Arguments::Withheld);
    Needs::new(content.is_none(), withheld, false, false)
}

fn lacks(lacking: Needs, need: Needs) -> bool {
    lacking.union(need) == lacking
}
