//! What this process may do, what the agent has to, and what it gives up.

use super::finding::{Finding, State};
use crate::confine::{Confinement, names};
use rustix::thread::CapabilitySet;

/// From this kernel on, maps are charged to a memory cgroup and no longer to
/// the limit of locked memory.
const UNLOCKED: (u32, u32) = (5, 11);

/// The rights of this process.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Whether its effective user is root.
    pub(super) root: bool,
    /// Whether it is in the host's pid namespace, or why that is not known.
    pub(super) host_pids: Result<bool, String>,
    /// Its effective capabilities, or why they are not known.
    pub(super) capabilities: Result<CapabilitySet, String>,
}

/// One capability that the agent uses.
struct Need {
    name: &'static str,
    capability: CapabilitySet,
    /// Another that contains it.
    or: Option<(&'static str, CapabilitySet)>,
    /// What its absence comes to.
    without: State,
    cost: &'static str,
}

const RUN_AS_ROOT: &str = "run this as root";

const SYS_ADMIN: (&str, CapabilitySet) = ("CAP_SYS_ADMIN", CapabilitySet::SYS_ADMIN);
const DAC_OVERRIDE: (&str, CapabilitySet) = ("CAP_DAC_OVERRIDE", CapabilitySet::DAC_OVERRIDE);

const NEEDS: [Need; 6] = [
    Need {
        name: "CAP_BPF",
        capability: CapabilitySet::BPF,
        or: Some(SYS_ADMIN),
        without: State::Missing,
        cost: "no maps and no programs; the agent does not start",
    },
    Need {
        name: "CAP_PERFMON",
        capability: CapabilitySet::PERFMON,
        or: Some(SYS_ADMIN),
        without: State::Missing,
        cost: "the programs may not read the kernel; the agent does not start",
    },
    Need {
        name: "CAP_SYS_PTRACE",
        capability: CapabilitySet::SYS_PTRACE,
        or: None,
        without: State::Missing,
        cost: "the host's mount namespace and the containers' processes cannot be looked at; \
               the agent does not start",
    },
    Need {
        name: "CAP_SYS_RESOURCE",
        capability: CapabilitySet::SYS_RESOURCE,
        or: None,
        without: State::Limit,
        cost: "before kernel 5.11 the maps need more locked memory than processes usually get",
    },
    Need {
        name: "CAP_DAC_READ_SEARCH",
        capability: CapabilitySet::DAC_READ_SEARCH,
        or: Some(DAC_OVERRIDE),
        without: State::Limit,
        cost: "runtimes' files of other users cannot be read: their containers are named by \
               their ids",
    },
    Need {
        name: "CAP_SYS_NICE",
        capability: CapabilitySet::SYS_NICE,
        or: None,
        without: State::Limit,
        cost: "the agent cannot come before others: on a busy node, containers that live a \
               moment may be named by their ids",
    },
];

/// The capabilities that the agent uses, by their names in the kernel.
pub fn needed_capabilities() -> impl Iterator<Item = &'static str> {
    NEEDS.iter().map(|need| need.name)
}

/// `version` is the kernel's.
pub(super) fn findings(facts: &Facts, version: Option<(u32, u32)>) -> Vec<Finding> {
    let mut findings = vec![root(facts.root), pid_namespace(&facts.host_pids)];
    match &facts.capabilities {
        Ok(held) => findings.extend(
            NEEDS
                .iter()
                .map(|need| capability(need, *held, facts.root, version)),
        ),
        Err(problem) => findings.push(Finding::limit(
            "capabilities",
            format!("not known: {problem}"),
            "what is missing shows only when it is used",
            "see below whether the programs load",
        )),
    }
    findings
}

/// What an agent gives up that was started as this process was.
pub(super) fn confinement(confinement: &Confinement) -> Finding {
    let name = "confinement";
    let cost = "whoever takes over the agent has rights that it does not need";
    if confinement.problems.is_empty() {
        let kept = match names(confinement.capabilities) {
            kept if kept.is_empty() => "no capability".to_owned(),
            kept => kept.join(", "),
        };
        let found = format!("keeps {kept}; system calls are filtered");
        return Finding::ok(name, found, cost);
    }
    let found = confinement.problems.join("; ");
    let remedy = "let the agent call capset(2), prctl(2) and seccomp(2): SystemCallFilter= in its \
                  unit, seccompProfile in its pod";
    Finding::limit(name, found, cost, remedy)
}

fn root(is_root: bool) -> Finding {
    let name = "root";
    let cost = "only root may load programs; the agent does not start";
    if is_root {
        Finding::ok(name, "this is root", cost)
    } else {
        Finding::missing(name, "this is not root", cost, RUN_AS_ROOT)
    }
}

fn pid_namespace(is_host: &Result<bool, String>) -> Finding {
    let name = "pid-namespace";
    let cost = "pid 1's mount namespace would be taken for the host's, and processes could not \
                be found by the numbers that the kernel gives";
    let remedy = "run it in the host's pid namespace (hostPID: true, docker run --pid=host)";
    match is_host {
        Ok(true) => Finding::ok(name, "the host's", cost),
        Ok(false) => Finding::missing(name, "not the host's", cost, remedy),
        Err(problem) => Finding::limit(name, format!("not known: {problem}"), cost, remedy),
    }
}

fn capability(
    need: &Need,
    held: CapabilitySet,
    is_root: bool,
    version: Option<(u32, u32)>,
) -> Finding {
    let name = need.name;
    if held.contains(need.capability) {
        return Finding::ok(name, "held", need.cost);
    }
    if let Some((other, capability)) = need.or
        && held.contains(capability)
    {
        return Finding::ok(
            name,
            format!("not held; {other}, which is, contains it"),
            need.cost,
        );
    }
    if need.capability == CapabilitySet::SYS_RESOURCE && version >= Some(UNLOCKED) {
        return Finding::ok(name, "not held, and not needed by this kernel", need.cost);
    }
    let remedy = if is_root {
        format!(
            "give it to the agent: CapabilityBoundingSet= in its unit, \
             capabilities.add in its pod ({})",
            need.name.trim_start_matches("CAP_")
        )
    } else {
        RUN_AS_ROOT.to_owned()
    };
    Finding {
        state: need.without,
        ..Finding::limit(name, "not held", need.cost, remedy)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::finding::tests::find;
    use super::*;

    const NEW: Option<(u32, u32)> = Some((6, 1));

    pub(in crate::cli::doctor) fn healthy() -> Facts {
        Facts {
            root: true,
            host_pids: Ok(true),
            capabilities: Ok(CapabilitySet::all()),
        }
    }

    pub(in crate::cli::doctor) fn confined() -> Confinement {
        Confinement {
            capabilities: CapabilitySet::SYS_PTRACE,
            calls_are_filtered: true,
            problems: Vec::new(),
        }
    }

    #[test]
    fn what_is_kept_is_told_and_what_cannot_be_given_up_is_a_limit() {
        let all_right = confinement(&confined());
        let filter = "system calls are not filtered: refused".to_owned();
        let unfiltered = confinement(&Confinement {
            calls_are_filtered: false,
            problems: vec![filter.clone()],
            ..confined()
        });

        assert_eq!(all_right.state, State::Ok);
        assert!(all_right.found.contains("CAP_SYS_PTRACE"), "{all_right:?}");
        assert_eq!((unfiltered.state, unfiltered.found), (State::Limit, filter));
    }

    fn states(held: CapabilitySet, version: Option<(u32, u32)>) -> Vec<(String, State)> {
        let facts = Facts {
            capabilities: Ok(held),
            ..healthy()
        };
        let findings = findings(&facts, version).into_iter();
        findings
            .filter(|finding| finding.state != State::Ok)
            .map(|finding| (finding.name, finding.state))
            .collect()
    }

    #[test]
    fn each_capability_has_its_own_price() {
        for (dropped, state) in [
            ("CAP_SYS_PTRACE", State::Missing),
            ("CAP_SYS_NICE", State::Limit),
        ] {
            let need = NEEDS.iter().find(|need| need.name == dropped);
            let held = CapabilitySet::all() - need.expect("needed").capability;

            assert_eq!(states(held, NEW), [(dropped.to_owned(), state)]);
        }
    }

    #[test]
    fn a_wider_capability_stands_for_a_narrower_one() {
        let (_, admin) = SYS_ADMIN;
        let (_, override_) = DAC_OVERRIDE;
        let narrow = CapabilitySet::BPF | CapabilitySet::PERFMON | CapabilitySet::DAC_READ_SEARCH;
        let all = CapabilitySet::all();

        assert_eq!(states(all - admin - override_, NEW), []);
        assert_eq!(states(all - narrow, NEW), []);
        assert_eq!(states(all - narrow - admin, NEW).len(), 2);
        assert_eq!(states(all - narrow - override_, NEW).len(), 1);
    }

    #[test]
    fn locked_memory_matters_before_5_11_alone() {
        let held = CapabilitySet::all() - CapabilitySet::SYS_RESOURCE;
        for (version, expected) in [
            (Some((5, 10)), 1),
            (Some((5, 11)), 0),
            (Some((6, 18)), 0),
            (None, 1),
        ] {
            assert_eq!(states(held, version).len(), expected, "{version:?}");
        }
    }

    #[test]
    fn with_nothing_held_every_need_is_named_with_what_to_do() {
        let facts = Facts {
            capabilities: Ok(CapabilitySet::empty()),
            ..healthy()
        };
        let findings = findings(&facts, Some((5, 10)));

        for need in &NEEDS {
            let finding = find(&findings, need.name);
            assert_eq!(finding.state, need.without);
            assert!(finding.remedy.is_some());
        }
    }

    #[test]
    fn root_and_the_hosts_pids_are_needed() {
        for (root, host_pids, expected) in [
            (true, Ok(true), (State::Ok, State::Ok)),
            (false, Ok(true), (State::Missing, State::Ok)),
            (true, Ok(false), (State::Ok, State::Missing)),
            (true, Err("no /proc".to_owned()), (State::Ok, State::Limit)),
        ] {
            let findings = findings(
                &Facts {
                    root,
                    host_pids,
                    ..healthy()
                },
                NEW,
            );

            let state = |name| find(&findings, name).state;
            assert_eq!((state("root"), state("pid-namespace")), expected);
        }
    }

    #[test]
    fn unknown_capabilities_are_a_limit() {
        let facts = Facts {
            capabilities: Err("refused".to_owned()),
            ..healthy()
        };

        let findings = findings(&facts, NEW);

        assert_eq!(find(&findings, "capabilities").state, State::Limit);
    }
}
