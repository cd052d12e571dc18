//! What the kernel is told of a workload's policy. Pure.

use super::workloads::Phase;
use crate::allowlist::Allowlist;
use crate::kernel::{Names, Permit};
use crate::learn::Baseline;
use crate::model::{
    Exec, Identity, Needs, Role, Untrusted, is_own_name, last_component, own_names,
};

/// Everything that a workload may run without being asked about.
pub fn all(phase: &Phase) -> Vec<Permit> {
    match phase {
        Phase::Learning {
            baseline, beside, ..
        } => {
            let learned = baseline.entries().keys();
            // What was learned and is struck since then stays in the baseline,
            // in case that is taken back.
            let learned = learned.filter(|identity| !beside.is_removed(identity));
            listed(beside)
                .chain(learned.map(|identity| learned_as(baseline, identity)))
                .collect()
        }
        Phase::Enforcing { allowlist, .. } => listed(allowlist).collect(),
        Phase::NoAllowlist | Phase::Off => Vec::new(),
    }
}

/// What an exec adds to that, which was found to be known or was learned as
/// `identity`.
pub fn of_exec(phase: &Phase, exec: &Exec, identity: &Identity) -> Vec<Permit> {
    match phase {
        Phase::Learning { baseline, .. } if baseline.entries().contains_key(identity) => {
            let mut permits = vec![learned_as(baseline, identity)];
            if identity.role == Role::Program && !is_called_by_its_own_name(exec) {
                permits.push(under_its_name(exec, baseline.needs(identity)));
            }
            permits
        }
        Phase::Learning {
            beside: allowlist, ..
        }
        | Phase::Enforcing { allowlist, .. } => vec![covered(allowlist, exec, identity)],
        Phase::NoAllowlist | Phase::Off => Vec::new(),
    }
}

/// What tells two execs of a file apart that the kernel does not know.
/// `gathers`: what is new is learned in spite of the phase.
pub fn detail(phase: &Phase, gathers: bool) -> (Needs, Names) {
    match phase {
        // Each name and each argument is learned, from the first on.
        Phase::Learning { .. } => (Needs::ARGS, Names::Own),
        Phase::Enforcing { allowlist, .. } if gathers => {
            (allowlist.needs_of_patterns().union(Needs::ARGS), Names::Own)
        }
        Phase::Enforcing { allowlist, .. } => (
            allowlist.needs_of_patterns(),
            match allowlist.has_applet_patterns() {
                true => Names::Own,
                false => Names::Any,
            },
        ),
        Phase::NoAllowlist | Phase::Off => (Needs::NONE, Names::Any),
    }
}

fn listed(allowlist: &Allowlist) -> impl Iterator<Item = Permit> {
    allowlist.identities().flat_map(|(identity, needs)| {
        by_each_name(identity).map(move |identity| Permit {
            identity,
            needs,
            names: Names::Any,
        })
    })
}

/// An entry for the applet `python3.11` of a file that is called so means
/// `python3` as well.
fn by_each_name(identity: &Identity) -> impl Iterator<Item = Identity> {
    let file = identity.file.as_bytes();
    let is_named_after_file =
        matches!(&identity.role, Role::Applet(name) if name.as_bytes() == last_component(file));
    let others = own_names(file).skip(1).filter(move |_| is_named_after_file);
    let others = others.map(|name| Identity {
        role: Role::Applet(Untrusted::new(name)),
        ..identity.clone()
    });
    std::iter::once(identity.clone()).chain(others)
}

/// While learning, every other name of a program is news.
pub fn learned_as(baseline: &Baseline, identity: &Identity) -> Permit {
    Permit {
        identity: identity.clone(),
        needs: baseline.needs(identity),
        names: Names::Own,
    }
}

/// What an entry with a wildcard covers, or one of a file's names.
fn covered(allowlist: &Allowlist, exec: &Exec, identity: &Identity) -> Permit {
    let program = Identity {
        role: Role::Program,
        ..identity.clone()
    };
    match identity.role {
        Role::Script(_) => Permit {
            needs: allowlist.needs(identity),
            ..Permit::from(identity)
        },
        Role::Program | Role::Applet(_)
            if exec.called.links == 1 && !allowlist.names_applets_of(identity) =>
        {
            Permit {
                needs: allowlist.needs(&program),
                ..Permit::from(&program)
            }
        }
        // What that name asks for: a file that was not read yet is a program
        // here, for which there may be no entry that asks for anything.
        Role::Program | Role::Applet(_) => under_its_name(exec, allowlist.needs(&as_called(exec))),
    }
}

/// The file under the one name that it was called by.
fn under_its_name(exec: &Exec, needs: Needs) -> Permit {
    Permit {
        identity: as_called(exec),
        needs,
        names: Names::Any,
    }
}

fn as_called(exec: &Exec) -> Identity {
    Identity {
        role: Role::Applet(exec.called.applet.clone()),
        ..exec.identity.clone()
    }
}

fn is_called_by_its_own_name(exec: &Exec) -> bool {
    is_own_name(exec.identity.file.as_bytes(), exec.called.applet.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::parse;
    use crate::model::Called;

    #[test]
    fn a_name_keeps_its_conditions_where_the_file_was_not_read() {
        let document = parse(
            "document",
            b"apiVersion: execwarden.dev/v1alpha1
kind: ProcessAllowlist
metadata: { name: web }
spec:
  workload: { runtime: runc, name: web }
  processes:
    - path: /bin/busybox
      applet: sh
      args: [\"-c\", \"x\"]
",
        );
        let allowlist = Allowlist::new(&document.expect("a document")).expect("no wildcards");
        let exec = Exec {
            called: Called {
                applet: "sh".into(),
                filename: "busybox".into(),
                links: 1,
            },
            ..Exec::plain(Identity::image("/bin/busybox"))
        };

        let permit = covered(&allowlist, &exec, &exec.identity);

        assert_eq!(permit.identity, Identity::applet("/bin/busybox", "sh"));
        assert_eq!(permit.needs, Needs::ARGS);
    }
}
