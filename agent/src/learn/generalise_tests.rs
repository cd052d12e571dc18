use super::*;
use crate::allowlist::{Allowlist, ArgsPattern, Contents, Coverage, Document, Observed};
use crate::model::{Digest, Exec, Identity, Inspection, Role, WorkloadId};
use proptest::prelude::*;

fn volume(path: &str) -> Identity {
    Identity {
        layer: Layer::Volume,
        ..Identity::image(path)
    }
}

fn entries<'a>(identities: impl IntoIterator<Item = &'a Identity>) -> BTreeSet<Process> {
    let entries = identities.into_iter().map(Process::of);
    entries
        .collect::<Result<_, _>>()
        .expect("plain names without a star")
}

/// The paths of a document's entries, with what each `*` in them stands for.
fn paths(entries: &BTreeSet<Process>) -> Vec<String> {
    let text = |entry: &Process| {
        let fillings = entry.path().fillings().iter();
        let words: Vec<&str> = fillings.map(|filling| filling.as_str()).collect();
        match words.is_empty() {
            true => entry.path().to_string(),
            false => format!("{} ({})", entry.path(), words.join(" ")),
        }
    };
    entries.iter().map(text).collect()
}

fn check(layer: Layer, seen: &[&str], expected: &[&str]) {
    let identities = seen.iter().map(|path| Identity {
        layer,
        ..Identity::image(path)
    });
    let identities: Vec<_> = identities.collect();

    assert_eq!(
        paths(&generalise(entries(&identities), 3)),
        expected,
        "{seen:?}"
    );
}

#[test]
fn releases_builds_and_runs_become_one_entry() {
    check(
        Layer::Volume,
        &[
            "/srv/app/releases/20261121101112/bin/run",
            "/srv/app/releases/20261122101112/bin/run",
            "/srv/app/releases/20261123101112/bin/run",
        ],
        &["/srv/app/releases/*/bin/run (date)"],
    );
    check(
        Layer::Volume,
        &[
            "/root/.npm/_npx/3f2a9c1d0b4e5f60/node_modules/.bin/x",
            "/root/.npm/_npx/4f2a9c1d0b4e5f60/node_modules/.bin/x",
            "/root/.npm/_npx/5f2a9c1d0b4e5f60/node_modules/.bin/x",
        ],
        &["/root/.npm/_npx/*/node_modules/.bin/x (hash)"],
    );
    check(
        Layer::Tmpfs,
        &[
            "/tmp/hsperfdata_1000/x",
            "/tmp/hsperfdata_1001/x",
            "/tmp/hsperfdata_1002/x",
        ],
        &["/tmp/hsperfdata_*/x (counter)"],
    );
    check(
        Layer::Image,
        &[
            "/app/node_modules/.pnpm/esbuild@0.19.12/node_modules/esbuild/bin/esbuild",
            "/app/node_modules/.pnpm/esbuild@0.20.2/node_modules/esbuild/bin/esbuild",
            "/app/node_modules/.pnpm/esbuild@0.21.5/node_modules/esbuild/bin/esbuild",
        ],
        &["/app/node_modules/.pnpm/esbuild@*/node_modules/esbuild/bin/esbuild (version)"],
    );
    check(
        Layer::Image,
        &[
            "/usr/lib/jvm/jdk-17.0.2+8/bin/java",
            "/usr/lib/jvm/jdk-17.0.3+7/bin/java",
            "/usr/lib/jvm/jdk-21.0.1+12/bin/java",
        ],
        &["/usr/lib/jvm/jdk-*/bin/java (version)"],
    );
    check(
        Layer::Tmpfs,
        &[
            "/tmp/go-build11/b001/exe/x",
            "/tmp/go-build22/b001/exe/x",
            "/tmp/go-build33/b001/exe/x",
        ],
        &["/tmp/go-build*/b001/exe/x (counter)"],
    );
    check(
        Layer::Volume,
        &[
            "/plugins/worker-1",
            "/plugins/worker-2",
            "/plugins/worker-3",
        ],
        &["/plugins/worker-* (counter)"],
    );
}

#[test]
fn what_does_not_change_clearly_or_often_enough_stays() {
    let two = &[
        "/srv/releases/20261122101112/run",
        "/srv/releases/20261123101112/run",
    ];
    check(Layer::Volume, two, two);
    let names = &[
        "/tmp/hsperfdata_app/x",
        "/tmp/hsperfdata_jenkins/x",
        "/tmp/hsperfdata_root/x",
    ];
    check(Layer::Tmpfs, names, names);
    let kinds = &["/opt/1.2/run", "/opt/20261123/run", "/opt/3f2a9c1d/run"];
    check(Layer::Image, kinds, kinds);
    let files = &["/opt/1.2/a", "/opt/1.3/b", "/opt/1.4/c"];
    check(Layer::Image, files, files);
    let descriptors = &["/proc/self/fd/6", "/proc/self/fd/7", "/proc/self/fd/8"];
    check(Layer::Volume, descriptors, descriptors);
}

#[test]
fn the_file_name_of_a_program_of_the_image_is_never_one() {
    for layer in [Layer::Image, Layer::Host] {
        let seen = &[
            "/usr/bin/kubectl-1.29",
            "/usr/bin/kubectl-1.30",
            "/usr/bin/kubectl-1.31",
            "/usr/bin/python3.10",
            "/usr/bin/python3.11",
            "/usr/bin/python3.12",
        ];
        check(layer, seen, seen);
    }
}

#[test]
fn two_places_change_only_if_each_changes_often_enough() {
    check(
        Layer::Tmpfs,
        &[
            "/t/go-build1/b001/x",
            "/t/go-build2/b002/x",
            "/t/go-build3/b003/x",
        ],
        &["/t/go-build*/b*/x (counter counter)"],
    );
    check(
        Layer::Tmpfs,
        &[
            "/t/go-build1/b001/x",
            "/t/go-build2/b001/x",
            "/t/go-build3/b001/x",
            "/t/go-build4/b002/x",
        ],
        &["/t/go-build*/b001/x (counter)", "/t/go-build4/b002/x"],
    );
    let neither = &[
        "/t/go-build1/b001/x",
        "/t/go-build2/b001/x",
        "/t/go-build3/b002/x",
    ];
    check(Layer::Tmpfs, neither, neither);
}

#[test]
fn a_hash_of_digits_alone_goes_with_the_hashes() {
    check(
        Layer::Volume,
        &[
            "/c/1234567/x",
            "/c/a234567/x",
            "/c/b234567/x",
            "/c/c234567/x",
            "/c/other/x",
        ],
        &["/c/*/x (hash)", "/c/other/x"],
    );
}

#[test]
fn layers_roles_and_conditions_are_never_mixed() {
    let script = |interpreter: &str, release: u32| {
        Identity::script(interpreter, &format!("/srv/1.{release}/run.sh"))
    };
    let apart = [
        volume("/srv/1.1/run"),
        volume("/srv/1.2/run"),
        Identity::image("/srv/1.3/run"),
        script("/bin/sh", 1),
        script("/bin/sh", 2),
        script("/bin/bash", 3),
        Identity::applet("/srv/1.1/box", "sh"),
        Identity::applet("/srv/1.2/box", "sh"),
        Identity::applet("/srv/1.3/box", "ls"),
    ];
    assert_eq!(generalise(entries(&apart), 3), entries(&apart));

    let together = [1, 2, 3].map(|release| script("/bin/sh", release));
    let made = generalise(entries(&together), 3);
    assert_eq!(paths(&made), ["/srv/*/run.sh (version)"]);
    let interpreter = made.first().and_then(Process::interpreter);
    assert_eq!(interpreter.map(ExactPath::as_str), Some("/bin/sh"));

    let under = |release: u32, text: &str| {
        let args = ArgsPattern::new(["-c", text]).expect("a pattern");
        let entry = Process::of(&volume(&format!("/srv/1.{release}/sh"))).expect("plain");
        entry.under(Conditions {
            args: Some(args),
            ..Conditions::default()
        })
    };
    let other: BTreeSet<_> = [under(1, "a"), under(2, "a"), under(3, "b")].into();
    assert_eq!(generalise(other.clone(), 3), other);
    let same = generalise([under(1, "a"), under(2, "a"), under(3, "a")].into(), 3);
    assert_eq!(paths(&same), ["/srv/*/sh (version)"]);
    let conditions = same.first().map(Process::conditions);
    assert!(conditions.is_some_and(|conditions| conditions.args.is_some()));
}

#[test]
fn an_entry_says_what_it_was_made_from_and_of_how_much() {
    let seen: Vec<_> = (10..30)
        .map(|n| volume(&format!("/srv/1.{n}/run")))
        .collect();
    let digest = |n: usize| {
        let digests = [Digest([u8::try_from(n).expect("few"); 32])].into();
        Contents::new(digests, None)
    };
    let seen = entries(&seen).into_iter().enumerate().map(|(n, entry)| {
        entry.under(Conditions {
            contents: digest(n),
            ..Conditions::default()
        })
    });

    let made = generalise(seen.collect(), 3);

    let made: Vec<_> = made.iter().collect();
    let [entry] = made[..] else {
        panic!("{made:?}");
    };
    let origin = entry.origin().expect("made of several");
    assert_eq!(origin.count(), 20);
    let examples: Vec<&str> = origin.examples().iter().map(ExactPath::as_str).collect();
    assert_eq!(examples.len(), 8);
    assert_eq!(examples[0], "/srv/1.10/run");
    assert_eq!(entry.conditions().contents, None);
}

#[test]
fn a_workload_that_invents_names_makes_few_entries_and_loses_none() {
    let seen: Vec<_> = (0..3000)
        .map(|n| volume(&format!("/srv/{}/1.{}/run", n / 3, n % 3)))
        .map(|identity| match identity.file.as_bytes() {
            _ if identity.file == "/srv/0/1.0/run".into() => volume("/srv/x/1.0/run"),
            _ => identity,
        })
        .collect();
    let one = generalise(entries(&seen), 3);
    assert_eq!(
        paths(&one),
        ["/srv/*/*/run (counter version)", "/srv/x/1.0/run"]
    );

    let word = |n: usize| format!("x{}", "y".repeat(n % 60) + &"z".repeat(n / 60));
    let seen: Vec<_> = (0..1000)
        .flat_map(|n| (0..3).map(move |m| volume(&format!("/srv/{}/1.{m}/run", word(n)))))
        .collect();
    let made = generalise(entries(&seen), 3);
    let stars = made.iter().filter(|entry| entry.path().has_wildcard());
    assert_eq!(stars.count(), MAX_MADE);
    assert_eq!(made.len(), MAX_MADE + 3000 - 3 * MAX_MADE);
}

/// Names in which something changes, and names that only look so.
fn name() -> impl Strategy<Value = String> {
    let few = |texts: &'static [&'static str]| proptest::sample::select(texts);
    prop_oneof![
        few(&[
            "1.1", "1.2", "1.3", "v1.1", "v2.0-rc1", "x-1.1", "x-1.2", "x-1.4"
        ]),
        few(&["a1b2c3d", "b1b2c3d", "c1b2c3d", "1234567", "deadbeef"]),
        few(&["20261121", "20261122", "20261123", "2026-11-23", "20269999"]),
        few(&["b001", "b002", "b003", "b004", "w-1", "w-2", "w-3"]),
        few(&["bin", "x", "current", "ä", "a b", "[1]", "1.2 3"]),
    ]
    .prop_map(str::to_owned)
}

fn identity() -> impl Strategy<Value = Identity> {
    let path = proptest::collection::vec(name(), 1..4);
    let layer = proptest::sample::select(vec![Layer::Image, Layer::Volume, Layer::Tmpfs]);
    let role = proptest::option::weighted(0.2, Just("sh"));
    (path, layer, role).prop_map(|(names, layer, applet)| {
        let path = format!("/{}", names.join("/"));
        let role = applet.map_or(Role::Program, |name| Role::Applet(name.into()));
        Identity {
            role,
            layer,
            ..Identity::image(&path)
        }
    })
}

fn covers(entries: &BTreeSet<Process>, identity: &Identity) -> bool {
    let unit = "x.service".to_owned();
    let document = Document::by_agent(WorkloadId::Unit { unit }, entries.clone(), None);
    let allowlist = Allowlist::new(&document).expect("compiles");
    let exec = Exec::plain(identity.clone());
    let observed = Observed {
        identity,
        exec: &exec,
        inspection: &Inspection::default(),
    };
    matches!(allowlist.covers(&observed), Coverage::By(_))
}

/// Whether `path` differs from one that was seen only in parts of a kind, each
/// of the kind of what was seen there.
fn differs_by_kind_only(seen: &str, path: &str) -> bool {
    let (seen, path) = (seen.split('/'), path.split('/'));
    seen.clone().count() == path.clone().count()
        && seen.zip(path).all(|(seen, other)| {
            let fits = || {
                let (shape, _) = shape(seen)?;
                let rest = other.strip_prefix(shape.before)?;
                let part = rest.strip_suffix(shape.behind)?;
                Some(shape.filling.fits(part.as_bytes()))
            };
            seen == other || fits() == Some(true)
        })
}

proptest! {
    #[test]
    fn what_was_seen_is_covered_and_nothing_of_another_kind(
        seen in proptest::collection::btree_set(identity(), 0..40),
        others in proptest::collection::vec(identity(), 20),
        after in 2usize..5,
    ) {
        let made = generalise(entries(&seen), after);

        for identity in &seen {
            prop_assert!(covers(&made, identity), "{identity:?} {:?}", paths(&made));
        }
        for other in &others {
            if covers(&made, other) {
                let like = seen.iter().any(|one| {
                    let text = |identity: &Identity| identity.path().escaped(4096);
                    one.layer == other.layer
                        && (one.role == other.role || one.role == Role::Program)
                        && differs_by_kind_only(&text(one), &text(other))
                });
                prop_assert!(like, "{other:?} {:?}", paths(&made));
            }
        }
    }

    #[test]
    fn each_place_that_changes_was_seen_often_enough(
        seen in proptest::collection::btree_set(identity(), 0..60),
        after in 2usize..5,
    ) {
        let made = generalise(entries(&seen), after);

        for entry in made.iter().filter(|entry| entry.path().has_wildcard()) {
            let origin = entry.origin().expect("made of several");
            prop_assert!(origin.count() >= after as u64);
            let segments = entry.path().as_str().split('/').enumerate();
            for (place, _) in segments.filter(|(_, segment)| segment.contains('*')) {
                let values: BTreeSet<_> = seen
                    .iter()
                    .filter(|identity| {
                        let path = PathPattern::new(&identity.path().escaped(4096));
                        entry.path().matches(&path.expect("a path"))
                    })
                    .map(|identity| {
                        let path = identity.path().escaped(4096);
                        path.split('/').nth(place).map(str::to_owned)
                    })
                    .collect();
                prop_assert!(values.len() >= after, "{:?}", paths(&made));
            }
        }
    }

    #[test]
    fn never_changes_what_it_may_not(seen in proptest::collection::btree_set(identity(), 0..40)) {
        let seen = entries(&seen);

        prop_assert_eq!(generalise(seen.clone(), usize::MAX), seen.clone());
        let made = generalise(seen, 2);
        let keeps_its_name = |entry: &Process| {
            entry.layer() != Layer::Image || !entry.path().file_name().contains('*')
        };
        prop_assert!(made.iter().all(keeps_its_name));
        // Done once, it is done.
        prop_assert_eq!(generalise(made.clone(), 2), made);
    }
}
