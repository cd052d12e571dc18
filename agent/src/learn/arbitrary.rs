//! Baselines for property tests: grown through the public methods alone, from
//! few names, so that two of them have much in common.

use super::{Baseline, Gap, Sighting, Window};
use crate::model::{ContainerId, Identity, Layer, Untrusted, WorkloadId};
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
    let layer = prop_oneof![Just(Layer::Image), Just(Layer::Volume), Just(Layer::Memory)];
    (bytes(), option::weighted(0.2, bytes()), layer).prop_map(|(file, script, layer)| Identity {
        file,
        script,
        layer,
    })
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
    let sightings = vec((identity(), time(), execs, container(), image), 0..200);
    let gaps = vec(gap(), 0..3);
    (time(), sightings, gaps, option::of(time())).prop_map(|(started, sightings, gaps, ended)| {
        let mut baseline = empty();
        baseline.window.started = started;
        for (identity, at, execs, container, image) in sightings {
            let sighting = Sighting {
                at,
                execs,
                container: &container,
                image: image.as_deref(),
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
