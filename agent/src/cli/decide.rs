//! The commands that change what the running agent does: what would change is
//! shown, asked about, and then done as it was shown.

use super::operator_args::{
    AcceptArguments, AllowArguments, ChangeArguments, PromoteArguments, RemoveArguments,
    RestoreArguments,
};
use super::output::{self, plain};
use super::paint::Paint;
use super::table::wrapped;
use super::{CommandError, Outcome};
use crate::control::client;
use crate::control::operation::{Change, How, Operation, Sign, WorkloadChange};
use crate::control::protocol::{Answer, Request};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

pub(super) fn accept(arguments: AcceptArguments) -> Result<Outcome, CommandError> {
    let AcceptArguments {
        id,
        any_args,
        glob,
        change,
    } = arguments;
    decide(&change, |how| Operation::Accept {
        id: id.clone(),
        any_args,
        glob: glob.clone(),
        how,
    })
}

pub(super) fn remove(arguments: RemoveArguments) -> Result<Outcome, CommandError> {
    let RemoveArguments {
        workload,
        path,
        applet,
        script_of,
        layer,
        change,
    } = arguments;
    decide(&change, |how| Operation::AllowlistRemove {
        workload: workload.clone(),
        path: path.clone(),
        applet: applet.clone(),
        script_of: script_of.clone(),
        layer,
        how,
    })
}

pub(super) fn restore(arguments: RestoreArguments) -> Result<Outcome, CommandError> {
    let RestoreArguments {
        workload,
        what,
        change,
    } = arguments;
    decide(&change, |how| Operation::AllowlistRestore {
        workload: workload.clone(),
        what: what.clone(),
        how,
    })
}

pub(super) fn allow(arguments: AllowArguments) -> Result<Outcome, CommandError> {
    let AllowArguments {
        workload,
        length,
        end: _,
        change,
    } = arguments;
    // Without a length it is to end, which is 0.
    let for_s = length.map_or(0, |length| length.as_secs());
    decide(&change, |how| Operation::Allow {
        workload: workload.clone(),
        for_s,
        how,
    })
}

pub(super) fn promote(arguments: PromoteArguments) -> Result<Outcome, CommandError> {
    let PromoteArguments {
        workload,
        namespace,
        label,
        mode,
        clear: _,
        action,
        percent,
        quiet,
        even_incomplete,
        change,
    } = arguments;
    decide(&change, |how| Operation::Promote {
        workload: workload.clone(),
        namespace: namespace.clone(),
        labels: label.iter().cloned().collect(),
        mode,
        action,
        percent,
        quiet_s: quiet.map(|quiet| quiet.as_secs()),
        even_incomplete,
        how,
    })
}

pub(super) fn decide(
    arguments: &ChangeArguments,
    operation: impl Fn(How) -> Operation,
) -> Result<Outcome, CommandError> {
    let agent = PathBuf::from(arguments.agent.control.clone());
    let planned = ask(&agent, operation(arguments.how(None)))?;
    let paint = Paint::for_terminal(io::stdout().is_terminal());
    if planned.workloads.is_empty() {
        match arguments.json {
            true => output::print_json(&planned)?,
            false => output::print("It is so already.\n")?,
        }
        return Ok(Outcome::Done);
    }
    if !arguments.json {
        output::print(&render(&planned, paint))?;
    }
    if !arguments.yes {
        if !io::stdin().is_terminal() {
            return Err(CommandError::NotAsked);
        }
        if arguments.json {
            // What is asked about has to be seen, and stdout is for the outcome.
            let _ = write!(io::stderr(), "{}", render(&planned, Paint::Plain));
        }
        if !is_wanted()? {
            output::complain(&"nothing was changed");
            return Ok(Outcome::No);
        }
    }
    let done = ask(&agent, operation(arguments.how(Some(&planned.plan))))?;
    match arguments.json {
        true => output::print_json(&done)?,
        false => output::print("Done.\n")?,
    }
    Ok(Outcome::Done)
}

fn ask(agent: &Path, operation: Operation) -> Result<Change, CommandError> {
    match client::ask(agent, &Request::Operation(operation))? {
        Answer::Change(change) => Ok(change),
        _ => Err(client::unexpected(agent).into()),
    }
}

pub(super) fn is_wanted() -> io::Result<bool> {
    let mut answer = String::new();
    write!(io::stderr(), "Do it? [y/N] ")?;
    io::stdin().lock().read_line(&mut answer)?;
    let answer = answer.trim().to_ascii_lowercase();
    Ok(answer == "y" || answer == "yes")
}

/// What comes and what goes, as a difference between two documents.
fn render(change: &Change, paint: Paint) -> String {
    let workloads = change.workloads.iter();
    workloads.map(|one| workload(one, paint)).collect()
}

fn workload(change: &WorkloadChange, paint: Paint) -> String {
    let mut out = format!("{}\n", paint.heading(&plain(&change.workload)));
    let mut part = "";
    for difference in &change.changes {
        if difference.part != part {
            part = &difference.part;
            out += &format!("  {}:\n", plain(part));
        }
        for line in difference.text.lines() {
            let line = plain(line);
            out += &match difference.sign {
                Sign::Added => paint.good(&format!("+   {line}")),
                Sign::Removed => paint.bad(&format!("-   {line}")),
            };
            out.push('\n');
        }
    }
    let notes = change.notes.iter().map(|note| wrapped("  !", &plain(note)));
    out.extend(notes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::operation::Difference;

    fn difference(sign: Sign, part: &str, text: &str) -> Difference {
        Difference {
            sign,
            part: part.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_change_reads_as_a_difference_of_documents() {
        let change = Change {
            applied: false,
            plan: "1f".to_owned(),
            workloads: vec![WorkloadChange {
                workload: "runc/\x1b[2Jweb".to_owned(),
                changes: vec![
                    difference(
                        Sign::Added,
                        "processes",
                        "- path: /tmp/tool\n  layer: upper",
                    ),
                    difference(Sign::Removed, "removed", "- path: /tmp/\u{202e}tool"),
                    difference(Sign::Removed, "mode", "learn"),
                    difference(Sign::Added, "mode", "enforce"),
                ],
                notes: vec!["it has learned enough".to_owned()],
            }],
        };

        insta::assert_snapshot!(render(&change, Paint::Plain), @r"
        runc/\x1b[2Jweb
          processes:
        +   - path: /tmp/tool
        +     layer: upper
          removed:
        -   - path: /tmp/\u{202e}tool
          mode:
        -   learn
        +   enforce
          ! it has learned enough
        ");
    }
}
