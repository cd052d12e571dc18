//! `execwarden log`: the journal of decisions.

use super::operator_args::LogArguments;
use super::output::{self, plain};
use super::paint::Paint;
use super::table::wrapped;
use super::{CommandError, Outcome};
use crate::control::client;
use crate::control::operation::Operation;
use crate::control::protocol::{Answer, Request};
use crate::history::Decision;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

pub(super) fn execute(arguments: LogArguments) -> Result<Outcome, CommandError> {
    let agent = PathBuf::from(arguments.agent.control);
    let operation = Operation::Log {
        since_s: arguments.since.map(|since| since.as_secs()),
        workload: arguments.workload,
    };
    let Answer::Log(rows) = client::ask(&agent, &Request::Operation(operation))? else {
        return Err(client::unexpected(&agent).into());
    };
    match arguments.json {
        true => output::print_json(&rows)?,
        false => {
            let paint = Paint::for_terminal(io::stdout().is_terminal());
            output::print(&render(&rows, paint))?;
        }
    }
    Ok(Outcome::Done)
}

fn render(rows: &[Decision], paint: Paint) -> String {
    if rows.is_empty() {
        return "Nothing was decided.\n".to_owned();
    }
    rows.iter().map(|row| decision(row, paint)).collect()
}

fn decision(row: &Decision, paint: Paint) -> String {
    let what = paint.heading(row.what.as_str());
    let workload = row.workload.as_deref().unwrap_or("-");
    let mut out = format!(
        "{} {what} {}\n",
        row.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        plain(workload)
    );
    let by = row.who.as_ref();
    let by = by.map_or_else(|| "the agent".to_owned(), ToString::to_string);
    out += &wrapped("  by", &plain(&by));
    for change in &row.changes {
        out += &wrapped("   ", &plain(change));
    }
    if let Some(reason) = &row.reason {
        out += &wrapped("  because", &plain(reason));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{What, Who};

    #[test]
    fn a_row_says_who_did_what_to_whom_and_why() {
        let accept = Decision {
            number: 1,
            at: "2026-01-02T03:04:05.5Z".parse().expect("a time"),
            who: Some(Who {
                user: Some("root".to_owned()),
                sudo_uid: Some(1000),
                ..Who::default()
            }),
            what: What::Accept,
            workload: Some("runc/web".to_owned()),
            changes: vec!["+ processes: path: /tmp/tool layer: upper".to_owned()],
            reason: Some("it is \x1b[2J ours".to_owned()),
        };
        let ended = Decision {
            who: None,
            what: What::AllowEnded,
            changes: Vec::new(),
            reason: None,
            ..accept.clone()
        };

        insta::assert_snapshot!(render(&[accept, ended], Paint::Plain), @r"
        2026-01-02T03:04:05Z accept runc/web
          by root (sudo uid 1000)
            + processes: path: /tmp/tool layer: upper
          because it is \x1b[2J ours
        2026-01-02T03:04:05Z allow-ended runc/web
          by the agent
        ");
        assert_eq!(render(&[], Paint::Plain), "Nothing was decided.\n");
    }
}
