use super::*;
use crate::allowlist::arbitrary;
use crate::allowlist::{Allowlist, Applet, PathPattern, parse, render};
use crate::model::{Identity, Layer};
use proptest::prelude::*;

fn document() -> Document {
    Document::of_decisions(WorkloadId::Unit {
        unit: "x.service".to_owned(),
    })
}

fn entry(identity: &Identity) -> Process {
    Process::of(identity).expect("plain")
}

fn pattern(path: &str) -> Process {
    let path = PathPattern::new(path).expect("a path");
    Process::new(path, RunAs::Program, Layer::Image).expect("an entry")
}

fn struck(path: &str) -> Removed {
    Removed {
        path: PathPattern::new(path).expect("a path"),
        run_as: None,
        layer: None,
    }
}

fn applet(path: &str, name: &str) -> Removed {
    let name = Applet::of(&name.into()).expect("a name");
    Removed {
        run_as: Some(StruckAs::Applet(name)),
        ..struck(path)
    }
}

/// What is in force when the decisions are laid over `base`.
fn over(base: &[Process], decided: &Document) -> BTreeSet<Process> {
    let mut processes = base.iter().cloned().collect();
    lay_over(&mut processes, &mut BTreeSet::new(), decided).expect("no costly pattern");
    processes
}

#[test]
fn what_was_accepted_is_added_and_what_was_removed_taken_away() {
    let [a, b, drifted] = ["/a", "/b", "/tmp/c"].map(|path| entry(&Identity::image(path)));
    let base = [a.clone(), b.clone()];
    let mut decided = document();

    decided.accept(drifted.clone()).expect("accepted");
    decided
        .strike(struck("/a"), &base.clone().into())
        .expect("struck");

    assert_eq!(over(&base, &decided), [b, drifted].into());
    let mut both = Document::of_decisions(decided.spec.workload.clone());
    both.spec.processes = base.into();
    let allowlist = Allowlist::new(&both).expect("compiles");
    let allowlist = allowlist.with_decisions(&decided).expect("compiles");
    assert!(allowlist.is_removed(&Identity::image("/a")));
    assert_eq!(allowlist.len(), 2);
}

#[test]
fn the_last_word_about_a_path_counts_and_restoring_leaves_nothing() {
    let a = entry(&Identity::image("/a"));
    let mut decided = document();

    decided.accept(a.clone()).expect("accepted");
    decided.strike(struck("/a"), &[].into()).expect("struck");
    let base = [a.clone()];
    assert_eq!(over(&base, &decided), [].into());
    decided.accept(a.clone()).expect("accepted");
    assert_eq!(over(&[], &decided), [a.clone()].into());

    assert!(decided.restore("/a"));
    assert!(!decided.restore("/a"));
    assert!(decided.decides_nothing());
    assert_eq!(over(&base, &decided), [a].into());
}

#[test]
fn a_single_applet_is_struck_and_the_others_stay() {
    let sh = entry(&Identity::applet("/bin/busybox", "sh"));
    let wget = entry(&Identity::applet("/bin/busybox", "wget"));
    let base = [sh.clone(), wget];
    let mut decided = document();

    let in_force = base.clone().into();
    decided
        .strike(applet("/bin/busybox", "wget"), &in_force)
        .expect("struck");

    assert_eq!(over(&base, &decided), [sh].into());
}

#[test]
fn what_another_entry_would_go_on_to_allow_is_not_struck() {
    let base = [
        pattern("/opt/*/run"),
        entry(&Identity::image("/bin/busybox")),
    ];
    for (removed, expected) in [
        (
            struck("/opt/a/run"),
            "the entry /opt/*/run covers /opt/a/run",
        ),
        (
            applet("/bin/busybox", "wget"),
            "the entry /bin/busybox allows it under every name",
        ),
    ] {
        let mut decided = document();

        let error = decided
            .strike(removed, &base.clone().into())
            .expect_err("refused");

        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(decided.decides_nothing());
    }
    // By their own words.
    let mut decided = document();
    for path in ["/opt/*/run", "/bin/busybox"] {
        let in_force = base.clone().into();
        decided.strike(struck(path), &in_force).expect("struck");
    }
    assert_eq!(over(&base, &decided), [].into());
}

#[test]
fn a_mode_counts_only_where_it_was_decided() {
    let since: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a time");
    let mut decided = document();
    assert_eq!(decided.decided_mode(), None);

    decided.decide_mode(Some((Mode::Off, since)));
    let read = parse("x", render(&decided).as_bytes()).expect("a document");
    assert_eq!(read.decided_mode(), Some((Mode::Off, since)));
    assert!(!decided.decides_nothing());

    decided.decide_mode(None);
    assert!(decided.decides_nothing());
    assert_eq!(decided.spec.mode, Mode::Enforce);
}

proptest! {
    #[test]
    fn accepting_and_restoring_is_as_if_nothing_was(
        base in prop::collection::btree_set(arbitrary::process(), 0..6),
        process in arbitrary::process(),
    ) {
        let mut decided = document();
        decided.accept(process.clone()).expect("no costly pattern");
        let base: Vec<Process> = base.into_iter().collect();
        prop_assert!(over(&base, &decided).contains(&process));

        prop_assert!(decided.restore(process.path().as_str()));

        prop_assert!(decided.decides_nothing());
        prop_assert!(over(&base, &decided).iter().eq(base.iter().collect::<BTreeSet<_>>()));
    }

    #[test]
    fn what_was_struck_is_not_in_force(
        base in prop::collection::btree_set(arbitrary::process(), 1..6),
    ) {
        let process = base.first().expect("one").clone();
        let removed = struck(process.path().as_str());
        let mut decided = document();
        // Another entry may cover it as well, which is said.
        if decided.strike(removed, &base).is_ok() {
            let base: Vec<Process> = base.into_iter().collect();
            prop_assert!(!over(&base, &decided).contains(&process));
        }
    }
}
