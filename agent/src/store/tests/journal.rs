use super::*;
use crate::journal::{Journal, Lack, Ran, Subject, Was};
use crate::model::{Identity, Reason, WorkloadId};
use redb::ReadableDatabase as _;
use std::fs;

const SIZE: Bounds = Bounds {
    size: 64 << 20,
    age: Duration::from_secs(14 * 86_400),
};
const HOUR: Hour = Hour(498_826);

fn now() -> Timestamp {
    HOUR.start()
}

fn subject(path: &str) -> Subject {
    let unit = "x.service".to_owned();
    Subject::known(WorkloadId::Unit { unit }, Identity::image(path))
}

fn open(dir: &Path, bounds: Bounds) -> (Store, JournalStore) {
    let store = Store::open(dir).unwrap();
    let (journal, aside) = JournalStore::beside(&store, bounds, now()).unwrap();
    assert_eq!(aside, None);
    (store, journal)
}

fn write(store: &mut JournalStore, rows: &[(Hour, &str, Ran)], now: Timestamp) {
    let mut journal = Journal::default();
    for (hour, path, ran) in rows {
        journal.note(*hour, subject(path), *ran).unwrap();
    }
    store.write(&journal.take(), now).unwrap();
}

/// The rows from an hour on, page by page, and how many pages.
fn rows(store: &mut JournalStore, since: Hour) -> (Vec<(u32, String, u64)>, usize) {
    let (mut rows, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = store.page(since, after).unwrap();
        pages += 1;
        after = page
            .next
            .as_deref()
            .map(|next| Cursor::parse(next).unwrap());
        let of_page = page.rows.clone();
        let subjects: HashMap<_, _> = page.subjects().collect();
        rows.extend(of_page.into_iter().map(|(hour, id, ran)| {
            let subject = subjects[&id].as_ref().unwrap();
            (
                hour.0 - HOUR.0,
                subject.identity.path().escaped(99),
                ran.execs,
            )
        }));
        if after.is_none() {
            return (rows, pages);
        }
    }
}

#[test]
fn what_was_written_adds_up_and_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut journal) = open(dir.path(), SIZE);
    let known = |execs| Ran::counted(execs, Was::Known);
    let next = Hour(HOUR.0 + 1);

    write(
        &mut journal,
        &[(HOUR, "/a", known(1)), (HOUR, "/b", known(2))],
        now(),
    );
    write(
        &mut journal,
        &[(HOUR, "/a", known(4)), (next, "/a", known(1))],
        now(),
    );
    let mut more = Journal::default();
    more.count(next, SubjectId::of(&subject("/a")), 7, Was::Known);
    more.count(next, SubjectId::of(&subject("/unknown")), 7, Was::Known);
    journal.write(&more.take(), now()).unwrap();
    drop((store, journal));

    let mut journal = JournalStore::of_folder(dir.path()).unwrap().unwrap();
    let row = |hour, path: &str, execs| (hour, path.to_owned(), execs);
    let (mut first, pages) = rows(&mut journal, Hour(0));
    first.sort();
    assert_eq!(pages, 1);
    assert_eq!(first, [row(0, "/a", 5), row(0, "/b", 2), row(1, "/a", 8)]);
    assert_eq!(rows(&mut journal, next).0, [row(1, "/a", 8)]);
    assert_eq!(journal.head().unwrap().begins, now());
}

#[test]
fn pages_have_every_row_once() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, mut journal) = open(dir.path(), SIZE);
    let mut all = Journal::default();
    for n in 0..9000u32 {
        let hour = Hour(HOUR.0 + n / 4000);
        all.note(hour, subject(&format!("/{}", n % 4000)), Ran::KNOWN)
            .unwrap();
    }
    journal.write(&all.take(), now()).unwrap();

    let (found, pages) = rows(&mut journal, Hour(0));

    assert_eq!((found.len(), pages), (9000, 3));
    let distinct: BTreeSet<_> = found.iter().map(|(hour, path, _)| (hour, path)).collect();
    assert_eq!(distinct.len(), 9000);
}

#[test]
fn what_is_too_old_goes_and_the_journal_says_since_when_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, mut journal) = open(dir.path(), SIZE);
    let gap = |hour: u32| Gap {
        from: Hour(HOUR.0 + hour).start(),
        to: Hour(HOUR.0 + hour + 1).start(),
        because: Lack::NoAgent,
    };
    let mut first = Journal::default();
    first.note(HOUR, subject("/old"), Ran::KNOWN).unwrap();
    first.note(HOUR, subject("/both"), Ran::KNOWN).unwrap();
    first.note_gap(gap(0));
    first.note_gap(gap(20 * 24));
    journal.write(&first.take(), now()).unwrap();

    let later = Hour(HOUR.0 + 15 * 24);
    write(&mut journal, &[(later, "/both", Ran::KNOWN)], later.start());

    let found = rows(&mut journal, Hour(0)).0;
    assert_eq!(found, [(15 * 24, "/both".to_owned(), 0)]);
    let head = journal.head().unwrap();
    assert_eq!(head.begins, Hour(HOUR.0 + 24).start());
    assert_eq!(head.gaps, [gap(20 * 24)]);
    assert_eq!(journal.index.unwrap().subjects.len(), 1);
}

#[test]
fn it_keeps_to_its_size_and_the_oldest_hours_go_first() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = Bounds {
        size: 3 << 20,
        ..SIZE
    };
    let (_store, mut journal) = open(dir.path(), bounds);
    for hour in 0..60u32 {
        let at = Hour(HOUR.0 + hour);
        // As the agent does it: some rows at a time.
        for part in 0..4 {
            let mut all = Journal::default();
            for n in 0..100 {
                let new = format!("/usr/local/{hour}/some-program-{part}-{n}");
                all.note(at, subject(&new), Ran::KNOWN).unwrap();
                let same = format!("/usr/bin/some-program-{part}-{n}");
                all.note(at, subject(&same), Ran::KNOWN).unwrap();
            }
            journal.write(&all.take(), at.start()).unwrap();
        }
        let length = fs::metadata(dir.path().join("journal.redb")).unwrap().len();
        assert!(length <= bounds.size, "{length} bytes after {hour} hours");
    }

    let found = rows(&mut journal, Hour(0)).0;
    let hours: BTreeSet<u32> = found.iter().map(|(hour, ..)| *hour).collect();
    assert!(hours.len() > 3, "{hours:?}");
    assert_eq!(hours.last(), Some(&59));
    let first = *hours.first().unwrap();
    assert!(first > 0, "{hours:?}");
    assert_eq!(hours.len() as u32, 60 - first, "none in between is missing");
    assert_eq!(found.len() as u32, (60 - first) * 800);
    assert_eq!(journal.head().unwrap().begins, Hour(HOUR.0 + first).start());
    // What is remembered is what is there.
    let index = journal.index.take().unwrap();
    journal.look_through().unwrap();
    let anew = journal.index.take().unwrap();
    assert_eq!((index.bytes, &index.hours), (anew.bytes, &anew.hours));
    assert_eq!(index.subjects, anew.subjects);
}

#[test]
fn a_damaged_row_is_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut journal) = open(dir.path(), SIZE);
    let reported = Ran::counted(1, Was::Reported(Reason::Drift));
    write(
        &mut journal,
        &[
            (HOUR, "/a", reported),
            (HOUR, "/b", reported),
            (HOUR, "/c", reported),
        ],
        now(),
    );
    let id = |path| SubjectId::of(&subject(path));
    let key = |path| {
        row_key(Cursor {
            hour: HOUR,
            id: id(path),
        })
    };
    journal
        .database
        .write("damage it", |transaction| {
            let mut hours = transaction.open_table(HOURS)?;
            hours.insert(&key("/a"), b"{\"execs\":".as_slice())?;
            let mut subjects = transaction.open_table(SUBJECTS)?;
            subjects.insert(&id("/b").0, b"[]".as_slice())?;
            Ok(())
        })
        .unwrap();

    let page = journal.page(Hour(0), None).unwrap();
    assert_eq!((page.rows.len(), page.damaged), (1, 2));
    // And what comes again takes its place.
    write(&mut journal, &[(HOUR, "/a", reported)], now());
    let page = journal.page(Hour(0), None).unwrap();
    assert_eq!((page.rows.len(), page.damaged), (2, 1));
    drop(store);
}

#[test]
fn a_file_that_cannot_be_read_is_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut journal) = open(dir.path(), SIZE);
    write(&mut journal, &[(HOUR, "/a", Ran::KNOWN)], now());
    drop((store, journal));
    let file = dir.path().join("journal.redb");
    let whole = fs::read(&file).unwrap();

    for kept in [0, 100, whole.len() / 2] {
        fs::write(&file, &whole[..kept]).unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (mut journal, aside) = JournalStore::beside(&store, SIZE, now()).unwrap();
        assert!(aside.is_some(), "{kept} bytes");
        write(&mut journal, &[(HOUR, "/b", Ran::KNOWN)], now());
        assert_eq!(rows(&mut journal, Hour(0)).0.len(), 1);
    }
    assert!(dir.path().join("journal.redb.damaged").exists());

    // One of another version's is not this one's to judge.
    let database = redb::Database::create(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut meta = transaction.open_table(META).unwrap();
    meta.insert("format", "9").unwrap();
    drop(meta);
    transaction.commit().unwrap();
    let read = database.begin_read().unwrap();
    drop((read, database));
    let error = JournalStore::of_folder(dir.path()).unwrap_err().to_string();
    assert!(error.contains("format \"9\""), "{error}");
}

#[test]
fn a_folder_that_an_agent_uses_or_without_a_journal_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    assert!(JournalStore::of_folder(&missing).is_err());
    assert!(!missing.exists());
    assert!(JournalStore::of_folder(dir.path()).unwrap().is_none());

    let (store, journal) = open(dir.path(), SIZE);
    drop(store);
    // The journal holds the folder as well.
    let error = JournalStore::of_folder(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::InUse(_)), "{error}");
    drop(journal);
    assert!(JournalStore::of_folder(dir.path()).unwrap().is_some());
}

#[test]
fn a_time_without_a_journal_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    JournalStore::pause(&store, now()).unwrap();
    assert!(!dir.path().join("journal.redb").exists());
    let (mut journal, _) = JournalStore::beside(&store, SIZE, now()).unwrap();
    assert_eq!(journal.resume().unwrap(), None);
    drop(journal);

    let later = Hour(HOUR.0 + 1).start();
    JournalStore::pause(&store, later).unwrap();
    JournalStore::pause(&store, Hour(HOUR.0 + 2).start()).unwrap();

    let (mut journal, _) = JournalStore::beside(&store, SIZE, now()).unwrap();
    assert_eq!(journal.resume().unwrap(), Some(later));
    assert_eq!(journal.resume().unwrap(), None);
}

#[test]
fn only_the_newest_gaps_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, mut journal) = open(dir.path(), SIZE);
    let mut all = Journal::default();
    for n in 0..300 {
        all.note_gap(Gap {
            from: Hour(HOUR.0 + 2 * n).start(),
            to: Hour(HOUR.0 + 2 * n + 1).start(),
            because: Lack::NoAgent,
        });
    }

    journal.write(&all.take(), now()).unwrap();

    let gaps = journal.head().unwrap().gaps;
    assert_eq!(gaps.len(), Head::MAX_GAPS);
    assert_eq!(gaps[0].from, Hour(HOUR.0 + 88).start());
}
