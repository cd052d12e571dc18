//! When each reason holds.

use super::{Policy, Scope};
use crate::allowlist::{Allowlist, Coverage, Nearest, Observed, Process};
use crate::model::{Exec, Identity, Inspection, Layer, Needs, Reason, Role, last_component};

/// One exec under one policy, with what the rules ask of it.
pub(super) struct Case<'a> {
    policy: Policy<'a>,
    scope: Scope,
    exec: &'a Exec,
    identity: &'a Identity,
    inspection: &'a Inspection,
    coverage: Coverage<'a>,
}

type Rule = (Reason, fn(&Case<'_>) -> bool);

/// The precedence: strongest first, in the order of [`Reason::ALL`], which a
/// test compares. [`Reason::Overflow`] is about a count, not about an exec.
pub(super) const RULES: [Rule; 14] = [
    (Reason::Breakout, |case| case.breaks_out()),
    // An entry names a file, and no entry names a way out: leaving the
    // container deviates, whatever is run there.
    (Reason::Escaped, |case| case.exec.escaped),
    (Reason::Fileless, |case| case.uncovered_in(Layer::Memory)),
    (Reason::Loader, |case| {
        !case.is_covered() && case.is_loader()
    }),
    (Reason::Drift, |case| case.uncovered_in(Layer::Upper)),
    (Reason::Modified, |case| case.fails(Needs::content)),
    (Reason::Unlisted, |case| {
        case.is_unnamed()
            && (case.is_refused() || (case.is_enforced() && !case.is_other_role_of_a_listed_file()))
    }),
    (Reason::Script, |case| {
        case.is_script() && case.is_only_another_role()
    }),
    (Reason::Applet, |case| {
        !case.is_script() && case.is_only_another_role()
    }),
    (Reason::Parent, |case| case.fails(Needs::parents)),
    (Reason::User, |case| case.fails(Needs::users)),
    (Reason::Args, |case| case.fails(Needs::args)),
    // The kernel could not tell; what looks at it later can, and finds nothing.
    (Reason::Unverified, |case| {
        let may_run = case.is_covered() || !(case.is_enforced() || case.is_refused());
        case.exec.stopped.is_some() && may_run && !case.breaks_out() && !case.exec.escaped
    }),
    (Reason::NoAllowlist, |case| {
        matches!(case.policy, Policy::NoAllowlist)
    }),
];

impl<'a> Case<'a> {
    /// `identity` is that of `exec`, its role decided.
    pub(super) fn new(
        policy: Policy<'a>,
        scope: Scope,
        exec: &'a Exec,
        identity: &'a Identity,
        inspection: &'a Inspection,
    ) -> Self {
        let mut case = Self {
            policy,
            scope,
            exec,
            identity,
            inspection,
            coverage: Coverage::None,
        };
        if let Some(allowlist) = allowlist(policy)
            && case.is_identified()
        {
            case.coverage = allowlist.covers(&case.observed());
        }
        case
    }

    pub(super) fn reasons(&self) -> impl Iterator<Item = Reason> {
        RULES
            .iter()
            .filter(|(_, holds)| holds(self))
            .map(|(reason, _)| *reason)
    }

    pub(super) fn is_covered(&self) -> bool {
        matches!(self.coverage, Coverage::By(_))
    }

    /// Nothing comes nearest to what an entry covers, and what was not read in
    /// full would be compared by a part.
    pub(super) fn nearest(&self) -> Option<Nearest> {
        let comparable = !self.is_covered() && self.is_identified();
        allowlist(self.policy)
            .filter(|_| comparable)?
            .nearest(&self.observed())
    }

    fn observed(&self) -> Observed<'a> {
        Observed {
            identity: self.identity,
            exec: self.exec,
            inspection: self.inspection,
        }
    }

    /// It has its hand on something that is none of its container's. Whoever
    /// names a file of the host allows that file, and what runs it, to be the
    /// host's; a working directory out there is a way to everything.
    fn breaks_out(&self) -> bool {
        let names_the_host = self.is_covered() && self.identity.layer == Layer::Host;
        let outside = self.exec.outside_file || self.exec.host_mntns;
        self.scope == Scope::Container && (self.exec.outside_cwd || (outside && !names_the_host))
    }

    /// Not covered, and its file or its script's is of this layer.
    fn uncovered_in(&self, layer: Layer) -> bool {
        !self.is_covered() && self.layers().contains(&layer)
    }

    /// Where it is not certain what the file contained, its name must do.
    fn is_loader(&self) -> bool {
        let by_name = || is_loader_name(last_component(self.identity.file.as_bytes()));
        match self.inspection.program {
            Some(content) => content.loader || (!content.certain && by_name()),
            None => by_name(),
        }
    }

    /// Entries name it, and in the closest of them this condition fails. What
    /// is learned is not held to conditions yet.
    fn fails(&self, condition: impl Fn(Needs) -> bool) -> bool {
        let fails = matches!(self.coverage, Coverage::Fails(_, failing) if condition(failing));
        fails && (self.is_enforced() || self.is_refused())
    }

    fn is_unnamed(&self) -> bool {
        matches!(self.coverage, Coverage::None)
    }

    fn is_enforced(&self) -> bool {
        matches!(self.policy, Policy::Enforcing { .. })
    }

    fn is_script(&self) -> bool {
        self.identity.as_script().is_some()
    }

    /// Its file may run, but not as this.
    fn is_other_role_of_a_listed_file(&self) -> bool {
        allowlist(self.policy).is_some_and(|list| match self.is_script() {
            true => list.may_interpret(self.identity),
            false => list.names_file(self.identity),
        })
    }

    fn is_only_another_role(&self) -> bool {
        self.is_unnamed()
            && self.is_enforced()
            && !self.is_refused()
            && self.is_other_role_of_a_listed_file()
    }

    /// Not covered, and no baseline may ever take it in: reported under every
    /// policy.
    fn is_refused(&self) -> bool {
        let struck = || allowlist(self.policy).is_some_and(|list| self.is_struck(list));
        !self.is_covered()
            && (!self.is_identified()
                // A container that runs the host's files has its hand where it
                // should not be; a person must say that it may.
                || (self.layers().contains(&Layer::Host) && self.scope == Scope::Container)
                || !self.is_taken()
                || self.is_where_everybody_writes()
                // A document could not name it, or would name more than it.
                || Process::of(self.identity).is_err()
                || struck())
    }

    /// Whether a baseline takes in what came from where this did. Once it is
    /// finished, that does not matter any more.
    fn is_taken(&self) -> bool {
        match self.policy {
            Policy::Learning { put_in, .. } => put_in.takes(self.exec),
            Policy::Enforcing { .. } | Policy::NoAllowlist => true,
        }
    }

    /// Whether a baseline would take in what somebody else could have put there. An
    /// image's own file is what it is, whatever its folder.
    fn is_where_everybody_writes(&self) -> bool {
        let is_added = |layer| matches!(layer, Layer::Volume | Layer::Tmpfs);
        matches!(self.policy, Policy::Learning { .. })
            && self.exec.open_folder
            && self.layers().into_iter().any(is_added)
    }

    /// By the name it was run by too: a multi-call binary may not be known to
    /// be one.
    fn is_struck(&self, allowlist: &Allowlist) -> bool {
        let by_name = || Identity {
            role: Role::Applet(self.exec.called.applet.clone()),
            ..self.identity.clone()
        };
        allowlist.is_removed(self.identity)
            || (!self.is_script() && allowlist.is_removed(&by_name()))
    }

    /// Whether the kernel could tell what was run. What it could not tell is
    /// never allowed, since an attacker can make reading fail, and never
    /// learned, since the entry would stand for whatever else reads alike.
    fn is_identified(&self) -> bool {
        !self.exec.error && !self.exec.path_cut && !self.layers().contains(&Layer::Unknown)
    }

    /// Those of the file that the kernel runs and of the script.
    fn layers(&self) -> [Layer; 2] {
        [self.identity.layer, self.identity.path_layer()]
    }
}

fn allowlist(policy: Policy<'_>) -> Option<&Allowlist> {
    match policy {
        Policy::Learning { allowlist, .. } | Policy::Enforcing { allowlist } => Some(allowlist),
        Policy::NoAllowlist => None,
    }
}

/// What distributions call their loaders: `ld-linux-x86-64.so.2`, `ld64.so.2`,
/// `ld.so.1`, `ld-musl-x86_64.so.1`.
fn is_loader_name(name: &[u8]) -> bool {
    let starts = [&b"ld-"[..], b"ld.", b"ld64."]
        .iter()
        .any(|start| name.starts_with(start));
    let has_so = name.windows(3).any(|part| part == b".so");
    name.starts_with(b"ld-musl-") || (starts && has_so)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaders_are_known_by_their_names_if_need_be() {
        for name in [
            "ld-linux-x86-64.so.2",
            "ld-2.31.so",
            "ld64.so.2",
            "ld.so.1",
            "ld-musl-x86_64.so.1",
        ] {
            assert!(is_loader_name(name.as_bytes()), "{name}");
        }
        for name in ["ld", "ld.bfd", "ld-wrapper", "ldconfig", "libld-x.so", ""] {
            assert!(!is_loader_name(name.as_bytes()), "{name}");
        }
    }
}
