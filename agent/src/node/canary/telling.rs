//! Who is told what came of the canary: receivers, `status`, `readyz`.

use crate::alert::{CanaryTold, Cause, SinkState, SinkStatus};
use crate::canary::{Delivery, DeliveryNews, Given, Look, News, State};
use crate::control::status::{CanaryDelivery, CanaryRuns, CanaryState, CanaryStatus, CanaryTarget};
use crate::model::CanaryResult;
use crate::node::Node;
use jiff::Timestamp;
use std::time::Instant;

impl Node {
    /// A run is over.
    pub(super) fn canary_was_judged(&mut self, news: Option<News>) {
        if let Some(canary) = &mut self.canary
            && let State::Passed(took) = canary.watch.state()
        {
            canary.passed_at = Some(Timestamp::now());
            tracing::debug!(?took, "the canary passed");
        }
        self.tell_of_canary(news);
    }

    /// Tells what is news.
    pub(super) fn tell_of_canary(&mut self, news: Option<News>) {
        match news {
            None => {}
            Some(News::CannotRun(failure)) => {
                tracing::error!(why = failure.why, "the canary cannot run");
            }
            Some(News::Failed(failure)) => {
                let result = failure.result.as_str();
                tracing::error!(result, why = failure.why, "the canary failed");
                self.send_beat(Cause::Canary(CanaryTold::failed(
                    failure.result,
                    &failure.why,
                )));
            }
            Some(News::Recovered { took, failed }) => {
                tracing::info!(?took, failed, "the canary passes again");
                self.send_beat(Cause::Canary(CanaryTold::passed(took)));
            }
        }
    }

    /// What a heartbeat says of it; `None` where there is none, or none was over.
    pub(in crate::node) fn canary_told(&self) -> Option<CanaryTold> {
        let canary = self.canary.as_ref()?;
        match canary.watch.state() {
            State::Untried => None,
            State::Passed(took) => Some(CanaryTold::passed(*took)),
            State::Failed(failure) | State::CannotRun(failure) => {
                Some(CanaryTold::failed(failure.result, &failure.why))
            }
        }
    }

    /// Targets were given a record, each under this place in its sequence.
    pub(in crate::node) fn note_deliveries(&mut self, sequences: &[Option<u64>]) {
        let Some(canary) = &mut self.canary else {
            return;
        };
        let sinks = self.alerts.sinks().status();
        let given = sinks.into_iter().zip(sequences);
        let given = given.filter_map(|(sink, sequence)| {
            Some(Given {
                target: sink.target,
                sequence: (*sequence)?,
            })
        });
        canary.deliveries.given(given, Instant::now());
    }

    /// Looks whether they have arrived.
    pub(in crate::node) fn look_for_deliveries(&mut self) {
        let Some(canary) = &mut self.canary else {
            return;
        };
        let sinks = self.alerts.sinks().status();
        let looks: Vec<_> = sinks.iter().map(look).collect();
        for news in canary.deliveries.look(&looks, Instant::now()) {
            let told = match news {
                DeliveryNews::Late(target) => {
                    tracing::error!(target, "is connected, and does not take what it is sent");
                    let why = format!("{target} is connected and does not take what it is sent");
                    CanaryTold::failed(CanaryResult::NotDelivered, &why)
                }
                DeliveryNews::Arrived(target, took) => {
                    tracing::info!(target, ?took, "takes what it is sent again");
                    let what = format!("{target} takes what it is sent again");
                    CanaryTold::delivered(&what, took)
                }
            };
            self.send_beat(Cause::Canary(told));
        }
    }

    /// What `status` says of it; `None` where it is off.
    pub(in crate::node) fn canary_status(&self) -> Option<CanaryStatus> {
        let canary = self.canary.as_ref()?;
        let watch = &canary.watch;
        let (state, took, error) = match watch.state() {
            State::Untried => (CanaryState::Untried, None, None),
            State::Passed(took) => (CanaryState::Passed, Some(*took), None),
            State::Failed(failure) => (CanaryState::Failed, None, Some(failure)),
            State::CannotRun(failure) => (CanaryState::NotRunning, None, Some(failure)),
        };
        let runs = CanaryResult::OF_A_RUN.map(|result| CanaryRuns {
            result: result.as_str().to_owned(),
            count: watch.count(result),
        });
        let targets = self.alerts.sinks().status().into_iter();
        let targets = targets.map(|sink| {
            let (state, took) = match canary.deliveries.of(&sink.target) {
                Delivery::None => (CanaryDelivery::None, None),
                Delivery::Waits => (CanaryDelivery::Waits, None),
                Delivery::Late => (CanaryDelivery::Late, None),
                Delivery::Arrived(took) => (CanaryDelivery::Arrived, Some(took.as_secs_f64())),
            };
            CanaryTarget {
                target: sink.target,
                state,
                took_s: took,
            }
        });
        Some(CanaryStatus {
            state,
            error: error.map(|failure| failure.why.clone()),
            interval_s: watch.interval().as_secs(),
            took_s: took.map(|took| took.as_secs_f64()),
            passed_at: canary.passed_at,
            runs: runs.into(),
            targets: targets.collect(),
        })
    }
}

/// Of a stream nobody says what was read of it: what was written has arrived as far
/// as can be known.
fn look(sink: &SinkStatus) -> Look<'_> {
    let is_stream = { ["tcp://", "tls://"].iter() }.any(|scheme| sink.target.starts_with(scheme));
    Look {
        target: &sink.target,
        arrived: match is_stream {
            true => sink.written,
            false => sink.received,
        },
        last_sent: sink.last_sent,
        is_connected: sink.state == SinkState::Connected,
    }
}
