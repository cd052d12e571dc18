//! Whether what deploys the agent is what Kubernetes and the agent understand.
//!
//! - [`schema`]: an object against the Kubernetes API's own types
//! - [`kustomize`]: every overlay
//! - [`chart`]: Helm's renderings, and that the default one is the base
//! - [`agent`]: what in them the agent reads: flags, file, allowlists
//! - [`rights`]: what they let the agent do

mod agent;
mod chart;
mod kustomize;
mod rights;
mod schema;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;
use testbed::manifests;

/// What the base and each overlay render to. Every kubectl is asked once.
static OVERLAYS: LazyLock<BTreeMap<String, Vec<Value>>> = LazyLock::new(|| {
    let folder = manifests::folder().join("kustomize");
    let overlays = fs::read_dir(folder.join("overlays")).expect("the overlays");
    let overlays = overlays.map(|entry| entry.expect("an overlay").path());
    std::iter::once(folder.join("base"))
        .chain(overlays)
        .map(|folder| {
            let name = folder.file_name().expect("a name").to_string_lossy();
            let text = manifests::kustomize(&folder).expect("rendered");
            let objects = manifests::objects(&text).expect("objects");
            (name.into_owned(), objects)
        })
        .collect()
});

static CHART: LazyLock<Vec<Value>> = LazyLock::new(|| charted(&[]));

/// The chart with what its values can bring in beside the default.
static WHOLE_CHART: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let file = manifests::folder().with_file_name("allowlists/checkout.yaml");
    let file = format!("allowlists.checkout\\.yaml={}", file.display());
    let arguments = [
        "kube=true",
        "sysAdmin=true",
        "image.pullSecrets[0].name=registry",
        "networkPolicy.from[0].namespaceSelector.matchLabels.name=monitoring",
        "extraArgs={--json}",
        "webhook={https://siem.example.org/alerts#header-file=/webhook/headers}",
        "webhookSecret=siem",
    ];
    let set = arguments.iter().flat_map(|one| ["--set", one]);
    let arguments: Vec<_> = set.chain(["--set-file", &file]).collect();
    charted(&arguments)
});

fn overlay(name: &str) -> &'static [Value] {
    OVERLAYS
        .get(name)
        .unwrap_or_else(|| panic!("no overlay {name}"))
}

fn charted(arguments: &[&str]) -> Vec<Value> {
    let text = manifests::chart(arguments).expect("rendered");
    manifests::objects(&text).expect("objects")
}

fn only<'o>(objects: &'o [Value], kind: &str) -> &'o Value {
    manifests::object(objects, kind, "execwarden").expect("there")
}

/// The agent's container.
fn container(objects: &[Value]) -> &Value {
    let containers = &only(objects, "DaemonSet")["spec"]["template"]["spec"]["containers"];
    let [container] = containers.as_array().expect("containers").as_slice() else {
        panic!("not one container: {containers:#}");
    };
    container
}

/// A file of a ConfigMap.
fn files(objects: &[Value], name: &str) -> Vec<(String, String)> {
    let map = manifests::object(objects, "ConfigMap", name).expect("there");
    let files = map["data"].as_object().expect("files").iter();
    files
        .map(|(name, text)| (name.clone(), text.as_str().expect("text").to_owned()))
        .collect()
}
