use super::*;
use crate::control::status::tests::status;
use crate::control::status::{CanaryDelivery, CanaryState, WorkloadMode, WorkloadState};
use crate::model::ContainerKind;
use crate::model::ExecCounts;

fn troubled() -> Status {
    let mut status = status();
    status.agent.attached = false;
    status.agent.kinds_off = vec![ContainerKind::Init];
    if let Some(confinement) = &mut status.agent.confinement {
        confinement.problems = vec!["system calls are not filtered: refused".to_owned()];
    }
    status.accounting = ExecCounts {
        seen: 2,
        known: 1,
        ..ExecCounts::default()
    }
    .into();
    status.losses.path_too_long = 1234;
    status.sinks[0].lost = 7;
    if let Some(cri) = &mut status.cri {
        cri.state = "the runtime did not answer within 2 s".to_owned();
        cri.waiting = 3;
    }
    status.engines[0].state = "the runtime cannot be reached: refused".to_owned();
    if let Some(canary) = &mut status.canary {
        canary.state = CanaryState::Failed;
        canary.error =
            Some("it was executed and counted as deviating, and no record of it came".to_owned());
        canary.targets[0].state = CanaryDelivery::Late;
    }
    status.maps[0].used = 65_000;
    status.workloads[0].workload =
        "a-very-long-namespace/StatefulSet/with-a-long-name/container".to_owned();
    status.workloads[1].execs = 12_345_678_901;
    status.workloads[1].mode = WorkloadMode::Learn;
    status.workloads[1].state = Some(WorkloadState::Learning);
    status.workloads[1].pre_existing = 2;
    status.workloads[1].pending = 4;
    status.workloads[0].state = Some(WorkloadState::Incomplete);
    status.workloads[0].shortcomings = vec!["what it has learned may not be all; restart one of its containers, so that its start is seen".to_owned()];
    status.workloads[1].allowed_until = Some("2026-01-02T03:04:05Z".to_owned());
    status.workloads[1].refused = vec![
        "its pod's annotation execwarden.dev/mode: \"off\" is refused: annotations may only tighten".to_owned(),
    ];
    status.workloads[1].learning = Some(LearningStatus {
        window_s: 86_400,
        elapsed_s: 3600,
        remaining_s: 82_800,
        unbroken_s: 3000,
        quiet_s: 600,
        quiet_asked_s: 10_800,
        starts: 1,
        starts_asked: 3,
        maximum_s: 259_200,
        incomplete: vec![
            "the agent was down from 10:00 to 10:05, and what ran then was not seen".to_owned(),
        ],
    });
    status.allowlist_errors = vec!["/etc/execwarden/allowlists/a\u{1b}[31m\nb.yaml:12:7: unknown field `comand`, expected one of `path`, `interpreter`, `layer`".to_owned()];
    status
}

#[test]
fn a_quiet_node_is_a_short_page() {
    insta::assert_snapshot!(render(&status(), Paint::Plain), @r"
    execwarden 0.1.0 on node-1, pid 4711, up 3h 12m
    mode automatic (learns for 1d), kernel 6.18.0
    hooks sched_process_exec, cgroup_mkdir, cgroup_rmdir, cgroup_attach_task
    execs 12,345 = known 12,000 + learning 300 + deviating 40 + ignored 5 + errors 0  ✓ holds
    canary passed in 3 ms at 2026-01-02T03:04:05Z (every 1m)

    Workloads
    WORKLOAD                  STATE         PROCESSES  CONTAINERS  EXECS  DEVIATIONS
    shop/Deploy…checkout/api  enforce              12           3  4,000           0
    runc/web                  no-allowlist         12           3  4,000           0

    Alerts
    TO             STATE      SENT  QUEUED  LOST
    unix:/dev/log  connected    40       0     0

    Kernel maps
    MAP      USED      OF  FULL
    allowed   300  65,536    0%
    ring: at most 5,120 of 2,097,152 bytes were waiting in it, 0%
    ");
}

#[test]
fn trouble_is_said_in_sentences() {
    insta::assert_snapshot!(render(&troubled(), Paint::Plain), @r#"
    execwarden 0.1.0 on node-1, pid 4711, up 3h 12m
    mode automatic (learns for 1d), kernel 6.18.0
    hooks sched_process_exec, cgroup_mkdir, cgroup_rmdir, cgroup_attach_task
    execs 2 = known 1 + learning 0 + deviating 0 + ignored 0 + errors 0  ✗ BROKEN: the parts are 1
    canary FAILED: it was executed and counted as deviating, and no record of it
           came; it passed last at 2026-01-02T03:04:05Z

    Workloads
    WORKLOAD                    STATE       PROCESSES  CONTAINERS  EXECS  DEVIATIONS
    a-very-long-…ame/container  incomplete         12           3  4,000           0
    runc/web                    learning           12           3  12.3G           0

    Learning
    WORKLOAD  LEARNED  OF  QUIET  OF  STARTS  ENDS IN  SO FAR
    runc/web      50m  1d    10m  3h     1/3      23h  incomplete

    Alerts
    TO             STATE      SENT  QUEUED  LOST
    unix:/dev/log  connected    40       0     7

    Kernel maps
    MAP        USED      OF  FULL
    allowed  65,000  65,536   99%
    ring: at most 5,120 of 2,097,152 bytes were waiting in it, 0%

    Attention
    - NOT ALL PROGRAMS ARE ATTACHED: some execs are not seen
    - execs with a path too long to be read: 1,234
    - the agent keeps rights that it does not need: system calls are not filtered:
      refused
    - the kernel map allowed is nearly full
    - alerts to unix:/dev/log that were lost: 7
    - unix:/dev/log is connected and does not take what it is sent
    - /run/containerd/containerd.sock: the runtime did not answer within 2 s;
      containers that wait for their names: 3
    - /run/docker.sock: the runtime cannot be reached: refused
    - nothing is asked of init containers: their class is off
    - runc/web may run anything until 2026-01-02T03:04:05Z
    - /etc/execwarden/allowlists/a\x1b[31m\x0ab.yaml:12:7: unknown field `comand`,
      expected one of `path`, `interpreter`, `layer`
    - runc/web: its pod's annotation execwarden.dev/mode: "off" is refused:
      annotations may only tighten
    - runc/web: the agent was down from 10:00 to 10:05, and what ran then was not
      seen
    - a-very-long-namespace/StatefulSet/with-a-long-name/container: what it has
      learned may not be all; restart one of its containers, so that its start is
      seen
    - runc/web: what it ran while it learned, and never learns, waits for a person
      to look at it: 4
    - runc/web: containers that ran before the agent came: 2 of 3
    "#);
}

#[test]
fn an_empty_node_says_so() {
    let mut status = status();
    status.workloads.clear();

    let page = render(&status, Paint::Plain);

    assert!(
        page.contains("There is no container on this node."),
        "{page}"
    );
}

fn check_page(status: &Status) {
    let page = render(status, Paint::Plain);

    for line in page.lines().filter(|line| !line.starts_with("execs ")) {
        assert!(line.chars().count() <= 80, "{line:?}");
    }
    assert!(
        page.chars().all(|c| c == '\n' || !c.is_control()),
        "{page:?}"
    );
}

#[test]
fn the_page_fits_80_columns_and_is_plain() {
    check_page(&status());
    check_page(&troubled());
}

proptest::proptest! {
    #[test]
    fn the_page_fits_80_columns_whatever_the_strings(text in "[ -~äß…\\p{Cc}]{0,200}", number: u64) {
        let mut status = troubled();
        status.agent.version = text.clone();
        status.agent.node = text.clone();
        status.agent.kernel = text.clone();
        status.agent.hooks = vec![text.clone()];
        status.sinks[0].target = text.clone();
        status.sinks[0].state = text.clone();
        status.sinks[0].sent = number;
        status.maps[0].name = text.clone();
        status.maps[0].used = number;
        status.ring = RingFill {
            peak_bytes: number,
            capacity_bytes: number,
        };
        status.workloads[1].execs = number;
        status.allowlist_errors = vec![text];

        check_page(&status);
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let colored = render(&troubled(), Paint::Color);

    assert!(colored.contains("\u{1b}[1m"));
    assert_eq!(without_color(&colored), render(&troubled(), Paint::Plain));
}

/// Cuts every `ESC [ … m`.
fn without_color(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |plain, piece| {
        plain + piece.split_once('m').map_or("", |(_, rest)| rest)
    })
}
