use super::*;
use crate::allowlist::{Difference, Document, PathPattern, Process, Removed, arbitrary};
use crate::model::Layer;
use crate::model::{CgroupId, Identity, Untrusted, WorkloadId};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn exec(identity: Identity) -> Exec {
    Exec {
        identity,
        container: CgroupId(1),
        cgroup: CgroupId(1),
        at_ns: 0,
        pid: 1,
        start_ns: 0,
        ppid: 1,
        uid: 0,
        euid: 0,
        comm: Untrusted::default(),
        parent_comm: Untrusted::default(),
        origin: Origin::Container,
        tty: false,
        pending: false,
        escaped: false,
        host_mntns: false,
        outer_mntns: false,
        error: false,
        path_cut: false,
    }
}

fn allowlist(processes: BTreeSet<Process>, removed: BTreeSet<Removed>) -> Allowlist {
    let unit = "x.service".to_owned();
    let mut document = Document::by_agent(WorkloadId::Unit { unit }, processes, None);
    document.spec.removed = removed;
    Allowlist::new(&document).expect("compiles")
}

fn of(layer: Layer, path: &str) -> Identity {
    Identity {
        layer,
        ..Identity::image(path)
    }
}

fn script(interpreter: &str, script: &str) -> Identity {
    Identity {
        script: Some(script.into()),
        ..Identity::image(interpreter)
    }
}

/// `/known` and `/up`, `/run.sh` by `/bin/dash`, `/plugins/*/run` of a volume;
/// `/struck` is removed.
fn example() -> Allowlist {
    let pattern = |path| PathPattern::new(path).expect("a path");
    let exact = [
        Identity::image("/known"),
        of(Layer::Upper, "/up"),
        of(Layer::Memory, "/memfd:jit"),
        of(Layer::Host, "/host/tool"),
        script("/bin/dash", "/run.sh"),
    ];
    let processes = exact
        .iter()
        .map(|identity| Process::of(identity).expect("plain"))
        .chain(Process::new(pattern("/plugins/*/run"), None, Layer::Volume))
        .collect();
    let removed = Removed {
        path: pattern("/struck"),
        interpreter: None,
        layer: None,
    };
    allowlist(processes, [removed].into())
}

/// The verdict in a word or its reasons: under learning, enforcing, and
/// without an allowlist.
fn check(exec: &Exec, expected: [&str; 3]) {
    let allowlist = &example();
    let policies = [
        Policy::Learning { allowlist },
        Policy::Enforcing { allowlist },
        Policy::NoAllowlist,
    ];
    for (policy, expected) in policies.into_iter().zip(expected) {
        let found = match judge(policy, Scope::Container, exec) {
            Verdict::Known => "known".to_owned(),
            Verdict::Learn => "learn".to_owned(),
            Verdict::RuntimeStage => "runtime stage".to_owned(),
            Verdict::Deviates { reason, also, .. } => {
                let reasons: Vec<_> = std::iter::once(reason).chain(also).collect();
                let words: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
                words.join(" ")
            }
        };
        let policy = match policy {
            Policy::Learning { .. } => "learning",
            Policy::Enforcing { .. } => "enforcing",
            Policy::NoAllowlist => "without an allowlist",
        };
        assert_eq!(found, expected, "{policy}: {exec:?}");
    }
}

#[test]
fn the_strongest_reason_comes_first() {
    // identity, under learning, under enforcing, without an allowlist
    let table = [
        (
            Identity::image("/known"),
            ["known", "known", "no-allowlist"],
        ),
        (
            of(Layer::Volume, "/plugins/1/run"),
            ["known", "known", "no-allowlist"],
        ),
        (
            script("/bin/dash", "/run.sh"),
            ["known", "known", "no-allowlist"],
        ),
        (
            Identity::image("/new"),
            ["learn", "unlisted", "no-allowlist"],
        ),
        (
            of(Layer::Volume, "/known"),
            ["learn", "unlisted", "no-allowlist"],
        ),
        (
            of(Layer::Tmpfs, "/run/x"),
            ["learn", "unlisted", "no-allowlist"],
        ),
        (
            script("/bin/dash", "/new.sh"),
            ["learn", "script", "no-allowlist"],
        ),
        (
            script("/bin/bash", "/run.sh"),
            ["learn", "unlisted", "no-allowlist"],
        ),
        (
            of(Layer::Upper, "/tmp/x"),
            ["drift", "drift unlisted", "drift no-allowlist"],
        ),
        (
            of(Layer::Upper, "/up"),
            ["known", "known", "drift no-allowlist"],
        ),
        (
            of(Layer::Memory, "/memfd:x"),
            ["fileless", "fileless unlisted", "fileless no-allowlist"],
        ),
        (
            of(Layer::Memory, "/memfd:jit"),
            ["known", "known", "fileless no-allowlist"],
        ),
        (
            of(Layer::Host, "/bin/sh"),
            ["unlisted", "unlisted", "unlisted no-allowlist"],
        ),
        (
            of(Layer::Host, "/host/tool"),
            ["known", "known", "unlisted no-allowlist"],
        ),
        (
            of(Layer::Unknown, "/known"),
            ["unlisted", "unlisted", "unlisted no-allowlist"],
        ),
        (
            Identity::image("/struck"),
            ["unlisted", "unlisted", "no-allowlist"],
        ),
        (
            script("/bin/dash", "/struck"),
            ["unlisted", "unlisted", "no-allowlist"],
        ),
        (
            of(Layer::Upper, "/struck"),
            ["drift unlisted", "drift unlisted", "drift no-allowlist"],
        ),
    ];
    for (identity, expected) in table {
        check(&exec(identity), expected);
    }
}

#[test]
fn what_a_document_cannot_name_is_never_learned() {
    for path in ["/a\nb", "/a/*/b", "/a\u{202e}b", ""] {
        let expected = ["unlisted", "unlisted", "unlisted no-allowlist"];
        check(&exec(Identity::image(path)), expected);
        check(&exec(script("/bin/dash", &format!("{path}\n"))), expected);
    }
}

#[test]
fn what_was_not_read_in_full_is_neither_known_nor_learned() {
    let expected = ["unlisted", "unlisted", "unlisted no-allowlist"];
    let known = exec(Identity::image("/known"));

    check(
        &Exec {
            error: true,
            ..known.clone()
        },
        expected,
    );
    check(
        &Exec {
            path_cut: true,
            ..known
        },
        expected,
    );
}

#[test]
fn leaving_the_container_deviates_whatever_is_run() {
    let escaped = |identity| Exec {
        escaped: true,
        ..exec(identity)
    };

    let known = escaped(Identity::image("/known"));
    check(&known, ["escaped", "escaped", "escaped no-allowlist"]);
    check(
        &escaped(of(Layer::Upper, "/tmp/x")),
        [
            "escaped drift",
            "escaped drift unlisted",
            "escaped drift no-allowlist",
        ],
    );
}

#[test]
fn the_runtimes_own_stage_is_told_by_where_it_stands_and_who_started_it() {
    let stage = Exec {
        origin: Origin::Outside,
        outer_mntns: true,
        ..exec(of(Layer::Host, "/usr/sbin/runc"))
    };
    check(&stage, ["runtime stage"; 3]);

    let unlisted = ["unlisted", "unlisted", "unlisted no-allowlist"];
    check(
        &Exec {
            origin: Origin::Container,
            ..stage.clone()
        },
        unlisted,
    );
    check(
        &Exec {
            outer_mntns: false,
            ..stage.clone()
        },
        unlisted,
    );
    let escaped = Exec {
        escaped: true,
        ..stage.clone()
    };
    check(
        &escaped,
        [
            "escaped unlisted",
            "escaped unlisted",
            "escaped unlisted no-allowlist",
        ],
    );
    // Whatever it runs from: a memfd, a mount that is nowhere.
    for layer in [Layer::Memory, Layer::Unknown] {
        let stage = Exec {
            error: layer == Layer::Unknown,
            identity: of(layer, "/memfd:runc_cloned:/proc/self/exe"),
            ..stage.clone()
        };
        check(&stage, ["runtime stage"; 3]);
    }
}

#[test]
fn the_nearest_entry_is_named_unless_the_exec_is_covered() {
    let allowlist = &example();
    let nearest = |exec: &Exec| match judge(Policy::Enforcing { allowlist }, Scope::Container, exec)
    {
        Verdict::Deviates { nearest, .. } => {
            nearest.map(|n| (n.process.path().to_string(), n.differs))
        }
        other => panic!("{other:?}"),
    };

    let drift = exec(of(Layer::Upper, "/known"));
    assert_eq!(
        nearest(&drift),
        Some(("/known".to_owned(), Difference::Layer))
    );

    let known = exec(Identity::image("/known"));
    assert_eq!(
        nearest(&Exec {
            escaped: true,
            ..known.clone()
        }),
        None
    );
    assert_eq!(
        nearest(&Exec {
            error: true,
            ..known
        }),
        None
    );
}

#[test]
fn the_table_has_the_order_of_the_reasons() {
    let order: Vec<_> = rules::RULES.iter().map(|(reason, _)| *reason).collect();

    assert_eq!(order, Reason::ALL[..order.len()]);
    assert_eq!(Reason::ALL[order.len()..], [Reason::Overflow]);
}

fn any_exec() -> impl Strategy<Value = Exec> {
    let identity = prop_oneof![
        arbitrary::identity(),
        // Often one that an entry covers.
        arbitrary::process().prop_filter_map("exact", |process| process.identity()),
        any::<Vec<u8>>().prop_map(|file| Identity {
            file: Untrusted::new(file),
            ..Identity::image("")
        }),
    ];
    let unknown = proptest::bool::weighted(0.05);
    (
        identity,
        unknown,
        any::<[bool; 3]>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(mut identity, unknown, [outside, outer_mntns, escaped], error, path_cut)| {
                if unknown {
                    identity.layer = Layer::Unknown;
                }
                Exec {
                    origin: if outside {
                        Origin::Outside
                    } else {
                        Origin::Container
                    },
                    outer_mntns,
                    escaped: escaped && outside,
                    error: error && path_cut,
                    path_cut: path_cut && escaped,
                    ..exec(identity)
                }
            },
        )
}

fn list() -> impl Strategy<Value = BTreeSet<Process>> {
    proptest::collection::btree_set(arbitrary::process(), 0..6)
}

proptest! {
    #[test]
    fn adding_an_entry_never_turns_an_allowed_exec_into_a_deviation(
        processes in list(),
        another in arbitrary::process(),
        exec in any_exec(),
        pick in any::<prop::sample::Index>(),
        use_listed: bool,
    ) {
        let mut exec = exec;
        let listed: Vec<_> = processes.iter().filter_map(Process::identity).collect();
        if use_listed && !listed.is_empty() {
            exec.identity = pick.get(&listed).clone();
        }
        let fewer = allowlist(processes.clone(), BTreeSet::new());
        let more = allowlist(processes.into_iter().chain([another]).collect(), BTreeSet::new());

        for (before, after) in [
            (Policy::Enforcing { allowlist: &fewer }, Policy::Enforcing { allowlist: &more }),
            (Policy::Learning { allowlist: &fewer }, Policy::Learning { allowlist: &more }),
        ] {
            let deviates = |policy| matches!(judge(policy, Scope::Container, &exec), Verdict::Deviates { .. });
            prop_assert!(deviates(before) || !deviates(after), "{exec:?}");
        }
    }

    #[test]
    fn only_learning_learns_and_only_what_can_be_written(
        processes in list(),
        exec in any_exec(),
    ) {
        let allowlist = &allowlist(processes, BTreeSet::new());

        prop_assert_ne!(judge(Policy::Enforcing { allowlist }, Scope::Container, &exec), Verdict::Learn);
        prop_assert_ne!(judge(Policy::NoAllowlist, Scope::Container, &exec), Verdict::Learn);
        if judge(Policy::Learning { allowlist }, Scope::Container, &exec) == Verdict::Learn {
            let layer = exec.identity.layer;
            prop_assert!(!matches!(layer, Layer::Upper | Layer::Memory | Layer::Host | Layer::Unknown));
            prop_assert!(!exec.escaped && !exec.error && !exec.path_cut);
            prop_assert!(Process::of(&exec.identity).is_ok());
        }
    }

    #[test]
    fn what_was_learned_is_known_from_then_on(processes in list(), exec in any_exec()) {
        let before = allowlist(processes.clone(), BTreeSet::new());
        if judge(Policy::Learning { allowlist: &before }, Scope::Container, &exec) == Verdict::Learn {
            let learned = Process::of(&exec.identity).expect("can be written");
            let after = allowlist(processes.into_iter().chain([learned]).collect(), BTreeSet::new());

            prop_assert_eq!(judge(Policy::Enforcing { allowlist: &after }, Scope::Container, &exec), Verdict::Known);
        }
    }

    #[test]
    fn reasons_are_told_strongest_first(processes in list(), exec in any_exec()) {
        let allowlist = &allowlist(processes, BTreeSet::new());

        if let Verdict::Deviates { reason, also, .. } = judge(Policy::Enforcing { allowlist }, Scope::Container, &exec) {
            let told: Vec<_> = std::iter::once(reason).chain(also).collect();
            prop_assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
        }
    }
}
