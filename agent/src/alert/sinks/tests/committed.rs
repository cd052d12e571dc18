//! What an agent that was killed leaves in one spool and not in the other.

use super::*;
use crate::alert::sinks::entry::Encoded;
use crate::alert::sinks::spool::{Committed, Left, Spool};
use crate::alert::sinks::spools::folder_name;
use crate::model::Digest;
use std::fs;

const BOUND: u64 = 1 << 20;

/// Two files that get alerts, and a folder of spools.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn spools(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    fn url(&self, name: &str) -> String {
        format!("file:{}", self.folder.path().join(name).display())
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn start(&self, urls: &[&str]) -> Sinks {
        let targets = urls.iter().map(|url| url.parse().expect("is a target"));
        let spool = SpoolSettings {
            folder: self.spools(),
            bound: BOUND,
        };
        let settings = Settings::new(77);
        Sinks::start(targets.collect(), "node-1", settings, Some(&spool))
    }

    /// What stands in the file.
    fn committed(&self) -> Option<u64> {
        Committed::of(&self.spools()).read().unwrap()
    }

    /// Writes a record to a spool as an agent does that is killed before it commits it.
    fn append(&self, url: &str, sequence: u64, number: u64) {
        let folder = self.spools().join(folder_name(&url.parse().unwrap()));
        let (mut spool, _) = Spool::open(&folder, BOUND, None).unwrap();
        let entry = Encoded {
            sequence,
            number,
            workload: String::new(),
            tells_of_loss: false,
            text: b"<0>cut off".to_vec(),
        };
        spool.append(&[Arc::new(entry)]).unwrap();
    }
}

async fn end(sinks: Sinks) {
    for status in sinks.drain(Instant::now() + DEADLINE).await {
        assert_eq!(status.waiting, 0, "{status:?}");
    }
}

async fn until_committed(sinks: &Sinks, number: u64) {
    soon("the commit", async {
        while sinks.committed() != number {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn numbers(text: &str) -> Vec<String> {
    text.lines().map(|line| number(line.as_bytes())).collect()
}

#[tokio::test]
async fn what_one_spool_has_and_the_other_has_not_is_cut_off_and_told_again() {
    let files = Files::new();
    let (one, other) = (files.url("one"), files.url("other"));
    let sinks = files.start(&[&one, &other]);
    assert_eq!((sinks.committed(), sinks.committed_before()), (0, None));
    send(&sinks, 1..=2);
    end(sinks).await;
    files.append(&one, 3, 3);

    let sinks = files.start(&[&one, &other]);

    assert_eq!((sinks.committed(), sinks.committed_before()), (2, Some(2)));
    assert_eq!(sinks.last_number(), 2);
    assert_eq!(sinks.status()[0].waiting, 0);
    send(&sinks, [3]);
    end(sinks).await;
    for name in ["one", "other"] {
        let text = files.text(name);
        assert_eq!(numbers(&text), ["1", "2", "3"]);
        assert!(text.contains("sequenceId=\"3\""), "{text}");
    }
    assert_eq!(files.committed(), Some(3));
}

#[tokio::test]
async fn a_chain_goes_on_as_if_what_is_cut_off_had_never_been() {
    let files = Files::new();
    let url = format!("{}#chain=sha256", files.url("log"));
    let sinks = files.start(&[&url]);
    send(&sinks, 1..=3);
    end(sinks).await;
    files.append(&url, 4, 4);

    let sinks = files.start(&[&url]);
    send(&sinks, 4..=5);
    end(sinks).await;

    let text = files.text("log");
    let mut chain = crate::alert::Chain::default();
    let walked = text.lines().map(|line| chain.walk(line.as_bytes()));
    use crate::alert::Walked::{Begins, Follows};
    let expected = [Begins, Follows, Follows, Follows, Follows];
    assert_eq!(walked.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn where_nothing_says_what_is_committed_all_of_it_is() {
    let files = Files::new();
    let url = files.url("log");
    let sinks = files.start(&[&url]);
    send(&sinks, 1..=2);
    end(sinks).await;
    files.append(&url, 3, 3);
    fs::remove_file(files.spools().join("committed")).unwrap();

    let sinks = files.start(&[&url]);

    assert_eq!((sinks.committed(), sinks.committed_before()), (3, None));
    assert_eq!(sinks.last_number(), 3);
    assert_eq!(files.committed(), Some(3), "from now on it is said");
    end(sinks).await;
    assert!(files.text("log").ends_with("cut off\n"));
}

#[tokio::test]
async fn what_a_target_is_not_to_have_holds_nothing_back() {
    let files = Files::new();
    let few = format!("{}#severity=critical", files.url("few"));
    let sinks = files.start(&[&files.url("all"), &few]);

    for number in 1..=3 {
        send(&sinks, [number]);
        until_committed(&sinks, number).await;
    }

    assert_eq!(sinks.status()[1].waiting, 0);
}

#[tokio::test]
async fn what_the_agent_tells_of_itself_is_committed_too() {
    let files = Files::new();
    let sinks = files.start(&[&files.url("log")]);

    let beat = crate::alert::beat::tests::beat();
    sinks.beat(&beat);

    until_committed(&sinks, beat.number).await;
}

#[tokio::test]
async fn without_a_spool_what_was_put_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let sinks = start(&unix_url(&dir.path().join("absent")), 100);

    send(&sinks, 1..=5);

    assert_eq!((sinks.committed(), sinks.committed_before()), (5, None));
}

#[tokio::test]
async fn a_record_is_committed_before_it_is_sent() {
    let files = Files::new();
    let path = files.folder.path().join("socket");
    let receiver = UnixDatagram::bind(&path).unwrap();
    let sinks = files.start(&[&unix_url(&path), &files.url("log")]);
    for number in 1..=100 {
        send(&sinks, [number]);
        assert_eq!(receive(&receiver, 1).await, [number.to_string()]);
        assert!(files.committed() >= Some(number), "{number}");
    }
}

#[tokio::test]
async fn an_agent_that_ends_leaves_nothing_uncommitted() {
    let files = Files::new();
    let few = format!("{}#severity=critical", files.url("few"));
    let away = unix_url(&files.folder.path().join("absent"));
    let sinks = files.start(&[&few, &away]);

    send(&sinks, 1..=1000);
    sinks.drain(Instant::now()).await;

    // A busy disk may take longer than the agent is held up for.
    soon("the last write", async {
        while files.committed() != Some(1000) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let sinks = files.start(&[&few, &away]);
    assert_eq!(sinks.status()[1].waiting, 1000);
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_does_not_hold_the_others_back() {
    let files = Files::new();
    let url = files.url("one");
    let spool = files.spools().join(folder_name(&url.parse().unwrap()));
    let sinks = files.start(&[&url, &files.url("other")]);
    // It is seen when the next segment is made.
    fs::remove_dir_all(&spool).unwrap();
    send(&sinks, 1..=300);
    until_committed(&sinks, 300).await;

    send(&sinks, 301..=600);
    until_committed(&sinks, 600).await;

    let fails = |status: &SinkStatus| status.spool.as_ref().is_some_and(|s| s.error.is_some());
    until(&sinks, "the failure", fails).await;
    fs::create_dir(&spool).unwrap();
    send(&sinks, [601]);
    until(&sinks, "it to be written", |status| !fails(status)).await;
    until_committed(&sinks, 601).await;
    end(sinks).await;
    assert_eq!(files.start(&[&url]).last_number(), 601);
}

#[tokio::test]
async fn no_note_speaks_of_what_is_not_committed() {
    let target: Target = "file:/absent#chain=sha256".parse().unwrap();
    let outbox = Outbox::new(
        "node-1".to_owned(),
        Form::of(&target, Settings::new(77)),
        target,
        Backlog::new(Some(&Left::default()), 10),
        None,
        None,
        Arc::new(Bell::default()),
    );
    for number in 11..=13 {
        outbox.put(Message::Record(&Record { number, ..record() }));
    }
    // It had to wait for the disk for too long.
    outbox.wrote(3);
    outbox.confirm(3);

    let kept = outbox.begin_to_keep(10, 12);
    assert_eq!(kept.len(), 2);
    outbox.keep(true, 12);

    let cursor = outbox.cursor(12);
    assert_eq!((cursor.confirmed, cursor.next), (2, 3));
    assert_eq!(cursor.last, Some(Digest::of(&kept[1].text).to_string()));
    assert_eq!(outbox.begin_to_keep(10, 13).len(), 1);
    outbox.keep(false, 13);
    let cursor = outbox.cursor(12);
    assert_eq!((cursor.confirmed, cursor.next), (3, 4), "in memory alone");
}
