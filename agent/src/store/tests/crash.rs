//! The store in a process of its own, which is killed or runs out of room.

use super::roundtrip::{baseline, load, unit};
use crate::journal::{Hour, Journal, Ran, Subject};
use crate::model::Identity;
use crate::store::journal::Bounds;
use crate::store::{JournalStore, Store, StoreError};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const DIR: &str = "EXECWARDEN_TEST_STORE";

/// This test binary again, running one of the two children below.
fn child(command: &mut Command, test: &str, dir: &Path) -> std::process::Child {
    command
        .arg(format!("store::tests::crash::{test}"))
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn this_binary() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

/// Nothing on its own: the child of [`what_was_committed_survives_a_kill`].
#[test]
fn child_that_saves_for_ever() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let mut store = Store::open(Path::new(&dir)).unwrap();
    for execs in 1.. {
        let (a, b) = (baseline("a", 50, execs), baseline("b", 1, execs));
        store.save(&[&a, &b]).unwrap();
        println!("committed {execs}");
    }
}

#[test]
fn what_was_committed_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut floor = 0;

    for commits in [1, 2, 7, 20] {
        let mut command = Command::new(this_binary());
        let mut child = child(&mut command, "child_that_saves_for_ever", dir.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let committed = |line: std::io::Result<String>| {
            let line = line.unwrap();
            line.strip_prefix("committed ")?.parse::<u64>().ok()
        };
        let mut last = lines
            .by_ref()
            .filter_map(committed)
            .nth(commits - 1)
            .expect("the child ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        last = lines.filter_map(committed).last().unwrap_or(last);

        let found: Vec<u64> = load(dir.path())
            .iter()
            .map(|baseline| baseline.entries().values().next().unwrap().execs() / 3)
            .collect();

        assert_eq!(found.len(), 2);
        assert_eq!(found[0], found[1], "one commit holds both");
        assert!(found[0] >= last, "{found:?} was saved before {last}");
        floor = floor.max(last);
    }
    assert!(floor >= 20);
}

/// Nothing on its own: the child of [`a_full_disk_is_named_and_passes`].
#[test]
fn child_that_runs_out_of_room() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let dir = Path::new(&dir);
    let mut store = Store::open(dir).unwrap();
    let (small, large) = (baseline("small", 1, 1), baseline("large", 4000, 1));
    store.save(&[&small]).unwrap();

    for _ in 0..2 {
        let error = store.save(&[&large]).unwrap_err();
        assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
        let start = format!("cannot save baselines {}/execwarden.redb: ", dir.display());
        assert!(error.to_string().starts_with(&start), "{error}");
        assert_eq!(
            store.load().unwrap().baselines,
            std::slice::from_ref(&small)
        );
    }

    let mut limit = getrlimit(Resource::Fsize);
    limit.current = limit.maximum;
    setrlimit(Resource::Fsize, limit).unwrap();
    store.save(&[&large]).unwrap();
    assert_eq!(store.load().unwrap().baselines, [large, small]);
    println!("passed");
}

#[test]
fn a_full_disk_is_named_and_passes() {
    runs_out_of_room("child_that_runs_out_of_room");
}

fn runs_out_of_room(test: &str) {
    let dir = tempfile::tempdir().unwrap();
    // A limit to a file's size fails as a full disk does, and needs no mount.
    // The shell, because ignoring its signal takes `unsafe` here.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -S -f 400; exec \"$0\" \"$@\""])
        .arg(this_binary());

    let child = child(&mut command, test, dir.path());
    let output = child.wait_with_output().unwrap();

    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("passed"), "{text}");
}

/// Nothing on its own: the child of [`a_journal_on_a_full_disk_waits`].
#[test]
fn child_whose_journal_runs_out_of_room() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let hour = Hour(498_826);
    let bounds = Bounds {
        size: 64 << 20,
        age: Duration::from_secs(86_400),
    };
    let store = Store::open(Path::new(&dir)).unwrap();
    let (mut file, _) = JournalStore::beside(&store, bounds, hour.start()).unwrap();
    let note = |count: usize| {
        let mut journal = Journal::default();
        for n in 0..count {
            let subject = Subject::known(unit("x"), Identity::image(&format!("/bin/{n}")));
            journal.note(hour, subject, Ran::KNOWN).unwrap();
        }
        journal.take()
    };
    file.write(&note(3), hour.start()).unwrap();
    let large = note(4000);

    for _ in 0..2 {
        let error = file.write(&large, hour.start()).unwrap_err();
        assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
        assert_eq!(file.page(hour, None).unwrap().rows.len(), 3);
    }

    let mut limit = getrlimit(Resource::Fsize);
    limit.current = limit.maximum;
    setrlimit(Resource::Fsize, limit).unwrap();
    file.write(&large, hour.start()).unwrap();
    assert_eq!(file.page(hour, None).unwrap().rows.len(), 4000);
    println!("passed");
}

#[test]
fn a_journal_on_a_full_disk_waits() {
    runs_out_of_room("child_whose_journal_runs_out_of_room");
}
