//! An object against the Kubernetes API's own types.
//!
//! It is read as its type and written again, and has to be the same: a field
//! that the type does not have is lost on the way, and one that it requires comes
//! in addition. What a text may say (`type: Directory`) is not looked at.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What is wrong with an object, each with its place; nothing if it is valid.
pub fn problems(object: &Value) -> Vec<String> {
    let kind = (object["apiVersion"].as_str(), object["kind"].as_str());
    match kind {
        (Some("v1"), Some("Namespace")) => of::<Namespace>(object),
        (Some("v1"), Some("ServiceAccount")) => of::<ServiceAccount>(object),
        (Some("v1"), Some("ConfigMap")) => of::<ConfigMap>(object),
        (Some("apps/v1"), Some("DaemonSet")) => of::<DaemonSet>(object),
        (Some("networking.k8s.io/v1"), Some("NetworkPolicy")) => of::<NetworkPolicy>(object),
        (Some("rbac.authorization.k8s.io/v1"), Some("ClusterRole")) => of::<ClusterRole>(object),
        (Some("rbac.authorization.k8s.io/v1"), Some("ClusterRoleBinding")) => {
            of::<ClusterRoleBinding>(object)
        }
        _ => vec![format!("nothing here is a {kind:?}")],
    }
}

fn of<T: DeserializeOwned + Serialize>(object: &Value) -> Vec<String> {
    match serde_json::from_value::<T>(object.clone()) {
        Ok(typed) => {
            let again = serde_json::to_value(typed).expect("any object can be written");
            let mut found = Vec::new();
            compare("", object, &again, &mut found);
            found
        }
        Err(error) => vec![error.to_string()],
    }
}

/// The differences of two values, with their places.
pub fn compare(place: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            for (name, value) in one {
                match other.get(name) {
                    Some(again) => compare(&format!("{place}.{name}"), value, again, found),
                    None => found.push(format!("{place}.{name} is unknown")),
                }
            }
            let missing = other.keys().filter(|name| !one.contains_key(*name));
            found.extend(missing.map(|name| format!("{place}.{name} is missing")));
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (n, (value, again)) in one.iter().zip(other).enumerate() {
                compare(&format!("{place}[{n}]"), value, again, found);
            }
        }
        _ if one == other => {}
        _ => found.push(format!("{place} is {one} and not {other}")),
    }
}

#[test]
fn what_the_api_does_not_know_is_named() {
    let objects = crate::overlay("kube");
    let check = |kind: &str, change: &str, value: Option<Value>, expected: &str| {
        let mut object = crate::only(objects, kind).clone();
        let (parent, name) = change.rsplit_once('/').expect("a pointer");
        let parent = object.pointer_mut(parent).and_then(Value::as_object_mut);
        let parent = parent.unwrap_or_else(|| panic!("no {change}"));
        match value {
            Some(value) => drop(parent.insert(name.to_owned(), value)),
            None => drop(parent.remove(name).unwrap_or_else(|| panic!("no {change}"))),
        }

        let found = problems(&object);

        assert!(
            found.iter().any(|one| one.contains(expected)),
            "{change}: {found:?}"
        );
    };
    const CONTAINER: &str = "/spec/template/spec/containers/0";
    let container = |rest: &str| format!("{CONTAINER}/{rest}");

    check(
        "DaemonSet",
        "/spec/replicas",
        Some(3.into()),
        ".spec.replicas is unknown",
    );
    check(
        "DaemonSet",
        &container("securityContext/capabilites"),
        Some(serde_json::json!({})),
        ".securityContext.capabilites is unknown",
    );
    check(
        "DaemonSet",
        &container("imagePullPolice"),
        Some("Always".into()),
        "is unknown",
    );
    check(
        "DaemonSet",
        "/metadata/lables",
        Some(serde_json::json!({})),
        "is unknown",
    );
    check(
        "ServiceAccount",
        "/automount",
        Some(false.into()),
        ".automount is unknown",
    );
    check(
        "ClusterRole",
        "/rules/0/verb",
        Some(serde_json::json!([])),
        "is unknown",
    );

    check(
        "DaemonSet",
        "/spec/template/spec/hostPID",
        Some("yes".into()),
        "invalid type",
    );
    check(
        "DaemonSet",
        &container("args"),
        Some("run".into()),
        "invalid type",
    );
    check(
        "DaemonSet",
        &container("ports/0/containerPort"),
        Some("x".into()),
        "invalid type",
    );

    check(
        "DaemonSet",
        "/spec/selector",
        None,
        ".spec.selector is missing",
    );
    check(
        "DaemonSet",
        &container("name"),
        None,
        "containers[0].name is missing",
    );
    check(
        "DaemonSet",
        &container("volumeMounts/0/mountPath"),
        None,
        "volumeMounts[0].mountPath is missing",
    );
    check(
        "ClusterRoleBinding",
        "/roleRef/name",
        None,
        ".roleRef.name is missing",
    );
    check(
        "NetworkPolicy",
        "/kind",
        Some("NetworkPolice".into()),
        "nothing here is a",
    );
}
