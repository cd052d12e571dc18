//! Hostile alerts through every kind of sink into real syslog servers: each is
//! received once, as one message, with the fields it was sent with.
//!
//! - `records`: what is sent
//! - `server`: a server's process, and what it wrote down
//! - `rsyslogd`, `syslog_ng`: the servers, which read RFC 5424 each in its own way
//! - `compare`: whether what was received is what was sent

mod compare;
mod records;
mod rsyslogd;
mod server;
mod syslog_ng;

use execwarden::alert::{Sinks, Target, rfc5424};
use server::Server;
use std::time::{Duration, Instant};

/// Few enough for the receive buffer of a UDP socket.
const BATCH: usize = 16;

/// Runs the test with a receiver, or says why not.
fn with<R>(name: &str, receiver: Option<R>, test: impl AsyncFnOnce(&mut R)) {
    let Some(mut receiver) = receiver else {
        println!("skipped: {name} is not there; run cargo xtask setup");
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "under CI=true {name} has to be there; run cargo xtask setup"
        );
        return;
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test(&mut receiver));
}

fn start(url: &str) -> Sinks {
    let target: Target = url.parse().expect("is a target");
    Sinks::start(vec![target], "node-1", rfc5424::Settings::new(77), None)
}

/// Sends every hostile record to `url` and compares what is received.
async fn check(server: &mut Server, url: &str, input: &str) {
    let sinks = start(url);
    let records = records::hostile_records();

    for (batch, sent) in records.chunks(BATCH).zip(1..) {
        batch.iter().for_each(|record| sinks.send(record));
        let so_far = records.len().min(sent * BATCH);
        wait_until_sent(&sinks, so_far as u64).await;
        server.messages(so_far);
    }
    let left = sinks.drain(Instant::now() + Duration::from_secs(1)).await;

    assert_eq!((left[0].sent, left[0].lost), (records.len() as u64, 0));
    let messages = server.messages(records.len());
    assert_eq!(messages.len(), records.len(), "each record is one message");
    for (record, message) in records.iter().zip(&messages) {
        assert_eq!(message["input"], input);
        compare::assert_received(record, message);
    }
}

async fn wait_until_sent(sinks: &Sinks, count: u64) {
    let end = Instant::now() + Duration::from_secs(20);
    while sinks.status()[0].sent < count {
        assert!(Instant::now() < end, "not sent: {:?}", sinks.status());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
