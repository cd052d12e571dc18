use super::*;
use crate::model::Runtime;
use jiff::SignedDuration;
use std::time::Duration;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ending() -> Ending {
    Ending {
        quiet: Some(Duration::from_secs(10)),
        ..Ending::after(Duration::from_secs(60))
    }
}

fn baseline() -> Baseline {
    let workload = WorkloadId::Runtime {
        runtime: Runtime::Runc,
        name: "web".to_owned(),
    };
    let window = Window {
        started: at(100),
        ending: ending(),
    };
    Baseline::new(workload, window)
}

fn container(id: &str) -> ContainerId {
    ContainerId::new(id).unwrap()
}

fn see(baseline: &mut Baseline, path: &str, second: i64, id: &str) -> Outcome {
    let sighting = Sighting {
        at: at(second),
        execs: 1,
        container: &container(id),
        image: Some("nginx@sha256:1"),
        around: Around::default(),
        digest: None,
        code: None,
    };
    baseline.observe(&Identity::image(path), &sighting)
}

fn gaps(baseline: &Baseline) -> Vec<Gap> {
    baseline.gaps().collect()
}

#[test]
fn an_identity_is_new_once_and_gathers_evidence() {
    let mut learned = baseline();

    assert_eq!(see(&mut learned, "/bin/sh", 110, "a"), Outcome::New);
    assert_eq!(see(&mut learned, "/bin/sh", 105, "b"), Outcome::Known);
    assert!(learned.count(&Identity::image("/bin/sh"), 7, at(120)));

    let evidence = &learned.entries()[&Identity::image("/bin/sh")];
    assert_eq!(evidence.first_seen(), at(105));
    assert_eq!(evidence.last_seen(), at(120));
    assert_eq!(evidence.execs(), 9);
    assert_eq!(evidence.containers().len(), 2);
    assert_eq!(evidence.images().len(), 1);
    assert_eq!(learned.containers().len(), 2);
    assert_eq!(learned.images().len(), 1);
}

fn run(baseline: &mut Baseline, digest: Option<Digest>, code: Option<&str>) {
    let code = code.map(|text| ["-c".to_owned(), text.to_owned()]);
    let sighting = Sighting {
        at: at(110),
        execs: 1,
        container: &container("a"),
        image: None,
        around: Around::default(),
        digest,
        code: code.as_ref().map(|list| &list[..]),
    };
    let _ = baseline.observe(&Identity::image("/bin/sh"), &sighting);
}

#[test]
fn arguments_are_asked_for_while_they_are_code_and_few() {
    let mut learned = baseline();
    let sh = Identity::image("/bin/sh");
    assert_eq!(learned.needs(&sh), Needs::NONE);

    run(&mut learned, None, Some("a"));
    run(&mut learned, None, Some("b"));
    assert_eq!(learned.needs(&sh), Needs::ARGS);

    run(&mut learned, None, None);
    run(&mut learned, None, Some("a"));

    assert_eq!(learned.needs(&sh), Needs::NONE);
    assert_eq!(learned.entries()[&sh].arguments(), &Arguments::Any);
}

#[test]
fn too_many_lists_of_arguments_are_any() {
    let mut learned = baseline();
    let sh = Identity::image("/bin/sh");

    for n in 0..8 {
        run(&mut learned, None, Some(&n.to_string()));
        assert_eq!(learned.needs(&sh), Needs::ARGS);
    }
    run(&mut learned, None, Some("8"));

    assert_eq!(learned.needs(&sh), Needs::NONE);
}

#[test]
fn digests_are_a_sample() {
    let mut learned = baseline();
    run(&mut learned, None, None);
    for n in 0..9 {
        run(&mut learned, Some(Digest([n; 32])), None);
    }

    let digests = learned.entries()[&Identity::image("/bin/sh")].digests();

    assert_eq!(digests.len(), 8);
    assert!(digests.has_more());
}

#[test]
fn files_with_applets_are_named() {
    let mut learned = baseline();
    let _ = see(&mut learned, "/bin/sh", 110, "a");
    assert_eq!(learned.applet_files().count(), 0);

    let sighting = Sighting {
        at: at(110),
        execs: 1,
        container: &container("a"),
        image: None,
        around: Around::default(),
        digest: None,
        code: None,
    };
    let _ = learned.observe(&Identity::applet("/bin/busybox", "ls"), &sighting);

    let files: Vec<_> = learned.applet_files().collect();
    assert_eq!(files, [(&"/bin/busybox".into(), Layer::Image)]);
}

#[test]
fn what_is_no_entry_is_not_counted() {
    let mut learned = baseline();

    assert!(!learned.count(&Identity::image("/bin/sh"), 7, at(120)));

    assert!(learned.entries().is_empty());
}

#[test]
fn another_layer_is_another_identity() {
    let mut learned = baseline();
    let _ = see(&mut learned, "/bin/sh", 110, "a");
    let volume = Identity {
        layer: Layer::Volume,
        ..Identity::image("/bin/sh")
    };

    let outcome = learned.observe(
        &volume,
        &Sighting {
            at: at(111),
            execs: 1,
            container: &container("a"),
            image: None,
            around: Around::default(),
            digest: None,
            code: None,
        },
    );

    assert_eq!(outcome, Outcome::New);
    assert_eq!(learned.entries().len(), 2);
}

#[test]
fn an_unknown_layer_is_never_learned() {
    let mut learned = baseline();
    let unknown = Identity {
        layer: Layer::Unknown,
        ..Identity::image("/bin/sh")
    };

    let outcome = learned.observe(
        &unknown,
        &Sighting {
            at: at(111),
            execs: 1,
            container: &container("a"),
            image: None,
            around: Around::default(),
            digest: None,
            code: None,
        },
    );

    assert_eq!(outcome, Outcome::Refused);
    assert!(learned.entries().is_empty());
}

#[test]
fn a_container_that_runs_nothing_counts_as_seen() {
    let mut learned = baseline();

    start(&mut learned, "a");

    assert_eq!(learned.containers().len(), 1);
    assert_eq!(learned.images().len(), 1);
}

/// A container of its own, seen from its start.
fn start(baseline: &mut Baseline, id: &str) {
    appear(baseline, id, true);
}

fn appear(baseline: &mut Baseline, id: &str, from_its_start: bool) {
    baseline.appeared(&Appearance {
        container: &container(id),
        image: Some("nginx@sha256:1"),
        image_digest: Some("sha256:1"),
        node: "node-1",
        from_its_start,
    });
}

fn remaining(baseline: &Baseline, now: i64) -> Option<u64> {
    let progress = baseline.progress(at(now));
    progress.map(|progress| progress.remaining().as_secs())
}

#[test]
fn it_ends_when_time_quiet_and_starts_hold() {
    let mut learned = baseline();
    assert_eq!(remaining(&learned, 160), Some(120), "no start was seen");
    start(&mut learned, "a");

    for (now, left) in [(100, 60), (130, 30), (159, 1), (160, 0), (1_000_000, 0)] {
        assert_eq!(remaining(&learned, now), Some(left), "{now}");
        assert_eq!(learned.due(at(now)), left == 0, "{now}");
    }
    let _ = see(&mut learned, "/bin/sh", 155, "a");
    assert_eq!(remaining(&learned, 160), Some(5), "it was not quiet");
    assert!(learned.due(at(165)));
}

#[test]
fn what_is_known_does_not_break_the_quiet_but_new_arguments_do() {
    let mut learned = baseline();
    start(&mut learned, "a");
    run(&mut learned, None, Some("a"));
    assert_eq!(learned.last_new(), Some(at(110)));

    let _ = see(&mut learned, "/bin/ls", 120, "a");
    let _ = see(&mut learned, "/bin/ls", 150, "a");
    assert_eq!(learned.last_new(), Some(at(120)));
}

#[test]
fn it_ends_at_the_maximum_and_says_so() {
    let mut learned = baseline();

    assert!(!learned.due(at(279)));
    assert!(learned.due(at(280)));
    learned.finish(at(280));

    let State::Finished { because, .. } = learned.state() else {
        panic!("it goes on");
    };
    assert_eq!(because, EndedBecause::MaximumReached);
    assert!(learned.is_incomplete(at(280)));
}

#[test]
fn a_clock_before_the_beginning_is_the_beginning() {
    let mut learned = baseline();
    start(&mut learned, "a");

    let progress = learned.progress(Timestamp::MIN).expect("it learns");

    assert_eq!(progress.remaining().as_secs(), 60);
}

#[test]
fn a_clock_that_is_set_changes_nothing() {
    let mut learned = baseline();
    start(&mut learned, "a");
    let _ = see(&mut learned, "/bin/sh", 155, "a");

    learned.clock_set(SignedDuration::from_hours(1));
    assert_eq!(remaining(&learned, 3600 + 160), Some(5));
    learned.clock_set(SignedDuration::from_hours(-2));
    assert_eq!(remaining(&learned, 160 - 3600), Some(5));
}

#[test]
fn a_finished_baseline_does_not_change() {
    let mut learned = baseline();
    start(&mut learned, "a");
    let _ = see(&mut learned, "/bin/sh", 110, "a");
    learned.finish(at(160));
    let finished = learned.clone();

    assert_eq!(see(&mut learned, "/bin/ls", 161, "b"), Outcome::Refused);
    assert!(!learned.count(&Identity::image("/bin/sh"), 1, at(161)));
    start(&mut learned, "c");
    learned.note(Gap::EventsLost { count: 1 }, at(165));
    learned.hold(&Identity::image("/x"), Reason::Drift, at(165));
    learned.finish(at(170));

    assert_eq!(learned, finished);
    assert_eq!(
        learned.state(),
        State::Finished {
            ended: at(160),
            because: EndedBecause::Complete
        }
    );
    assert_eq!(learned.progress(at(170)), None);
    assert!(!learned.due(at(170)));
}

#[test]
fn a_time_without_the_agent_is_a_gap_that_what_follows_makes_good() {
    let mut learned = baseline();
    start(&mut learned, "a");
    let gap = Gap::AgentDown {
        from: at(120),
        to: at(150),
    };

    learned.note(gap.clone(), at(150));

    assert!(learned.is_incomplete(at(150)));
    assert_eq!(gaps(&learned), [gap]);
    assert_eq!(remaining(&learned, 150), Some(60));
    assert!(!learned.due(at(209)) && learned.due(at(210)));
    learned.finish(at(210));
    assert!(!learned.is_incomplete(at(210)));
    assert_eq!(gaps(&learned).len(), 1, "it stays on record");
}

#[test]
fn what_nobody_saw_start_is_incomplete_until_one_is() {
    let mut never = baseline();
    appear(&mut never, "a", false);
    never.note(
        Gap::PreExisting {
            container: container("a"),
        },
        at(100),
    );
    let mut restarted = never.clone();

    assert!(!never.due(at(279)) && never.due(at(280)));
    never.finish(at(280));
    assert!(never.is_incomplete(at(280)));

    start(&mut restarted, "b");
    assert!(restarted.due(at(160)));
    restarted.finish(at(160));
    assert!(!restarted.is_incomplete(at(160)));
}

#[test]
fn what_a_person_ends_early_is_incomplete_where_it_has_gaps() {
    let mut learned = baseline();
    start(&mut learned, "a");

    learned.finish(at(110));

    let State::Finished { because, .. } = learned.state() else {
        panic!("it goes on");
    };
    assert_eq!(because, EndedBecause::ByHand);
    assert!(!learned.is_incomplete(at(110)));
    let mut with_gaps = baseline();
    start(&mut with_gaps, "a");
    with_gaps.note(Gap::RecordLost, at(105));
    with_gaps.finish(at(110));
    assert!(with_gaps.is_incomplete(at(110)));
}

#[test]
fn what_is_held_is_bounded_and_keeps_its_strongest_reason() {
    let mut learned = baseline();
    let evil = Identity::image("/0");
    learned.hold(&evil, Reason::Unlisted, at(110));
    learned.hold(&evil, Reason::Drift, at(120));
    learned.hold(&evil, Reason::Unlisted, at(115));

    let (_, held) = learned.pending().iter().next().expect("it is held");
    assert_eq!(held.reason, Reason::Drift);
    assert_eq!((held.first_seen, held.last_seen), (at(110), at(120)));
    for n in 0..1000 {
        learned.hold(&Identity::image(&format!("/{n}")), Reason::Drift, at(130));
    }
    assert_eq!(learned.pending().len(), super::super::MAX_PENDING);
    assert!(learned.pending().has_more());
    assert!(learned.entries().is_empty());
}

#[test]
fn only_the_part_of_it_inside_the_window_is_one() {
    let mut learned = baseline();

    for (from, to) in [(10, 90), (10, 100), (50, 105)] {
        learned.note(
            Gap::AgentDown {
                from: at(from),
                to: at(to),
            },
            at(300),
        );
    }

    assert_eq!(
        gaps(&learned),
        [Gap::AgentDown {
            from: at(100),
            to: at(105)
        }]
    );
}

#[test]
fn gaps_of_one_kind_are_summed_or_listed_once() {
    let mut learned = baseline();

    for _ in 0..2 {
        learned.note(Gap::EventsLost { count: 3 }, at(120));
        learned.note(
            Gap::PreExisting {
                container: container("a"),
            },
            at(120),
        );
        learned.note(Gap::RecordLost, at(120));
    }

    assert_eq!(
        gaps(&learned),
        [
            Gap::PreExisting {
                container: container("a")
            },
            Gap::EventsLost { count: 6 },
            Gap::RecordLost,
        ]
    );
}

#[test]
fn more_gaps_than_are_listed_are_said_to_be_more() {
    let mut learned = baseline();

    for second in 0..100 {
        learned.note(
            Gap::AgentDown {
                from: at(100 + second),
                to: at(300),
            },
            at(300),
        );
    }

    assert_eq!(gaps(&learned).len(), super::super::MAX_LISTED + 1);
    assert_eq!(gaps(&learned).last(), Some(&Gap::MoreThanListed));
}

#[test]
fn what_goes_over_the_bound_is_a_gap() {
    let mut learned = baseline();
    for n in 0..MAX_ENTRIES {
        assert_eq!(see(&mut learned, &format!("/{n}"), 110, "a"), Outcome::New);
    }
    assert!(!learned.is_incomplete(at(110)));

    assert_eq!(see(&mut learned, "/one/more", 110, "a"), Outcome::Full);
    assert_eq!(see(&mut learned, "/0", 110, "a"), Outcome::Known);

    assert_eq!(learned.entries().len(), MAX_ENTRIES);
    assert_eq!(gaps(&learned), [Gap::BeyondLimit { execs: 1 }]);
}

#[test]
fn the_newest_entry_tells_when_something_was_last_new() {
    let mut learned = baseline();
    assert_eq!(learned.last_new(), None);

    let _ = see(&mut learned, "/bin/sh", 110, "a");
    let _ = see(&mut learned, "/bin/ls", 115, "a");
    let _ = see(&mut learned, "/bin/sh", 119, "a");

    assert_eq!(learned.last_new(), Some(at(115)));
}

#[test]
fn gaps_are_one_sentence_each() {
    for (gap, sentence) in [
        (
            Gap::AgentDown {
                from: at(0),
                to: at(60),
            },
            "the agent was down from 1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z",
        ),
        (
            Gap::PreExisting {
                container: container(&"0123456789abcdef".repeat(4)),
            },
            "container 0123456789ab was already running when learning began",
        ),
        (
            Gap::EventsLost { count: 5 },
            "5 execs could not be reported",
        ),
        (
            Gap::BeyondLimit { execs: 2 },
            "2 execs were of programs beyond the 4096 that a baseline holds",
        ),
    ] {
        assert_eq!(gap.to_string(), sentence);
    }
}
