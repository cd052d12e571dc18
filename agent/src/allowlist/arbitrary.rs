//! Any valid document, for the properties.

use super::document::{Action, Document, LearnedFrom, Metadata, Mode, Spec, Status, Window};
use super::{ExactPath, PathPattern, Process, Removed};
use crate::model::{Identity, Layer, Runtime, WorkloadId};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Any layer that a document can have.
pub(crate) fn layer() -> impl Strategy<Value = Layer> {
    use Layer::{Host, Image, Memory, Tmpfs, Upper, Volume};
    select(vec![Image, Image, Upper, Volume, Tmpfs, Memory, Host])
}

fn segment() -> impl Strategy<Value = String> {
    let odd = select(vec![
        " ", "a: b", "#", " #x", "\"", "'", "[", "{a,b}", "?", "\\", "ä", "☃", "~", "- x", "a b ",
        "\u{ffff}", "...", "%", "&x", "!t", "true", "1", "|", ">", "@", "`",
    ]);
    prop_oneof![
        4 => select(vec!["a", "b", "usr", "bin"]).prop_map(str::to_owned),
        2 => odd.prop_map(str::to_owned),
        1 => "[^/*\\p{C}\\p{Z}]{1,12}",
    ]
    .prop_filter("plain and normalised", |s| {
        ExactPath::new(&format!("/{s}")).is_ok()
    })
}

fn exact() -> impl Strategy<Value = ExactPath> {
    vec(segment(), 1..4)
        .prop_map(|segments| ExactPath::new(&format!("/{}", segments.join("/"))).expect("a path"))
}

fn pattern() -> impl Strategy<Value = PathPattern> {
    let part = prop_oneof![
        3 => segment(),
        1 => Just("*".to_owned()),
        1 => segment().prop_map(|s| format!("{s}*")),
    ];
    vec(part, 1..4)
        .prop_map(|segments| PathPattern::new(&format!("/{}", segments.join("/"))).expect("a path"))
}

/// Any entry.
pub(crate) fn process() -> impl Strategy<Value = Process> {
    (pattern(), option::weighted(0.3, exact()), layer())
        .prop_filter_map("an entry", |(p, i, l)| Process::new(p, i, l).ok())
}

/// An identity; often one that [`process`] covers.
pub(crate) fn identity() -> impl Strategy<Value = Identity> {
    (exact(), option::weighted(0.3, exact()), layer()).prop_map(|(file, script, layer)| Identity {
        file: file.as_str().into(),
        script: script.map(|s| s.as_str().into()),
        layer,
    })
}

fn removed() -> impl Strategy<Value = Removed> {
    (pattern(), option::of(exact()), option::of(layer())).prop_map(|(path, interpreter, layer)| {
        Removed {
            path,
            interpreter,
            layer,
        }
    })
}

fn workload() -> impl Strategy<Value = WorkloadId> {
    let part = || "[^/\\p{C}\\p{Z}]{1,8}";
    prop_oneof![
        (part(), part(), part(), part()).prop_map(|(namespace, kind, name, container)| {
            WorkloadId::Kubernetes {
                namespace,
                kind,
                name,
                container,
            }
        }),
        "[a-z/]{1,9}".prop_map(|name| WorkloadId::Runtime {
            runtime: Runtime::CriO,
            name
        }),
        part().prop_map(|unit| WorkloadId::Unit { unit }),
    ]
}

fn timestamp() -> impl Strategy<Value = jiff::Timestamp> {
    (0i64..4_000_000_000)
        .prop_map(|s| jiff::Timestamp::from_second(s).expect("between 1970 and 2096"))
}

fn status() -> impl Strategy<Value = Status> {
    (
        any::<(u32, u32)>(),
        btree_set(".{0,20}", 0..3),
        option::of(timestamp()),
        option::of(timestamp()),
        option::of(".{0,8}"),
        vec(".{0,20}", 0..3),
    )
        .prop_map(
            |((containers, nodes), images, started, ended, ended_because, gaps)| Status {
                learned_from: LearnedFrom {
                    containers: containers.into(),
                    nodes: nodes.into(),
                    images,
                },
                window: Window {
                    started,
                    ended,
                    ended_because,
                },
                gaps,
            },
        )
}

/// Any valid document.
pub(crate) fn document() -> impl Strategy<Value = Document> {
    let texts = || btree_map("[a-zA-Z0-9./_-]{1,12}", any::<String>(), 0..3);
    let metadata = (
        "[a-z0-9.-]{1,20}",
        option::of("[a-z0-9.-]{1,9}"),
        texts(),
        texts(),
    )
        .prop_map(|(name, namespace, labels, annotations)| Metadata {
            name,
            namespace,
            labels,
            annotations,
        });
    let spec = (
        workload(),
        select(vec![Mode::Enforce, Mode::Learn, Mode::Off]),
        btree_set(process(), 0..8),
        btree_set(removed(), 0..3),
    )
        .prop_map(|(workload, mode, processes, mut removed)| {
            removed.retain(|r| !processes.iter().any(|p| r.contradicts(p)));
            Spec {
                workload,
                mode,
                action: Action::Alert,
                processes,
                removed,
            }
        });
    (metadata, spec, option::of(status())).prop_map(|(metadata, spec, status)| Document {
        metadata,
        spec,
        status,
    })
}
