//! The processes: the helper, which waits in the canary's cgroup, and the canary,
//! which it executes. Both are this program, called by a word of our own, so that
//! nothing else has to be in an image.
//!
//! The helper reads the number of a run from its standard input, a line each, and
//! answers on its standard output how that run ended. It ends when the agent does,
//! however that ends: then its input is closed, and it takes the cgroup along.

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
};
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::str::FromStr;

/// The helper's word.
const HELPER: &str = "canary-helper";
/// The canary's; its run's number follows.
const CANARY: &str = "canary";
/// The file of a cgroup that has its processes.
pub(super) const PROCESSES: &str = "cgroup.procs";
/// This program, also where its file was replaced or removed meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// How a run ended, as the helper saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It ran, and ended by itself.
    Ran,
    /// It was killed by this signal.
    Killed(i32),
    /// It could not be executed, or came to another end.
    Not(String),
}

impl From<io::Result<ExitStatus>> for Ended {
    fn from(result: io::Result<ExitStatus>) -> Self {
        match result {
            Ok(status) if status.success() => Self::Ran,
            Ok(status) => match status.signal() {
                Some(signal) => Self::Killed(signal),
                None => Self::Not(format!("it ended with {status}")),
            },
            Err(error) => Self::Not(error.to_string()),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ran => f.write_str("ran"),
            Self::Killed(signal) => write!(f, "killed {signal}"),
            Self::Not(why) => write!(f, "not {}", why.replace('\n', " ")),
        }
    }
}

/// A line that the helper did not write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoAnswer;

impl FromStr for Ended {
    type Err = NoAnswer;

    fn from_str(line: &str) -> Result<Self, NoAnswer> {
        match line.split_once(' ') {
            None if line == "ran" => Ok(Self::Ran),
            Some(("killed", signal)) => signal.parse().map(Self::Killed).map_err(|_| NoAnswer),
            Some(("not", why)) => Ok(Self::Not(why.to_owned())),
            _ => Err(NoAnswer),
        }
    }
}

/// Does what this process was started for, if that is to be the helper or the
/// canary: no command of a person's begins with such a word.
pub fn as_one(word: Option<&OsStr>) -> Option<ExitCode> {
    match word?.to_str()? {
        HELPER => Some(help(std::env::args_os().nth(2).map(PathBuf::from))),
        // That it was executed is all there is to it.
        CANARY => Some(ExitCode::SUCCESS),
        _ => None,
    }
}

/// The helper, to be started, for the cgroup in this folder.
pub(super) fn command(cgroup: &Path) -> Command {
    let mut command = this_program(HELPER);
    command
        .arg(cgroup)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn this_program(word: &str) -> Command {
    let mut command = Command::new(THIS_PROGRAM);
    command
        .arg0("execwarden")
        .arg(word)
        .env_clear()
        .current_dir("/")
        .stderr(Stdio::null());
    command
}

fn help(cgroup: Option<PathBuf>) -> ExitCode {
    give_up_rights();
    let ended = execute_what_is_asked();
    if let Some(cgroup) = cgroup {
        remove_left(&cgroup);
    }
    ended
}

/// Of what the agent has at its start, this one thing alone is needed: to remove the
/// cgroup where only root's own rights let it. What fails here the kernel has said no
/// to, and the helper has no more than the agent.
fn give_up_rights() {
    let held = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted);
    let kept = held & CapabilitySet::DAC_OVERRIDE;
    let _ = set_no_new_privs(true);
    let _ = set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    );
}

/// The agent has ended and nobody else will: leaves the cgroup for the agent's own,
/// above it, and removes it. Whatever fails here the next agent does.
fn remove_left(cgroup: &Path) {
    let above = cgroup.with_file_name(PROCESSES);
    let own = OpenOptions::new().write(true).open(above);
    let _ = own.and_then(|mut own| own.write_all(std::process::id().to_string().as_bytes()));
    let _ = fs::remove_dir(cgroup);
}

fn execute_what_is_asked() -> ExitCode {
    for run in io::stdin().lock().lines() {
        let Ok(run) = run else {
            return ExitCode::FAILURE;
        };
        let mut canary = this_program(CANARY);
        canary.arg(&run).stdin(Stdio::null()).stdout(Stdio::null());
        let ended = Ended::from(canary.status());
        if writeln!(io::stdout().lock(), "{run} {ended}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        for ended in [
            Ended::Ran,
            Ended::Killed(9),
            Ended::Not("No such file or directory (os error 2)".to_owned()),
        ] {
            assert_eq!(ended.to_string().parse(), Ok(ended));
        }
        let odd = Ended::Not("two\nlines".to_owned()).to_string();
        assert_eq!(odd.lines().count(), 1);
        for wrong in ["", "ran away", "killed", "killed by it"] {
            assert_eq!(Ended::from_str(wrong), Err(NoAnswer), "{wrong}");
        }
    }

    #[test]
    fn how_a_process_ended_is_told_apart() {
        let ended = |wait_status| Ended::from(Ok(ExitStatus::from_raw(wait_status)));

        assert_eq!(ended(0), Ended::Ran);
        assert_eq!(ended(9), Ended::Killed(9));
        assert!(matches!(ended(2 << 8), Ended::Not(_)));
        let refused = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(matches!(Ended::from(Err(refused)), Ended::Not(_)));
    }

    #[test]
    fn a_command_of_a_persons_is_none_of_ours() {
        for word in [
            None,
            Some("run"),
            Some("status"),
            Some("--help"),
            Some("canarys"),
        ] {
            assert!(as_one(word.map(OsStr::new)).is_none(), "{word:?}");
        }
        assert!(as_one(Some(OsStr::new(CANARY))).is_some());
    }
}
