//! Allowlist × exec → verdict. Pure: no kernel, no clock, no state.
//!
//! The precedence of reasons is the order of the table in `rules`; the first
//! that holds is the reason, and the others that hold are said with it.

mod role;
mod rules;

pub use role::role_of;

use crate::allowlist::{Allowlist, Nearest};
use crate::model::{Exec, Identity, Inspection, PutIn, Reason};
use rules::Case;

/// How a workload is held.
#[derive(Clone, Copy, Debug)]
pub enum Policy<'a> {
    /// What is new is learned, with what a document allows already.
    Learning {
        /// [`Allowlist::default`] where there is no document.
        allowlist: &'a Allowlist,
        /// What of that which was put into the container is learned too.
        put_in: PutIn,
    },
    /// What the allowlist does not cover deviates.
    Enforcing {
        /// What it may run.
        allowlist: &'a Allowlist,
    },
    /// It is to be enforced, and nobody wrote what it may run.
    NoAllowlist,
}

/// Where a workload runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// In containers: the host's files are not theirs.
    Container,
    /// On the host itself: a systemd unit.
    Unit,
}

/// What an exec is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The allowlist covers it.
    Known,
    /// It is new, and a baseline may take in this identity:
    /// [`crate::allowlist::Process::of`] it is an entry.
    Learn(Identity),
    /// The container runtime's own stage: it executes itself inside the
    /// container's cgroup before the container's first process exists.
    /// Neither reported nor learned.
    RuntimeStage,
    /// The allowlist does not cover it.
    Deviates {
        /// The strongest reason that holds.
        reason: Reason,
        /// The weaker ones that hold too, strongest first.
        also: Vec<Reason>,
        /// The entry that comes closest, if one comes close.
        nearest: Option<Nearest>,
    },
}

/// Judges one exec, with what its files contain as far as they were read.
pub fn judge(policy: Policy<'_>, scope: Scope, exec: &Exec, inspection: &Inspection) -> Verdict {
    if scope == Scope::Container && is_runtime_stage(exec) {
        return Verdict::RuntimeStage;
    }
    let identity = role_of(exec, inspection);
    let case = Case::new(policy, scope, exec, &identity, inspection);
    let mut reasons = case.reasons();
    if let Some(reason) = reasons.next() {
        return Verdict::Deviates {
            reason,
            also: reasons.collect(),
            nearest: case.nearest(),
        };
    }
    drop(reasons);
    match case.is_covered() {
        true => Verdict::Known,
        false => Verdict::Learn(identity),
    }
}

/// Told by where it stands, never by its name or file: a runtime executes
/// itself from a file, a memfd or a mount that is nowhere. What a container's
/// own process starts has a parent inside, and what it starts elsewhere has
/// left the container.
fn is_runtime_stage(exec: &Exec) -> bool {
    exec.outer_mntns && exec.from_outside && !exec.escaped
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
