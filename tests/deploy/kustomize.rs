//! Every overlay, by every kubectl there is.

use crate::{OVERLAYS, container, only, overlay, schema};
use serde_json::{Value, json};
use testbed::manifests;

#[test]
fn every_overlay_is_what_the_api_knows() {
    for (name, objects) in OVERLAYS.iter() {
        assert!(objects.len() >= 6, "{name}: {}", objects.len());
        for object in objects {
            let problems = schema::problems(object);
            assert!(
                problems.is_empty(),
                "{name}: {}: {problems:#?}",
                object["kind"]
            );
        }
    }
}

/// The tests with real containers read the file, for want of a kubectl on every
/// machine that they run on.
#[test]
fn the_base_renders_its_daemonset_as_it_is_written() {
    let file = manifests::folder().join("kustomize/base/daemonset.yaml");
    let text = std::fs::read_to_string(file).expect("the file");
    let mut written = manifests::objects(&text).expect("an object").remove(0);
    written["metadata"]["namespace"] = "execwarden".into();
    let image = format!("execwarden:{}", env!("CARGO_PKG_VERSION"));
    written["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();

    assert_eq!(only(overlay("base"), "DaemonSet"), &written);
}

#[test]
fn an_overlay_changes_what_it_says_and_nothing_else() {
    for (name, expected) in [
        (
            "learn",
            vec![".args[1] is \"--automatic=24h\" and not \"--learn=24h\""],
        ),
        (
            "enforce",
            vec![".args[1] is \"--automatic=24h\" and not \"--enforce\""],
        ),
        (
            "cri-o",
            vec![
                ".securityContext.seccompProfile.type is \"RuntimeDefault\" and not \"Unconfined\"",
            ],
        ),
    ] {
        assert_eq!(changes(overlay(name)), expected, "{name}");
    }
    let added = json!([
        "BPF",
        "PERFMON",
        "SYS_PTRACE",
        "SYS_RESOURCE",
        "DAC_READ_SEARCH",
        "SYS_NICE",
        "SYS_ADMIN"
    ]);
    let sys_admin = overlay("sys-admin");
    assert_eq!(
        container(sys_admin)["securityContext"]["capabilities"]["add"],
        added
    );
    assert_eq!(changes(sys_admin).len(), 1);
    let kube = overlay("kube");
    assert_eq!(
        container(kube)["args"],
        json!(["run", "--automatic=24h", "--kube"])
    );
    assert_eq!(changes(kube).len(), 1);
    let block = overlay("block");
    assert_eq!(
        container(block)["args"],
        json!(["run", "--automatic=24h", "--action=block"])
    );
    let capabilities = &container(block)["securityContext"]["capabilities"]["add"];
    assert_eq!(
        capabilities.as_array().and_then(|all| all.last()),
        Some(&json!("KILL"))
    );
    assert_eq!(changes(block).len(), 2);
}

/// What of the agent's container differs from the base's.
fn changes(objects: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    schema::compare(
        "",
        container(overlay("base")),
        container(objects),
        &mut found,
    );
    found
}
