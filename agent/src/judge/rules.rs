//! When each reason holds.

use super::{Policy, Scope};
use crate::allowlist::{Allowlist, Nearest, Process};
use crate::model::{Exec, Layer, Reason};

/// One exec under one policy, with what the rules ask of it.
pub(super) struct Case<'a> {
    policy: Policy<'a>,
    scope: Scope,
    exec: &'a Exec,
    covered: bool,
}

type Rule = (Reason, fn(&Case<'_>) -> bool);

/// The precedence: strongest first, in the order of [`Reason::ALL`], which a
/// test compares. [`Reason::Overflow`] is about a count, not about an exec.
pub(super) const RULES: [Rule; 6] = [
    // An entry names a file, and no entry names a way out: leaving the
    // container deviates, whatever is run there.
    (Reason::Escaped, |case| case.exec.escaped),
    (Reason::Fileless, |case| case.uncovered_in(Layer::Memory)),
    (Reason::Drift, |case| case.uncovered_in(Layer::Upper)),
    (Reason::Unlisted, |case| {
        case.is_refused() || (case.is_unlisted() && !case.is_unlisted_script())
    }),
    (Reason::Script, |case| {
        !case.is_refused() && case.is_unlisted_script()
    }),
    (Reason::NoAllowlist, |case| {
        matches!(case.policy, Policy::NoAllowlist)
    }),
];

impl<'a> Case<'a> {
    pub(super) fn new(policy: Policy<'a>, scope: Scope, exec: &'a Exec) -> Self {
        let allowlist = allowlist(policy);
        let covered = is_identified(exec)
            && allowlist.is_some_and(|list| list.covers(&exec.identity).is_some());
        Self {
            policy,
            scope,
            exec,
            covered,
        }
    }

    pub(super) fn reasons(&self) -> impl Iterator<Item = Reason> {
        RULES
            .iter()
            .filter(|(_, holds)| holds(self))
            .map(|(reason, _)| *reason)
    }

    pub(super) fn is_covered(&self) -> bool {
        self.covered
    }

    /// Nothing comes nearest to what an entry covers, and what was not read in
    /// full would be compared by a part.
    pub(super) fn nearest(&self) -> Option<Nearest> {
        let comparable = !self.covered && is_identified(self.exec);
        allowlist(self.policy)
            .filter(|_| comparable)?
            .nearest(&self.exec.identity)
    }

    fn uncovered_in(&self, layer: Layer) -> bool {
        !self.covered && self.exec.identity.layer == layer
    }

    /// Not covered, under an allowlist that is enforced.
    fn is_unlisted(&self) -> bool {
        !self.covered && matches!(self.policy, Policy::Enforcing { .. })
    }

    /// Its interpreter may run, but not this script.
    fn is_unlisted_script(&self) -> bool {
        self.is_unlisted()
            && self.exec.identity.script.is_some()
            && allowlist(self.policy).is_some_and(|list| list.may_interpret(&self.exec.identity))
    }

    /// Not covered, and no baseline may ever take it in: reported under every
    /// policy.
    fn is_refused(&self) -> bool {
        let identity = &self.exec.identity;
        let struck = || allowlist(self.policy).is_some_and(|list| list.is_removed(identity));
        !self.covered
            && (!is_identified(self.exec)
                // A container that runs the host's files has its hand where it
                // should not be; a person must say that it may.
                || (identity.layer == Layer::Host && self.scope == Scope::Container)
                // A document could not name it, or would name more than it.
                || Process::of(identity).is_err()
                || struck())
    }
}

fn allowlist(policy: Policy<'_>) -> Option<&Allowlist> {
    match policy {
        Policy::Learning { allowlist } | Policy::Enforcing { allowlist } => Some(allowlist),
        Policy::NoAllowlist => None,
    }
}

/// Whether the kernel could tell what was run. What it could not tell is never
/// allowed, since an attacker can make reading fail, and never learned, since
/// the entry would stand for whatever else reads alike.
fn is_identified(exec: &Exec) -> bool {
    !exec.error && !exec.path_cut && exec.identity.layer != Layer::Unknown
}
