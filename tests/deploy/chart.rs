//! What Helm makes of the chart.

use crate::{CHART, WHOLE_CHART, agent, charted, only, overlay, schema};
use serde_json::Value;
use std::collections::BTreeMap;
use testbed::manifests;

/// Helm's own labels.
const LABELS: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

#[test]
fn whatever_is_chosen_is_what_the_api_knows() {
    for objects in [&CHART, &WHOLE_CHART] {
        for object in objects.iter() {
            let problems = schema::problems(object);
            assert!(problems.is_empty(), "{}: {problems:#?}", object["kind"]);
        }
    }
}

#[test]
fn by_default_it_is_the_base() {
    assert_same(&CHART, overlay("base"));
}

#[test]
fn values_say_what_overlays_say() {
    for (values, name) in [
        (&["--set", "mode=learn"][..], "learn"),
        (&["--set", "mode=enforce"], "enforce"),
        (&["--set", "action=block"], "block"),
        (&["--set", "kube=true"], "kube"),
        (&["--set", "sysAdmin=true"], "sys-admin"),
        (&["--set", "seccompProfile=Unconfined"], "cri-o"),
    ] {
        assert_same(&charted(values), overlay(name));
    }
}

#[test]
fn values_that_mean_nothing_are_refused() {
    for (values, named) in [
        ("mode=block", "/mode"),
        ("action=page", "/action"),
        ("window=soon", "/window"),
        ("syslog={ftp://x}", "/syslog"),
        ("webhook={tcp://x}", "/webhook"),
        ("no-such=1", "no-such"),
        ("image.tga=1", "tga"),
        ("metrics.port=70000", "/metrics/port"),
        ("allowlists.web=x", "'web'"),
    ] {
        let error = manifests::chart(&["--set", values]).expect_err(values);

        let error = format!("{error:#}");
        assert!(error.contains(named), "{values}: {error}");
    }
}

/// The namespace is Helm's own to make, and the files in ConfigMaps may say the
/// same in other words.
fn assert_same(chart: &[Value], kustomize: &[Value]) {
    assert_eq!(agent::configuration(chart), agent::configuration(kustomize));
    assert_eq!(agent::own_allowlist(chart), agent::own_allowlist(kustomize));
    let chart = by_name(chart);
    let mut kustomize = by_name(kustomize);
    assert!(kustomize.remove("Namespace execwarden").is_some());
    let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&chart), names(&kustomize));
    for (name, object) in &chart {
        let mut found = Vec::new();
        schema::compare(name, object, &kustomize[name], &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }
}

fn by_name(objects: &[Value]) -> BTreeMap<String, Value> {
    let name = |object: &Value| {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        format!(
            "{} {}",
            text(&object["kind"]),
            text(&object["metadata"]["name"])
        )
    };
    let mut named = BTreeMap::new();
    for object in objects {
        let mut object = object.clone();
        without_labels(&mut object);
        without_labels(&mut object["spec"]["template"]);
        if object["spec"] == serde_json::json!({ "template": null }) {
            object.as_object_mut().expect("an object").remove("spec");
        }
        if object["kind"] == "ConfigMap" {
            object["data"] = "compared above".into();
        }
        named.insert(name(&object), object);
    }
    named
}

fn without_labels(object: &mut Value) {
    let Some(labels) = object.pointer_mut("/metadata/labels") else {
        return;
    };
    let labels = labels.as_object_mut().expect("labels");
    labels.retain(|name, _| !LABELS.contains(&name.as_str()));
}

#[test]
fn the_charts_version_is_the_agents() {
    let labels = &only(&CHART, "DaemonSet")["metadata"]["labels"];

    assert_eq!(
        labels["app.kubernetes.io/version"],
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(
        labels["helm.sh/chart"],
        format!("execwarden-{}", env!("CARGO_PKG_VERSION"))
    );
}
