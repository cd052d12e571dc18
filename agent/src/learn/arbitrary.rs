//! Baselines for property tests: grown through the public methods alone, from
//! few names, so that two of them have much in common.

use super::{Appearance, Around, Baseline, Came, Ending, Gap, Sighting, Window};
use crate::model::{
    ContainerId, Digest, Identity, Layer, Reason, Role, Script, Untrusted, WorkloadId,
};
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
        ending: Ending::after(Duration::from_secs(60)),
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
    let around = (
        option::of(0..20u32),
        option::of(bytes()),
        vec(bytes(), 0..2),
        prop_oneof![
            Just(Came::PutIn),
            Just(Came::FromPutIn),
            Just(Came::FromWithin)
        ],
    );
    let sightings = vec(
        (
            identity(),
            time(),
            execs,
            container(),
            image,
            digest,
            code,
            around,
        ),
        0..200,
    );
    let gaps = vec((gap(), time()), 0..3);
    let held = vec((identity(), time()), 0..4);
    let appeared = vec((container(), 0..3u8, any::<bool>()), 0..4);
    let rest = (gaps, held, appeared, option::of(time()));
    (time(), sightings, rest).prop_map(|(started, sightings, (gaps, held, appeared, ended))| {
        let mut baseline = empty();
        baseline.window.started = started;
        for (container, digest, from_its_start) in appeared {
            baseline.appeared(&Appearance {
                container: &container,
                image: None,
                image_digest: Some(&digest.to_string()),
                node: "node-1",
                from_its_start,
            });
        }
        for (identity, at) in held {
            baseline.hold(&identity, Reason::Drift, at);
        }
        for (
            identity,
            at,
            execs,
            container,
            image,
            digest,
            code,
            (user, parent, arguments, came),
        ) in sightings
        {
            let around = Around {
                node: Some("node-1"),
                user,
                parent: parent.as_ref(),
                came,
                arguments: Some(&arguments),
            };
            let sighting = Sighting {
                at,
                execs,
                container: &container,
                image: image.as_deref(),
                around,
                digest,
                code: code.as_deref(),
            };
            let _ = baseline.observe(&identity, &sighting);
        }
        for (gap, at) in gaps {
            baseline.note(gap, at);
        }
        if let Some(ended) = ended {
            baseline.finish(ended);
        }
        baseline
    })
}
