//! The command line of what an operator asks of the running agent beside its
//! status, as typed.

use super::args::AgentArguments;
use crate::allowlist::{Action, Mode};
use crate::control::operation::How;
use crate::model::{Layer, Reason, parse_duration};
use clap::{Args, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// `execwarden alerts`.
#[derive(Args, Debug)]
pub struct AlertsArguments {
    /// Only those that came within this time: 2h
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub since: Option<Duration>,

    /// Only this workload's
    #[arg(long, value_name = "WORKLOAD")]
    pub workload: Option<String>,

    /// Only those for this reason: drift
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub reason: Option<Reason>,

    /// Print JSON, with every name whole
    #[arg(long)]
    pub json: bool,

    /// The agent to ask.
    #[command(flatten)]
    pub agent: AgentArguments,
}

/// `execwarden why`.
#[derive(Args, Debug)]
pub struct WhyArguments {
    /// The alert's id, or as much of its beginning as no other has
    pub id: String,

    /// Print JSON: the record as it was sent, and what would allow it
    #[arg(long)]
    pub json: bool,

    /// The agent to ask.
    #[command(flatten)]
    pub agent: AgentArguments,
}

/// `execwarden log`.
#[derive(Args, Debug)]
pub struct LogArguments {
    /// Only those within this time: 7d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub since: Option<Duration>,

    /// Only those about this workload
    #[arg(long, value_name = "WORKLOAD")]
    pub workload: Option<String>,

    /// Print JSON, with every name whole
    #[arg(long)]
    pub json: bool,

    /// The agent to ask.
    #[command(flatten)]
    pub agent: AgentArguments,
}

/// `execwarden verify`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 nothing is missing; 1 something was removed or changed, or there are no such records; 2 a file could not be read."
)]
pub struct VerifyArguments {
    /// Files of one target's records, a line each, the oldest first; - for stdin
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `execwarden test-alert`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 every target was written to; 1 one was not in time; 2 the agent could not be asked."
)]
pub struct TestAlertArguments {
    /// How long to wait for the receivers
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s")]
    pub wait: Duration,

    /// Who asks, where several share an account
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,

    /// Print JSON, with every name whole
    #[arg(long)]
    pub json: bool,

    /// The agent to ask.
    #[command(flatten)]
    pub agent: AgentArguments,
}

/// How a change is made, which all of them have.
#[derive(Args, Debug)]
pub struct ChangeArguments {
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// For whom, for the journal; it counts for nothing
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,

    /// Do not ask
    #[arg(long)]
    pub yes: bool,

    /// Print JSON: what changes, and whether it was done
    #[arg(long)]
    pub json: bool,

    /// The agent to ask.
    #[command(flatten)]
    pub agent: AgentArguments,
}

impl ChangeArguments {
    /// The same for the agent: to be planned only, or to be done as planned.
    pub(super) fn how(&self, plan: Option<&str>) -> How {
        How {
            apply: plan.is_some(),
            plan: plan.map(str::to_owned),
            reason: self.reason.clone(),
            by: self.by.clone(),
        }
    }
}

/// `execwarden accept`.
#[derive(Args, Debug)]
pub struct AcceptArguments {
    /// The alert's id, or as much of its beginning as no other has
    pub id: String,

    /// With whatever arguments, where only those of the alert would be allowed
    #[arg(long)]
    pub any_args: bool,

    /// Under every path that this pattern covers: /opt/app/*/bin/run
    #[arg(long, value_name = "PATH")]
    pub glob: Option<String>,

    /// How it is done.
    #[command(flatten)]
    pub change: ChangeArguments,
}

/// `execwarden allowlist remove`.
#[derive(Args, Debug)]
pub struct RemoveArguments {
    /// The workload, as `status` names it
    pub workload: String,

    /// The program, or the script
    pub path: String,

    /// Only as this program of a multi-call binary
    #[arg(long, value_name = "NAME", conflicts_with = "script_of")]
    pub applet: Option<String>,

    /// Only as a script that this interpreter runs
    #[arg(long, value_name = "PATH")]
    pub script_of: Option<String>,

    /// Only where it comes from here: image, upper, volume, tmpfs, memory, host
    #[arg(long, value_name = "LAYER")]
    pub layer: Option<Layer>,

    /// How it is done.
    #[command(flatten)]
    pub change: ChangeArguments,
}

/// `execwarden allowlist restore`.
#[derive(Args, Debug)]
pub struct RestoreArguments {
    /// The workload, as `status` names it
    pub workload: String,

    /// Paths that were accepted or removed, or ids of alerts that were accepted
    #[arg(required = true, value_name = "PATH|ID")]
    pub what: Vec<String>,

    /// How it is done.
    #[command(flatten)]
    pub change: ChangeArguments,
}

/// `execwarden allowlist edit`.
#[derive(Args, Debug)]
#[command(
    after_help = "The editor is what VISUAL or EDITOR says, or vi. What has changed is shown before it counts."
)]
pub struct EditArguments {
    /// The workload, as `status` names it; what it learned becomes a person's
    /// document
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub workload: Option<String>,

    /// A document's file, without an agent
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// How it is done.
    #[command(flatten)]
    pub change: ChangeArguments,
}

/// `execwarden allow`.
#[derive(Args, Debug)]
pub struct AllowArguments {
    /// The workload, as `status` names it
    #[arg(long, value_name = "WORKLOAD")]
    pub workload: String,

    /// For how long, 24h at most: 30m
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration, required_unless_present = "end", conflicts_with = "end")]
    pub length: Option<Duration>,

    /// End it now
    #[arg(long)]
    pub end: bool,

    /// How it is done.
    #[command(flatten)]
    pub change: ChangeArguments,
}

/// `execwarden promote`.
#[derive(Args, Debug)]
pub struct PromoteArguments {
    /// The workload, as `status` names it
    #[arg(required_unless_present_any = ["namespace", "label"], conflicts_with_all = ["namespace", "label"])]
    pub workload: Option<String>,

    /// All workloads of this namespace
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// All workloads whose newest pod has this label; may be repeated: all of
    /// them
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,

    /// The mode: learn, enforce or off
    #[arg(
        long,
        value_name = "MODE",
        required_unless_present_any = ["clear", "action"],
        conflicts_with = "clear"
    )]
    pub mode: Option<Mode>,

    /// Take the operator's word back: documents, annotations and defaults say
    #[arg(long)]
    pub clear: bool,

    /// What a deviation leads to: alert or block
    #[arg(long, value_name = "ACTION", conflicts_with = "clear")]
    pub action: Option<Action>,

    /// Block in so many containers of 100 alone, and alert in the others
    #[arg(long, value_name = "PERCENT", requires = "action", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub percent: Option<u8>,

    /// For how long a workload that is to be blocked must not have deviated
    /// (default: 24h)
    #[arg(long, value_name = "DURATION", requires = "action", value_parser = parse_duration)]
    pub quiet: Option<Duration>,

    /// Enforce, or block, also by what was learned with gaps
    #[arg(long)]
    pub even_incomplete: bool,

    /// How it is done.
    #[command(flatten)]
    pub change: ChangeArguments,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write a label as KEY=VALUE".to_owned()),
    }
}

fn reason(word: &str) -> Result<Reason, String> {
    let mut reasons = Reason::ALL.into_iter();
    reasons
        .find(|reason| reason.as_str() == word)
        .ok_or_else(|| {
            let words: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
            format!("the reasons are {}", words.join(", "))
        })
}
