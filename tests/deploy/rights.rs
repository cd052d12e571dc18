//! What the manifests let the agent do: what it needs, and nothing else.

use crate::{CHART, OVERLAYS, WHOLE_CHART, charted, container, only, overlay};
use execwarden::cli::needed_capabilities;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn kinds(objects: &[Value]) -> BTreeSet<&str> {
    objects
        .iter()
        .filter_map(|one| one["kind"].as_str())
        .collect()
}

#[test]
fn the_capabilities_are_those_that_the_doctor_looks_for() {
    let needed: BTreeSet<_> = needed_capabilities().collect();
    for objects in [overlay("base"), overlay("kube"), CHART.as_slice()] {
        let capabilities = &container(objects)["securityContext"]["capabilities"];
        let added = capabilities["add"].as_array().expect("a list").iter();
        let added: BTreeSet<_> = added
            .map(|name| format!("CAP_{}", name.as_str().expect("a name")))
            .collect();

        assert_eq!(capabilities["drop"], json!(["ALL"]));
        assert!(
            added.iter().map(String::as_str).eq(needed.iter().copied()),
            "{added:?}"
        );
    }
}

#[test]
fn the_units_capabilities_are_the_same() {
    let file = testbed::manifests::folder().join("systemd/execwarden.service");
    let unit = std::fs::read_to_string(file).expect("the unit");
    let set = unit
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="))
        .expect("a bounding set");

    let bounding: BTreeSet<_> = set.split(' ').collect();
    assert_eq!(bounding, needed_capabilities().collect());
    assert!(unit.lines().any(|line| line == "NoNewPrivileges=yes"));
    // Of the cgroups its own alone, for the canary's; and where its programs stay.
    for line in ["ProtectControlGroups=yes", "Delegate=yes"] {
        assert!(unit.lines().any(|one| one == line), "{line}");
    }
    let writable = { unit.lines() }.filter_map(|line| line.strip_prefix("ReadWritePaths="));
    let writable: Vec<_> = writable.flat_map(|paths| paths.split(' ')).collect();
    assert_eq!(
        writable,
        [
            "-/sys/fs/cgroup/system.slice/%n",
            "-/sys/fs/cgroup/unified/system.slice/%n",
            "-/sys/fs/bpf/execwarden"
        ]
    );
}

/// Systemd's own set of calls for services is without the one for that.
#[test]
fn the_unit_lets_the_agent_filter_its_calls() {
    let file = testbed::manifests::folder().join("systemd/execwarden.service");
    let unit = std::fs::read_to_string(file).expect("the unit");
    let calls = { unit.lines() }.find_map(|line| line.strip_prefix("SystemCallFilter="));

    let mut calls = calls.expect("a filter").split(' ');
    assert!(calls.any(|call| call == "seccomp"), "{unit}");
}

#[test]
fn nobody_gets_more_than_that() {
    for (name, objects) in OVERLAYS.iter() {
        let security = &container(objects)["securityContext"];

        assert_eq!(security["privileged"], false, "{name}");
        assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
        let pod = &only(objects, "DaemonSet")["spec"]["template"]["spec"];
        for absent in ["hostNetwork", "hostIPC"] {
            assert_eq!(pod.get(absent), None, "{name}");
        }
    }
}

/// Of the node it may write where its state and its socket are, make its canary's
/// cgroup, where it has one, and pin its programs, where they are to stay.
#[test]
fn what_is_the_nodes_is_mounted_to_be_read() {
    let without = charted(&["--set", "canary=off", "--set", "pinned=false"]);
    let own = ["/var/lib/execwarden", "/run/execwarden"];
    let all = [&own[..], &["/host/sys/fs/cgroup", "/sys/fs/bpf"]].concat();
    for (objects, expected) in [
        (overlay("base"), &all[..]),
        (WHOLE_CHART.as_slice(), &all),
        (without.as_slice(), &own),
    ] {
        let mounts = container(objects)["volumeMounts"]
            .as_array()
            .expect("mounts");
        let writable: Vec<_> = mounts
            .iter()
            .filter(|mount| mount["readOnly"] != true)
            .map(|mount| mount["mountPath"].as_str().expect("a path"))
            .collect();

        assert_eq!(writable, expected);
    }
}

/// What is mounted of the node is there, whatever runtime it has: nothing is made
/// on it but the agent's own two folders.
#[test]
fn nothing_but_the_agents_own_folders_is_made_on_a_node() {
    let objects = overlay("base");
    let volumes = &only(objects, "DaemonSet")["spec"]["template"]["spec"]["volumes"];
    let paths = volumes.as_array().expect("volumes").iter();
    let paths: Vec<_> = paths
        .filter_map(|volume| volume.get("hostPath"))
        .map(|path| {
            (
                path["path"].as_str().expect("a path"),
                path["type"].as_str(),
            )
        })
        .collect();

    let (here, made) = (Some("Directory"), Some("DirectoryOrCreate"));
    assert_eq!(
        paths,
        [
            ("/var/lib/execwarden", made),
            ("/run/execwarden", made),
            ("/run", here),
            ("/sys/fs/cgroup", here),
            ("/sys/kernel/tracing", here),
            ("/sys/fs/bpf", here),
        ]
    );
}

#[test]
fn only_who_asks_the_api_server_has_a_token_and_rights_there() {
    let rbac = |objects: &[Value]| kinds(objects).into_iter().any(|kind| kind.contains("Role"));
    let token = |objects: &[Value]| {
        let spec = &only(objects, "DaemonSet")["spec"]["template"]["spec"];
        spec["automountServiceAccountToken"] == true
    };
    for (name, objects) in OVERLAYS.iter() {
        let asks = name == "kube";

        assert_eq!(rbac(objects), asks, "{name}");
        assert_eq!(token(objects), asks, "{name}");
        assert_eq!(
            only(objects, "ServiceAccount")["automountServiceAccountToken"],
            false
        );
    }
    for (objects, asks) in [(&CHART, false), (&WHOLE_CHART, true)] {
        assert_eq!((rbac(objects), token(objects)), (asks, asks));
    }
}

#[test]
fn the_api_server_is_only_read() {
    let objects = overlay("kube");
    let rules = only(objects, "ClusterRole")["rules"].clone();

    assert_eq!(
        rules,
        json!([
            { "apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["get", "list", "watch"] },
            { "apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["get"] },
            { "apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get"] },
        ])
    );
}
