//! The findings for a person: a table, then what there is to do.

use super::finding::{Finding, Report, State, Verdict};
use crate::cli::output::plain;
use crate::cli::paint::Paint;
use crate::cli::table::{Column, Table, shorten, wrapped};

/// The page. Fits 80 columns.
pub(super) fn render(report: &Report, paint: Paint) -> String {
    let mut page = format!(
        "{} {}, kernel {}: {}\n\n{}",
        paint.heading("execwarden"),
        shorten(report.version(), 12),
        shorten(&plain(report.kernel()), 24),
        verdict(report.verdict(), paint),
        table(report.findings()),
    );
    for (state, heading) in [(State::Missing, "Missing"), (State::Limit, "Limits")] {
        let of_state = report.findings().iter().filter(|one| one.state == state);
        let sentences: String = of_state.map(sentences).collect();
        if !sentences.is_empty() {
            page += &format!("\n{}\n{sentences}", paint.heading(heading));
        }
    }
    page
}

fn verdict(verdict: Verdict, paint: Paint) -> String {
    match verdict {
        Verdict::Fit => paint.good("fit"),
        Verdict::FitWithLimits => paint.heading("fit, with limits"),
        Verdict::NotFit => paint.bad("NOT FIT"),
    }
}

fn table(findings: &[Finding]) -> String {
    let mut table = Table::new([
        Column::Shortened("CHECK"),
        Column::Text("STATE"),
        Column::Wrapped("FOUND"),
    ]);
    for finding in findings {
        table.row([
            finding.name.clone(),
            finding.state.as_str().to_owned(),
            finding.found.clone(),
        ]);
    }
    table.render()
}

/// What it costs, and what to do.
fn sentences(finding: &Finding) -> String {
    let line = |mark, text: String| wrapped(mark, &plain(&text));
    let mut text = line("-", format!("{}: {}.", finding.name, finding.cost));
    if let Some(remedy) = &finding.remedy {
        text += &line(" ", format!("To do: {remedy}."));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::healthy;
    use super::super::{Facts, findings};
    use super::*;
    use crate::containers::Placement;
    use rustix::thread::CapabilitySet;

    fn page(facts: &Facts) -> String {
        let report = Report::new(&facts.kernel.release, findings(facts));
        render(&report, Paint::Plain).replace(report.version(), "0.0.0")
    }

    #[test]
    fn a_fit_node_is_one_table() {
        insta::assert_snapshot!(page(&healthy()), @r"
    execwarden 0.0.0, kernel 6.18.0-3-amd64: fit

    CHECK                       STATE  FOUND
    kernel                      ok     6.18.0-3-amd64
    btf                         ok     every field that is needed is there
    overlay                     ok     built into the kernel
    program cgroup_mkdir        ok     loads and attaches; 1,300 instructions
    program sched_process_exec  ok     loads and attaches; 1,300 instructions
    bpf-lsm                     ok     active; the program for bprm_check_security
                                       loads and attaches; 1,300 instructions
    bpffs                       ok     mounted at /sys/fs/bpf
    root                        ok     this is root
    pid-namespace               ok     the host's
    CAP_BPF                     ok     held
    CAP_PERFMON                 ok     held
    CAP_SYS_PTRACE              ok     held
    CAP_SYS_RESOURCE            ok     held
    CAP_DAC_READ_SEARCH         ok     held
    CAP_SYS_NICE                ok     held
    confinement                 ok     keeps CAP_SYS_PTRACE; system calls are
                                       filtered
    cgroup                      ok     v2 at /sys/fs/cgroup
    runtime-files               ok     /run/runc
    cri                         ok     /run/containerd/containerd.sock answers
    docker                      ok     no socket found
    podman                      ok     not asked; --podman names its socket
    kube                        ok     https://10.96.0.1/ answers
    configuration               ok     valid
    syslog unix:/dev/log        ok     open
    agent                       ok     version 0.0.0, pid 7, up 2h
    last-alert                  ok     delivered 1m 30s ago to unix:/dev/log
    ");
    }

    #[test]
    fn what_is_wrong_comes_with_its_cost_and_what_to_do() {
        let mut facts = healthy();
        facts.rights.capabilities = Ok(CapabilitySet::all() - CapabilitySet::SYS_NICE);
        facts.places.cgroup = Ok(("/sys/fs/cgroup/unified".into(), Placement::Nowhere));
        facts.kernel.programs = Err("the kernel does not take the maps".to_owned());

        insta::assert_snapshot!(page(&facts), @r"
    execwarden 0.0.0, kernel 6.18.0-3-amd64: NOT FIT

    CHECK                 STATE    FOUND
    kernel                ok       6.18.0-3-amd64
    btf                   ok       every field that is needed is there
    overlay               ok       built into the kernel
    programs              missing  none could be tried: the kernel does not take the
                                   maps
    bpffs                 ok       mounted at /sys/fs/bpf
    root                  ok       this is root
    pid-namespace         ok       the host's
    CAP_BPF               ok       held
    CAP_PERFMON           ok       held
    CAP_SYS_PTRACE        ok       held
    CAP_SYS_RESOURCE      ok       held
    CAP_DAC_READ_SEARCH   ok       held
    CAP_SYS_NICE          limit    not held
    confinement           ok       keeps CAP_SYS_PTRACE; system calls are filtered
    cgroup                limit    hybrid: v1, and v2 at /sys/fs/cgroup/unified; no
                                   container in either yet
    runtime-files         ok       /run/runc
    cri                   ok       /run/containerd/containerd.sock answers
    docker                ok       no socket found
    podman                ok       not asked; --podman names its socket
    kube                  ok       https://10.96.0.1/ answers
    configuration         ok       valid
    syslog unix:/dev/log  ok       open
    agent                 ok       version 0.0.0, pid 7, up 2h
    last-alert            ok       delivered 1m 30s ago to unix:/dev/log

    Missing
    - programs: nothing is seen; the agent does not start.
      To do: see what else is missing here, then try again.

    Limits
    - CAP_SYS_NICE: the agent cannot come before others: on a busy node, containers
      that live a moment may be named by their ids.
      To do: give it to the agent: CapabilityBoundingSet= in its unit,
      capabilities.add in its pod (SYS_NICE).
    - cgroup: containers that are not in cgroup v2 are not seen.
      To do: boot with systemd.unified_cgroup_hierarchy=1.
    ");
    }

    #[test]
    fn nothing_in_it_acts_on_a_terminal_or_leaves_the_page() {
        let mut facts = healthy();
        facts.kernel.release = "\x1b[2J".repeat(100);
        facts.receivers.configuration = Err(format!("\x1b]0;x\x07 {}", "word ".repeat(100)));

        let page = page(&facts);

        assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
        for line in page.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
