//! What OCSF makes of messages, by the names and rules of its schema.

use super::super::places::tests::{assert_complete, assert_documented, assert_sound};
use super::super::record::tests::record;
use super::super::samples::{every_message, lost};
use super::*;
use crate::alert::{Kind, Record, Subject};
use crate::model::{Identity, WorkloadId};

/// The members that the schema's objects may have, as far as they are in use.
const MEMBERS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "action",
            "action_id",
            "activity_id",
            "activity_name",
            "category_name",
            "category_uid",
            "class_name",
            "class_uid",
            "count",
            "device",
            "disposition",
            "disposition_id",
            "end_time",
            "evidences",
            "finding_info",
            "is_alert",
            "message",
            "metadata",
            "resources",
            "severity",
            "severity_id",
            "start_time",
            "status",
            "status_id",
            "time",
            "type_name",
            "type_uid",
            "unmapped",
        ],
    ),
    ("device", &["hostname", "type", "type_id"]),
    (
        "finding_info",
        &[
            "analytic",
            "last_seen_time",
            "related_analytics",
            "title",
            "types",
            "uid",
        ],
    ),
    ("finding_info.analytic", &["name", "type", "type_id"]),
    (
        "finding_info.related_analytics",
        &["name", "type", "type_id"],
    ),
    (
        "metadata",
        &[
            "event_code",
            "product",
            "profiles",
            "sequence",
            "uid",
            "version",
        ],
    ),
    ("metadata.product", &["name", "vendor_name", "version"]),
    ("resources", &["name", "namespace", "type", "uid"]),
    ("evidences", &["container", "device", "file", "process"]),
    (
        "evidences.container",
        &["image", "orchestrator", "runtime", "uid"],
    ),
    ("evidences.container.image", &["name", "uid"]),
    ("evidences.device", &["hostname", "type", "type_id"]),
    ("evidences.file", &["hashes", "name", "path", "type_id"]),
    (
        "evidences.file.hashes",
        &["algorithm", "algorithm_id", "value"],
    ),
    (
        "evidences.process",
        &[
            "ancestry",
            "cmd_line",
            "file",
            "name",
            "namespace_pid",
            "parent_process",
            "pid",
            "user",
            "working_directory",
        ],
    ),
    ("evidences.process.ancestry", &["path", "pid"]),
    (
        "evidences.process.file",
        &["hashes", "name", "path", "type_id"],
    ),
    (
        "evidences.process.file.hashes",
        &["algorithm", "algorithm_id", "value"],
    ),
    ("evidences.process.parent_process", &["file", "name", "pid"]),
    (
        "evidences.process.parent_process.file",
        &["name", "path", "type_id"],
    ),
    ("evidences.process.user", &["uid"]),
];

/// The members that have to be there wherever the object is; of those joined
/// by a bar, one.
const REQUIRED: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "activity_id",
            "category_uid",
            "class_uid",
            "finding_info",
            "metadata",
            "severity_id",
            "time",
            "type_uid",
        ],
    ),
    ("device", &["type_id", "hostname"]),
    ("finding_info", &["uid", "title"]),
    ("finding_info.analytic", &["name", "type_id"]),
    ("finding_info.related_analytics", &["name", "type_id"]),
    ("metadata", &["product", "version"]),
    ("metadata.product", &["name"]),
    ("resources", &["name|uid"]),
    ("evidences", &["device|file|process"]),
    ("evidences.container", &["uid"]),
    ("evidences.container.image", &["uid"]),
    ("evidences.file", &["name", "type_id"]),
    ("evidences.file.hashes", &["algorithm_id", "value"]),
    ("evidences.process", &["pid"]),
    ("evidences.process.ancestry", &["pid"]),
    ("evidences.process.file", &["name", "type_id"]),
    ("evidences.process.file.hashes", &["algorithm_id", "value"]),
    ("evidences.process.parent_process", &["pid"]),
    (
        "evidences.process.parent_process.file",
        &["name", "type_id"],
    ),
    ("evidences.process.user", &["uid"]),
];

/// Checks an object of the schema, and those within it.
fn check_object(place: &str, object: &Map<String, Json>) {
    let of = |table: &'static [(&str, &[&str])]| {
        let row = table.iter().find(|(name, _)| *name == place);
        row.map(|(_, names)| *names)
    };
    let known = of(MEMBERS).unwrap_or_else(|| panic!("there is no object at {place}"));
    for (name, value) in object {
        assert!(known.contains(&name.as_str()), "{place} has no {name}");
        let inner = format!("{place}.{name}");
        let inner = inner.trim_start_matches('.');
        if inner != "unmapped" {
            check_value(inner, value);
        }
    }
    for required in of(REQUIRED).unwrap_or_default() {
        let is_there = required.split('|').any(|name| object.contains_key(name));
        assert!(is_there, "{place} has no {required}");
    }
}

fn check_value(place: &str, value: &Json) {
    match value {
        Json::Object(object) => check_object(place, object),
        Json::Array(all) => all.iter().for_each(|one| check_value(place, one)),
        _ => {}
    }
}

fn decoded(message: Message<'_>) -> Json {
    let line = encode(message, 9);
    assert!(line.len() <= LONGEST, "{} bytes", line.len());
    assert_eq!(line.iter().position(|b| *b == b'\n'), Some(line.len() - 1));
    serde_json::from_slice(&line).expect("is JSON")
}

fn of_record(change: impl FnOnce(&mut Record)) -> Json {
    let mut record = record();
    change(&mut record);
    decoded(Message::Record(&record))
}

#[test]
fn the_documented_example_is_what_comes_out() {
    let line = String::from_utf8(encode(Message::Record(&record()), 9)).expect("is UTF-8");
    let version = concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\"");
    let line = line.replace(version, "\"version\":\"0.1.0\"");

    let documented = include_str!("../../../docs/ALERTS.md");
    assert!(
        documented.contains(&line),
        "docs/ALERTS.md has no line {line}"
    );
}

#[test]
fn the_documented_places_are_these() {
    assert_documented(PLACES, |path| match path.split_once('.') {
        Some(("evidence", rest)) => format!("evidences[].{rest}"),
        Some(("workload" | "pod", rest)) => format!("resources[].{rest}"),
        _ => path.to_owned(),
    });
}

#[test]
fn places_are_sound_and_no_fact_is_without() {
    assert_sound(PLACES, REST);
    every_message(|message| assert_complete(message, PLACES, REST));
}

#[test]
fn every_message_has_the_members_that_the_schema_has_and_wants() {
    every_message(|message| {
        let json = decoded(message);

        check_object("", json.as_object().expect("is an object"));
    });
}

#[test]
fn repeats_update_the_finding_of_the_first() {
    let first = of_record(|_| {});
    let time = "2026-01-02T03:04:06.5Z".parse().unwrap();
    let repeats = of_record(|record| {
        record.number = 8;
        record.kind = Kind::Repeats {
            count: 57,
            first: record.time,
            last: time,
        };
    });

    assert_eq!(first["type_uid"], 200_401);
    assert_eq!(repeats["type_uid"], 200_402);
    assert_eq!(repeats["count"], 57);
    assert_eq!(repeats["start_time"], 1_767_323_045_123_u64);
    assert_eq!(repeats["end_time"], 1_767_323_046_500_u64);
    assert_eq!(first["finding_info"]["uid"], "81b9473b98a6263a");
    assert_eq!(repeats["finding_info"]["uid"], "81b9473b98a6263a");
    assert_ne!(first["metadata"]["uid"], repeats["metadata"]["uid"]);
}

#[test]
fn a_process_without_a_number_leaves_its_file() {
    let bare = |identity: Identity| {
        of_record(|record| {
            record.subject = Subject::Exec {
                identity,
                evidence: None,
                nearest: None,
            };
        })
    };
    let files = |json: Json| {
        let evidences = json["evidences"].as_array().expect("is a list").clone();
        evidences
            .iter()
            .map(|one| one["file"]["path"].clone())
            .collect::<Vec<_>>()
    };

    assert_eq!(files(bare(Identity::image("/bin/sh"))), ["/bin/sh"]);
    assert_eq!(
        files(bare(Identity::script("/bin/sh", "/x"))),
        ["/x", "/bin/sh"]
    );
}

#[test]
fn an_image_without_a_digest_goes_by_its_name() {
    let image = |digest: Option<&str>| {
        let json = of_record(|record| {
            if let Some(container) = &mut record.container {
                container.image = Some("shop/api:1".into());
                container.image_digest = digest.map(Into::into);
            }
        });
        json["evidences"][0]["container"]["image"].clone()
    };

    assert_eq!(
        image(None),
        json!({"name": "shop/api:1", "uid": "shop/api:1"})
    );
    assert_eq!(
        image(Some("sha256:1")),
        json!({"name": "shop/api:1", "uid": "sha256:1"})
    );
}

#[test]
fn the_workload_and_its_pod_are_the_resources() {
    let json = of_record(|record| {
        record.workload = WorkloadId::Kubernetes {
            namespace: "shop".to_owned(),
            kind: "Deployment".to_owned(),
            name: "checkout".to_owned(),
            container: "api".to_owned(),
        };
        if let Some(container) = &mut record.container {
            container.pod = Some("checkout-1".into());
        }
    });

    assert_eq!(
        json["resources"],
        json!([
            {"name": "shop/Deployment/checkout/api", "namespace": "shop", "type": "workload"},
            {"name": "checkout-1", "type": "pod"},
        ])
    );
}

#[test]
fn lost_records_are_a_finding_of_their_own() {
    let json = decoded(Message::Lost(&lost()));

    assert_eq!(json["finding_info"]["uid"], "lost-7-1767323045123456");
    assert_eq!(json["severity"], "High");
    assert_eq!(
        json["unmapped"]["execwarden"],
        json!({
            "from": 5, "kind": "lost", "lost_of": ["2:runc/web", "1:runc/a,b"],
            "number": 7, "to": 7
        })
    );
}
