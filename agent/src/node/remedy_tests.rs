use super::*;
use crate::allowlist::parse;
use crate::model::{Ancestor, Content, Digest, Layer, Untrusted};

fn workload() -> WorkloadId {
    WorkloadId::Unit {
        unit: "x.service".to_owned(),
    }
}

/// What would allow `exec` under a list of these processes, as YAML below
/// `processes`.
fn of(exec: &Exec, inspection: &Inspection, list: &str, keeps_arguments: bool) -> Remedy {
    let text = format!(
        "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\nmetadata: {{ name: x }}\n\
         spec:\n  workload: {{ unit: x.service }}\n  processes:\n{list}"
    );
    let document = parse("list", text.as_bytes()).expect("a document");
    let allowlist = Allowlist::new(&document).expect("compiles");
    remedy(&Deviation {
        workload: &workload(),
        allowlist: Some(&allowlist),
        scope: Scope::Container,
        exec,
        inspection,
        keeps_arguments,
    })
}

const OTHERS: &str = "    - path: /bin/other\n";

/// The lines of the proposed entry.
fn entry(remedy: &Remedy) -> String {
    let Remedy::Entry { document, .. } = remedy else {
        panic!("no entry: {remedy:?}");
    };
    let (_, entry) = document.split_once("processes:\n").expect("processes");
    let lines: Vec<_> = entry.lines().map(str::trim).collect();
    lines.join(" ")
}

fn check(exec: &Exec, list: &str, expected: &str) {
    let remedy = of(exec, &Inspection::default(), list, true);
    assert_eq!(entry(&remedy), expected);
}

fn nothing(exec: &Exec, expected: &str) {
    match of(exec, &Inspection::default(), OTHERS, true) {
        Remedy::Nothing(why) => assert!(why.contains(expected), "{why}"),
        other => panic!("{expected}: {other:?}"),
    }
}

fn in_layer(layer: Layer, path: &str) -> Exec {
    Exec::plain(Identity {
        layer,
        ..Identity::image(path)
    })
}

fn with_args(identity: Identity, args: &[&str]) -> Exec {
    let mut exec = Exec::plain(identity);
    exec.args.list = args.iter().copied().map(Untrusted::from).collect();
    exec
}

#[test]
fn the_entry_names_what_ran_and_nothing_else() {
    check(&Exec::plain(Identity::image("/a")), OTHERS, "- path: /a");
    check(
        &in_layer(Layer::Upper, "/tmp/tool"),
        OTHERS,
        "- path: /tmp/tool layer: upper",
    );
    check(
        &in_layer(Layer::Memory, "/memfd:jit"),
        OTHERS,
        "- path: \"/memfd:jit\" layer: memory"
            .replace('"', "")
            .as_str(),
    );
    check(
        &in_layer(Layer::Host, "/usr/bin/tool"),
        OTHERS,
        "- path: /usr/bin/tool layer: host",
    );
    check(
        &Exec::plain(Identity::script("/bin/dash", "/run.sh")),
        OTHERS,
        "- path: /run.sh interpreter: /bin/dash",
    );
    check(
        &Exec::plain(Identity::image("/lib/ld-linux.so.2")),
        OTHERS,
        "- path: /lib/ld-linux.so.2",
    );
}

#[test]
fn code_in_arguments_is_allowed_with_these_arguments_only() {
    let exec = with_args(Identity::image("/bin/dash"), &["sh", "-c", "curl *"]);

    check(
        &exec,
        OTHERS,
        "- path: /bin/dash args: - \"-c\" - \"curl \\\\*\"",
    );

    let withheld = of(&exec, &Inspection::default(), OTHERS, false);
    assert_eq!(entry(&withheld), "- path: /bin/dash");
    let Remedy::Entry {
        any_args_because: Some(why),
        ..
    } = withheld
    else {
        panic!("{withheld:?}");
    };
    assert!(why.contains("alert-arguments"), "{why}");
    // A program's own arguments are not looked at.
    let exec = with_args(Identity::image("/bin/tool"), &["tool", "-c", "x"]);
    check(&exec, OTHERS, "- path: /bin/tool");
}

#[test]
fn what_the_closest_entry_asks_for_is_asked_for_as_it_was_seen() {
    let list = "    - path: /bin/tool\n      args: [\"-t\"]\n      users: [33]\n";
    let mut exec = with_args(Identity::image("/bin/tool"), &["tool", "-t"]);
    exec.uid = 7;
    check(
        &exec,
        list,
        "- path: /bin/tool args: - \"-t\" users: - 7"
            .replace("users: - 7", "users: [7]")
            .as_str(),
    );

    let list = "    - path: /bin/tool\n      parents: [\"*container-init*\"]\n";
    let mut exec = Exec::plain(Identity::image("/bin/tool"));
    exec.ancestors = vec![Ancestor {
        pid: 1,
        start_ns: 0,
        path: Some("/bin/sh".into()),
        path_cut: false,
        inside: true,
        init: false,
    }];
    check(&exec, list, "- path: /bin/tool parents: - /bin/sh");
    exec.from_outside = true;
    exec.origin = Origin::Injected;
    check(&exec, list, "- path: /bin/tool parents: - \"*injected*\"");
}

#[test]
fn another_content_is_allowed_only_where_it_was_read() {
    let ours = "01".repeat(32);
    let list = format!("    - path: /bin/tool\n      sha256: \"{ours}\"\n");
    let exec = Exec::plain(Identity::image("/bin/tool"));
    let read = Inspection {
        program: Some(Content {
            sha256: Some(Digest([2; 32])),
            certain: true,
            ..Content::default()
        }),
        script: None,
    };

    let remedy = of(&exec, &read, &list, true);
    let theirs = "02".repeat(32);
    assert!(entry(&remedy).contains(&theirs), "{remedy:?}");
    assert!(entry(&remedy).contains("digests: verify"), "{remedy:?}");

    let unread = of(&exec, &Inspection::default(), &list, true);
    let Remedy::Nothing(why) = unread else {
        panic!("{unread:?}");
    };
    assert!(why.contains("could not be read"), "{why}");
}

#[test]
fn what_no_entry_can_allow_is_said_so() {
    let plain = || Exec::plain(Identity::image("/a"));
    nothing(
        &Exec {
            escaped: true,
            ..plain()
        },
        "left its container",
    );
    nothing(
        &Exec {
            outside_cwd: true,
            ..plain()
        },
        "outside its container",
    );
    nothing(
        &Exec {
            error: true,
            ..plain()
        },
        "could not tell in full",
    );
    nothing(&in_layer(Layer::Unknown, "/a"), "layer of");
    nothing(&in_layer(Layer::Upper, "/a\nb"), "control characters");
    nothing(&in_layer(Layer::Upper, "/tmp/*"), "has a *");
}
