//! What holds of every exec under every allowlist.

use super::tests::{allowlist, learning};
use super::*;
use crate::allowlist::{Process, arbitrary};
use crate::model::{Called, Content, Layer, Origin, Role, Untrusted};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn any_called() -> impl Strategy<Value = Called> {
    let name = || proptest::sample::select(vec!["", "a", "b", "bin", "x\n"]);
    (name(), name(), 1..3u32).prop_map(|(applet, filename, links)| Called {
        applet: applet.into(),
        filename: filename.into(),
        links,
    })
}

fn any_content() -> impl Strategy<Value = Option<Content>> {
    let content = (
        proptest::option::of(arbitrary::digest()),
        any::<bool>(),
        proptest::bool::weighted(0.1),
        any::<bool>(),
    );
    proptest::option::of(
        content.prop_map(|(sha256, multicall, loader, certain)| Content {
            sha256,
            multicall,
            loader,
            certain,
        }),
    )
}

fn any_inspection() -> impl Strategy<Value = Inspection> {
    (any_content(), any_content()).prop_map(|(program, script)| Inspection { program, script })
}

fn any_exec() -> impl Strategy<Value = Exec> {
    let identity = prop_oneof![
        arbitrary::identity(),
        // Often one that an entry names.
        arbitrary::process().prop_filter_map("exact", |process| process.identity()),
        any::<Vec<u8>>().prop_map(|file| Identity {
            file: Untrusted::new(file),
            ..Identity::image("")
        }),
    ];
    let rarely = || proptest::bool::weighted(0.05);
    let sometimes = proptest::bool::weighted(0.3);
    (
        identity,
        proptest::option::of(any_called()),
        (rarely(), rarely(), rarely(), rarely(), rarely(), rarely()),
        any::<bool>(),
        (0..3u32, sometimes),
    )
        .prop_map(
            |(
                identity,
                called,
                (unknown, outer, escaped, error, path_cut, out),
                outside,
                (uid, open_folder),
            )| {
                let mut exec = Exec::plain(identity);
                // The kernel never tells an applet.
                if let Role::Applet(_) = exec.identity.role {
                    exec.identity.role = Role::Program;
                }
                if unknown {
                    exec.identity.layer = Layer::Unknown;
                }
                Exec {
                    called: called.unwrap_or_else(|| exec.called.clone()),
                    from_outside: outside,
                    origin: if outside {
                        Origin::Injected
                    } else {
                        Origin::Container
                    },
                    outer_mntns: outer,
                    outside_file: out,
                    open_folder,
                    escaped,
                    error,
                    path_cut,
                    uid,
                    ..exec
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
        inspection in any_inspection(),
        pick in any::<prop::sample::Index>(),
        use_listed: bool,
    ) {
        let mut exec = exec;
        let both = processes.iter().chain([&another]);
        let listed: Vec<_> = both.filter_map(Process::identity).collect();
        if use_listed && !listed.is_empty() {
            exec.identity = pick.get(&listed).clone();
        }
        let fewer = allowlist(processes.clone(), BTreeSet::new());
        let more = allowlist(processes.into_iter().chain([another]).collect(), BTreeSet::new());

        for (before, after) in [
            (Policy::Enforcing { allowlist: &fewer }, Policy::Enforcing { allowlist: &more }),
            (learning(&fewer), learning(&more)),
        ] {
            let deviates = |policy| {
                let verdict = judge(policy, Scope::Container, &exec, &inspection);
                matches!(verdict, Verdict::Deviates { .. })
            };
            prop_assert!(deviates(before) || !deviates(after), "{exec:?}");
        }
    }

    #[test]
    fn only_learning_learns_and_only_what_can_be_written(
        processes in list(),
        exec in any_exec(),
        inspection in any_inspection(),
    ) {
        let allowlist = &allowlist(processes, BTreeSet::new());
        let learned = |policy| match judge(policy, Scope::Container, &exec, &inspection) {
            Verdict::Learn(identity) => Some(identity),
            _ => None,
        };

        prop_assert_eq!(learned(Policy::Enforcing { allowlist }), None);
        prop_assert_eq!(learned(Policy::NoAllowlist), None);
        if let Some(identity) = learned(learning(allowlist)) {
            for layer in [identity.layer, identity.path_layer()] {
                prop_assert!(!matches!(layer, Layer::Upper | Layer::Memory | Layer::Host | Layer::Unknown));
                prop_assert!(!(exec.open_folder && matches!(layer, Layer::Volume | Layer::Tmpfs)));
            }
            prop_assert!(!exec.escaped && !exec.error && !exec.path_cut && !exec.outside_file);
            prop_assert!(inspection.program.is_none_or(|content| !content.loader));
            prop_assert!(Process::of(&identity).is_ok());
        }
    }

    #[test]
    fn what_was_learned_is_known_from_then_on(
        processes in list(),
        exec in any_exec(),
        inspection in any_inspection(),
    ) {
        let before = allowlist(processes.clone(), BTreeSet::new());
        let verdict = judge(learning(&before), Scope::Container, &exec, &inspection);
        if let Verdict::Learn(identity) = verdict {
            let learned = Process::of(&identity).expect("can be written");
            let after = allowlist(processes.into_iter().chain([learned]).collect(), BTreeSet::new());
            let after = Policy::Enforcing { allowlist: &after };

            prop_assert_eq!(judge(after, Scope::Container, &exec, &inspection), Verdict::Known);
        }
    }

    #[test]
    fn reasons_are_told_strongest_first(
        processes in list(),
        exec in any_exec(),
        inspection in any_inspection(),
    ) {
        let allowlist = &allowlist(processes, BTreeSet::new());
        let verdict = judge(Policy::Enforcing { allowlist }, Scope::Container, &exec, &inspection);

        if let Verdict::Deviates { reason, also, .. } = verdict {
            let told: Vec<_> = std::iter::once(reason).chain(also).collect();
            prop_assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
        }
    }
}
