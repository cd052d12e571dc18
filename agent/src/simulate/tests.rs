use super::*;
use crate::allowlist::parse;
use crate::journal::{Cursor, Gap, Lack, Was};
use crate::model::{Ancestor, Args, Exec, Inspection, Layer, Origin, Reason, Runtime};
use jiff::Timestamp;

fn workload(name: &str) -> WorkloadId {
    WorkloadId::Runtime {
        runtime: Runtime::Runc,
        name: name.to_owned(),
    }
}

fn candidate(name: &str, rest: &str) -> Candidate {
    let text = format!(
        "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
         metadata: {{ name: web }}\nspec:\n  workload: {{ runtime: runc, name: {name} }}\n{rest}"
    );
    Candidate {
        file: format!("{name}.yaml"),
        document: parse("a.yaml", text.as_bytes()).expect("valid"),
    }
}

fn known(identity: &Identity) -> Subject {
    Subject::known(workload("web"), identity.clone())
}

fn seen(exec: &Exec, with_arguments: bool) -> Subject {
    Subject::seen(
        workload("web"),
        exec.identity.clone(),
        exec,
        &Inspection::default(),
        with_arguments,
    )
}

fn page(rows: &[(u32, Subject, Ran)]) -> Page {
    let mut page = Page::new(Head {
        begins: Timestamp::UNIX_EPOCH,
        gaps: Vec::new(),
    });
    for (hour, subject, ran) in rows {
        let at = Cursor {
            hour: Hour(*hour),
            id: crate::journal::SubjectId::of(subject),
        };
        page.push(at, *ran, Some(&subject.encode()));
    }
    page
}

fn simulate(rest: &str, rows: &[(u32, Subject, Ran)]) -> WorkloadReport {
    let mut simulation = Simulation::new(vec![candidate("web", rest)], None).expect("one");
    simulation.take(page(rows)).expect("a page");
    let mut report = simulation.finish();
    report.workloads.remove(0)
}

fn counted(execs: u64) -> Ran {
    Ran::counted(execs, Was::Learned)
}

fn paths(found: &[Finding]) -> Vec<(Reason, &str, u64)> {
    let found = found.iter();
    found
        .map(|one| (one.reason, one.executable.path.as_str(), one.times.execs))
        .collect()
}

#[test]
fn what_it_lacks_is_reported_and_what_it_has_in_vain_is_named() {
    let rows = [
        (1, known(&Identity::image("/bin/a")), Ran::KNOWN),
        (
            2,
            seen(&Exec::plain(Identity::image("/bin/b")), true),
            counted(2),
        ),
        (
            4,
            seen(&Exec::plain(Identity::image("/bin/b")), true),
            counted(3),
        ),
        (
            4,
            known(&Identity::script("/bin/sh", "/run.sh")),
            Ran::KNOWN,
        ),
    ];

    let report = simulate(
        "  processes:\n    - path: /bin/a\n    - path: /usr/bin/b\n    - path: /bin/sh\n",
        &rows,
    );

    assert_eq!(report.executables, 3);
    assert_eq!(
        paths(&report.reported),
        [
            (Reason::Unlisted, "/bin/b", 5),
            (Reason::Script, "/run.sh", 0)
        ]
    );
    let b = &report.reported[0];
    assert_eq!(b.times.first_hour, Hour(2).start());
    assert_eq!(b.times.last_hour, Hour(4).start());
    assert_eq!((b.times.was, b.times.uncounted), (Was::Learned, false));
    let nearest = b.nearest.as_ref().expect("one of this name");
    assert_eq!(
        (nearest.path.as_str(), nearest.differs),
        ("/usr/bin/b", "folder")
    );
    assert!(report.reported[1].times.uncounted);
    let unused: Vec<&str> = report.unused.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(unused, ["/bin/sh", "/usr/bin/b"]);
    assert!(report.undecided.is_empty());
}

#[test]
fn conditions_are_judged_by_what_was_seen_and_else_not_decided() {
    let entry = "  processes:\n    - { path: /bin/a, users: [1000] }\n";
    let as_user = |uid: u32| {
        let exec = Exec {
            uid,
            ..Exec::plain(Identity::image("/bin/a"))
        };
        seen(&exec, true)
    };

    let other = simulate(entry, &[(1, as_user(0), counted(1))]);
    assert_eq!(paths(&other.reported), [(Reason::User, "/bin/a", 1)]);
    assert_eq!(other.unused.len(), 1);

    let same = simulate(entry, &[(1, as_user(1000), counted(7))]);
    assert!(same.reported.is_empty() && same.unused.is_empty());
    assert_eq!(same.judged_by_one, 1);

    let unseen = simulate(entry, &[(1, known(&Identity::image("/bin/a")), Ran::KNOWN)]);
    assert!(unseen.reported.is_empty());
    assert_eq!(unseen.undecided[0].asks_for, ["users"]);
    assert!(unseen.unused.is_empty(), "it may be of use");

    let free = "  processes:\n    - { path: /bin/a, users: [1000] }\n    - path: /bin/a\n";
    let free = simulate(free, &[(1, known(&Identity::image("/bin/a")), Ran::KNOWN)]);
    assert!(free.reported.is_empty() && free.undecided.is_empty());
}

#[test]
fn arguments_that_were_not_kept_and_contents_that_were_not_read_are_not_decided() {
    let mut exec = Exec::plain(Identity::image("/bin/a"));
    exec.args = Args {
        list: ["a", "x"].map(Into::into).to_vec(),
        ..Args::default()
    };
    let digest = "00".repeat(32);
    let args = "  processes:\n    - { path: /bin/a, args: [y] }\n";
    let content = format!("  processes:\n    - {{ path: /bin/a, sha256: \"{digest}\" }}\n");

    let kept = simulate(args, &[(1, seen(&exec, true), counted(1))]);
    assert_eq!(paths(&kept.reported), [(Reason::Args, "/bin/a", 1)]);
    let withheld = simulate(args, &[(1, seen(&exec, false), counted(1))]);
    assert!(withheld.reported.is_empty());
    assert_eq!(withheld.undecided[0].asks_for, ["args"]);
    let unread = simulate(&content, &[(1, seen(&exec, true), counted(1))]);
    assert!(unread.reported.is_empty());
    assert_eq!(unread.undecided[0].asks_for, ["sha256"]);
}

#[test]
fn where_it_stood_and_who_started_it_is_judged_again() {
    let mut exec = Exec::plain(Identity::image("/bin/a"));
    let listed = "  processes:\n    - { path: /bin/a, parents: [/bin/sh, \"*injected*\"] }\n";
    let parent = |path: &str| Ancestor {
        pid: 1,
        start_ns: 1,
        path: Some(path.into()),
        path_cut: false,
        inside: true,
        init: false,
    };
    let by = |exec: &Exec| simulate(listed, &[(1, seen(exec, true), counted(1))]);

    assert_eq!(paths(&by(&exec).reported), [(Reason::Parent, "/bin/a", 1)]);
    exec.ancestors = vec![parent("/bin/sh")];
    assert!(by(&exec).reported.is_empty());
    exec.ancestors = vec![parent("/usr/sbin/runc")];
    (exec.origin, exec.from_outside) = (Origin::Injected, true);
    assert!(by(&exec).reported.is_empty());
    exec.escaped = true;
    assert_eq!(paths(&by(&exec).reported), [(Reason::Escaped, "/bin/a", 1)]);
    assert!(by(&exec).unused.is_empty(), "it was of use all the same");
}

#[test]
fn no_candidate_allows_what_could_not_be_identified() {
    let mut exec = Exec::plain(Identity {
        layer: Layer::Unknown,
        ..Identity::image("/bin/a")
    });
    exec.error = true;

    let report = simulate(
        "  processes:\n    - path: /bin/a\n",
        &[(1, seen(&exec, true), counted(1))],
    );

    assert_eq!(paths(&report.reported), [(Reason::Unlisted, "/bin/a", 1)]);
    assert_eq!(report.unused.len(), 1);
}

#[test]
fn a_mode_that_asks_nothing_reports_nothing() {
    let rows = [(1, known(&Identity::image("/bin/a")), Ran::KNOWN)];

    let off = simulate("  mode: off\n  processes:\n    - path: /bin/b\n", &rows);
    assert_eq!(
        (off.reported.len(), off.unused.len(), off.mode),
        (0, 0, "off")
    );
    let learn = simulate("  mode: learn\n  processes: []\n", &rows);
    assert_eq!((learn.reported.len(), learn.mode), (1, "learn"));
}

#[test]
fn pages_are_one_journal_and_others_workloads_are_named() {
    let web = candidate("web", "  processes: []\n");
    let other = Subject::known(workload("other"), Identity::image("/bin/a"));
    let a = known(&Identity::image("/bin/a"));
    let mut first = page(&[(1, a.clone(), counted(1)), (1, other, counted(1))]);
    first.damaged = 2;
    first.head.gaps.push(Gap {
        from: Hour(1).start(),
        to: Hour(2).start(),
        because: Lack::NoAgent,
    });
    let mut simulation = Simulation::new(vec![web], None).expect("one");

    simulation.take(first).expect("a page");
    simulation
        .take(page(&[(2, a, counted(4))]))
        .expect("a page");
    let report = simulation.finish();

    assert!(report.has_findings());
    assert_eq!(
        paths(&report.workloads[0].reported),
        [(Reason::Unlisted, "/bin/a", 5)]
    );
    assert_eq!(report.without_candidate, ["runc/other"]);
    assert_eq!((report.damaged, report.gaps.len()), (2, 1));
}

#[test]
fn candidates_are_one_for_each_workload() {
    let web = || candidate("web", "  processes: []\n");
    let job = || candidate("job", "  processes: []\n");

    let twice = Simulation::new(vec![web(), job(), web()], None).expect_err("two");
    assert!(twice.to_string().contains("both about runc/web"), "{twice}");
    let none = Simulation::new(vec![web()], Some("runc/job")).expect_err("none");
    assert!(none.to_string().contains("\"runc/job\""), "{none}");
    let one = Simulation::new(vec![web(), job()], Some("runc/job")).expect("one");
    let report = one.finish();
    assert_eq!(report.workloads.len(), 1);
    assert!(!report.has_findings() && report.without_candidate.is_empty());
}
