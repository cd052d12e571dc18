//! `execwarden test-alert`: a record of the operator's own through every target, and
//! what became of it.

use super::operator_args::TestAlertArguments;
use super::output;
use super::progress::Progress;
use super::table::{Column, Table};
use super::{CommandError, Outcome};
use crate::control::client;
use crate::control::operation::{Operation, TestAlert};
use crate::control::protocol::{Answer, Request};
use crate::control::status::SinkStatus;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often the agent is asked what became of it.
const LOOK: Duration = Duration::from_millis(100);

/// What became of the record at one target.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Outcomes {
    target: String,
    sequence: u64,
    outcome: What,
    /// What is wrong with the target, if something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    /// It waits.
    Waits,
    /// It was written; that the receiver has read it is not known.
    Written,
    /// The receiver has it.
    Received,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Page {
    v: u32,
    number: u64,
    targets: Vec<Outcomes>,
}

pub(super) fn execute(arguments: &TestAlertArguments) -> Result<Outcome, CommandError> {
    let agent = PathBuf::from(arguments.agent.control.clone());
    let operation = Operation::TestAlert {
        by: arguments.by.clone(),
    };
    let Answer::TestAlert(test) = client::ask(&agent, &Request::Operation(operation))? else {
        return Err(client::unexpected(&agent).into());
    };
    let until = Instant::now() + arguments.wait;
    let mut progress = Progress::new();
    let targets = loop {
        let targets = outcomes(&test, &sinks(&agent)?);
        let is_over = targets.iter().all(|one| one.outcome == What::Received);
        if is_over || Instant::now() >= until {
            break targets;
        }
        progress.say(|| "waiting for the receivers".to_owned());
        sleep(LOOK);
    };
    drop(progress);
    let all = targets.iter().all(|one| one.outcome > What::Waits);
    match arguments.json {
        true => output::print_json(&Page {
            v: 1,
            number: test.number,
            targets,
        })?,
        false => output::print(&render(test.number, &targets))?,
    }
    Ok(if all { Outcome::Done } else { Outcome::No })
}

fn sinks(agent: &Path) -> Result<Vec<SinkStatus>, CommandError> {
    match client::ask(agent, &Request::Status)? {
        Answer::Status(status) => Ok(status.sinks),
        _ => Err(client::unexpected(agent).into()),
    }
}

fn outcomes(test: &TestAlert, sinks: &[SinkStatus]) -> Vec<Outcomes> {
    let of = |target: &str| sinks.iter().find(|sink| sink.target == target);
    let targets = test.targets.iter();
    targets
        .map(|tested| {
            let sink = of(&tested.target);
            let is_up_to = |reached: u64| reached >= tested.sequence;
            Outcomes {
                target: tested.target.clone(),
                sequence: tested.sequence,
                outcome: match sink {
                    Some(sink) if is_up_to(sink.received) => What::Received,
                    Some(sink) if is_up_to(sink.written) => What::Written,
                    _ => What::Waits,
                },
                error: sink
                    .filter(|sink| sink.state != SinkStatus::CONNECTED)
                    .map(|sink| sink.state.clone()),
            }
        })
        .collect()
}

fn render(number: u64, targets: &[Outcomes]) -> String {
    let mut table = Table::new([
        Column::Shortened("TO"),
        Column::Number("SEQUENCE"),
        Column::Wrapped("THE RECORD"),
    ]);
    for one in targets {
        let outcome = match (one.outcome, &one.error) {
            (What::Received, _) => "is received".to_owned(),
            (What::Written, _) => "is written; whether it was read is not known".to_owned(),
            (What::Waits, Some(error)) => format!("waits: {error}"),
            (What::Waits, None) => "waits".to_owned(),
        };
        table.row([one.target.clone(), one.sequence.to_string(), outcome]);
    }
    format!("Record {number}, of the kind test:\n\n{}", table.render())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::operation::TestedTarget;
    use crate::control::status::tests::status;

    #[test]
    fn what_became_of_it_is_told_for_each_target() {
        let like = &status().sinks[0];
        let sink = |target: &str, state: &str, written, received| SinkStatus {
            target: target.to_owned(),
            state: state.to_owned(),
            written,
            received,
            ..like.clone()
        };
        let connected = SinkStatus::CONNECTED;
        let sinks = [
            sink("unix:/dev/log", connected, 7, 7),
            sink("tcp://logs:601", connected, 7, 3),
            sink("tls://logs:6514", "Connection refused (os error 111)", 2, 2),
        ];
        let targets = sinks.iter().map(|sink| TestedTarget {
            target: sink.target.clone(),
            sequence: 7,
        });
        let test = TestAlert {
            number: 41,
            targets: targets.collect(),
        };

        let outcomes = outcomes(&test, &sinks);

        insta::assert_snapshot!(render(41, &outcomes), @r"
        Record 41, of the kind test:

        TO               SEQUENCE  THE RECORD
        unix:/dev/log           7  is received
        tcp://logs:601          7  is written; whether it was read is not known
        tls://logs:6514         7  waits: Connection refused (os error 111)
        ");
    }
}
