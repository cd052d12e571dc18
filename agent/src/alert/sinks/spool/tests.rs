//! A spool that agents write one after another, and what becomes of damage.

use super::*;
use crate::alert::Gone;
use std::fs;
use std::sync::Arc;

const BOUND: u64 = 1 << 20;

fn entry(sequence: u64, text: &str) -> Entry {
    Arc::new(Encoded {
        sequence,
        number: sequence + 100,
        workload: "runc/web".to_owned(),
        tells_of_loss: false,
        text: text.as_bytes().to_vec(),
    })
}

fn entries(from: u64, to: u64) -> Vec<Entry> {
    (from..=to)
        .map(|sequence| entry(sequence, "record"))
        .collect()
}

fn sequences(spool: &mut Spool, mut from: u64) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let found = spool.read(from, 20).expect("read");
        let Some(last) = found.last() else {
            return all;
        };
        from = last.sequence + 1;
        all.extend(found.iter().map(|entry| entry.sequence));
    }
}

fn open(folder: &Path) -> (Spool, Left) {
    Spool::open(folder, BOUND, None).expect("opened")
}

/// Where an earlier agent committed records up to a number.
fn open_committed(folder: &Path, number: u64) -> (Spool, Left) {
    Spool::open(folder, BOUND, Some(number)).expect("opened")
}

#[test]
fn what_one_agent_left_the_next_one_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut spool, left) = open(folder.path());
    assert_eq!((left.next, left.kept, left.number), (1, 0, 0));
    spool.append(&entries(1, 3)).expect("written");
    spool.append(&entries(4, 7)).expect("written");
    let cursor = Cursor {
        last: None,
        confirmed: 2,
        next: 8,
        number: 107,
        gaps: Vec::new(),
    };
    spool.note(cursor.clone()).expect("noted");
    drop(spool);

    let (mut spool, left) = open(folder.path());

    assert_eq!((left.next, left.kept, left.number), (8, 7, 107));
    assert_eq!(left.cursor, cursor);
    spool.append(&entries(8, 9)).expect("written");
    assert_eq!(sequences(&mut spool, 3), [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(sequences(&mut spool, 1).len(), 9, "it can be read again");
}

#[test]
fn what_the_receiver_has_goes_and_its_numbers_are_remembered() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut spool, _) = open(folder.path());
    spool.append(&entries(1, 3)).expect("written");
    drop(spool);
    let (mut spool, left) = open(folder.path());
    let cursor = Cursor {
        last: None,
        confirmed: 3,
        next: 4,
        number: left.number,
        gaps: Vec::new(),
    };
    spool.note(cursor).expect("noted");
    drop(spool);
    for _ in 0..3 {
        let (_, left) = open(folder.path());
        assert_eq!((left.next, left.number), (4, 103));
    }

    let files = Segment::paths(folder.path()).expect("listed");
    assert_eq!(files.len(), 1);
}

#[test]
fn where_there_is_no_room_the_oldest_go_and_are_given_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut spool, _) = open(folder.path());
    let text = "x".repeat(4096);
    let mut gone = Vec::new();

    for sequence in 1..=600 {
        spool.append(&[entry(sequence, &text)]).expect("written");
        gone.extend(spool.make_room().expect("room"));
        assert!(spool.bytes() <= BOUND + 5000);
    }

    let there = sequences(&mut spool, 1);
    let gone: Vec<u64> = gone.iter().map(|entry| entry.sequence).collect();
    assert!(gone.len() > 300 && there.len() > 200);
    let all: Vec<u64> = gone.into_iter().chain(there).collect();
    assert_eq!(all, (1..=600).collect::<Vec<u64>>());
}

#[test]
fn a_write_that_was_cut_short_costs_itself_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut spool, _) = open(folder.path());
    spool.append(&entries(1, 3)).expect("written");
    drop(spool);
    let file = Segment::paths(folder.path()).expect("listed").remove(0);
    let bytes = fs::read(&file).expect("read");
    fs::write(&file, &bytes[..bytes.len() - 3]).expect("written");

    let (mut spool, left) = open(folder.path());

    assert_eq!((left.next, left.kept), (3, 2));
    spool.append(&entries(3, 4)).expect("written");
    assert_eq!(sequences(&mut spool, 1), [1, 2, 3, 4]);
}

#[test]
fn flipped_bits_cost_one_record_whose_sequence_is_not_given_again() {
    for (which, left_over) in [(2, vec![1, 3]), (3, vec![1, 2])] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut spool, _) = open(folder.path());
        spool.append(&entries(1, 3)).expect("written");
        drop(spool);
        let file = Segment::paths(folder.path()).expect("listed").remove(0);
        let mut bytes = fs::read(&file).expect("read");
        let one = (bytes.len() - format::HEADER) / 3;
        let at = format::HEADER + one * which - 1;
        bytes[at] ^= 1;
        fs::write(&file, &bytes).expect("written");

        let (mut spool, left) = open(folder.path());

        assert_eq!(left.next, 4);
        assert_eq!(sequences(&mut spool, 1), left_over);
    }
}

#[test]
fn a_file_that_is_none_is_set_aside_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut spool, _) = open(folder.path());
    spool.append(&entries(1, 3)).expect("written");
    spool
        .note(Cursor {
            next: 4,
            ..Cursor::default()
        })
        .expect("noted");
    drop(spool);
    let file = Segment::paths(folder.path()).expect("listed").remove(0);
    fs::write(&file, "no segment at all, but as long as a header").expect("written");

    let (mut spool, left) = open(folder.path());

    assert_eq!(left.damaged.len(), 1);
    let name = file.display().to_string();
    assert!(left.damaged[0].starts_with(&name), "{:?}", left.damaged);
    assert!(file.with_extension("damaged").exists());
    assert_eq!((left.next, left.kept), (4, 0));
    assert!(sequences(&mut spool, 1).is_empty());
}

#[test]
fn what_went_is_remembered_until_it_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut spool, _) = open(folder.path());
    let mut gone = Gone::before(7);
    gone.add(7, "runc/web");
    let gaps = vec![Gap {
        first: 1,
        last: 1,
        gone,
    }];
    let cursor = Cursor {
        last: None,
        confirmed: 0,
        next: 2,
        number: 7,
        gaps,
    };
    spool.note(cursor.clone()).expect("noted");
    drop(spool);

    let (_, left) = open(folder.path());

    assert_eq!(left.cursor, cursor);
}

#[test]
fn a_cursor_that_cannot_be_read_makes_it_begin_with_what_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut spool, _) = open(folder.path());
    spool.append(&entries(1, 3)).expect("written");
    drop(spool);
    fs::write(Cursor::path(folder.path()), "{").expect("written");

    let (_, left) = open(folder.path());

    assert_eq!(left.cursor.confirmed, 0);
    assert_eq!(left.next, 4);
    assert_eq!(left.damaged.len(), 1);
}

#[test]
fn what_is_not_committed_is_cut_off_and_its_sequence_given_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut spool, _) = open(folder.path());
    spool.append(&entries(1, 3)).expect("written");
    let cursor = Cursor {
        confirmed: 1,
        next: 3,
        number: 102,
        ..Cursor::default()
    };
    spool.note(cursor.clone()).expect("noted");
    drop(spool);

    let (mut spool, left) = open_committed(folder.path(), 102);

    assert_eq!((left.next, left.kept, left.number), (3, 2, 102));
    assert_eq!(left.last, Some(Digest::of(b"record")));
    assert_eq!(left.cursor, cursor);
    spool.append(&[entry(3, "another")]).expect("written");
    drop(spool);
    let (mut spool, left) = open_committed(folder.path(), 103);
    assert_eq!(left.last, Some(Digest::of(b"another")));
    assert_eq!(sequences(&mut spool, 1), [1, 2, 3]);
}

#[test]
fn segments_of_which_nothing_is_committed_go() {
    let folder = tempfile::tempdir().expect("a folder");
    for (from, to) in [(1, 3), (4, 5), (6, 6)] {
        let (mut spool, _) = open(folder.path());
        spool.append(&entries(from, to)).expect("written");
    }

    let (mut spool, left) = open_committed(folder.path(), 103);

    assert_eq!((left.next, left.kept, left.number), (4, 3, 103));
    assert_eq!(sequences(&mut spool, 1), [1, 2, 3]);
    let files = Segment::paths(folder.path()).expect("listed");
    assert_eq!(files.len(), 2, "the first, and that of this agent");
}

#[test]
fn what_is_damaged_before_it_is_not_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut spool, _) = open(folder.path());
    spool.append(&entries(1, 4)).expect("written");
    drop(spool);
    let file = Segment::paths(folder.path()).expect("listed").remove(0);
    let mut bytes = fs::read(&file).expect("read");
    let one = (bytes.len() - format::HEADER) / 4;
    bytes[format::HEADER + one * 3 - 1] ^= 1;
    fs::write(&file, &bytes).expect("written");

    let (mut spool, left) = open_committed(folder.path(), 103);

    assert_eq!((left.next, left.number), (4, 102));
    assert_eq!(sequences(&mut spool, 1), [1, 2]);
    spool.append(&entries(4, 4)).expect("written");
    assert_eq!(sequences(&mut spool, 1), [1, 2, 4]);
}
