//! Carries one outbox to a receiver that answers.

use super::SinkState;
use super::batch::Halving;
use super::outbox::Outbox;
use super::post::{Outcome, Post};
use crate::backoff::Backoff;

/// Sends what waits, and again what the receiver did not take. Returns when the
/// outbox is closed and empty.
pub(super) async fn deliver(post: &mut Post, outbox: &Outbox, backoff: &mut Backoff) {
    let mut halving = Halving::default();
    loop {
        let heads = outbox.heads(halving.limit(post.batch())).await;
        let Some(last) = heads.last() else {
            return;
        };
        let outcome = post.send(&heads).await;
        outbox.offered(heads.len());
        match outcome {
            Outcome::Taken => {
                outbox.wrote(heads.len());
                outbox.confirm(last.sequence);
                outbox.set_state(SinkState::Connected);
                halving.took(heads.len());
                backoff.reset();
            }
            Outcome::Refused { why } => {
                if halving.refused(heads.len()) {
                    outbox.refuse(&why);
                    // It may refuse all, because it is the wrong one: it gets them
                    // slowly, until somebody has seen that.
                    outbox.pause(backoff.next()).await;
                }
            }
            Outcome::PutOff { why, wait } => {
                outbox.set_state(SinkState::Failing { error: why });
                // A thousand nodes that were told the same do not come back at once.
                outbox
                    .pause(wait.unwrap_or_default() + backoff.next())
                    .await;
            }
        }
    }
}
