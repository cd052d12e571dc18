use super::*;
use crate::allowlist::{Digests, parse};
use crate::learn::{Around, Came, Ending, Sighting, Window as Learning};
use crate::model::{ContainerId, Digest, WorkloadId};
use jiff::Timestamp;
use std::time::Duration;

fn baseline() -> Baseline {
    let unit = "x.service".to_owned();
    let window = Learning {
        started: Timestamp::UNIX_EPOCH,
        ending: Ending::after(Duration::from_secs(60)),
    };
    Baseline::new(WorkloadId::Unit { unit }, window)
}

fn see(
    baseline: &mut Baseline,
    identity: &Identity,
    digest: Option<Digest>,
    code: Option<&[String]>,
) {
    see_as(baseline, identity, Came::default(), digest, code);
}

fn see_as(
    baseline: &mut Baseline,
    identity: &Identity,
    came: Came,
    digest: Option<Digest>,
    code: Option<&[String]>,
) {
    let sighting = Sighting {
        at: Timestamp::UNIX_EPOCH,
        execs: 1,
        container: &ContainerId::new("c1").expect("an id"),
        image: None,
        around: Around {
            came,
            ..Around::default()
        },
        digest,
        code,
    };
    let _ = baseline.observe(identity, &sighting);
}

fn code(text: &str) -> Vec<String> {
    vec!["-c".to_owned(), text.to_owned()]
}

/// The lines of `spec.processes`.
fn processes(baseline: &Baseline) -> String {
    let text = render(&document_of(baseline, 3));
    let (_, rest) = text.split_once("  processes:\n").expect("is there");
    let (processes, _) = rest.split_once("status:").expect("is there");
    processes.to_owned()
}

#[test]
fn every_role_is_written_with_what_was_seen_of_it() {
    let mut learned = baseline();
    let digest = Digest([0xab; 32]);
    see(&mut learned, &Identity::image("/bin/a"), Some(digest), None);
    see(
        &mut learned,
        &Identity::script("/bin/sh", "/run.sh"),
        None,
        None,
    );
    see(
        &mut learned,
        &Identity::applet("/bin/busybox", "sh"),
        None,
        Some(&code("a\n*")),
    );
    see(
        &mut learned,
        &Identity::applet("/bin/busybox", "sh"),
        None,
        Some(&code("b")),
    );

    assert_eq!(
        processes(&learned),
        "    - path: /bin/a\n      sha256: abababababababababababababababababababababababababababababababab\n    \
         - path: /bin/busybox\n      applet: sh\n      args:\n        - \"-c\"\n        - \"a\\n\\\\*\"\n    \
         - path: /bin/busybox\n      applet: sh\n      args:\n        - \"-c\"\n        - b\n    \
         - path: /run.sh\n      interpreter: /bin/sh\n"
    );
    let spec = document_of(&learned, 3).spec;
    assert_eq!(spec.digests, Some(Digests::Record));
}

#[test]
fn what_was_only_put_in_may_only_be_put_in() {
    let came = |ways: &[Came]| {
        let mut learned = baseline();
        for came in ways {
            see_as(&mut learned, &Identity::image("/bin/a"), *came, None, None);
        }
        processes(&learned).contains("*injected*")
    };

    assert!(came(&[Came::PutIn, Came::PutIn]));
    assert!(!came(&[Came::PutIn, Came::FromPutIn]));
    assert!(!came(&[Came::FromPutIn]));
    assert!(!came(&[Came::FromWithin, Came::PutIn]));
}

#[test]
fn a_program_with_other_names_is_named_by_its_own() {
    let mut learned = baseline();
    see(&mut learned, &Identity::image("/usr/bin/mawk"), None, None);
    assert_eq!(processes(&learned), "    - path: /usr/bin/mawk\n");

    see(
        &mut learned,
        &Identity::applet("/usr/bin/mawk", "awk"),
        None,
        None,
    );

    assert_eq!(
        processes(&learned),
        "    - path: /usr/bin/mawk\n      applet: awk\n    \
         - path: /usr/bin/mawk\n      applet: mawk\n"
    );
}

#[test]
fn more_digests_than_are_kept_are_none() {
    let mut learned = baseline();
    for n in 0..9 {
        see(
            &mut learned,
            &Identity::image("/bin/a"),
            Some(Digest([n; 32])),
            None,
        );
    }

    assert_eq!(processes(&learned), "    - path: /bin/a\n");
}

#[test]
fn what_is_too_much_for_a_document_is_left_out_and_said() {
    let mut learned = baseline();
    for n in 0..3000u32 {
        let identity = Identity::image(&format!("/opt/{}/a{n}a", "x".repeat(180)));
        for side in 0..2u8 {
            let mut digest = [side; 32];
            digest[..4].copy_from_slice(&n.to_le_bytes());
            see(&mut learned, &identity, Some(Digest(digest)), None);
        }
    }

    let document = document_of(&learned, 3);

    let text = render(&document);
    assert_eq!(parse("x.yaml", text.as_bytes()), Ok(document.clone()));
    assert_eq!(document.spec.processes.len(), 3000);
    let gaps = document.status.expect("is there").gaps;
    assert_eq!(gaps, ["too much for one document: digests are left out"]);
}

#[test]
fn releases_become_one_entry_that_says_of_what() {
    let mut learned = baseline();
    for release in ["20261121", "20261122", "20261123"] {
        let path = format!("/srv/app/releases/{release}/bin/run");
        see(
            &mut learned,
            &Identity::image(&path),
            Some(Digest([1; 32])),
            None,
        );
    }

    assert_eq!(
        processes(&learned),
        "    - path: /srv/app/releases/*/bin/run\n      wildcards: [date]\n      madeFrom:\n        \
         count: 3\n        examples:\n          \
         - /srv/app/releases/20261121/bin/run\n          \
         - /srv/app/releases/20261122/bin/run\n          \
         - /srv/app/releases/20261123/bin/run\n"
    );
    let never = document_of(&learned, usize::MAX);
    assert_eq!(never.spec.processes.len(), 3);
    let text = render(&document_of(&learned, 3));
    assert_eq!(
        parse("x.yaml", text.as_bytes()),
        Ok(document_of(&learned, 3))
    );
}
