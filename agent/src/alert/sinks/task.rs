//! Carries one queue to one target for as long as the agent runs.

use super::line::Line;
use super::queue::Queue;
use super::{SinkState, Target};
use crate::alert::rfc5424::Settings;
use crate::backoff::Backoff;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The waits after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A line that held this long was a good one: its end is no reason to wait.
const GOOD: Duration = Duration::from_secs(10);

/// Opens the target, writes what waits, opens it again when that fails.
/// Returns when the queue is closed and empty.
pub(super) async fn run(target: Target, settings: Settings, queue: Arc<Queue>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    while !queue.is_finished() {
        let began = Instant::now();
        let failed = match Line::open(&target).await {
            Ok(mut line) => {
                queue.set_state(SinkState::Connected);
                match carry(&mut line, &settings, &queue, &mut backoff).await {
                    Ok(()) => return,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        queue.set_state(SinkState::Failing {
            error: failed.to_string(),
        });
        if began.elapsed() >= GOOD {
            backoff.reset();
        }
        queue.pause(backoff.next()).await;
    }
}

/// Until the queue is closed and empty, or the line fails.
async fn carry(
    line: &mut Line,
    settings: &Settings,
    queue: &Queue,
    backoff: &mut Backoff,
) -> io::Result<()> {
    loop {
        let item = tokio::select! {
            // The hang-up first: what is written after it is lost.
            biased;
            error = line.hung_up() => return Err(error),
            item = queue.head() => item,
        };
        let Some(item) = item else {
            return Ok(());
        };
        line.send(settings, &item).await?;
        queue.done();
        backoff.reset();
    }
}
