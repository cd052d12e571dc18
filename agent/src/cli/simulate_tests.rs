use super::*;
use crate::journal::{Gap, Lack};
use crate::model::Reason;
use crate::simulate::NearestEntry;

fn executable(path: &str) -> Executable {
    Executable {
        path: path.to_owned(),
        interpreter: None,
        applet: None,
        layer: "image",
    }
}

fn times(execs: u64, uncounted: bool, was: Was) -> Times {
    Times {
        execs,
        uncounted,
        first_hour: Hour(498_826).start(),
        last_hour: Hour(498_830).start(),
        was,
    }
}

fn report() -> Report {
    let long = format!("/srv/{}/run\u{1b}[2J", "releases/".repeat(12));
    let web = WorkloadReport {
        workload: "shop/Deployment/checkout/api".to_owned(),
        file: "/etc/execwarden/allowlists/checkout.yaml".to_owned(),
        mode: "enforce",
        executables: 1412,
        reported: vec![
            Finding {
                reason: Reason::Drift,
                also: vec![Reason::Unlisted],
                executable: executable(&long),
                times: times(1, false, Was::Reported(Reason::Drift)),
                nearest: None,
            },
            Finding {
                reason: Reason::Unlisted,
                also: Vec::new(),
                executable: Executable {
                    layer: "volume",
                    ..executable("/plugins/resize")
                },
                times: Times {
                    last_hour: Hour(498_826).start(),
                    ..times(12_345, true, Was::Learned)
                },
                nearest: Some(NearestEntry {
                    path: format!("/opt/{}/resize", "x".repeat(80)),
                    differs: "folder",
                }),
            },
        ],
        undecided: vec![Open {
            executable: Executable {
                applet: Some("sh".to_owned()),
                ..executable("/bin/busybox")
            },
            times: times(0, true, Was::Known),
            asks_for: vec!["args", "users"],
        }],
        judged_by_one: 2,
        unused: vec![Unused {
            path: "/app/job.sh".to_owned(),
            interpreter: Some("/bin/dash".to_owned()),
            applet: None,
            layer: "image",
        }],
    };
    let off = WorkloadReport {
        workload: "runc/job".to_owned(),
        file: "job.yaml".to_owned(),
        mode: "off",
        executables: 1,
        reported: Vec::new(),
        undecided: Vec::new(),
        judged_by_one: 0,
        unused: Vec::new(),
    };
    Report {
        v: 1,
        journal_begins: Some(Hour(498_820).start()),
        gaps: vec![Gap {
            from: Hour(498_821).start(),
            to: Hour(498_822).start(),
            because: Lack::NoAgent,
        }],
        damaged: 1,
        workloads: vec![web, off],
        without_candidate: vec!["runc/other".to_owned()],
    }
}

#[test]
fn a_page_tells_all_of_it_in_eighty_columns() {
    let page = render(&report());

    assert!(
        page.lines().all(|line| line.chars().count() <= 80),
        "{page}"
    );
    insta::assert_snapshot!(page, @r"
    The journal is complete from 2026-11-27 04:00 UTC on, but for this:
      2026-11-27 05:00 UTC to 2026-11-27 06:00 UTC  there was no agent
    Rows of it that cannot be read: 1

    shop/Deployment/checkout/api
      by /etc/execwarden/allowlists/checkout.yaml
      executables that ran: 1,412; that would have been reported: 2
        drift  /srv/releases/releases/release…releases/releases/releases//run\x1b[2J
          1 exec, 2026-11-27 10:00 to 2026-11-27 14:00; was reported as drift
        unlisted  /plugins/resize (volume)
          12,345 execs or more, 2026-11-27 10:00; was learned
          nearest entry /opt/xxxxxxxxxxxxxxx…xxxxxxxxxxxxxx/resize differs in folder
      Not decided, as the journal has too little of it:
        /bin/busybox as sh
          not counted, 2026-11-27 10:00 to 2026-11-27 14:00; was known
          entries for it ask for args, users
      Judged by one exec of several: 2
      Entries that nothing used:
        /app/job.sh by /bin/dash

    runc/job
      by job.yaml
      nothing is asked of it: the document has mode off

    In the journal, and without a document here:
      runc/other
    ");
}

#[test]
fn nothing_found_is_short() {
    let mut report = report();
    report.gaps.clear();
    report.damaged = 0;
    report.without_candidate.clear();
    report.workloads.truncate(1);
    let web = &mut report.workloads[0];
    web.reported.clear();
    web.undecided.clear();
    web.unused.clear();
    web.judged_by_one = 0;

    assert!(!report.has_findings());
    insta::assert_snapshot!(render(&report), @r"
    The journal is complete from 2026-11-27 04:00 UTC on.

    shop/Deployment/checkout/api
      by /etc/execwarden/allowlists/checkout.yaml
      executables that ran: 1,412; that would have been reported: 0
    ");
}

#[test]
fn what_is_printed_as_json_is_what_the_manual_says() {
    let manual = include_str!("../../../docs/CONFIGURATION.md");
    let json = serde_json::to_value(report()).expect("JSON");
    let (_, section) = manual
        .split_once("### What simulate prints as JSON")
        .expect("the manual has it");
    let (_, block) = section.split_once("```json\n").expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    let documented: serde_json::Value = serde_json::from_str(block).expect("valid JSON");

    let web = |json: &serde_json::Value| json["workloads"][0].clone();
    let keys = |json: &serde_json::Value| -> Vec<String> {
        json.as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(keys(&documented), keys(&json));
    assert_eq!(keys(&web(&documented)), keys(&web(&json)));
    for list in ["reported", "undecided", "unused"] {
        let first = |json: &serde_json::Value| json["workloads"][0][list][0].clone();
        assert_eq!(keys(&first(&documented)), keys(&first(&json)), "{list}");
    }
}
