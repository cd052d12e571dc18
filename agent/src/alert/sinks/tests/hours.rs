//! Receivers that are no use for an hour, of a clock that the tests move on: when
//! they are one again they get all that was to be told meanwhile, and until then
//! they are asked now and then.

use super::http_server::{Server, says, takes};
use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::time::{resume, sleep};

const MINUTE: Duration = Duration::from_secs(60);
const RECORDS: u64 = 60;
/// The wait after a failure is at most this long, and half of that at least.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A record a minute; the runtime moves the clock on whenever nobody has anything
/// else to do.
async fn an_hour(sinks: &Sinks) {
    for number in 1..=RECORDS {
        send(sinks, [number]);
        sleep(MINUTE).await;
    }
}

fn all() -> Vec<String> {
    (1..=RECORDS).map(|number| number.to_string()).collect()
}

/// Not given up, and not hammered.
fn is_now_and_then(attempts: usize) {
    let hour = MINUTE * RECORDS as u32;
    let fewest = hour.as_secs() / LONGEST_WAIT.as_secs();
    let most = 2 * fewest + 20;
    assert!(
        (fewest..=most).contains(&(attempts as u64)),
        "{attempts} attempts in an hour"
    );
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_away_for_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let sinks = start_with_spool(&unix_url(&path), dir.path(), 1 << 20);
    an_hour(&sinks).await;
    let waits = sinks.status()[0].clone();
    assert_eq!((waits.sent, waits.waiting, waits.lost), (0, RECORDS, 0));

    let receiver = UnixDatagram::bind(&path).unwrap();
    sleep(LONGEST_WAIT).await;
    resume();

    assert_eq!(receive(&receiver, all().len()).await, all());
    let status = drained(sinks).await;
    let counted = (status.sent, status.resent, status.lost);
    assert_eq!(counted, (RECORDS, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_resets_in_mid_record_for_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("tcp://127.0.0.1:{port}");
    let sinks = start_with_spool(&url, dir.path(), 1 << 20);
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let resetting = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            // With the rest of the record unread, it is a reset.
            let _ = stream.read_exact(&mut [0; 100]).await;
        }
    });
    an_hour(&sinks).await;
    is_now_and_then(attempts.load(Ordering::Relaxed));
    resetting.abort();
    let _ = resetting.await;

    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let (mut stream, _) = tokio::time::timeout(2 * LONGEST_WAIT, listener.accept())
        .await
        .expect("it is tried again")
        .unwrap();
    resume();

    for expected in all() {
        assert_eq!(frame(&mut stream).await, expected);
    }
    assert_eq!(sinks.status()[0].lost, 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_puts_off_for_an_hour() {
    let is_over = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_over);
    let server = Server::start(move |request, before| match asked.load(Ordering::Relaxed) {
        true => takes(request, before),
        false => says(503, "later"),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let sinks = webhooks::post_with_spool(&server.url("/"), dir.path());
    an_hour(&sinks).await;
    let before = server.numbers().len();
    is_now_and_then(before);

    is_over.store(true, Ordering::Relaxed);
    sleep(LONGEST_WAIT).await;
    resume();
    until(&sinks, "all sent", |status| status.sent == RECORDS).await;

    let numbers = server.numbers().split_off(before).concat();
    assert_eq!(numbers, (1..=RECORDS).collect::<Vec<_>>());
    assert_eq!(sinks.status()[0].lost, 0);
}
