//! The history's file: what is kept, what gives way, and what happens to a
//! file that is damaged.

use super::*;
use crate::alert::AlertId;
use crate::history::{MAX_ROWS, Passed, Remedy, Told, What, Who};
use crate::model::{CgroupId, Reason};
use jiff::Timestamp;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("set");
    folder
}

fn try_open(folder: &tempfile::TempDir) -> Result<History, StoreError> {
    History::open(&Arc::new(Folder::open_existing(folder.path())?))
}

fn open(folder: &tempfile::TempDir) -> History {
    try_open(folder).expect("opened")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn workload() -> WorkloadId {
    WorkloadId::Unit {
        unit: "x.service".to_owned(),
    }
}

fn told(path: &str) -> Told {
    Told {
        reason: Reason::Drift,
        path: path.to_owned(),
        detail: Detail {
            workload: workload(),
            alert: serde_json::json!({"path": path}),
            remedy: Remedy::Nothing("no".to_owned()),
        },
    }
}

fn id(number: u64) -> AlertId {
    AlertId::new("boot", CgroupId(number), Reason::Drift, None)
}

fn raised(numbers: impl IntoIterator<Item = u64>) -> Pending {
    let mut pending = Pending::default();
    for number in numbers {
        let second = i64::try_from(number).expect("small");
        pending.saw(id(number), 1, at(second), Some(told(&format!("/{number}"))));
    }
    pending
}

#[test]
fn alerts_are_there_after_a_restart_and_counted_on() {
    let folder = folder();
    let mut history = open(&folder);
    history.save(&raised([1, 2]), &[]).expect("saved");
    drop(history);

    let mut history = open(&folder);
    let mut more = Pending::default();
    more.saw(id(1), 4, at(9), Some(told("/another")));
    history.save(&more, &[]).expect("saved");

    let rows = history.alerts().expect("read");
    let rows: Vec<_> = rows.iter().map(|row| (&*row.path, row.count)).collect();
    assert_eq!(rows, [("/2", 1), ("/1", 5)]);
    let detail = history.detail(&id(1).to_string()).expect("read");
    assert_eq!(detail, Some(told("/1").detail));
}

#[test]
fn an_alert_is_found_by_the_beginning_of_its_id() {
    let folder = folder();
    let mut history = open(&folder);
    history.save(&raised(1..100), &[]).expect("saved");
    let one = id(7).to_string();

    let found = history.alerts_like(&one[..8], 2).expect("read");
    let many = history.alerts_like("", 2).expect("read");
    let none = history.alerts_like("zz", 2).expect("read");

    assert_eq!(found.iter().map(|row| &row.id).collect::<Vec<_>>(), [&one]);
    assert_eq!((many.len(), none.len()), (2, 0));
}

#[test]
fn the_oldest_alerts_give_way() {
    let folder = folder();
    let mut history = open(&folder);
    let most = MAX_ROWS as u64;
    history.save(&raised(0..most), &[]).expect("saved");
    drop(history);

    let mut history = open(&folder);
    history.save(&raised([most, most + 1]), &[]).expect("saved");

    let rows = history.alerts().expect("read");
    assert_eq!(rows.len(), MAX_ROWS);
    assert_eq!(
        (&*rows[0].path, &*rows[MAX_ROWS - 1].path),
        ("/2", "/10001")
    );
    assert_eq!(history.detail(&id(0).to_string()).expect("read"), None);
}

fn decision(changes: &str) -> Decision {
    Decision {
        number: 0,
        at: at(1),
        who: Some(Who::default()),
        what: What::Accept,
        workload: Some("runc/web".to_owned()),
        changes: vec![changes.to_owned()],
        reason: None,
    }
}

#[test]
fn the_journal_is_numbered_on_and_the_oldest_rows_give_way() {
    let folder = folder();
    let mut history = open(&folder);
    history
        .decide(&[decision("a"), decision("b")])
        .expect("written");
    drop(history);
    let mut history = open(&folder);
    history.decide(&[decision("c")]).expect("written");
    let numbers = |history: &mut History| -> Vec<u64> {
        let rows = history.decisions().expect("read");
        rows.iter().map(|row| row.number).collect()
    };
    assert_eq!(numbers(&mut history), [1, 2, 3]);

    let many = vec![decision("more"); MAX_DECISIONS as usize];
    history.decide(&many).expect("written");

    let kept = numbers(&mut history);
    assert_eq!(kept.len() as u64, MAX_DECISIONS);
    assert_eq!((kept[0], kept[kept.len() - 1]), (4, MAX_DECISIONS + 3));
}

#[test]
fn an_allowance_is_there_until_it_is_ended() {
    let folder = folder();
    let allowance = Allowance {
        workload: workload(),
        began: at(1),
        ends: at(9),
        passed: Passed::default(),
    };
    let mut history = open(&folder);
    history
        .save(&Pending::default(), &[&allowance])
        .expect("saved");
    drop(history);

    let mut history = open(&folder);
    assert_eq!(history.allowances().expect("read"), [allowance]);
    history.end_allowance(&workload()).expect("ended");

    assert_eq!(history.allowances().expect("read"), []);
}

#[test]
fn a_damaged_file_is_moved_aside_and_a_new_one_begun() {
    let folder = folder();
    fs::write(folder.path().join(FILE), "no database").expect("written");

    let mut history = open(&folder);

    assert_eq!(history.alerts().expect("read"), []);
    let moved = fs::read_to_string(folder.path().join(DAMAGED)).expect("moved");
    assert_eq!(moved, "no database");
    let mode = fs::metadata(folder.path().join(FILE))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_link_is_not_followed() {
    let folder = folder();
    let target = folder.path().join("target");
    fs::write(&target, "precious").expect("written");
    std::os::unix::fs::symlink(&target, folder.path().join(FILE)).expect("made");

    let error = try_open(&folder).expect_err("a link");

    assert!(matches!(error, StoreError::NotAFile(_)), "{error}");
    assert_eq!(fs::read_to_string(&target).expect("there"), "precious");
}
