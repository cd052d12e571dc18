//! The `execwarden` command: arguments in, data on stdout, everything else on
//! stderr, and an exit status that means something.
//!
//! - [`args`]: the command line as typed;
//! - [`logging`]: the agent's own log;
//! - [`operator_args`]: that of alerts and decisions;
//! - `status`, `allowlist`, `doctor`, `alerts`, `log`, `simulate`: what those commands
//!   print;
//! - `decide`: the commands that change something, which ask before; `edit`: the one
//!   that opens an editor;
//! - `unload`: the off switch, without an agent;
//! - `documents`, `validate`: what is done with allowlists in files, without an agent;
//! - `table`, `paint`, `output`: how it is printed.
//!
//! What changes something is asked of the running agent, and done by it alone.

mod alerts;
mod allowlist;
pub mod args;
mod decide;
mod doctor;
pub mod documents;
mod edit;
mod evidence;
mod log;
pub mod logging;
pub mod operator_args;
mod output;
mod paint;
mod progress;
mod simulate;
mod status;
mod table;
mod test_alert;
mod unload;
mod validate;
mod verify;

pub use doctor::needed_capabilities;

use crate::allowlist::KeyError;
use crate::canary;
use crate::config::{Config, ConfigError};
use crate::control::client::{self, ClientError};
use crate::control::protocol::{Answer, RefusalKind, Request};
use crate::kernel::PinError;
use crate::model::format_duration;
use crate::node::StartError;
use crate::simulate::SimulateError;
use crate::store::StoreError;
use args::{Arguments, Command, ExtendArguments, RunArguments, StatusArguments};
use clap::Parser;
use paint::Paint;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// Exit status 0: done.
    Done,
    /// Exit status 1: the answer is no. A document has an error, there is no
    /// such workload, two documents differ, something is left out of a
    /// translation, something would have been reported, or the node is fit with
    /// limits.
    No,
    /// Exit status 2: the agent cannot run on this node.
    NotFit,
}

/// A command that could not do what it should: exit status 2, which is also
/// what a mistyped command line ends with.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot write to stdout: {0}")]
    Output(#[from] io::Error),
    #[error("nothing was changed: there is no terminal to ask at; --yes does it without asking")]
    NotAsked,
    #[error(transparent)]
    Agent(#[from] StartError),
    #[error(transparent)]
    Documents(#[from] documents::DocumentsError),
    #[error(transparent)]
    Document(#[from] validate::Invalid),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Edit(#[from] edit::EditError),
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Pins(#[from] PinError),
    #[error("{file}: cannot be read: {source}")]
    Verify { file: String, source: io::Error },
    #[error("{} has no journal; the agent keeps one unless its --journal-max-size is off", .0.display())]
    NoJournal(PathBuf),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    if let Some(status) = canary::as_one(std::env::args_os().nth(1).as_deref()) {
        return status;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // `--help` and `--version` come this way too, with status 0.
        Err(answer) => {
            let _ = answer.print();
            return ExitCode::from(if answer.use_stderr() { 2 } else { 0 });
        }
    };
    let result = execute(arguments.command);
    if let Err(error) = &result {
        output::complain(error);
    }
    ExitCode::from(exit_status(&result))
}

fn exit_status(result: &Result<Outcome, CommandError>) -> u8 {
    match result {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::No) => 1,
        Ok(Outcome::NotFit) => 2,
        Err(CommandError::Client(ClientError::Refused(refusal)))
            if matches!(refusal.kind, RefusalKind::NotFound | RefusalKind::Refused) =>
        {
            1
        }
        Err(_) => 2,
    }
}

fn execute(command: Command) -> Result<Outcome, CommandError> {
    match command {
        Command::Run(arguments) => run(*arguments),
        Command::Status(arguments) => status(arguments),
        Command::Doctor(arguments) => doctor::execute(arguments),
        Command::Allowlist(command) => allowlist::execute(command),
        Command::Extend(arguments) => extend(arguments),
        Command::Alerts(arguments) => alerts::list(arguments),
        Command::Why(arguments) => alerts::why(arguments),
        Command::Accept(arguments) => decide::accept(arguments),
        Command::Allow(arguments) => decide::allow(arguments),
        Command::Promote(arguments) => decide::promote(arguments),
        Command::Log(arguments) => log::execute(arguments),
        Command::Verify(arguments) => verify::execute(&arguments),
        Command::TestAlert(arguments) => test_alert::execute(&arguments),
        Command::Simulate(arguments) => simulate::execute(arguments),
        Command::Unload(arguments) => unload::execute(arguments),
    }
}

fn run(arguments: RunArguments) -> Result<Outcome, CommandError> {
    let config = Config::load(arguments.settings, arguments.config.as_deref())?;
    logging::start(config.log_level, config.log_format);
    crate::node::run(config)?;
    Ok(Outcome::Done)
}

fn status(arguments: StatusArguments) -> Result<Outcome, CommandError> {
    let path = PathBuf::from(arguments.agent.control);
    let Answer::Status(status) = client::ask(&path, &Request::Status)? else {
        return Err(client::unexpected(&path).into());
    };
    if arguments.json {
        output::print_json(&status)?;
    } else {
        let paint = Paint::for_terminal(io::stdout().is_terminal());
        output::print(&status::render(&status, paint))?;
    }
    Ok(Outcome::Done)
}

fn extend(arguments: ExtendArguments) -> Result<Outcome, CommandError> {
    let path = PathBuf::from(arguments.agent.control);
    let request = Request::Extend {
        workload: arguments.workload,
        for_s: arguments
            .length
            .map(|length| Duration::from(length).as_secs()),
    };
    let Answer::Extend(extended) = client::ask(&path, &request)? else {
        return Err(client::unexpected(&path).into());
    };
    if arguments.json {
        output::print_json(&extended)?;
        return Ok(Outcome::Done);
    }
    let length = format_duration(Duration::from_secs(extended.for_s));
    output::print(&format!(
        "{} learns on, for {length} at least\n",
        output::plain(&extended.workload)
    ))?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::Refusal;

    #[test]
    fn an_exit_status_means_what_the_manual_says() {
        let refused = |kind| {
            let refusal = Refusal::new(kind, "no");
            Err(CommandError::Client(ClientError::Refused(refusal)))
        };
        for (result, expected) in [
            (Ok(Outcome::Done), 0),
            (Ok(Outcome::No), 1),
            (Ok(Outcome::NotFit), 2),
            (refused(RefusalKind::NotFound), 1),
            (refused(RefusalKind::Refused), 1),
            (refused(RefusalKind::Busy), 2),
            (Err(CommandError::Agent(StartError::NotRoot)), 2),
            (Err(CommandError::NotAsked), 2),
        ] {
            assert_eq!(exit_status(&result), expected, "{result:?}");
        }
    }

    #[test]
    fn what_keeps_the_agent_from_starting_is_said_once() {
        let error = "foo".parse::<crate::alert::Target>().expect_err("no URL");

        let said = CommandError::from(StartError::from(error)).to_string();

        assert_eq!(said.matches("is no syslog URL").count(), 1, "{said}");
    }

    #[test]
    fn no_agent_is_a_status_of_two() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("s");
        let line = ["execwarden", "status", "--control"].map(Into::into);
        let line = line.into_iter().chain([socket.into_os_string()]);
        let arguments = Arguments::try_parse_from(line).expect("valid");

        let result = execute(arguments.command);

        assert_eq!(exit_status(&result), 2, "{result:?}");
    }
}
