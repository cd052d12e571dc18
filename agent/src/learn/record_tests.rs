use super::*;
use crate::learn::{Sighting, arbitrary};
use proptest::prelude::*;

/// A baseline with one entry, as JSON.
fn written() -> serde_json::Value {
    let mut baseline = arbitrary::empty();
    let sighting = Sighting {
        at: Timestamp::UNIX_EPOCH,
        execs: 3,
        container: &ContainerId::new("c1").unwrap(),
        image: Some("nginx@sha256:1"),
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
