use super::*;
use crate::allowlist::{arbitrary, parse, render};
use proptest::collection::vec;
use proptest::prelude::*;

fn read(body: &str) -> Document {
    let text = format!(
        "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
         metadata: {{name: x}}\nspec:\n  workload: {{runtime: runc, name: x}}\n{body}"
    );
    parse("x.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// The spec and the status of the merged document.
fn check(bodies: &[&str], expected: &str) {
    let documents: Vec<Document> = bodies.iter().map(|body| read(body)).collect();
    let merged = render(&merge(&documents).expect("one workload"));
    let (_, body) = merged.split_once("name: x\n  mode").expect("a spec");

    assert_eq!(format!("  mode{body}"), expected);
}

#[test]
fn what_one_allows_is_allowed_under_its_own_conditions() {
    check(
        &[
            "  processes: [{path: /a}, {path: /sh, args: [x]}]\n",
            "  mode: learn\n  processes: [{path: /b, layer: upper}, {path: /sh, users: [7]}]\n",
        ],
        "  mode: enforce
  processes:
    - path: /a
    - path: /b
      layer: upper
    - path: /sh
      users: [7]
    - path: /sh
      args:
        - x
",
    );
}

#[test]
fn a_digest_is_compared_as_in_its_own_document() {
    let (a, b) = ("aa".repeat(32), "bb".repeat(32));
    let recorded = |digest: &str| {
        format!("  digests: record\n  processes: [{{path: /a, sha256: {digest}}}]\n")
    };
    let compared = format!("  processes: [{{path: /a, sha256: {a}}}]\n");

    check(
        &[&recorded(&a), &recorded(&b)],
        &format!(
            "  mode: enforce\n  digests: record\n  processes:\n    \
             - path: /a\n      sha256:\n        - {a}\n        - {b}\n"
        ),
    );
    check(
        &[&recorded(&b), &compared],
        &format!(
            "  mode: enforce\n  digests: verify\n  processes:\n    \
             - path: /a\n      sha256: {a}\n    \
             - path: /a\n      sha256: {b}\n      digests: record\n"
        ),
    );
}

#[test]
fn what_one_has_struck_stays_struck() {
    let allows = "  processes: [{path: /bin/busybox, applet: nc}, {path: /usr/bin/curl}]\n";
    let strikes =
        "  processes: []\n  removed: [{path: /bin/busybox, applet: nc}, {path: /usr/bin/*}]\n";
    check(
        &[allows, strikes],
        "  mode: enforce
  processes:
    - path: /usr/bin/curl
  removed:
    - path: /bin/busybox
      applet: nc
    - path: /usr/bin/*
",
    );

    let struck = struck(&[read(allows), read(strikes)]);

    let [one] = &struck[..] else {
        panic!("{struck:?}")
    };
    assert_eq!(one.entry.path().as_str(), "/bin/busybox");
    assert_eq!(one.allowed_by, BTreeSet::from([0]));
    assert_eq!(one.struck_by, BTreeSet::from([1]));
}

#[test]
fn the_evidence_is_that_of_all() {
    let status = |from: &str, window: &str, gap: &str| {
        format!(
            "  processes: []\nstatus: {{learnedFrom: {{{from}}}, window: {{{window}}}, gaps: [{gap}]}}\n"
        )
    };
    check(
        &[
            &status(
                "containers: 12, nodes: 1, images: [b]",
                "started: '2026-01-30T12:00:00Z', ended: '2026-01-31T12:00:00Z', endedBecause: window-ended",
                "down",
            ),
            &status(
                "containers: 3, nodes: 2, images: [a, b]",
                "started: '2026-01-30T10:00:00Z', ended: '2026-01-31T10:00:00Z', endedBecause: stopped",
                "lost",
            ),
            "  processes: []\n",
        ],
        "  mode: enforce
  processes: []
status:
  learnedFrom:
    containers: 12
    nodes: 2
    images:
      - a
      - b
  window:
    started: \"2026-01-30T10:00:00Z\"
    ended: \"2026-01-31T12:00:00Z\"
    endedBecause: window-ended
  gaps:
    - down
    - lost
",
    );
}

#[test]
fn it_is_the_agents_own_only_if_all_are() {
    let mut learned = read("  processes: []\n");
    learned.metadata.annotations =
        [("execwarden.dev/written-by".into(), "execwarden".into())].into();
    let by_hand = read("  processes: []\n");

    let both = merge(&[learned.clone(), by_hand]).expect("one workload");
    let twice = merge(&[learned.clone(), learned]).expect("one workload");

    assert!(!both.is_by_agent());
    assert!(twice.is_by_agent());
}

#[test]
fn two_workloads_are_refused() {
    let mut other = read("  processes: []\n");
    other.spec.workload = WorkloadId::Unit {
        unit: "x.service".to_owned(),
    };

    let error = merge(&[read("  processes: []\n"), other]).expect_err("two workloads");

    assert_eq!(
        error.to_string(),
        "runc/x and unit/x.service are two workloads; only documents of one workload can be merged"
    );
    assert!(matches!(merge(&[]), Err(MergeError::Nothing)));
}

#[test]
fn more_digests_than_an_entry_lists_make_a_second_entry() {
    let some = |from: usize| {
        let digests: Vec<String> = (from..from + 40).map(|n| format!("'{n:064x}'")).collect();
        let body = format!(
            "  processes: [{{path: /a, sha256: [{}]}}]\n",
            digests.join(", ")
        );
        read(&body)
    };
    let merged = merge(&[some(0), some(100)]).expect("one workload");

    let counts: Vec<usize> = merged
        .spec
        .processes
        .iter()
        .map(|entry| {
            entry
                .conditions()
                .contents
                .as_ref()
                .map_or(0, |c| c.any_of().len())
        })
        .collect();

    assert_eq!(counts, [64, 16]);
    parse("x", render(&merged).as_bytes()).expect("valid");
}

/// Any documents of one workload, with much in common.
fn documents(number: usize) -> impl Strategy<Value = Vec<Document>> {
    (vec(arbitrary::document(), number), any::<Vec<bool>>()).prop_map(|(mut documents, shared)| {
        let first = documents[0].clone();
        for (document, shared) in documents
            .iter_mut()
            .skip(1)
            .zip(shared.iter().chain([&true, &false, &true]))
        {
            document.spec.workload = first.spec.workload.clone();
            if *shared {
                let entries = first.spec.processes.iter().take(3).cloned();
                document.spec.processes.extend(entries);
                document.spec.removed.retain(|removed| {
                    !document
                        .spec
                        .processes
                        .iter()
                        .any(|entry| removed.contradicts(entry))
                });
            }
        }
        documents
    })
}

fn bytes(documents: &[Document]) -> String {
    render(&merge(documents).expect("one workload"))
}

fn merged(documents: &[Document]) -> Document {
    merge(documents).expect("one workload")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn in_any_order(documents in documents(3)) {
        let [a, b, c] = &documents[..] else { unreachable!() };
        let expected = bytes(&documents);

        for order in [[a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]] {
            prop_assert_eq!(bytes(&order.map(Clone::clone)), expected.clone());
        }
    }

    #[test]
    fn in_any_grouping(documents in documents(3)) {
        let [a, b, c] = &documents[..] else { unreachable!() };
        let expected = bytes(&documents);
        let left = merged(&[a.clone(), b.clone()]);
        let right = merged(&[b.clone(), c.clone()]);

        prop_assert_eq!(bytes(&[left, c.clone()]), expected.clone());
        prop_assert_eq!(bytes(&[a.clone(), right]), expected);
    }

    #[test]
    fn once_more_changes_nothing(documents in documents(2)) {
        let [a, b] = &documents[..] else { unreachable!() };
        let both = merged(&documents);

        prop_assert_eq!(bytes(&[a.clone(), a.clone()]), bytes(std::slice::from_ref(a)));
        for again in [a, b, &both] {
            prop_assert_eq!(bytes(&[both.clone(), again.clone()]), render(&both));
        }
    }

    #[test]
    fn it_is_a_valid_document_that_says_the_same_when_read_back(documents in documents(3)) {
        let merged = merged(&documents);

        prop_assert_eq!(parse("x", render(&merged).as_bytes()), Ok(merged));
    }
}
