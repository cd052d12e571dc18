//! What the kernel has and what it takes.

use super::finding::Finding;
use crate::cli::table::grouped;
use crate::kernel::{Overlay, Trial, Trials};

/// The oldest kernel that the programs are written for.
const OLDEST: (u32, u32) = (5, 10);

/// What was asked of the kernel.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Its release, such as `6.18.0-3-amd64`.
    pub(super) release: String,
    /// Where overlayfs's layout is, or why there is no type information.
    pub(super) types: Result<Overlay, String>,
    /// Every program, or why none could be tried.
    pub(super) programs: Result<Trials, String>,
    /// Whether BPF LSM is active, if that can be seen.
    pub(super) lsm_is_active: Option<bool>,
    /// Whether bpffs is mounted at its usual place.
    pub(super) bpffs: bool,
}

/// The first two numbers of a release.
pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![release(&facts.release), types(&facts.types)];
    findings.extend(overlay(&facts.types));
    findings.extend(programs(&facts.programs));
    findings.extend(lsm(facts));
    findings.push(bpffs(facts.bpffs));
    findings
}

fn release(release: &str) -> Finding {
    let name = "kernel";
    let cost = "an older kernel does not load the programs; the agent does not start";
    match version(release) {
        Some(version) if version >= OLDEST => Finding::ok(name, release, cost),
        Some(_) => Finding::missing(name, release, cost, "run a kernel of 5.10 or later"),
        None => Finding::limit(
            name,
            format!("{release}, which does not begin with a version"),
            cost,
            "see below whether the programs load",
        ),
    }
}

fn types(types: &Result<Overlay, String>) -> Finding {
    let name = "btf";
    let cost = "the programs cannot find the kernel's fields; the agent does not start";
    match types {
        Ok(_) => Finding::ok(name, "every field that is needed is there", cost),
        Err(problem) => Finding::missing(
            name,
            problem,
            cost,
            "run a kernel with CONFIG_DEBUG_INFO_BTF=y; in a container, \
             let it see the host's /sys/kernel/btf",
        ),
    }
}

fn overlay(types: &Result<Overlay, String>) -> Option<Finding> {
    let name = "overlay";
    let cost = "files of the image cannot be told from files written later: \
                every file of an overlay is reported and none is learned";
    Some(match types {
        Ok(Overlay::BuiltIn) => Finding::ok(name, "built into the kernel", cost),
        Ok(Overlay::Module) => Finding::ok(name, "a module, with BTF", cost),
        Ok(Overlay::Assumed) => Finding::ok(
            name,
            "a module, without BTF: taken to be as in every kernel so far",
            cost,
        ),
        Ok(Overlay::Unknown) => Finding::limit(
            name,
            "no BTF of overlayfs",
            cost,
            "load the module before the agent starts: modprobe overlay; \
             a module shows its BTF from kernel 5.11 on",
        ),
        // Said already.
        Err(_) => return None,
    })
}

fn programs(programs: &Result<Trials, String>) -> Vec<Finding> {
    match programs {
        Ok(trials) => trials.programs.iter().map(program).collect(),
        Err(problem) => vec![Finding::missing(
            "programs",
            format!("none could be tried: {problem}"),
            "nothing is seen; the agent does not start",
            "see what else is missing here, then try again",
        )],
    }
}

fn program(trial: &Trial) -> Finding {
    let name = format!("program {}", trial.tracepoint);
    let cost = match trial.tracepoint {
        _ if trial.stands_in => {
            "where this kernel holds up the program for sched_process_exec, which a \
             container can bring about, execs are not seen"
        }
        "sched_process_exec" => "no exec is seen; the agent does not start",
        _ => "containers would be seen too late, or not; the agent does not start",
    };
    match &trial.outcome {
        Ok(verified) => Finding::ok(name, attaches(*verified), cost),
        Err(problem) if trial.stands_in => Finding::limit(
            name,
            problem,
            cost,
            "mount tracefs at /sys/kernel/tracing; in a container, let it see the host's. \
             Where kernel.perf_event_paranoid is 3 or more (Debian, Ubuntu), set it to 2, or \
             give the agent CAP_SYS_ADMIN",
        ),
        Err(problem) => Finding::missing(
            name,
            problem,
            cost,
            "if a right is missing, see the capabilities here; if the verifier refuses it, \
             report the kernel's release and these words",
        ),
    }
}

fn attaches(verified: u32) -> String {
    match verified {
        0 => "loads and attaches".to_owned(),
        verified => format!("loads and attaches; {} instructions", grouped(verified)),
    }
}

fn lsm(facts: &Facts) -> Option<Finding> {
    let name = "bpf-lsm";
    let cost = "what is blocked is killed before its first instruction; with it, most is \
                refused, and its caller goes on";
    let trials = facts.programs.as_ref().ok()?;
    let attaches = match &trials.refusal {
        Ok(verified) => format!(
            "the program for bprm_check_security {}",
            attaches(*verified)
        ),
        Err(problem) => format!("the program for bprm_check_security does not load: {problem}"),
    };
    Some(match (facts.lsm_is_active, &trials.refusal) {
        (Some(true), Err(_)) => Finding::limit(
            name,
            format!("active; {attaches}"),
            cost,
            "if a right is missing, see the capabilities here; else report the kernel's \
             release and these words",
        ),
        (Some(true), Ok(_)) => Finding::ok(name, format!("active; {attaches}"), cost),
        (Some(false), _) => Finding::ok(name, "not active (`bpf` is not in lsm=)", cost),
        (None, _) => Finding::ok(
            name,
            format!("/sys/kernel/security/lsm is not to be seen; {attaches}"),
            cost,
        ),
    })
}

fn bpffs(is_mounted: bool) -> Finding {
    let name = "bpffs";
    let cost = "what runs between two agents is not seen, and not stopped: the programs \
                end with the agent";
    match is_mounted {
        true => Finding::ok(name, "mounted at /sys/fs/bpf", cost),
        false => Finding::limit(
            name,
            "not mounted at /sys/fs/bpf",
            cost,
            "`mount -t bpf bpf /sys/fs/bpf`; in a container, let the agent see the host's",
        ),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::finding::tests::find;
    use super::super::finding::{self, State};
    use super::*;

    pub(in crate::cli::doctor) fn healthy() -> Facts {
        let trial = |tracepoint| Trial {
            tracepoint,
            stands_in: false,
            outcome: Ok(1300),
        };
        Facts {
            release: "6.18.0-3-amd64".to_owned(),
            types: Ok(Overlay::BuiltIn),
            programs: Ok(Trials {
                programs: vec![trial("cgroup_mkdir"), trial("sched_process_exec")],
                refusal: Ok(1300),
            }),
            lsm_is_active: Some(true),
            bpffs: true,
        }
    }

    fn tried(programs: Vec<Trial>) -> Result<Trials, String> {
        let refusal = Ok(1300);
        Ok(Trials { programs, refusal })
    }

    fn check(facts: Facts, name: &str, state: State, found: &str) {
        finding::tests::check(&findings(&facts), name, state, found);
    }

    #[test]
    fn releases_have_versions() {
        for (release, expected) in [
            ("5.10.0-35-amd64", Some((5, 10))),
            ("6.18.44-fc-v669", Some((6, 18))),
            ("7.2-rc1", Some((7, 2))),
            ("7", None),
            ("", None),
            ("99999999999.1", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
    }

    #[test]
    fn a_kernel_is_old_enough_from_5_10_on() {
        for (release, state) in [
            ("5.10.0", State::Ok),
            ("10.0.1", State::Ok),
            ("5.9.16", State::Missing),
            ("4.19.0", State::Missing),
            ("mine", State::Limit),
        ] {
            let facts = Facts {
                release: release.to_owned(),
                ..healthy()
            };
            check(facts, "kernel", state, release);
        }
    }

    #[test]
    fn types_and_layers_are_two_things() {
        for (types, btf, overlay) in [
            (Ok(Overlay::BuiltIn), State::Ok, Some(State::Ok)),
            (Ok(Overlay::Module), State::Ok, Some(State::Ok)),
            (Ok(Overlay::Unknown), State::Ok, Some(State::Limit)),
            (Err("no BTF".to_owned()), State::Missing, None),
        ] {
            let findings = findings(&Facts { types, ..healthy() });

            assert_eq!(find(&findings, "btf").state, btf);
            let found = findings.iter().find(|finding| finding.name == "overlay");
            assert_eq!(found.map(|finding| finding.state), overlay);
        }
    }

    #[test]
    fn a_refused_program_is_told_in_the_kernels_words() {
        let mut facts = healthy();
        facts.programs = tried(vec![
            Trial {
                tracepoint: "cgroup_mkdir",
                stands_in: false,
                outcome: Ok(0),
            },
            Trial {
                tracepoint: "sched_process_exec",
                stands_in: false,
                outcome: Err("R2 invalid mem access".to_owned()),
            },
        ]);

        let other = facts.clone();
        check(
            facts,
            "program sched_process_exec",
            State::Missing,
            "R2 invalid mem access",
        );
        check(
            other,
            "program cgroup_mkdir",
            State::Ok,
            "loads and attaches",
        );
    }

    #[test]
    fn without_a_stand_in_a_node_is_fit_with_limits() {
        let facts = Facts {
            programs: tried(vec![Trial {
                tracepoint: "sched/sched_process_exec",
                stands_in: true,
                outcome: Err("tracefs not found".to_owned()),
            }]),
            ..healthy()
        };

        let name = "program sched/sched_process_exec";
        check(facts, name, State::Limit, "tracefs not found");
    }

    #[test]
    fn what_keeps_all_programs_from_being_tried_is_one_finding() {
        let facts = Facts {
            programs: Err("no maps".to_owned()),
            ..healthy()
        };

        check(facts, "programs", State::Missing, "no maps");
    }

    #[test]
    fn a_kernel_that_cannot_refuse_is_fit_unless_it_should() {
        let no = || Err("Operation not permitted".to_owned());
        for (lsm_is_active, refusal, state, found) in [
            (Some(true), Ok(1300), State::Ok, "active; the program"),
            (Some(true), no(), State::Limit, "not permitted"),
            (Some(false), no(), State::Ok, "not active"),
            (None, Ok(0), State::Ok, "loads and attaches"),
            (None, no(), State::Ok, "not permitted"),
        ] {
            let programs = Ok(Trials {
                programs: Vec::new(),
                refusal,
            });
            let facts = Facts {
                lsm_is_active,
                programs,
                ..healthy()
            };
            check(facts, "bpf-lsm", state, found);
        }
    }

    #[test]
    fn without_a_place_for_pins_a_node_is_fit_with_limits() {
        let facts = Facts {
            bpffs: false,
            ..healthy()
        };
        check(facts, "bpffs", State::Limit, "not mounted");
    }
}
