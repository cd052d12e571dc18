use super::*;
use crate::allowlist::{
    Applet, ArgsPattern, Conditions, Contents, Difference, Document, Parent, PathPattern, Process,
    Removed, RunAs, StruckAs,
};
use crate::model::{
    Ancestor, Called, Content, Digest, Identity, Layer, Origin, Role, Script, WorkloadId,
};
use std::collections::BTreeSet;

const OURS: Digest = Digest([1; 32]);
const THEIRS: Digest = Digest([2; 32]);

pub(super) fn allowlist(processes: BTreeSet<Process>, removed: BTreeSet<Removed>) -> Allowlist {
    let unit = "x.service".to_owned();
    let mut document = Document::by_agent(WorkloadId::Unit { unit }, processes, None);
    document.spec.digests = None;
    document.spec.removed = removed;
    Allowlist::new(&document).expect("compiles")
}

/// Whoever runs what is new.
pub(super) fn learning(allowlist: &Allowlist) -> Policy<'_> {
    let put_in = PutIn {
        probes: true,
        sessions: true,
    };
    Policy::Learning { allowlist, put_in }
}

fn of(layer: Layer, path: &str) -> Identity {
    Identity {
        layer,
        ..Identity::image(path)
    }
}

fn script(interpreter: &str, script: &str) -> Identity {
    Identity::script(interpreter, script)
}

/// A script of this layer with an interpreter of the image.
fn script_of(layer: Layer, interpreter: &str, path: &str) -> Identity {
    Identity {
        role: Role::Script(Script {
            path: path.into(),
            via: Vec::new(),
            layer,
        }),
        ..Identity::image(interpreter)
    }
}

fn entry(identity: &Identity) -> Process {
    Process::of(identity).expect("plain")
}

fn path(path: &str) -> PathPattern {
    PathPattern::new(path).expect("a path")
}

/// One entry per thing that a rule asks about; `/struck`, and busybox as
/// `telnet`, are removed.
fn example() -> Allowlist {
    let exact = [
        Identity::image("/known"),
        of(Layer::Upper, "/up"),
        of(Layer::Memory, "/memfd:jit"),
        of(Layer::Host, "/host/tool"),
        script("/bin/dash", "/run.sh"),
        script_of(Layer::Upper, "/bin/dash", "/up.sh"),
        Identity::applet("/bin/busybox", "sh"),
        Identity::image("/lib/ld-linux.so.2"),
    ];
    let none = Conditions::default;
    let conditions = [
        (
            "/hashed",
            Conditions {
                contents: Contents::new([OURS].into(), None),
                ..none()
            },
        ),
        (
            "/args",
            Conditions {
                args: Some(ArgsPattern::new(["-t"]).expect("a pattern")),
                ..none()
            },
        ),
        (
            "/parent",
            Conditions {
                parents: [Parent::ContainerInit].into(),
                ..none()
            },
        ),
        (
            "/user",
            Conditions {
                users: [33].into(),
                ..none()
            },
        ),
        (
            "/all",
            Conditions {
                contents: Contents::new([OURS].into(), None),
                args: Some(ArgsPattern::new(["-t"]).expect("a pattern")),
                parents: [Parent::ContainerInit].into(),
                users: [33].into(),
            },
        ),
    ];
    let conditions = conditions
        .into_iter()
        .map(|(path, conditions)| entry(&Identity::image(path)).under(conditions));
    let processes = exact
        .iter()
        .map(entry)
        .chain(Process::new(
            path("/plugins/*/run"),
            RunAs::Program,
            Layer::Volume,
        ))
        .chain(conditions)
        .collect();
    let struck = |run_as, text| Removed {
        path: path(text),
        run_as,
        layer: None,
    };
    let telnet = Applet::of(&"telnet".into()).expect("a name");
    let removed = [
        struck(None, "/struck"),
        struck(Some(StruckAs::Applet(telnet)), "/bin/busybox"),
    ];
    allowlist(processes, removed.into())
}

fn reasons(verdict: Verdict) -> String {
    match verdict {
        Verdict::Known => "known".to_owned(),
        Verdict::Learn(_) => "learn".to_owned(),
        Verdict::RuntimeStage => "runtime stage".to_owned(),
        Verdict::Deviates { reason, also, .. } => {
            let reasons: Vec<_> = std::iter::once(reason).chain(also).collect();
            let words: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
            words.join(" ")
        }
    }
}

/// The verdict in a word or its reasons: under learning, enforcing, and
/// without an allowlist.
fn check_inspected(exec: &Exec, inspection: &Inspection, expected: [&str; 3]) {
    let allowlist = &example();
    let policies = [
        learning(allowlist),
        Policy::Enforcing { allowlist },
        Policy::NoAllowlist,
    ];
    for (policy, expected) in policies.into_iter().zip(expected) {
        let found = reasons(judge(policy, Scope::Container, exec, inspection));
        let policy = match policy {
            Policy::Learning { .. } => "learning",
            Policy::Enforcing { .. } => "enforcing",
            Policy::NoAllowlist => "without an allowlist",
        };
        assert_eq!(found, expected, "{policy}: {exec:?}");
    }
}

fn check(exec: &Exec, expected: [&str; 3]) {
    check_inspected(exec, &Inspection::default(), expected);
}

fn program(content: Content) -> Inspection {
    Inspection {
        program: Some(content),
        script: None,
    }
}

fn hashed(sha256: Digest) -> Inspection {
    program(Content {
        sha256: Some(sha256),
        certain: true,
        ..Content::default()
    })
}

const KNOWN: [&str; 3] = ["known", "known", "no-allowlist"];
const NEW: [&str; 3] = ["learn", "unlisted", "no-allowlist"];
const REFUSED: [&str; 3] = ["unlisted", "unlisted", "unlisted no-allowlist"];

#[test]
fn the_strongest_reason_comes_first() {
    // identity, under learning, under enforcing, without an allowlist
    let table = [
        (Identity::image("/known"), KNOWN),
        (of(Layer::Volume, "/plugins/1/run"), KNOWN),
        (script("/bin/dash", "/run.sh"), KNOWN),
        (Identity::image("/new"), NEW),
        (of(Layer::Volume, "/known"), NEW),
        (of(Layer::Tmpfs, "/run/x"), NEW),
        // An interpreter by itself is another program than its scripts.
        (Identity::image("/bin/dash"), NEW),
        (
            script("/bin/dash", "/new.sh"),
            ["learn", "script", "no-allowlist"],
        ),
        (script("/bin/bash", "/run.sh"), NEW),
        (
            script_of(Layer::Volume, "/bin/dash", "/run.sh"),
            ["learn", "script", "no-allowlist"],
        ),
        (
            script_of(Layer::Upper, "/bin/dash", "/new.sh"),
            ["drift", "drift script", "drift no-allowlist"],
        ),
        (
            script_of(Layer::Upper, "/bin/dash", "/up.sh"),
            ["known", "known", "drift no-allowlist"],
        ),
        (
            script_of(Layer::Memory, "/bin/dash", "/memfd:x"),
            ["fileless", "fileless script", "fileless no-allowlist"],
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
        (of(Layer::Host, "/bin/sh"), REFUSED),
        (
            of(Layer::Host, "/host/tool"),
            ["known", "known", "unlisted no-allowlist"],
        ),
        (of(Layer::Unknown, "/known"), REFUSED),
        (script_of(Layer::Unknown, "/bin/dash", "/run.sh"), REFUSED),
        (script_of(Layer::Host, "/bin/dash", "/run.sh"), REFUSED),
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
        check(&Exec::plain(identity), expected);
    }
}

#[test]
fn a_multi_call_binary_is_the_applet_it_is_run_as() {
    let busybox = |applet: &str| Exec {
        called: Called {
            applet: applet.into(),
            filename: "busybox".into(),
            links: 1,
        },
        ..Exec::plain(Identity::image("/bin/busybox"))
    };
    let multicall = program(Content {
        multicall: true,
        ..Content::default()
    });

    check_inspected(&busybox("sh"), &multicall, KNOWN);
    let other = ["learn", "applet", "no-allowlist"];
    check_inspected(&busybox("wget"), &multicall, other);
    // Not read, and so not known to be one: its names must do.
    check(&busybox("sh"), KNOWN);
    check(&busybox("wget"), other);
    check(&busybox("busybox"), other);
    let struck = ["unlisted", "unlisted", "no-allowlist"];
    check_inspected(&busybox("telnet"), &multicall, struck);
    check(&busybox("telnet"), struck);
    check_inspected(&busybox("a\nb"), &multicall, REFUSED);
}

#[test]
fn a_loader_is_never_learned_and_a_person_may_list_it() {
    let loader = program(Content {
        loader: true,
        ..Content::default()
    });
    let harmless = program(Content {
        certain: true,
        ..Content::default()
    });
    let expected = ["loader", "loader unlisted", "loader no-allowlist"];

    check_inspected(&Exec::plain(Identity::image("/opt/x")), &loader, expected);
    check(
        &Exec::plain(Identity::image("/lib/ld-musl-x86_64.so.1")),
        expected,
    );
    check_inspected(
        &Exec::plain(Identity::image("/lib/ld-musl-x86_64.so.1")),
        &program(Content::default()),
        expected,
    );
    check_inspected(
        &Exec::plain(Identity::image("/lib/ld-musl-x86_64.so.1")),
        &harmless,
        NEW,
    );
    check_inspected(
        &Exec::plain(of(Layer::Upper, "/tmp/x")),
        &loader,
        [
            "loader drift",
            "loader drift unlisted",
            "loader drift no-allowlist",
        ],
    );
    check_inspected(
        &Exec::plain(Identity::image("/lib/ld-linux.so.2")),
        &loader,
        ["known", "known", "loader no-allowlist"],
    );
}

#[test]
fn each_condition_has_its_reason_and_learning_asks_for_none() {
    let condition = |path, reason| {
        let expected = ["learn", reason, "no-allowlist"];
        check_inspected(
            &Exec::plain(Identity::image(path)),
            &hashed(THEIRS),
            expected,
        );
    };

    condition("/hashed", "modified");
    condition("/parent", "parent");
    condition("/user", "user");
    condition("/args", "args");
    condition("/all", "modified parent user args");
    check(
        &Exec::plain(Identity::image("/hashed")),
        ["learn", "modified", "no-allowlist"],
    );
}

#[test]
fn what_holds_every_condition_is_known() {
    let mut exec = Exec::plain(Identity::image("/all"));
    exec.uid = 33;
    exec.args.list.push("-t".into());
    exec.ancestors = vec![Ancestor {
        pid: 1,
        start_ns: 0,
        path: None,
        path_cut: false,
        inside: true,
        init: true,
    }];

    check_inspected(&exec, &hashed(OURS), KNOWN);
    check_inspected(
        &exec,
        &hashed(THEIRS),
        ["learn", "modified", "no-allowlist"],
    );
    exec.escaped = true;
    check_inspected(
        &exec,
        &hashed(THEIRS),
        ["escaped", "escaped modified", "escaped no-allowlist"],
    );
}

#[test]
fn what_a_document_cannot_name_is_never_learned() {
    for path in ["/a\nb", "/a/*/b", "/a\u{202e}b", ""] {
        check(&Exec::plain(Identity::image(path)), REFUSED);
        check(
            &Exec::plain(script("/bin/dash", &format!("{path}\n"))),
            REFUSED,
        );
    }
}

#[test]
fn what_was_not_read_in_full_is_neither_known_nor_learned() {
    let known = Exec::plain(Identity::image("/known"));

    check(
        &Exec {
            error: true,
            ..known.clone()
        },
        REFUSED,
    );
    check(
        &Exec {
            path_cut: true,
            ..known
        },
        REFUSED,
    );
}

#[test]
fn leaving_the_container_deviates_whatever_is_run() {
    let escaped = |identity| Exec {
        escaped: true,
        ..Exec::plain(identity)
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
fn a_hand_outside_the_container_is_a_breakout() {
    let outside = |identity| Exec {
        outside_file: true,
        ..Exec::plain(identity)
    };

    check(
        &outside(of(Layer::Host, "/bin/sh")),
        [
            "breakout unlisted",
            "breakout unlisted",
            "breakout unlisted no-allowlist",
        ],
    );
    // Who lists a file of the host lets it be the host's, and nothing more.
    let tool = outside(of(Layer::Host, "/host/tool"));
    check(&tool, ["known", "known", "breakout unlisted no-allowlist"]);
    let in_host = Exec {
        host_mntns: true,
        ..tool.clone()
    };
    check(
        &in_host,
        ["known", "known", "breakout unlisted no-allowlist"],
    );
    check(
        &Exec {
            outside_cwd: true,
            ..tool.clone()
        },
        ["breakout", "breakout", "breakout unlisted no-allowlist"],
    );
    check(
        &Exec {
            escaped: true,
            outside_cwd: true,
            ..tool
        },
        [
            "breakout escaped",
            "breakout escaped",
            "breakout escaped unlisted no-allowlist",
        ],
    );
    let breakout = ["breakout", "breakout", "breakout no-allowlist"];
    check(&outside(Identity::image("/known")), breakout);
    check(
        &Exec {
            host_mntns: true,
            ..Exec::plain(Identity::image("/known"))
        },
        breakout,
    );
    check(
        &Exec {
            outside_cwd: true,
            ..Exec::plain(Identity::image("/known"))
        },
        breakout,
    );
}

#[test]
fn a_unit_of_the_host_is_at_home_there() {
    let allowlist = &example();
    let exec = Exec {
        host_mntns: true,
        outside_cwd: true,
        outside_file: true,
        ..Exec::plain(Identity::image("/known"))
    };

    let verdict = judge(
        Policy::Enforcing { allowlist },
        Scope::Unit,
        &exec,
        &Inspection::default(),
    );

    assert_eq!(verdict, Verdict::Known);
}

#[test]
fn the_runtimes_own_stage_is_told_by_where_it_stands_and_who_started_it() {
    let stage = Exec {
        from_outside: true,
        outer_mntns: true,
        host_mntns: true,
        ..Exec::plain(of(Layer::Host, "/usr/sbin/runc"))
    };
    check(&stage, ["runtime stage"; 3]);

    let breakout = [
        "breakout unlisted",
        "breakout unlisted",
        "breakout unlisted no-allowlist",
    ];
    check(
        &Exec {
            from_outside: false,
            ..stage.clone()
        },
        breakout,
    );
    check(
        &Exec {
            outer_mntns: false,
            ..stage.clone()
        },
        breakout,
    );
    let escaped = Exec {
        escaped: true,
        ..stage.clone()
    };
    check(
        &escaped,
        [
            "breakout escaped unlisted",
            "breakout escaped unlisted",
            "breakout escaped unlisted no-allowlist",
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
    let nearest = |exec: &Exec| {
        let policy = Policy::Enforcing { allowlist };
        match judge(policy, Scope::Container, exec, &Inspection::default()) {
            Verdict::Deviates { nearest, .. } => {
                nearest.map(|n| (n.process.path().to_string(), n.differs))
            }
            other => panic!("{other:?}"),
        }
    };

    let drift = Exec::plain(of(Layer::Upper, "/known"));
    assert_eq!(
        nearest(&drift),
        Some(("/known".to_owned(), Difference::Layer))
    );
    assert_eq!(
        nearest(&Exec::plain(Identity::image("/user"))),
        Some(("/user".to_owned(), Difference::Users))
    );

    let known = Exec::plain(Identity::image("/known"));
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
    assert_eq!(
        Reason::ALL[order.len()..],
        [Reason::Overflow, Reason::Tampered]
    );
}

#[test]
fn what_was_put_in_is_learned_where_it_may_be() {
    let allowlist = &example();
    let exec = |origin, tty, path| Exec {
        origin,
        tty,
        ..Exec::plain(Identity::image(path))
    };
    let check = |put_in, exec: &Exec, expected| {
        let policy = Policy::Learning { allowlist, put_in };
        let found = reasons(judge(
            policy,
            Scope::Container,
            exec,
            &Inspection::default(),
        ));
        assert_eq!(found, expected, "{put_in:?}: {exec:?}");
    };
    for (probes, sessions) in [(true, false), (false, true)] {
        let put_in = PutIn { probes, sessions };
        let told = |learned| if learned { "learn" } else { "unlisted" };

        check(put_in, &exec(Origin::Injected, false, "/new"), told(probes));
        check(
            put_in,
            &exec(Origin::Injected, true, "/new"),
            told(sessions),
        );
        for origin in [Origin::Init, Origin::Container] {
            check(put_in, &exec(origin, true, "/new"), "learn");
        }
        check(put_in, &exec(Origin::Injected, true, "/known"), "known");
    }
}

#[test]
fn what_lies_where_everybody_writes_is_never_learned() {
    let none = &Allowlist::default();
    let reason = |layer, open_folder| {
        let exec = Exec {
            open_folder,
            ..Exec::plain(Identity {
                layer,
                ..Identity::image("/work/tool")
            })
        };
        let inspection = Inspection::default();
        match judge(learning(none), Scope::Container, &exec, &inspection) {
            Verdict::Deviates { reason, .. } => Some(reason),
            _ => None,
        }
    };

    for layer in [Layer::Volume, Layer::Tmpfs] {
        assert_eq!(reason(layer, false), None, "{layer}");
        assert_eq!(reason(layer, true), Some(Reason::Unlisted), "{layer}");
    }
    assert_eq!(reason(Layer::Image, true), None);
}
