use crate::learn::{Around, Baseline, Ending, Sighting, State, Window, arbitrary};
use crate::model::{ContainerId, Identity, WorkloadId};
use crate::store::{BASELINES, META, Store};
use jiff::Timestamp;
use proptest::prelude::*;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) fn unit(name: &str) -> WorkloadId {
    WorkloadId::Unit {
        unit: name.to_owned(),
    }
}

/// A baseline that has learned this many programs, each of them run `execs`
/// times in three containers.
pub(super) fn baseline(name: &str, entries: usize, execs: u64) -> Baseline {
    let window = Window {
        started: Timestamp::UNIX_EPOCH,
        ending: Ending::after(Duration::from_secs(60)),
    };
    let mut baseline = Baseline::new(unit(name), window);
    for n in 0..entries * 3 {
        let (n, container) = (n / 3, n % 3);
        let sighting = Sighting {
            at: Timestamp::UNIX_EPOCH,
            execs,
            container: &ContainerId::new(&format!("{container:064}")).unwrap(),
            image: Some("docker.io/library/nginx@sha256:e3b0c44298fc1c149afbf4c8996fb924"),
            around: Around::default(),
            digest: None,
            code: None,
        };
        let identity = Identity::image(&format!("/usr/local/bin/program-{n}"));
        let _ = baseline.observe(&identity, &sighting);
    }
    baseline
}

pub(super) fn load(dir: &Path) -> Vec<Baseline> {
    let loaded = Store::open(dir).unwrap().load().unwrap();
    assert!(loaded.damaged.is_empty(), "{:?}", loaded.damaged);
    loaded.baselines
}

#[test]
fn a_new_store_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("deep/er")).unwrap();

    assert!(store.load().unwrap().baselines.is_empty());
    assert_eq!(store.last_alive().unwrap(), None);
}

#[test]
fn what_was_saved_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (mut web, cron) = (baseline("web", 3, 1), baseline("cron", 2, 1));
    let mut store = Store::open(dir.path()).unwrap();
    store.save(&[&web, &cron]).unwrap();
    web.finish(Timestamp::UNIX_EPOCH);
    store.save(&[&web]).unwrap();
    drop(store);

    let loaded = load(dir.path());

    assert_eq!(loaded, [cron, web]);
    assert_ne!(loaded[1].state(), State::Learning);
}

#[test]
fn what_was_removed_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (web, cron) = (baseline("web", 3, 1), baseline("cron", 2, 1));
    let mut store = Store::open(dir.path()).unwrap();
    store.save(&[&web, &cron]).unwrap();

    store.remove(&unit("web")).unwrap();
    store.remove(&unit("never-there")).unwrap();

    assert_eq!(store.load().unwrap().baselines, [cron]);
}

#[test]
fn the_last_heartbeat_and_the_nodes_id_stay() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let node = store.node().to_owned();
    for second in [5, 6] {
        let now = Timestamp::from_second(second).unwrap();
        store.heartbeat(now).unwrap();
    }
    drop(store);

    let mut store = Store::open(dir.path()).unwrap();

    assert_eq!(
        store.last_alive().unwrap(),
        Some(Timestamp::from_second(6).unwrap())
    );
    assert_eq!(store.node(), node);
    assert_eq!(node.len(), 32);
}

#[test]
fn workloads_with_the_same_text_stay_apart() {
    let dir = tempfile::tempdir().unwrap();
    let pod = WorkloadId::Kubernetes {
        namespace: "docker".to_owned(),
        kind: "a".to_owned(),
        name: "b".to_owned(),
        container: "c".to_owned(),
    };
    let image = WorkloadId::Runtime {
        runtime: crate::model::Runtime::Docker,
        name: "a/b/c".to_owned(),
    };
    assert_eq!(pod.to_string(), image.to_string());
    let window = baseline("web", 0, 1).window();
    let mut store = Store::open(dir.path()).unwrap();

    store
        .save(&[&Baseline::new(pod, window), &Baseline::new(image, window)])
        .unwrap();

    assert_eq!(store.load().unwrap().baselines.len(), 2);
}

#[test]
fn the_first_format_is_read_and_is_of_this_one_then() {
    let dir = tempfile::tempdir().unwrap();
    let web = baseline("web", 3, 1);
    let mut store = Store::open(dir.path()).unwrap();
    store.save(&[&web]).unwrap();
    store
        .database
        .write("test", |transaction| {
            transaction.open_table(META)?.insert("format", "1")?;
            Ok(())
        })
        .unwrap();
    drop(store);

    assert_eq!(load(dir.path()), [web]);

    let mut store = Store::open(dir.path()).unwrap();
    assert_eq!(store.meta("format").unwrap().as_deref(), Some("3"));
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store
        .database
        .write("pretend", |transaction| {
            transaction.open_table(META)?.insert("format", "4")?;
            Ok(())
        })
        .unwrap();
    drop(store);

    let error = Store::open(dir.path()).unwrap_err();

    assert!(
        error
            .to_string()
            .contains("has format 4, and this version knows 3 at most"),
        "{error}"
    );
}

#[test]
fn a_damaged_row_is_named_and_the_others_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (web, cron) = (baseline("web", 3, 1), baseline("cron", 2, 1));
    let mut store = Store::open(dir.path()).unwrap();
    store.save(&[&web, &cron]).unwrap();
    store
        .database
        .write("damage", |transaction| {
            let mut table = transaction.open_table(BASELINES)?;
            table.insert(r#"{"unit":"web"}"#, b"{\"half\":".as_slice())?;
            table.insert("no\nkey", b"{}".as_slice())?;
            let other = serde_json::to_vec(&cron).unwrap();
            table.insert(r#"{"unit":"moved"}"#, other.as_slice())?;
            Ok(())
        })
        .unwrap();

    let loaded = store.load().unwrap();

    assert_eq!(loaded.baselines, [cron]);
    let found: Vec<_> = loaded
        .damaged
        .iter()
        .map(|row| {
            (
                row.workload.clone(),
                row.problem.split(": ").next().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (None, "the row no\\x0akey belongs to no workload"),
            (
                Some(unit("moved")),
                "the baseline of unit/moved says that it belongs to unit/cron"
            ),
            (Some(unit("web")), "the baseline of unit/web cannot be read"),
        ]
    );

    store.save(&[&web]).unwrap();
    assert!(store.load().unwrap().baselines.contains(&web));
}

/// `cargo test save_takes -- --nocapture`
#[test]
fn says_how_long_a_save_takes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let baselines: Vec<Baseline> = (0..100).map(|n| baseline(&n.to_string(), 50, 1)).collect();
    let all: Vec<&Baseline> = baselines.iter().collect();
    let time = |what: &str, work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        println!("{what}: {:?}", start.elapsed());
    };

    time("first save of 100 x 50", &mut || store.save(&all).unwrap());
    time("second save of 100 x 50", &mut || store.save(&all).unwrap());
    time("save of 1 x 50", &mut || store.save(&all[..1]).unwrap());
    time("heartbeat", &mut || {
        store.heartbeat(Timestamp::UNIX_EPOCH).unwrap();
    });
    time("load", &mut || {
        store.load().unwrap();
    });
    drop(store);
    time("open", &mut || {
        Store::open(dir.path()).unwrap();
    });
    let size = std::fs::metadata(dir.path().join("execwarden.redb")).unwrap();
    println!("file: {} KiB", size.len() / 1024);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn nothing_is_changed_on_the_way(baseline in arbitrary::baseline()) {
        let dir = tempfile::tempdir().unwrap();
        Store::open(dir.path()).unwrap().save(&[&baseline]).unwrap();

        prop_assert_eq!(load(dir.path()), [baseline]);
    }
}
