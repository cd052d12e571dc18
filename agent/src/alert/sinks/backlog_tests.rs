//! A backlog against a disk that is sometimes full, and a receiver that is sometimes
//! away.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn entry(sequence: u64, bytes: usize) -> Encoded {
    Encoded {
        sequence,
        number: sequence * 10,
        workload: format!("runc/{}", sequence % 3),
        tells_of_loss: false,
        text: vec![b'x'; bytes],
    }
}

fn tell(gone: &Gone, sequence: u64) -> Encoded {
    Encoded {
        tells_of_loss: true,
        text: format!("{} {}-{}", gone.count, gone.first, gone.last).into_bytes(),
        ..entry(sequence, 0)
    }
}

fn head(backlog: &Backlog) -> Option<Entry> {
    backlog.heads(Batch::ONE).pop()
}

fn put(backlog: &mut Backlog, bytes: usize) {
    let entry = entry(backlog.next(), bytes);
    backlog.put(entry);
}

/// What goes out, as its sequence, or the words of a notice of loss.
fn take(backlog: &mut Backlog) -> Option<String> {
    backlog.refill(&tell);
    let entry = head(backlog)?;
    backlog.wrote();
    backlog.confirm(entry.sequence);
    Some(match entry.tells_of_loss {
        true => String::from_utf8_lossy(&entry.text).into_owned(),
        false => entry.sequence.to_string(),
    })
}

fn rest(backlog: &mut Backlog) -> Vec<String> {
    std::iter::from_fn(|| take(backlog)).collect()
}

#[test]
fn without_a_disk_the_oldest_that_are_not_ready_give_way_and_are_told() {
    let mut backlog = Backlog::new(None, 2);
    // The first fills the window.
    put(&mut backlog, AHEAD);

    (2..=6).for_each(|_| put(&mut backlog, 10));

    assert_eq!(backlog.counts().lost, 3);
    assert_eq!(rest(&mut backlog), ["1", "3 20-40", "5", "6"]);
    let counts = backlog.counts();
    assert_eq!((counts.sent, counts.waiting()), (3, 0));
    assert!(backlog.is_empty());
}

#[test]
fn what_is_not_confirmed_is_written_again_and_counted_apart() {
    let mut backlog = Backlog::new(None, 10);
    (1..=3).for_each(|_| put(&mut backlog, 10));
    assert!(backlog.wrote() && backlog.wrote());

    backlog.confirm(1);
    backlog.rewind();

    assert_eq!(rest(&mut backlog), ["2", "3"]);
    let counts = backlog.counts();
    assert_eq!((counts.sent, counts.resent), (3, 1));
}

fn sequences(heads: &[Entry]) -> Vec<u64> {
    heads.iter().map(|entry| entry.sequence).collect()
}

#[test]
fn a_batch_is_as_many_as_fit_and_one_at_least() {
    let mut backlog = Backlog::new(None, 10);
    assert!(backlog.heads(Batch::ONE).is_empty());
    for bytes in [10, 10, 50, 10] {
        put(&mut backlog, bytes);
    }
    for (records, bytes, expected) in [
        (1, 100, &[1u64] as &[u64]),
        (2, 100, &[1, 2]),
        (9, 69, &[1, 2]),
        (9, 70, &[1, 2, 3]),
        (9, 5, &[1]),
        (9, 100, &[1, 2, 3, 4]),
    ] {
        let heads = backlog.heads(Batch { records, bytes });
        assert_eq!(sequences(&heads), expected, "{records} of {bytes}");
    }

    backlog.wrote();

    let heads = backlog.heads(Batch::MANY);
    assert_eq!(sequences(&heads), [2, 3, 4]);
}

#[test]
fn what_is_refused_is_lost_and_holds_nothing_up() {
    let mut backlog = Backlog::new(None, 10);
    (1..=3).for_each(|_| put(&mut backlog, 10));
    backlog.offered(3);
    backlog.wrote();

    let refused = backlog.refuse().expect("there is one");

    assert_eq!(refused.sequence, 2);
    let counts = backlog.counts();
    assert_eq!((counts.sent, counts.lost, counts.waiting()), (1, 1, 1));
    assert_eq!(
        backlog.cursor(4, 30).confirmed,
        2,
        "the next agent skips it"
    );
    backlog.rewind();
    backlog.offered(1);
    assert_eq!(rest(&mut backlog), ["3"]);
    assert_eq!(backlog.counts().resent, 1, "the third was offered twice");
    assert!(backlog.refuse().is_none());
}

#[test]
fn what_is_damaged_on_disk_is_told_to_be_lost() {
    let left = Left {
        next: 7,
        kept: 6,
        ..Left::default()
    };
    let mut backlog = Backlog::new(Some(&left), 10);
    assert_eq!(backlog.counts().given, 6);

    assert_eq!(backlog.refill(&tell), Some(1));
    backlog.load(vec![entry(1, 1), entry(4, 1)], &tell);
    assert_eq!(backlog.refill(&tell), Some(5));
    backlog.load(Vec::new(), &tell);

    assert_eq!(rest(&mut backlog), ["1", "2 11-39", "4", "2 41-41"]);
    let counts = backlog.counts();
    assert_eq!((counts.sent, counts.lost, counts.waiting()), (2, 4, 0));
}

#[test]
fn the_next_agent_knows_what_was_told_but_not_received() {
    let mut backlog = Backlog::new(None, 1);
    put(&mut backlog, AHEAD);
    (2..=3).for_each(|_| put(&mut backlog, 10));
    assert_eq!(backlog.cursor(4, 30).gaps.len(), 1);

    backlog.wrote();
    backlog.refill(&tell);
    backlog.wrote();
    assert_eq!(backlog.cursor(4, 30).gaps.len(), 1, "written, not received");

    backlog.confirm(2);
    let cursor = backlog.cursor(4, 30);
    assert_eq!((cursor.confirmed, cursor.next), (2, 4));
    assert!(cursor.gaps.is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    /// The keeper begins to write.
    BeginToKeep(usize, u64),
    /// And ends, well or not.
    Keep(bool),
    /// The keeper throws away so many of the oldest on disk.
    MakeRoom(usize),
    Send,
    Confirm,
    /// The receiver has all that was written, and refuses the next.
    Refuse,
    Rewind,
    /// One on disk is damaged.
    Damage(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..AHEAD / 2).prop_map(Step::Put),
        4 => (1usize..4, 0u64..600).prop_map(|(most, up_to)| Step::BeginToKeep(most, up_to)),
        4 => any::<bool>().prop_map(Step::Keep),
        1 => (1usize..4).prop_map(Step::MakeRoom),
        6 => Just(Step::Send),
        3 => Just(Step::Confirm),
        1 => Just(Step::Refuse),
        1 => Just(Step::Rewind),
        1 => any::<usize>().prop_map(Step::Damage),
    ];
    prop::collection::vec(step, 0..60)
}

/// What a receiver has seen.
#[derive(Default)]
struct Receiver {
    records: BTreeMap<u64, u64>,
    told: u64,
    /// Records that it refused, and those of which it did not want to be told.
    refused: u64,
}

impl Receiver {
    fn refuses(&mut self, entry: &Encoded) {
        match entry.tells_of_loss {
            true => self.refused += count_of(entry),
            false if self.records.contains_key(&entry.sequence) => {}
            false => self.refused += 1,
        }
    }

    fn takes(&mut self, entry: &Encoded) {
        if entry.tells_of_loss {
            self.told += count_of(entry);
        } else {
            *self.records.entry(entry.sequence).or_default() += 1;
        }
    }
}

fn count_of(tells: &Encoded) -> u64 {
    let text = String::from_utf8_lossy(&tells.text).into_owned();
    let count = text.split(' ').next().and_then(|count| count.parse().ok());
    count.expect("a count")
}

fn send(backlog: &mut Backlog, disk: &BTreeMap<u64, Encoded>, receiver: &mut Receiver) -> bool {
    while let Some(from) = backlog.refill(&tell) {
        let found = disk.range(from..).take(2).map(|(_, entry)| entry.clone());
        backlog.load(found.collect(), &tell);
    }
    let Some(entry) = head(backlog) else {
        return false;
    };
    receiver.takes(&entry);
    backlog.wrote();
    true
}

proptest! {
    #[test]
    fn each_record_arrives_or_is_told_to_be_lost(steps in steps(), capacity in 1usize..6) {
        let left = Left { next: 1, ..Left::default() };
        let mut backlog = Backlog::new(Some(&left), capacity);
        let mut disk = BTreeMap::<u64, Encoded>::new();
        let mut receiver = Receiver::default();
        let mut in_hand = Vec::new();
        let mut put_so_far = 0;

        for step in steps {
            match step {
                Step::Put(bytes) => {
                    put(&mut backlog, bytes);
                    put_so_far += 1;
                }
                Step::BeginToKeep(most, up_to) => {
                    if in_hand.is_empty() {
                        in_hand = backlog.begin_to_keep(most, up_to);
                    }
                }
                Step::Keep(is_written) => {
                    for entry in std::mem::take(&mut in_hand) {
                        if is_written {
                            disk.insert(entry.sequence, (*entry).clone());
                        }
                    }
                    backlog.keep(is_written);
                }
                Step::MakeRoom(count) => {
                    for _ in 0..count {
                        if disk.len() > 1 && let Some((_, entry)) = disk.pop_first() {
                            backlog.give_up(&entry);
                        }
                    }
                }
                Step::Send => {
                    send(&mut backlog, &disk, &mut receiver);
                }
                Step::Confirm => backlog.confirm(u64::MAX),
                Step::Refuse => {
                    if let Some(refused) = backlog.refuse() {
                        receiver.refuses(&refused);
                    }
                }
                Step::Rewind => {
                    // What is written again is told again.
                    let count = |gaps: &VecDeque<Gap>| -> u64 {
                        gaps.iter().map(|gap| gap.gone.count).sum()
                    };
                    let to_come = count(&backlog.told) + count(&backlog.gaps);
                    receiver.told = backlog.counts().lost - to_come - receiver.refused;
                    backlog.rewind();
                }
                Step::Damage(which) => {
                    let keys: Vec<u64> = disk.keys().copied().collect();
                    if !keys.is_empty() {
                        disk.remove(&keys[which % keys.len()]);
                    }
                }
            }
            let counts = backlog.counts();
            prop_assert_eq!(counts.given, put_so_far);
            prop_assert!(counts.sent + counts.lost <= counts.given);
        }
        while send(&mut backlog, &disk, &mut receiver) {}

        let counts = backlog.counts();
        prop_assert!(backlog.is_empty());
        prop_assert_eq!(counts.waiting(), 0);
        prop_assert_eq!(receiver.records.len() as u64, counts.sent);
        prop_assert_eq!(receiver.told + receiver.refused, counts.lost);
        prop_assert_eq!(counts.sent + counts.lost, put_so_far);
    }
}
