use super::identity::Bytes;
use super::*;
use crate::learn::{Arguments, Around, Sighting, arbitrary};
use crate::model::{Digest, Identity, Layer, Role, Script, Untrusted};
use proptest::prelude::*;

/// A baseline with one entry, as JSON.
fn written() -> serde_json::Value {
    let mut baseline = arbitrary::empty();
    let sighting = Sighting {
        at: Timestamp::UNIX_EPOCH,
        execs: 3,
        container: &ContainerId::new("c1").unwrap(),
        image: Some("nginx@sha256:1"),
        around: Around::default(),
        digest: None,
        code: None,
    };
    let _ = baseline.observe(&Identity::image("/bin/sh"), &sighting);
    serde_json::to_value(&baseline).unwrap()
}

fn refused(change: impl Fn(&mut serde_json::Value), expected: &str) {
    let mut record = written();
    change(&mut record);

    let error = serde_json::from_value::<Baseline>(record).unwrap_err();

    assert_eq!(error.to_string(), expected);
}

#[test]
fn is_plain_to_read() {
    let record = written();

    assert_eq!(record["container_names"], serde_json::json!(["c1"]));
    assert_eq!(
        record["entries"],
        serde_json::json!([{
            "file": "/bin/sh",
            "layer": "image",
            "first_seen": "1970-01-01T00:00:00Z",
            "last_seen": "1970-01-01T00:00:00Z",
            "execs": 3,
            "containers": { "listed": [0] },
            "images": { "listed": [0] },
        }])
    );
}

#[test]
fn what_a_file_is_run_as_and_with_is_plain_too() {
    let mut baseline = arbitrary::empty();
    let mut see = |identity: &Identity, digest, code: Option<&[String]>| {
        let sighting = Sighting {
            at: Timestamp::UNIX_EPOCH,
            execs: 3,
            container: &ContainerId::new("c1").unwrap(),
            image: None,
            around: Around::default(),
            digest,
            code,
        };
        let _ = baseline.observe(identity, &sighting);
    };
    let code = ["-c".to_owned(), "x".to_owned()];
    see(
        &Identity::applet("/bin/busybox", "sh"),
        Some(Digest([0xab; 32])),
        Some(&code),
    );
    let script = Script {
        path: "/run.sh".into(),
        via: vec!["/bin/wrap".into()],
        layer: Layer::Volume,
    };
    let script = Identity {
        role: Role::Script(script),
        ..Identity::image("/bin/dash")
    };
    see(&script, None, None);

    let record = serde_json::to_value(&baseline).unwrap();

    let [applet, script] = [&record["entries"][0], &record["entries"][1]];
    assert_eq!(applet["applet"], "sh");
    assert_eq!(applet["digests"]["listed"][0], "ab".repeat(32));
    assert_eq!(applet["arguments"], serde_json::json!([["-c", "x"]]));
    assert_eq!(script["script"], "/run.sh");
    assert_eq!(script["script_layer"], "volume");
    assert_eq!(script["via"], serde_json::json!(["/bin/wrap"]));
}

/// Format 1 had neither applets nor a script's layer, digests nor arguments.
#[test]
fn an_entry_of_the_first_format_is_read() {
    let mut record = written();
    record["entries"][0]["script"] = "/run.sh".into();

    let baseline: Baseline = serde_json::from_value(record).unwrap();

    let evidence = &baseline.entries[&Identity::script("/bin/sh", "/run.sh")];
    assert_eq!(evidence.arguments, Arguments::Any);
    assert!(evidence.digests.is_empty());
}

#[test]
fn a_record_that_breaks_a_promise_is_refused() {
    refused(
        |record| record["entries"][0]["containers"]["listed"] = vec![1].into(),
        "there is no name number 1",
    );
    refused(
        |record| record["container_names"][0] = "../c1".into(),
        "\"../c1\" is not a container's id",
    );
    refused(
        |record| record["entries"][0]["first_seen"] = "1970-01-02T00:00:00Z".into(),
        "entry 0 has evidence that contradicts itself",
    );
    refused(
        |record| {
            let entry = record["entries"][0].clone();
            record["entries"].as_array_mut().unwrap().push(entry);
        },
        "entry 1 was there before",
    );
    refused(
        |record| record["entries"] = vec![record["entries"][0].clone(); MAX_ENTRIES + 1].into(),
        "there are more entries than a baseline holds",
    );
    let role = "entry 0 is more than one thing, or a part of one";
    refused(
        |record| record["entries"][0]["script_layer"] = "volume".into(),
        role,
    );
    refused(
        |record| record["entries"][0]["via"] = serde_json::json!(["/a"]),
        role,
    );
    refused(
        |record| {
            record["entries"][0]["applet"] = "sh".into();
            record["entries"][0]["script"] = "/run.sh".into();
        },
        role,
    );
    refused(
        |record| record["entries"][0]["digests"] = serde_json::json!({ "listed": ["abc"] }),
        "entry 0 has \"abc\" for a SHA-256",
    );
    refused(
        |record| record["entries"][0]["arguments"] = serde_json::json!([]),
        "entry 0 has evidence that contradicts itself",
    );
    let nine: Vec<Vec<String>> = (0..9).map(|n| vec![n.to_string()]).collect();
    refused(
        |record| record["entries"][0]["arguments"] = serde_json::json!(nine),
        "there are more arguments of an entry than a baseline holds",
    );
    for hex in ["f", "fg", "+f"] {
        refused(
            |record| record["entries"][0]["file"] = serde_json::json!({ "hex": hex }),
            &format!("{hex:?} is not an even number of hex digits"),
        );
    }
}

#[test]
fn names_are_shared_after_reading() {
    let baseline: Baseline = serde_json::from_value(written()).unwrap();

    let evidence = &baseline.entries[&Identity::image("/bin/sh")];
    let ours = evidence.images.iter().next().unwrap();
    assert!(Arc::ptr_eq(
        ours,
        baseline.images.get("nginx@sha256:1").unwrap()
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_reads_back_the_same(baseline in arbitrary::baseline()) {
        let text = serde_json::to_string(&baseline).unwrap();

        prop_assert_eq!(serde_json::from_str::<Baseline>(&text).unwrap(), baseline);
    }

    #[test]
    fn bytes_are_never_changed(bytes: Vec<u8>) {
        let bytes = Untrusted::new(bytes);

        prop_assert_eq!(Untrusted::try_from(Bytes::from(&bytes)), Ok(bytes));
    }
}
