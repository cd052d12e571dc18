//! Baselines for property tests: grown through the public methods alone, from
//! few names, so that two of them have much in common.

use super::{Baseline, Gap, Sighting, Window};
use crate::model::{ContainerId, Digest, Identity, Layer, Role, Script, Untrusted, WorkloadId};
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::time::Duration;

/// Learns for a minute from the epoch.
pub(crate) fn empty() -> Baseline {
    let workload = WorkloadId::Kubernetes {
        namespace: "shop".to_owned(),
        kind: "Deployment".to_owned(),
        name: "checkout".to_owned(),
        container: "api".to_owned(),
    };
    let window = Window {
        started: Timestamp::UNIX_EPOCH,
        length: Duration::from_secs(60),
    };
    Baseline::new(workload, window)
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0i64..100).prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn container() -> impl Strategy<Value = ContainerId> {
    // More than an entry names.
    (0..90u8).prop_map(|n| ContainerId::new(&format!("c{n}")).unwrap())
}

fn bytes() -> impl Strategy<Value = Untrusted> {
    prop_oneof![
        (0..9u8).prop_map(|n| Untrusted::new(format!("/bin/{n}"))),
        vec(any::<u8>(), 0..5).prop_map(Untrusted::new),
    ]
}

fn identity() -> impl Strategy<Value = Identity> {
    let layer = || prop_oneof![Just(Layer::Image), Just(Layer::Volume), Just(Layer::Memory)];
    let script = (bytes(), vec(bytes(), 0..2), layer())
        .prop_map(|(path, via, layer)| Role::Script(Script { path, via, layer }));
    let role = prop_oneof![
        6 => Just(Role::Program),
        2 => bytes().prop_map(Role::Applet),
        2 => script,
    ];
    (bytes(), role, layer()).prop_map(|(file, role, layer)| Identity { file, role, layer })
}

fn gap() -> impl Strategy<Value = Gap> {
    prop_oneof![
        (time(), time()).prop_map(|(from, to)| Gap::AgentDown { from, to }),
        container().prop_map(|container| Gap::PreExisting { container }),
        any::<u64>().prop_map(|count| Gap::EventsLost { count }),
        Just(Gap::RecordLost),
        Just(Gap::MoreThanListed),
    ]
}

pub(crate) fn baseline() -> impl Strategy<Value = Baseline> {
    let execs = prop_oneof![0..100u64, Just(u64::MAX)];
    let image = option::of((0..20u8).prop_map(|n| format!("image{n}")));
    // More than an entry names.
    let digest = option::of((0..12u8).prop_map(|n| Digest([n; 32])));
    let code = option::weighted(0.95, (0..12u8).prop_map(|n| vec![n.to_string()]));
    let sightings = vec(
        (identity(), time(), execs, container(), image, digest, code),
        0..200,
    );
    let gaps = vec(gap(), 0..3);
    (time(), sightings, gaps, option::of(time())).prop_map(|(started, sightings, gaps, ended)| {
        let mut baseline = empty();
        baseline.window.started = started;
        for (identity, at, execs, container, image, digest, code) in sightings {
            let sighting = Sighting {
                at,
                execs,
                container: &container,
                image: image.as_deref(),
                digest,
                code: code.as_deref(),
            };
            let _ = baseline.observe(&identity, &sighting);
        }
        for gap in gaps {
            baseline.note(gap);
        }
        if let Some(ended) = ended {
            baseline.finish(ended);
        }
        baseline
    })
}
