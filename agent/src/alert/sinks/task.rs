//! Carries one outbox to one target for as long as the agent runs.

use super::SinkState;
use super::batch::Batch;
use super::connect::{Way, open};
use super::deliver::deliver;
use super::line::{HungUp, Line};
use super::outbox::Outbox;
use super::place::Place;
use crate::backoff::Backoff;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The waits after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A line that held this long was a good one: its end is no reason to wait.
const GOOD: Duration = Duration::from_secs(10);
/// How often it is looked at what of the bytes underway has arrived.
const LOOK: Duration = Duration::from_millis(50);

/// Opens the target, writes what waits, opens it again when that fails, and begins
/// with what the receiver may not have. Returns when the outbox is closed and empty.
pub(super) async fn run(place: Place, outbox: Arc<Outbox>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    while !outbox.is_finished() {
        let began = Instant::now();
        let failed = match open(&place).await {
            Ok(Way::Post(mut post)) => {
                outbox.set_state(SinkState::Connected);
                return deliver(&mut post, &outbox, &mut backoff).await;
            }
            Ok(Way::Line(mut line)) => {
                outbox.set_state(SinkState::Connected);
                outbox.rewind();
                match carry(&mut line, &outbox, &mut backoff).await {
                    Ok(Ended::Renewed) => continue,
                    Ok(Ended::Finished) => return,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        outbox.set_state(SinkState::Failing {
            error: failed.to_string(),
        });
        if began.elapsed() >= GOOD {
            backoff.reset();
        }
        outbox.pause(backoff.next()).await;
    }
}

/// Why a line that did not fail is used no more.
enum Ended {
    /// Another one is to be opened.
    Renewed,
    /// The outbox is closed and empty.
    Finished,
}

/// Until it has ended, or fails.
async fn carry(line: &mut Line, outbox: &Outbox, backoff: &mut Backoff) -> io::Result<Ended> {
    let mut written = Written::default();
    loop {
        let is_underway = !written.is_empty() && line.is_underway();
        let heads = tokio::select! {
            // The hang-up first: what is written after it is lost.
            biased;
            hung_up = line.hung_up() => {
                return match hung_up {
                    HungUp::Orderly => {
                        line.is_read().await?;
                        if written.confirm(outbox, line.unsure_in_the_end()) {
                            backoff.reset();
                        }
                        Err(io::Error::new(io::ErrorKind::BrokenPipe, "the receiver hung up"))
                    }
                    HungUp::Renewed => {
                        finish(line, outbox, &mut written).await?;
                        Ok(Ended::Renewed)
                    }
                    HungUp::Failed(error) => Err(error),
                };
            }
            heads = outbox.heads(Batch::ONE) => heads,
            () = tokio::time::sleep(LOOK), if is_underway => {
                if written.confirm(outbox, line.unsure()) {
                    backoff.reset();
                }
                continue;
            }
        };
        let Some(entry) = heads.first() else {
            finish(line, outbox, &mut written).await?;
            return Ok(Ended::Finished);
        };
        let bytes = line.send(&entry.text).await?;
        outbox.wrote(1);
        written.add(entry.sequence, bytes);
        // What was only written is no sign of a receiver: something that accepts
        // and resets would be tried ten times a second, for ever.
        if written.confirm(outbox, line.unsure()) {
            backoff.reset();
        }
    }
}

/// Hangs up.
async fn finish(line: &mut Line, outbox: &Outbox, written: &mut Written) -> io::Result<()> {
    line.finish().await?;
    written.confirm(outbox, line.unsure_in_the_end());
    Ok(())
}

/// What was written to a line, and is not known to have arrived.
#[derive(Default)]
struct Written {
    /// Each record's sequence, and where it ends in all that was written.
    ends: VecDeque<(u64, u64)>,
    total: u64,
}

impl Written {
    fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn add(&mut self, sequence: u64, bytes: u64) {
        self.total += bytes;
        self.ends.push_back((sequence, self.total));
    }

    /// All has arrived but for so many bytes. Whether some of it was not known to
    /// have arrived before.
    fn confirm(&mut self, outbox: &Outbox, unsure: u64) -> bool {
        let sure = self.total.saturating_sub(unsure);
        let mut arrived = None;
        while let Some((sequence, _)) = self.ends.pop_front_if(|(_, end)| *end <= sure) {
            arrived = Some(sequence);
        }
        if let Some(sequence) = arrived {
            outbox.confirm(sequence);
        }
        arrived.is_some()
    }
}
