//! Any valid document, for the properties.

use super::document::{
    Action, Document, LearnedFrom, Metadata, Mode, Spec, Status, Unverified, Window,
};
use super::{
    Applet, ArgsPattern, Conditions, Contents, Digests, ExactPath, Filling, MadeFrom, Parent,
    PathPattern, Process, Removed, RunAs, StruckAs,
};
use crate::model::{Digest, Identity, Layer, Role, Runtime, Script, WorkloadId};
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

fn applet() -> impl Strategy<Value = Applet> {
    let name = prop_oneof![
        3 => select(vec!["a", "b", "bin"]).prop_map(str::to_owned),
        1 => segment(),
    ];
    name.prop_map(|name| Applet::of(&name.as_str().into()).expect("a name"))
}

fn run_as() -> impl Strategy<Value = RunAs> {
    prop_oneof![
        3 => Just(RunAs::Program),
        2 => applet().prop_map(RunAs::Applet),
        2 => (exact(), layer(), vec(exact(), 0..2)).prop_map(|(interpreter, layer, via)| {
            RunAs::Script { interpreter, interpreter_layer: layer, via }
        }),
    ]
}

/// One of few, so that two are often the same.
pub(crate) fn digest() -> impl Strategy<Value = Digest> {
    select(vec![
        Digest([0; 32]),
        Digest([0xaa; 32]),
        Digest([0x1e; 32]),
    ])
}

fn digests() -> impl Strategy<Value = Option<Digests>> {
    option::of(select(vec![Digests::Verify, Digests::Record]))
}

fn args() -> impl Strategy<Value = ArgsPattern> {
    let text = prop_oneof![
        select(vec!["-c", "*", "x*", r"\*", "a\nb\t", "", "- x", "no"]).prop_map(str::to_owned),
        segment().prop_map(|s| s.replace('\\', "\\\\")),
    ];
    (vec(text, 0..3), any::<bool>()).prop_map(|(mut texts, rest)| {
        texts.extend(rest.then(|| "**".to_owned()));
        ArgsPattern::new(texts.iter().map(String::as_str)).expect("patterns")
    })
}

fn parent() -> impl Strategy<Value = Parent> {
    prop_oneof![
        exact().prop_map(Parent::Path),
        Just(Parent::ContainerInit),
        Just(Parent::Injected),
    ]
}

/// Any conditions; often none.
fn conditions() -> impl Strategy<Value = Conditions> {
    let some = (
        option::weighted(0.3, (btree_set(digest(), 1..3), digests())),
        option::weighted(0.3, args()),
        btree_set(parent(), 0..2),
        btree_set(0u32..3, 0..2),
    )
        .prop_map(|(contents, args, parents, users)| Conditions {
            contents: contents.and_then(|(any_of, digests)| Contents::new(any_of, digests)),
            args,
            parents,
            users,
        });
    prop_oneof![Just(Conditions::default()), some]
}

/// Any entry.
pub(crate) fn process() -> impl Strategy<Value = Process> {
    (pattern(), run_as(), layer(), conditions()).prop_filter_map("an entry", |(p, r, l, c)| {
        Process::new(p, r, l).ok().map(|process| process.under(c))
    })
}

/// Any entry as the agent writes one where it put a `*`.
fn generalised() -> impl Strategy<Value = Process> {
    let fillings = vec(select(Filling::ALL.to_vec()), 4);
    let origin = (btree_set(exact(), 1..4), 0u64..9);
    (process(), fillings, origin).prop_map(|(process, mut fillings, (examples, more))| {
        let stars = process.path().as_str().matches('*').count();
        fillings.truncate(stars);
        let path = process.path().clone();
        let narrowed = path.narrowed(fillings).expect("one star in a segment");
        let count = examples.len() as u64 + more;
        Process::new(narrowed, process.run_as().clone(), process.layer())
            .expect("it was an entry")
            .under(process.conditions().clone())
            .made_from(MadeFrom::new(count, examples).expect("no contradiction"))
    })
}

/// An identity as the kernel tells it; often one that [`process`] names.
pub(crate) fn identity() -> impl Strategy<Value = Identity> {
    let script = (exact(), layer(), vec(exact(), 0..2));
    (exact(), option::weighted(0.3, script), layer()).prop_map(|(file, script, layer)| {
        let role = script.map_or(Role::Program, |(path, layer, via)| {
            Role::Script(Script {
                path: path.as_str().into(),
                via: via.iter().map(|script| script.as_str().into()).collect(),
                layer,
            })
        });
        Identity {
            file: file.as_str().into(),
            role,
            layer,
        }
    })
}

fn removed() -> impl Strategy<Value = Removed> {
    let run_as = prop_oneof![
        applet().prop_map(StruckAs::Applet),
        exact().prop_map(StruckAs::ScriptOf),
    ];
    (pattern(), option::of(run_as), option::of(layer())).prop_map(|(path, run_as, layer)| Removed {
        path,
        run_as,
        layer,
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
        option::of(any::<bool>()),
        vec(".{0,20}", 0..3),
    )
        .prop_map(
            |(
                (containers, nodes),
                images,
                started,
                ended,
                ended_because,
                gaps,
                complete,
                pending_review,
            )| Status {
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
                complete,
                pending_review,
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
        option::of(select(vec![Action::Alert, Action::Block])),
        select(vec![Unverified::Run, Unverified::Deny]),
        digests(),
        btree_set(prop_oneof![4 => process(), 1 => generalised()], 0..8),
        btree_set(removed(), 0..3),
    )
        .prop_map(
            |(workload, mode, action, unverified, digests, processes, mut removed)| {
                removed.retain(|r| !processes.iter().any(|p| r.contradicts(p)));
                Spec {
                    workload,
                    mode,
                    action,
                    unverified,
                    digests,
                    processes,
                    removed,
                }
            },
        );
    (metadata, spec, option::of(status())).prop_map(|(metadata, spec, status)| Document {
        metadata,
        spec,
        status,
    })
}
