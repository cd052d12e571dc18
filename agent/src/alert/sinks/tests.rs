//! Sinks against sockets that vanish, fill up and come back.

mod committed;
mod encrypted;
mod hours;
mod http_server;
mod webhooks;

use super::*;
use crate::alert::record::tests::record;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener};

/// What every wait of these tests ends after.
const DEADLINE: Duration = Duration::from_secs(10);

fn start(url: &str, capacity: usize) -> Sinks {
    let target = url.parse().expect("is a target");
    Sinks::with_capacity(vec![target], "node-1", Settings::new(77), None, capacity)
}

fn unix_url(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn send(sinks: &Sinks, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        sinks.send(&Record { number, ..record() });
    }
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

async fn until(sinks: &Sinks, what: &str, holds: impl Fn(&SinkStatus) -> bool) {
    soon(what, async {
        while !holds(&sinks.status()[0]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The record's number; `5..7` for a notice of loss.
fn number(record: &[u8]) -> String {
    let text = std::str::from_utf8(record).expect("is UTF-8");
    let param = |name: &str| {
        let (_, after) = text.split_once(&format!(" {name}=\""))?;
        after.split('"').next()
    };
    match (param("from"), param("to")) {
        (Some(from), Some(to)) => format!("{from}..{to}"),
        _ => param("number").expect("is there").to_owned(),
    }
}

async fn receive(socket: &UnixDatagram, count: usize) -> Vec<String> {
    let mut numbers = Vec::new();
    let mut buffer = [0; 9000];
    while numbers.len() < count {
        let len = soon("a datagram", socket.recv(&mut buffer)).await.unwrap();
        numbers.push(number(&buffer[..len]));
    }
    numbers
}

/// One frame of RFC 6587 section 3.4.1.
async fn frame(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut len = 0;
    loop {
        match soon("a length", stream.read_u8()).await.unwrap() {
            b' ' => break,
            digit => len = len * 10 + usize::from(digit - b'0'),
        }
    }
    let mut record = vec![0; len];
    soon("a frame", stream.read_exact(&mut record))
        .await
        .unwrap();
    number(&record)
}

async fn drained(sinks: Sinks) -> SinkStatus {
    let deadline = Instant::now() + DEADLINE;
    sinks.drain(deadline).await.remove(0)
}

#[tokio::test]
async fn a_socket_that_vanishes_and_returns_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let receiver = UnixDatagram::bind(&path).unwrap();
    let sinks = start(&unix_url(&path), 100);
    send(&sinks, 1..=3);
    assert_eq!(receive(&receiver, 3).await, ["1", "2", "3"]);

    drop(receiver);
    std::fs::remove_file(&path).unwrap();
    send(&sinks, 4..=6);
    until(&sinks, "the failure", |s| {
        matches!(s.state, SinkState::Failing { .. })
    })
    .await;
    let receiver = UnixDatagram::bind(&path).unwrap();

    // That it had read the first ones was not seen before it was gone.
    let all = ["1", "2", "3", "4", "5", "6"];
    assert_eq!(receive(&receiver, 6).await, all);
    let status = drained(sinks).await;
    assert_eq!((status.sent, status.waiting, status.lost), (6, 0, 0));
    assert_eq!(status.resent, 3);
}

#[tokio::test]
async fn a_receiver_that_is_away_costs_the_oldest_and_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let sinks = start(&unix_url(&path), 3);

    // The first stand ready in memory, as many bytes as are to be written next.
    send(&sinks, 1..=1000);
    let lost = sinks.status()[0].lost;
    let ready = 1000 - lost - 3;
    assert!(lost > 500 && ready > 3, "{lost} lost");
    let receiver = UnixDatagram::bind(&path).unwrap();

    let received = receive(&receiver, ready as usize + 4).await;
    let numbers = |from: u64, to: u64| (from..=to).map(|n| n.to_string());
    let expected: Vec<String> = numbers(1, ready)
        .chain([format!("{}..997", ready + 1)])
        .chain(numbers(998, 1000))
        .collect();
    assert_eq!(received, expected);
}

#[tokio::test]
async fn a_receiver_that_does_not_read_holds_up_nobody_and_gets_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let receiver = UnixDatagram::bind(&path).unwrap();
    let sinks = start(&unix_url(&path), 4096);

    // More than a datagram socket's backlog (net.unix.max_dgram_qlen).
    send(&sinks, 1..=2000);
    until(&sinks, "a full socket", |s| s.sent > 0).await;

    let expected: Vec<String> = (1..=2000).map(|n| n.to_string()).collect();
    assert_eq!(receive(&receiver, 2000).await, expected);
}

#[tokio::test]
async fn a_stream_socket_gets_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let listener = UnixListener::bind(&path).unwrap();
    let sinks = start(&unix_url(&path), 100);
    send(&sinks, 1..=2);

    let (stream, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();

    for expected in ["1", "2"] {
        let line = soon("a line", lines.next_line()).await.unwrap().unwrap();
        assert_eq!(number(line.as_bytes()), expected);
    }
}

#[tokio::test]
async fn udp_takes_one_datagram_per_record() {
    let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = receiver.local_addr().unwrap().port();
    let sinks = start(&format!("udp://localhost:{port}"), 100);
    send(&sinks, 1..=2);

    let mut buffer = [0; 9000];
    for expected in ["1", "2"] {
        let len = soon("a datagram", receiver.recv(&mut buffer))
            .await
            .unwrap();
        assert_eq!(number(&buffer[..len]), expected);
    }
}

#[tokio::test]
async fn tcp_frames_by_length_and_notices_a_hang_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sinks = start(&format!("tcp://127.0.0.1:{port}"), 100);
    let (mut stream, _) = soon("a connection", listener.accept()).await.unwrap();
    send(&sinks, 1..=2);
    assert_eq!(frame(&mut stream).await, "1");
    assert_eq!(frame(&mut stream).await, "2");

    drop(stream);
    let (mut stream, _) = soon("a connection again", listener.accept()).await.unwrap();
    send(&sinks, 3..=4);

    assert_eq!(frame(&mut stream).await, "3");
    assert_eq!(frame(&mut stream).await, "4");
    let status = drained(sinks).await;
    assert_eq!((status.sent, status.waiting, status.lost), (4, 0, 0));
    assert_eq!(status.resent, 0, "it hung up in an orderly manner");
}

#[tokio::test]
async fn tcp_that_is_reset_is_told_again_what_it_may_not_have_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sinks = start(&format!("tcp://127.0.0.1:{port}"), 100);
    let (mut stream, _) = soon("a connection", listener.accept()).await.unwrap();
    send(&sinks, 1..=3);
    assert_eq!(frame(&mut stream).await, "1");
    until(&sinks, "all sent", |s| s.sent == 3).await;

    // With what it did not read, it is a reset.
    drop(stream);
    let (mut stream, _) = soon("a connection again", listener.accept()).await.unwrap();

    for expected in ["1", "2", "3"] {
        assert_eq!(frame(&mut stream).await, expected);
    }
    let status = &sinks.status()[0];
    assert_eq!((status.sent, status.resent, status.waiting), (3, 3, 0));
}

#[tokio::test]
async fn tcp_that_closes_one_way_and_then_the_other_has_not_read_all() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sinks = start(&format!("tcp://127.0.0.1:{port}"), 100);
    let (mut deaf, _) = soon("a connection", listener.accept()).await.unwrap();
    send(&sinks, 1..=3);
    until(&sinks, "all sent", |s| s.sent == 3).await;

    deaf.shutdown().await.unwrap();
    drop(deaf);

    let (mut stream, _) = soon("a connection again", listener.accept()).await.unwrap();
    for expected in ["1", "2", "3"] {
        assert_eq!(frame(&mut stream).await, expected);
    }
}

#[tokio::test]
async fn what_a_receiver_has_read_is_not_told_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let receiver = UnixDatagram::bind(&path).unwrap();
    let sinks = start(&unix_url(&path), 100);
    send(&sinks, 1..=3);
    assert_eq!(receive(&receiver, 3).await, ["1", "2", "3"]);
    until(&sinks, "it is seen", |s| s.received == 3).await;

    drop(receiver);
    std::fs::remove_file(&path).unwrap();
    let receiver = UnixDatagram::bind(&path).unwrap();
    send(&sinks, 4..=4);

    assert_eq!(receive(&receiver, 1).await, ["4"]);
    assert_eq!(sinks.status()[0].resent, 0);
}

#[tokio::test]
async fn what_a_dead_receiver_did_not_read_is_told_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let receiver = UnixDatagram::bind(&path).unwrap();
    let sinks = start(&unix_url(&path), 100);
    send(&sinks, 1..=3);
    assert_eq!(receive(&receiver, 1).await, ["1"]);
    until(&sinks, "all sent", |s| s.sent == 3).await;

    drop(receiver);
    std::fs::remove_file(&path).unwrap();
    let receiver = UnixDatagram::bind(&path).unwrap();
    send(&sinks, 4..=4);

    // Of one queue it is known that it is empty, not how much of it was read.
    assert_eq!(receive(&receiver, 4).await, ["1", "2", "3", "4"]);
}

/// The sink of one target, with a spool in `folder`.
fn start_with_spool(url: &str, folder: &Path, bound: u64) -> Sinks {
    let target = url.parse().expect("is a target");
    let spool = SpoolSettings {
        folder: folder.to_owned(),
        bound,
    };
    Sinks::with_capacity(
        vec![target],
        "node-1",
        Settings::new(77),
        Some(&spool),
        4096,
    )
}

#[tokio::test]
async fn what_waits_when_the_agent_ends_is_sent_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let url = unix_url(&path);
    let begin = || start_with_spool(&url, dir.path(), 1 << 20);
    let sinks = begin();
    assert_eq!(sinks.last_number(), 0);
    send(&sinks, 1..=200);
    let left = sinks.drain(Instant::now()).await;
    assert_eq!((left[0].sent, left[0].waiting, left[0].lost), (0, 200, 0));

    let sinks = begin();
    assert_eq!(sinks.last_number(), 200);
    send(&sinks, 201..=203);
    let receiver = UnixDatagram::bind(&path).unwrap();

    let expected: Vec<String> = (1..=203).map(|n| n.to_string()).collect();
    assert_eq!(receive(&receiver, 203).await, expected);
    let status = drained(sinks).await;
    assert_eq!((status.sent, status.waiting, status.lost), (203, 0, 0));
    let sinks = begin();
    assert_eq!(sinks.last_number(), 203);
    assert_eq!(sinks.status()[0].waiting, 0);
}

/// Were it the other way round, an agent that is killed in between would leave no
/// trace of a record, and the next one would give its number away again.
#[tokio::test]
async fn a_record_is_on_disk_before_it_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let receiver = UnixDatagram::bind(&path).unwrap();
    let folder = dir.path().join("spool");
    let sinks = start_with_spool(&unix_url(&path), &folder, 1 << 20);
    for number in 1..=100 {
        send(&sinks, [number]);
        assert_eq!(receive(&receiver, 1).await, [number.to_string()]);
        let found = find_in(&folder, &format!(" number=\"{number}\" "));
        assert!(found, "{number} is not on disk");
    }
}

/// Whether a file below it has this text.
fn find_in(folder: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.any(|path| match path.is_dir() {
        true => find_in(&path, text),
        false => String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains(text),
    })
}

#[tokio::test]
async fn a_spool_that_is_full_loses_the_oldest_and_says_whose() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let sinks = start_with_spool(&unix_url(&path), dir.path(), 1 << 20);

    send(&sinks, 1..=2000);
    // All of the loss: what the disk takes later makes room by another one.
    let mut before = 0;
    soon("the loss", async {
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            match sinks.status()[0].lost {
                lost if lost > 0 && lost == before => return,
                lost => before = lost,
            }
        }
    })
    .await;
    let receiver = UnixDatagram::bind(&path).unwrap();
    let mut told = Vec::new();
    let mut numbers = Vec::new();
    let mut buffer = [0; 9000];
    while numbers.last() != Some(&"2000".to_owned()) {
        let len = soon("a datagram", receiver.recv(&mut buffer))
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
        match text.contains("kind=\"lost\"") {
            true => told.push(text),
            false => numbers.push(number(&buffer[..len])),
        }
    }

    let lost = sinks.status()[0].lost;
    assert_eq!(numbers.len() as u64 + lost, 2000);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains(&format!("lost_of=\"{lost}:runc/web\"")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_said_and_memory_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let file = dir.path().join("spool");
    std::fs::write(&file, "in the way").unwrap();
    let sinks = start_with_spool(&unix_url(&path), &file, 1 << 20);

    send(&sinks, 1..=3);

    let spool = sinks.status()[0].spool.clone().expect("is told");
    assert!(spool.error.is_some());
    let receiver = UnixDatagram::bind(&path).unwrap();
    assert_eq!(receive(&receiver, 3).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn drain_writes_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let receiver = UnixDatagram::bind(&path).unwrap();
    let sinks = start(&unix_url(&path), 100);

    send(&sinks, 1..=3);
    let status = drained(sinks).await;

    assert_eq!((status.sent, status.waiting), (3, 0));
    assert_eq!(receive(&receiver, 3).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn drain_ends_at_its_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let sinks = start(&unix_url(&dir.path().join("absent")), 100);
    send(&sinks, 1..=3);

    let began = Instant::now();
    let left = sinks.drain(began + Duration::from_millis(300)).await;

    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!((left[0].sent, left[0].waiting), (0, 3));
}

#[tokio::test]
async fn the_journal_gets_each_record_as_one_datagram_of_fields() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let receiver = UnixDatagram::bind(&path).unwrap();
    let sinks = start(&format!("journald:{}", path.display()), 100);
    send(&sinks, 1..=2);

    let mut buffer = [0; 9000];
    for expected in ["EXECWARDEN_NUMBER=1", "EXECWARDEN_NUMBER=2"] {
        let len = soon("a datagram", receiver.recv(&mut buffer))
            .await
            .unwrap();
        let text = std::str::from_utf8(&buffer[..len]).expect("is UTF-8");
        assert!(text.lines().any(|line| line == expected), "{text}");
        assert!(text.ends_with('\n'), "the last field ends: {text}");
        assert!(
            text.starts_with("MESSAGE=web (runc/web) ran /tmp/evil"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_file_gets_lines_in_the_form_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let sinks = start(&format!("file:{}#form=json", path.display()), 100);

    send(&sinks, 1..=2);
    let status = drained(sinks).await;

    assert_eq!((status.sent, status.waiting), (2, 0));
    let text = std::fs::read_to_string(&path).unwrap();
    let numbers: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("is JSON"))
        .collect();
    assert_eq!(numbers.len(), 2);
    assert_eq!(numbers[1]["execwarden"]["sequence"], 2);
}

#[tokio::test]
async fn what_a_target_is_not_to_have_makes_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let sinks = start(&format!("file:{}#severity=critical", path.display()), 100);

    send(&sinks, 1..=2);
    let loader = Record {
        number: 3,
        reason: crate::model::Reason::Loader,
        severity: crate::alert::Severity::Critical,
        ..record()
    };
    sinks.send(&loader);
    let status = drained(sinks).await;

    assert_eq!(status.sent, 1);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("number=\"3\"") && text.contains("sequenceId=\"1\""),
        "{text}"
    );
}

#[tokio::test]
async fn tcp_frames_by_newlines_where_that_is_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sinks = start(&format!("tcp://127.0.0.1:{port}#framing=newline"), 100);
    let (stream, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();

    send(&sinks, 1..=2);

    for expected in ["1", "2"] {
        let line = soon("a line", lines.next_line()).await.unwrap().unwrap();
        assert!(line.starts_with('<'), "{line}");
        assert_eq!(number(line.as_bytes()), expected);
    }
}

#[tokio::test]
async fn a_chain_goes_on_across_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    let url = format!("file:{}#chain=sha256", file.display());
    for numbers in [1..=3, 4..=5] {
        let sinks = start_with_spool(&url, &dir.path().join("spool"), 1 << 20);
        send(&sinks, numbers);
        let status = drained(sinks).await;
        assert_eq!(status.waiting, 0);
    }

    let text = std::fs::read_to_string(&file).unwrap();
    let mut chain = crate::alert::Chain::default();
    let walked: Vec<_> = text
        .lines()
        .map(|line| chain.walk(line.as_bytes()))
        .collect();

    use crate::alert::Walked::{Begins, Follows};
    assert_eq!(walked, [Begins, Follows, Follows, Follows, Follows]);
}
