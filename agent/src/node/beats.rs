//! What the agent tells of itself: that it is there, from time to time, and a test
//! where somebody asks for one.

use super::Node;
use super::decisions::refused;
use crate::alert::{Beat, Cause, Delivered};
use crate::control::operation::{TestAlert, TestedTarget};
use crate::control::protocol::{Answer, Refusal};
use crate::history::Who;
use crate::model::Untrusted;
use jiff::Timestamp;
use std::time::Instant;

impl Node {
    /// Sends a heartbeat, if it is time.
    pub(super) fn beat(&mut self) {
        let Some(interval) = self.config.heartbeat else {
            return;
        };
        if self.last_beat.elapsed() >= interval {
            self.last_beat = Instant::now();
            let canary = self.canary_told();
            self.send_beat(Cause::Heartbeat { canary });
        }
    }

    /// Sends a record through every target that somebody can look for.
    pub(super) fn test_alert(&mut self, who: &Who) -> Result<Answer, Refusal> {
        let by = Untrusted::from(who.to_string().as_str());
        let (number, sequences) = self.send_beat(Cause::Test { by });
        let sinks = self.alerts.sinks().status();
        if sinks.is_empty() {
            return Err(refused("the agent has no target of alerts"));
        }
        let targets = sinks.into_iter().zip(sequences);
        let targets = targets.filter_map(|(sink, sequence)| {
            let target = sink.target;
            Some(TestedTarget {
                target,
                sequence: sequence?,
            })
        });
        Ok(Answer::TestAlert(TestAlert {
            number,
            targets: targets.collect(),
        }))
    }

    /// Sends one; its number, and its sequence at each target that is to have it.
    pub(super) fn send_beat(&mut self, cause: Cause) -> (u64, Vec<Option<u64>>) {
        let beat = self.new_beat(cause);
        let (number, sequences) = self.alerts.beat(beat);
        self.note_deliveries(&sequences);
        (number, sequences)
    }

    fn new_beat(&self, cause: Cause) -> Beat {
        Beat {
            number: 0,
            time: Timestamp::now(),
            node: self.config.node_name.as_str().to_owned(),
            cause,
            execs: self.accounting(),
            target: Delivered::default(),
        }
    }
}
