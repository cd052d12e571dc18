use super::*;
use crate::model::{Ancestor, Content, Exec, Identity, Inspection, Untrusted};

fn ancestor(path: &str, init: bool) -> Ancestor {
    Ancestor {
        pid: 7,
        start_ns: 7,
        path: Some(path.into()),
        path_cut: false,
        inside: true,
        init,
    }
}

fn failing(conditions: &Conditions, exec: &Exec, inspection: &Inspection) -> Needs {
    let observed = Observed {
        identity: &exec.identity,
        exec,
        inspection,
    };
    conditions.failing(conditions.needs(None), &observed, false)
}

fn parents(texts: &[&str]) -> Conditions {
    Conditions {
        parents: texts
            .iter()
            .map(|text| text.parse().expect("a parent"))
            .collect(),
        ..Conditions::default()
    }
}

fn contents(digest: Digest, digests: Option<Digests>) -> Conditions {
    Conditions {
        contents: Contents::new(BTreeSet::from([digest]), digests),
        ..Conditions::default()
    }
}

fn content(sha256: Option<Digest>) -> Option<Content> {
    Some(Content {
        sha256,
        certain: true,
        ..Content::default()
    })
}

#[test]
fn the_parent_is_the_next_ancestor_and_no_other() {
    let exec = Exec {
        ancestors: vec![ancestor("/bin/sh", false), ancestor("/sbin/init", true)],
        ..Exec::plain(Identity::image("/bin/a"))
    };
    let check = |exec: &Exec, texts: &[&str], expected: bool| {
        let failing = failing(&parents(texts), exec, &Inspection::default());
        assert_eq!(failing.is_none(), expected, "{texts:?} {exec:?}");
    };

    check(&exec, &["/bin/sh"], true);
    check(&exec, &["/bin/bash", "/bin/sh"], true);
    check(&exec, &["/sbin/init"], false);
    check(&exec, &["*container-init*"], false);
    check(&exec, &["*injected*"], false);
    let cut = Exec {
        ancestors: vec![Ancestor {
            path_cut: true,
            ..ancestor("/bin/sh", false)
        }],
        ..exec.clone()
    };
    check(&cut, &["/bin/sh"], false);
    let alone = Exec {
        ancestors: Vec::new(),
        ..exec.clone()
    };
    check(&alone, &["/bin/sh", "*container-init*"], false);
}

#[test]
fn the_containers_first_process_is_a_parent_by_what_it_is() {
    let init = parents(&["*container-init*"]);
    let exec = Exec::plain(Identity::image("/bin/a"));
    let by_init = Exec {
        ancestors: vec![ancestor("/sbin/init", true)],
        ..exec.clone()
    };
    let itself = Exec {
        origin: Origin::Init,
        ..exec.clone()
    };

    assert_eq!(
        failing(&init, &exec, &Inspection::default()),
        Needs::PARENTS
    );
    assert!(failing(&init, &by_init, &Inspection::default()).is_none());
    assert!(failing(&init, &itself, &Inspection::default()).is_none());
}

#[test]
fn injected_is_the_first_process_from_outside_and_not_its_children() {
    let injected = parents(&["*injected*"]);
    let child = Exec {
        origin: Origin::Injected,
        ..Exec::plain(Identity::image("/bin/a"))
    };
    let first = Exec {
        from_outside: true,
        ..child.clone()
    };

    assert!(failing(&injected, &first, &Inspection::default()).is_none());
    assert_eq!(
        failing(&injected, &child, &Inspection::default()),
        Needs::PARENTS
    );
}

#[test]
fn the_user_is_who_runs_it() {
    let users = Conditions {
        users: BTreeSet::from([33]),
        ..Conditions::default()
    };
    let exec = |uid| Exec {
        uid,
        euid: 33,
        ..Exec::plain(Identity::image("/bin/a"))
    };

    assert!(failing(&users, &exec(33), &Inspection::default()).is_none());
    assert_eq!(
        failing(&users, &exec(0), &Inspection::default()),
        Needs::USERS
    );
}

#[test]
fn a_digest_is_of_the_script_where_there_is_one() {
    let [ours, theirs] = [Digest([1; 32]), Digest([2; 32])];
    let program = Exec::plain(Identity::image("/bin/sh"));
    let script = Exec::plain(Identity::script("/bin/sh", "/run.sh"));
    let inspection = Inspection {
        program: content(Some(ours)),
        script: content(Some(theirs)),
    };
    let ours = contents(ours, None);
    let theirs = contents(theirs, None);

    assert!(failing(&ours, &program, &inspection).is_none());
    assert_eq!(failing(&theirs, &program, &inspection), Needs::CONTENT);
    assert!(failing(&theirs, &script, &inspection).is_none());
    assert_eq!(failing(&ours, &script, &inspection), Needs::CONTENT);
}

#[test]
fn what_was_not_hashed_is_not_the_same() {
    let ours = contents(Digest([1; 32]), None);
    let program = Exec::plain(Identity::image("/bin/sh"));
    let uncertain = Content {
        sha256: Some(Digest([1; 32])),
        ..Content::default()
    };
    for program_content in [None, content(None), Some(uncertain)] {
        let inspection = Inspection {
            program: program_content,
            script: None,
        };

        assert_eq!(failing(&ours, &program, &inspection), Needs::CONTENT);
    }
}

#[test]
fn digests_are_compared_unless_somebody_says_record() {
    let digest = Digest([1; 32]);
    for (entry, document, compared) in [
        (None, None, true),
        (None, Some(Digests::Verify), true),
        (None, Some(Digests::Record), false),
        (Some(Digests::Verify), Some(Digests::Record), true),
        (Some(Digests::Record), Some(Digests::Verify), false),
    ] {
        let needs = contents(digest, entry).needs(document);

        assert_eq!(needs.content(), compared, "{entry:?} {document:?}");
    }
    assert!(Contents::new(BTreeSet::new(), None).is_none());
}

#[test]
fn parents_are_words_or_paths() {
    for text in ["/usr/sbin/nginx", "*container-init*", "*injected*"] {
        assert_eq!(text.parse::<Parent>().expect(text).as_str(), text);
    }
    for text in ["*", "*init*", "nginx", "/usr/*/nginx", ""] {
        assert!(text.parse::<Parent>().is_err(), "{text:?}");
    }
}

#[test]
fn every_condition_that_fails_is_told() {
    let all = Conditions {
        args: Some(ArgsPattern::new(["-t"]).expect("a pattern")),
        users: BTreeSet::from([1]),
        ..parents(&["/bin/sh"])
    };
    let mut exec = Exec::plain(Identity::image("/bin/a"));
    exec.args.list = vec![Untrusted::from("a"), "-x".into()];

    let failing = failing(&all, &exec, &Inspection::default());

    assert_eq!(failing, Needs::new(false, true, true, true));
}
