use super::testing::import_error;
use super::*;
use crate::allowlist::arbitrary;
use clap::ValueEnum as _;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Every format but our own, with a kind that it reads.
const FOREIGN: [(Format, &str, &str); 5] = [
    (Format::NeuVector, "neuvector.com/v1", "NvSecurityRule"),
    (
        Format::Kubescape,
        "spdx.softwarecomposition.kubescape.io/v1beta1",
        "ApplicationProfile",
    ),
    (
        Format::KubeArmor,
        "security.kubearmor.com/v1",
        "KubeArmorPolicy",
    ),
    (Format::Tetragon, "cilium.io/v1alpha1", "TracingPolicy"),
    (
        Format::WorkloadPolicy,
        "security.rancher.io/v1alpha1",
        "WorkloadPolicy",
    ),
];

#[test]
fn every_format_is_tried() {
    assert_eq!(Format::value_variants().len(), FOREIGN.len() + 1);
}

#[test]
fn hostile_files_are_refused_with_their_place() {
    let deep = "[".repeat(300);
    let many = "---\na: 1\n".repeat(300);
    let large = " ".repeat(crate::allowlist::parse::MAX_FOREIGN_BYTES + 1);
    for (text, expected) in [
        ("", "there is no "),
        ("a: &a [x]\nb: *a\n", "anchors and aliases are refused"),
        (
            "a: 1\na: 2\n",
            "x.yaml:2:1: the field \"a\" stands here twice",
        ),
        (&deep, "nested too deeply"),
        (&many, "x.yaml:"),
        (&large, "the file is larger than 8388608 bytes"),
        ("a: !!python/object:x {}\n", "x.yaml:1:"),
        ("just text", "there is no "),
        ("kind: List\nitems: {a: 1}\n", "items: invalid type"),
    ] {
        for (format, ..) in FOREIGN {
            let error = import_error(format, text, &[]);
            assert!(
                error.contains(expected),
                "{format:?} of {:.40}: {error}",
                text
            );
        }
    }
}

#[test]
fn another_kind_or_version_is_named() {
    let error = import_error(
        Format::NeuVector,
        "apiVersion: neuvector.com/v2\nkind: NvSecurityRule\nmetadata: {name: x}\n",
        &[],
    );
    assert_eq!(
        error,
        "x.yaml: there is no NvSecurityRule or NvClusterSecurityRule (neuvector.com/v1) in it"
    );
}

#[test]
fn a_wrong_type_is_named_with_its_rule() {
    for (format, spec, expected) in [
        (
            Format::NeuVector,
            json!({"process": [{"action": "allow", "name": "x", "path": 1}]}),
            "x.yaml: NvSecurityRule x: process[0]: invalid type: integer `1`, expected a string",
        ),
        (
            Format::KubeArmor,
            json!({"process": {"matchPaths": ["/x"]}}),
            "x.yaml: KubeArmorPolicy x: process.matchPaths[0]: invalid type: string \"/x\", expected struct Rule",
        ),
        (
            Format::WorkloadPolicy,
            json!({"rulesByContainer": {"a": {"executables": {"allowed": [true]}}}}),
            "x.yaml: WorkloadPolicy x: spec: invalid type: boolean `true`, expected a string",
        ),
    ] {
        let (_, api, kind) = FOREIGN
            .into_iter()
            .find(|(f, ..)| *f == format)
            .expect("listed");
        let text = manifest(api, kind, spec).to_string();
        assert_eq!(import_error(format, &text, &[]), expected);
    }
}

#[test]
fn our_own_form_stays_as_it_is() {
    let text = "apiVersion: execwarden.dev/v1alpha1
kind: ProcessAllowlist
metadata:
  name: x
spec:
  workload:
    runtime: runc
    name: web
  mode: enforce
  action: alert
  processes:
    - path: /a
";
    let imported = import(Format::Yaml, "x.yaml", text.as_bytes()).expect("ours");
    let documents = assign(imported.parts, &[]).expect("it says whose it is");
    let exported = export(Format::Yaml, &documents).expect("exported");

    assert_eq!(exported.text, text);
    assert_eq!(exported.losses, [Losses::default()]);
}

#[test]
fn what_is_outside_kubernetes_is_named() {
    let text = "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\nmetadata: {name: x}\n\
                spec: {workload: {runtime: runc, name: web}, processes: []}\n";
    let document = parse("x", text.as_bytes()).expect("a document");
    for (format, ..) in FOREIGN {
        let error = export(format, std::slice::from_ref(&document)).expect_err("no such workload");
        assert_eq!(
            error.to_string(),
            "runc/web: the format is one of Kubernetes, and this is no workload of Kubernetes"
        );
    }
}

fn manifest(api: &str, kind: &str, spec: Value) -> Value {
    json!({
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": "x", "namespace": "shop"},
        "spec": spec,
    })
}

/// Anything that could stand in a spec, with names that formats know.
fn spec() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..2u32).prop_map(Value::from),
        proptest::sample::select(vec![
            "/a",
            "/a/*",
            "*",
            "/*",
            "/a/*/b",
            "⋯",
            "allow",
            "deny",
            "Allow",
            "Block",
            "NotEqual",
            "NotIn",
            "Prefix",
            "security_bprm_check",
            "sched",
            "sched_process_exec",
            "linux_binprm",
            "monitor",
            "",
            "/a/⋯/b",
            "x",
        ])
        .prop_map(Value::from),
    ];
    let key = proptest::sample::select(vec![
        "process",
        "name",
        "path",
        "action",
        "containers",
        "execs",
        "args",
        "matchPaths",
        "matchPatterns",
        "matchDirectories",
        "dir",
        "pattern",
        "fromSource",
        "kprobes",
        "call",
        "selectors",
        "matchArgs",
        "matchBinaries",
        "operator",
        "values",
        "index",
        "type",
        "tracepoints",
        "subsystem",
        "event",
        "rulesByContainer",
        "executables",
        "allowed",
        "process_profile",
        "mode",
        "target",
    ]);
    leaf.prop_recursive(6, 48, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(key.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_spec_ends_in_valid_documents_or_an_error(spec in spec()) {
        let says = ["shop/Deployment/x/y".parse().expect("a workload")];
        for (format, api, kind) in FOREIGN {
            let text = manifest(api, kind, spec.clone()).to_string();
            if let Ok(imported) = import(format, "x", text.as_bytes()) {
                for document in assign(imported.parts, &says).unwrap_or_default() {
                    prop_assert_eq!(parse("x", render(&document).as_bytes()), Ok(document));
                }
            }
        }
    }

    #[test]
    fn any_bytes_end_in_an_error(bytes in any::<Vec<u8>>()) {
        for (format, ..) in FOREIGN {
            prop_assert!(import(format, "x", &bytes).is_err());
        }
    }

    #[test]
    fn what_comes_back_is_a_part_of_what_went_out(document in arbitrary::document()) {
        let mut document = document;
        document.spec.workload = WorkloadId::Kubernetes {
            namespace: "shop".to_owned(),
            kind: "Deployment".to_owned(),
            name: "checkout".to_owned(),
            container: "api".to_owned(),
        };
        let known: BTreeSet<String> = document
            .spec
            .processes
            .iter()
            .flat_map(|p| {
                let interpreter = p.interpreter().map(|i| i.as_str().to_owned());
                let via = match p.run_as() {
                    crate::allowlist::RunAs::Script { via, .. } => via.clone(),
                    _ => Vec::new(),
                };
                let via = via.into_iter().map(|path| path.as_str().to_owned());
                let path = p.path().as_str().to_owned();
                [path].into_iter().chain(interpreter).chain(via).collect::<Vec<_>>()
            })
            .collect();
        let says = ["shop/Deployment/checkout/api".parse().expect("a workload")];
        for (format, ..) in FOREIGN {
            let Ok(exported) = export(format, std::slice::from_ref(&document)) else {
                continue;
            };
            let imported = import(format, "x", exported.text.as_bytes());
            let imported = imported.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let back = assign(imported.parts, &says);
            for back in back.map_err(|error| TestCaseError::fail(error.to_string()))? {
                for process in &back.spec.processes {
                    prop_assert!(known.contains(process.path().as_str()), "{format:?}: {process:?}");
                }
            }
        }
    }
}
