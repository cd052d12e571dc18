use super::*;
use crate::allowlist::{arbitrary, parse};
use crate::model::{Content, Digest, Exec, Inspection};
use proptest::prelude::*;

fn allowlist(entries: &str) -> Allowlist {
    let text = format!(
        "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
         metadata: {{ name: web }}\nspec:\n  workload: {{ runtime: runc, name: web }}\n{entries}"
    );
    Allowlist::new(&parse("web.yaml", text.as_bytes()).expect("valid")).expect("compiles")
}

fn covers<'a>(list: &'a Allowlist, exec: &Exec) -> Coverage<'a> {
    list.covers(&Observed {
        identity: &exec.identity,
        exec,
        inspection: &Inspection::default(),
    })
}

fn is_covered(list: &Allowlist, identity: &Identity) -> bool {
    matches!(
        covers(list, &Exec::plain(identity.clone())),
        Coverage::By(_)
    )
}

#[test]
fn a_program_is_its_path_and_its_layer() {
    let list = allowlist("  processes:\n    - path: /bin/a\n    - { path: /v, layer: volume }\n");
    let check = |path, layer, expected| {
        let identity = Identity {
            layer,
            ..Identity::image(path)
        };
        assert_eq!(is_covered(&list, &identity), expected, "{identity:?}");
    };

    check("/bin/a", Layer::Image, true);
    check("/bin/a", Layer::Upper, false);
    check("/bin/a", Layer::Unknown, false);
    check("/bin/b", Layer::Image, false);
    check("/v", Layer::Volume, true);
    check("/v", Layer::Image, false);
}

#[test]
fn a_star_stands_for_what_the_entry_says() {
    let list = allowlist(
        "  processes:\n    - { path: /srv/*/run, wildcards: [date] }\n    \
         - { path: /opt/*/run }\n",
    );
    let check = |path, expected| {
        let identity = Identity::image(path);
        assert_eq!(is_covered(&list, &identity), expected, "{path}");
        assert_eq!(list.names_file(&identity), expected, "{path}");
    };

    check("/srv/20261123/run", true);
    check("/srv/20261123/other", false);
    check("/srv/evil/run", false);
    check("/srv/20269923/run", false);
    check("/opt/evil/run", true);
}

#[test]
fn an_entry_with_a_star_may_undo_what_was_said_of_one_file() {
    let list = allowlist(
        "  processes:\n    - { path: /srv/1.2/run, users: [1000] }\n    \
         - { path: /opt/1.2/box, applet: sh }\n    - { path: /free/1.2/run }\n  \
         removed:\n    - path: /struck/*/run\n",
    );
    let check = |path, expected| {
        let path = PathPattern::new(path).expect("a pattern");
        assert_eq!(list.may_restrict(&path), expected, "{path}");
    };

    check("/srv/*/run", true);
    check("/srv/*/other", false);
    check("/opt/*/box", true);
    check("/struck/1.*/run", true);
    check("/free/*/run", false);
}

#[test]
fn a_script_is_its_path_its_interpreter_and_both_layers() {
    let list = allowlist(
        "  processes:\n    - { path: /run.sh, interpreter: /bin/dash }\n    \
         - { path: /v.sh, layer: volume, interpreter: /up/sh, interpreterLayer: upper }\n    \
         - { path: /n.sh, interpreter: /bin/dash, via: [/bin/wrap] }\n",
    );
    let script = Identity::script;
    let on = |script_layer: Layer, layer: Layer, identity: Identity| {
        let Role::Script(script) = identity.role else {
            panic!("no script")
        };
        Identity {
            role: Role::Script(crate::model::Script {
                layer: script_layer,
                ..script
            }),
            layer,
            ..identity
        }
    };
    let through = |via: &[&str]| Identity {
        role: Role::Script(crate::model::Script {
            path: "/n.sh".into(),
            via: via.iter().map(|script| Untrusted::from(*script)).collect(),
            layer: Layer::Image,
        }),
        ..Identity::image("/bin/dash")
    };

    assert!(is_covered(&list, &script("/bin/dash", "/run.sh")));
    assert!(!is_covered(&list, &script("/bin/bash", "/run.sh")));
    assert!(!is_covered(&list, &script("/bin/dash", "/other.sh")));
    assert!(!is_covered(&list, &Identity::image("/bin/dash")));
    assert!(!is_covered(&list, &Identity::image("/run.sh")));
    let volume = on(Layer::Volume, Layer::Upper, script("/up/sh", "/v.sh"));
    assert!(is_covered(&list, &volume));
    let other = on(Layer::Upper, Layer::Volume, script("/up/sh", "/v.sh"));
    assert!(!is_covered(&list, &other));
    assert!(is_covered(&list, &through(&["/bin/wrap"])));
    assert!(!is_covered(&list, &through(&[])));
    assert!(!is_covered(&list, &through(&["/bin/wrap", "/bin/wrap"])));
    assert!(list.may_interpret(&script("/bin/dash", "/other.sh")));
    assert!(!list.names_file(&script("/bin/dash", "/other.sh")));
    assert!(!list.may_interpret(&script("/bin/bash", "/run.sh")));
}

#[test]
fn an_applet_is_itself_and_a_program_is_every_applet() {
    let busybox = |applet| Identity::applet("/bin/busybox", applet);
    let one = allowlist("  processes:\n    - { path: /bin/busybox, applet: sh }\n");
    assert!(is_covered(&one, &busybox("sh")));
    assert!(!is_covered(&one, &busybox("wget")));
    assert!(!is_covered(&one, &Identity::image("/bin/busybox")));
    assert!(one.names_file(&busybox("wget")));
    assert!(one.names_applets_of(&Identity::image("/bin/busybox")));
    let files: Vec<_> = one.applet_files().collect();
    assert_eq!(files, [(&Untrusted::from("/bin/busybox"), Layer::Image)]);

    let any = allowlist("  processes:\n    - path: /bin/busybox\n");
    assert!(is_covered(&any, &busybox("wget")));
    assert!(is_covered(&any, &Identity::image("/bin/busybox")));
    assert!(!any.names_applets_of(&Identity::image("/bin/busybox")));
    assert_eq!(any.applet_files().count(), 0);

    let anywhere = allowlist("  processes:\n    - { path: /opt/*/busybox, applet: sh }\n");
    assert!(is_covered(
        &anywhere,
        &Identity::applet("/opt/1/busybox", "sh")
    ));
    assert!(anywhere.names_applets_of(&Identity::image("/opt/1/busybox")));
    assert!(anywhere.names_file(&Identity::image("/opt/1/busybox")));
}

#[test]
fn a_file_with_several_links_is_a_program_by_its_own_name_only() {
    let list = allowlist("  processes:\n    - path: /bin/sh\n    - path: /usr/bin/perl5.36\n");
    let linked = |path, applet: &str| {
        let mut exec = Exec::plain(Identity::applet(path, applet));
        exec.called.links = 2;
        matches!(covers(&list, &exec), Coverage::By(_))
    };

    assert!(linked("/bin/sh", "sh"));
    assert!(!linked("/bin/sh", "wget"));
    assert!(linked("/usr/bin/perl5.36", "perl"));
}

#[test]
fn an_applet_covers_the_file_by_that_name_whatever_it_is_known_to_be() {
    let list = allowlist(
        "  processes:\n    - { path: /usr/bin/mawk, applet: mawk }\n    \
         - { path: /usr/bin/mawk, applet: awk }\n    \
         - { path: /bin/python3.11, applet: python3.11 }\n",
    );
    let called = |path, applet: &str| {
        let mut exec = Exec::plain(Identity::image(path));
        exec.called.applet = applet.into();
        matches!(covers(&list, &exec), Coverage::By(_))
    };

    assert!(called("/usr/bin/mawk", "mawk"));
    assert!(called("/usr/bin/mawk", "awk"));
    assert!(!called("/usr/bin/mawk", "gawk"));
    assert!(called("/bin/python3.11", "python3"));
    assert!(!called("/bin/python3.11", "python2"));
}

#[test]
fn any_of_several_entries_is_enough_and_the_closest_is_told() {
    let list = allowlist(
        "  processes:\n    - { path: /a, args: [x], users: [1] }\n    \
         - { path: /a, users: [33] }\n    - { path: /*/a, args: [y] }\n    \
         - { path: /b, users: [1] }\n    - path: /b\n",
    );
    let mut exec = Exec::plain(Identity::image("/a"));

    let Coverage::Fails(process, failing) = covers(&list, &exec) else {
        panic!("covered");
    };
    assert_eq!(failing, Needs::USERS);
    assert!(process.conditions().users.contains(&33));

    exec.uid = 33;
    assert!(matches!(covers(&list, &exec), Coverage::By(_)));
    assert!(is_covered(&list, &Identity::image("/b")));
    assert!(list.restricts(&Identity::image("/a")));
    assert!(!list.restricts(&Identity::image("/c")));
}

#[test]
fn the_needs_of_an_identity_are_those_of_its_entries_unless_one_has_none() {
    let list = allowlist(
        "  digests: record\n  processes:\n    - { path: /a, args: [x], users: [1] }\n    \
         - { path: /a, parents: [/b] }\n    - { path: /b, users: [1] }\n    - path: /b\n    \
         - { path: /box, applet: sh, args: [x] }\n    - path: /box\n    \
         - { path: /opt/*/bin/a, users: [1] }\n    - { path: /opt/1/bin/a, args: [x] }\n    \
         - { path: /d, sha256: '0000000000000000000000000000000000000000000000000000000000000000' }\n",
    );
    let needs = |identity: Identity| list.needs(&identity);

    assert_eq!(
        needs(Identity::image("/a")),
        Needs::new(false, true, true, true)
    );
    assert_eq!(needs(Identity::image("/b")), Needs::NONE);
    assert_eq!(needs(Identity::image("/none")), Needs::NONE);
    assert_eq!(needs(Identity::image("/d")), Needs::NONE);
    assert_eq!(needs(Identity::applet("/box", "sh")), Needs::ARGS);
    assert_eq!(needs(Identity::image("/box")), Needs::NONE);
    assert_eq!(
        needs(Identity::image("/opt/1/bin/a")),
        Needs::ARGS.union(Needs::USERS)
    );
    for (identity, needs) in list.identities() {
        assert_eq!(needs, list.needs(identity));
    }
}

#[test]
fn content_decides_where_it_is_verified() {
    let digest = Digest([0xab; 32]);
    let exec = Exec::plain(Identity::image("/a"));
    let inspection = Inspection {
        program: Some(Content {
            sha256: Some(Digest([0xcd; 32])),
            certain: true,
            ..Content::default()
        }),
        script: None,
    };
    for (head, covered) in [
        ("", false),
        ("  digests: verify\n", false),
        ("  digests: record\n", true),
    ] {
        let entry = format!("{head}  processes:\n    - {{ path: /a, sha256: {digest} }}\n");
        let list = allowlist(&entry);
        let coverage = list.covers(&Observed {
            identity: &exec.identity,
            exec: &exec,
            inspection: &inspection,
        });

        assert_eq!(matches!(coverage, Coverage::By(_)), covered, "{head}");
        assert_eq!(list.needs(&exec.identity).content(), !covered, "{head}");
    }
}

#[test]
fn a_star_is_special_within_a_segment_and_nothing_else_is() {
    let list = allowlist(
        "  processes:\n    - path: /opt/*/bin/run\n    - path: '/x/[ab]{c,d}?\\e*/f'\n    \
         - { path: /s/*/run.sh, interpreter: /bin/dash }\n",
    );
    let check = |path: &str, expected| {
        let identity = Identity::image(path);
        assert_eq!(is_covered(&list, &identity), expected, "{path}");
    };

    check("/opt/1.2/bin/run", true);
    check("/opt/a\nb/bin/run", true);
    check("/opt/1/2/bin/run", false);
    check("/opt/bin/run", false);
    check("/opt/1.2/bin/run/x", false);
    check("/x/[ab]{c,d}?\\e1/f", true);
    check("/x/ac?e1/f", false);
    check("/s/1/run.sh", false);
    let script = Identity::script;
    assert!(is_covered(&list, &script("/bin/dash", "/s/1/run.sh")));
    assert!(!is_covered(&list, &script("/bin/bash", "/s/1/run.sh")));
}

#[test]
fn bytes_that_are_no_text_match_a_star() {
    let list = allowlist("  processes:\n    - path: /opt/*/run\n");
    let identity = Identity {
        file: Untrusted::new(*b"/opt/\xff/run"),
        ..Identity::image("")
    };

    assert!(is_covered(&list, &identity));
}

#[test]
fn what_was_struck_is_struck_in_every_layer_unless_one_is_named() {
    let list = allowlist(
        "  processes: []\n  removed:\n    - path: /usr/bin/curl\n    \
         - { path: /usr/bin/python*, layer: image }\n    \
         - { path: /bin/busybox, applet: wget }\n",
    );
    let upper = |path| Identity {
        layer: Layer::Upper,
        ..Identity::image(path)
    };

    assert!(list.is_removed(&Identity::image("/usr/bin/curl")));
    assert!(list.is_removed(&upper("/usr/bin/curl")));
    assert!(list.is_removed(&Identity::script("/bin/sh", "/usr/bin/curl")));
    assert!(list.is_removed(&Identity::image("/usr/bin/python3.12")));
    assert!(!list.is_removed(&upper("/usr/bin/python3.12")));
    assert!(!list.is_removed(&Identity::image("/usr/bin/wget")));
    assert!(list.is_removed(&Identity::applet("/bin/busybox", "wget")));
    assert!(!list.is_removed(&Identity::applet("/bin/busybox", "sh")));
}

#[test]
fn the_most_wildcards_a_document_may_have_compile() {
    let entries: String = (0..crate::allowlist::document::MAX_WILDCARDS)
        .map(|i| format!("    - path: /opt/app-{i}/*/*-x/bin/run\n"))
        .collect();

    let list = allowlist(&format!("  processes:\n{entries}"));

    assert!(is_covered(
        &list,
        &Identity::image("/opt/app-7/1/2-x/bin/run")
    ));
}

proptest! {
    #[test]
    fn every_exact_entry_names_its_identity(document in arbitrary::document()) {
        let list = Allowlist::new(&document).expect("compiles");

        for process in &document.spec.processes {
            if let Some(identity) = process.identity() {
                let exec = Exec::plain(identity.clone());
                prop_assert_ne!(covers(&list, &exec), Coverage::None);
                prop_assert!(list.may_interpret(&identity));
                if list.needs(&identity).is_none() {
                    prop_assert!(matches!(covers(&list, &exec), Coverage::By(_)));
                }
            }
        }
        prop_assert_eq!(list.len(), document.spec.processes.len());
    }
}
