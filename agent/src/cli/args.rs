//! The command line, as typed. [`crate::config::Config`] is what it means.

use super::documents::args::{DiffArguments, ExportArguments, ImportArguments, MergeArguments};
use super::operator_args::{
    AcceptArguments, AlertsArguments, AllowArguments, EditArguments, LogArguments,
    PromoteArguments, RemoveArguments, RestoreArguments, TestAlertArguments, VerifyArguments,
    WhyArguments,
};
use crate::config::{AbsolutePath, DEFAULT_CONTROL, EngineSocket, Settings, SocketPath, Window};
use clap::{Args, Parser, Subcommand, ValueHint};
use std::path::PathBuf;

/// Learns which processes every container on this node runs, and reports
/// everything else to syslog.
#[derive(Parser, Debug)]
#[command(
    name = "execwarden",
    version,
    propagate_version = false,
    max_term_width = 100,
    after_help = "Exit status: 0 done; 1 the answer is no (a document has an error, there is no such workload, something would have been reported, or the node is fit with limits); 2 it could not be done, or the node is not fit."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the agent on this node (needs root)
    Run(Box<RunArguments>),
    /// Show what the running agent does: every workload, and the accounting
    Status(StatusArguments),
    /// Try whether this node can run the agent, and say what each absence costs
    Doctor(DoctorArguments),
    /// Look at allowlists, and change what is in force
    #[command(subcommand)]
    Allowlist(AllowlistCommand),
    /// Say what allowlists would have reported of what ran on this node
    Simulate(SimulateArguments),
    /// List the alerts that the agent keeps, the newest last
    Alerts(AlertsArguments),
    /// Say of one alert what ran, and what would allow it
    Why(WhyArguments),
    /// Let run from now on what an alert is about
    Accept(AcceptArguments),
    /// Let a workload run anything for a time, on record
    Allow(AllowArguments),
    /// Set the mode of workloads, or have what deviates blocked
    Promote(PromoteArguments),
    /// Let a workload learn on: one that learns, or one that is held to what it
    /// learned
    Extend(ExtendArguments),
    /// Print the journal of decisions, the newest last
    Log(LogArguments),
    /// Say whether a file has every record that a target was given, where those are
    /// chained
    Verify(VerifyArguments),
    /// Send a record of your own through every target of alerts, and say what became
    /// of it
    TestAlert(TestAlertArguments),
    /// Take everything out of the kernel that an agent has left there: nothing is seen
    /// or stopped any more
    Unload(UnloadArguments),
}

/// `execwarden unload`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 done; 1 an agent runs, and is to be ended first; 2 it could not be done."
)]
pub struct UnloadArguments {
    /// Folder that the agent was given as its --pins [default: /sys/fs/bpf/execwarden]
    #[arg(long, value_name = "DIR", value_parser = AbsolutePath::of_flag(), value_hint = ValueHint::DirPath)]
    pub pins: Option<AbsolutePath>,
}

/// `execwarden extend`.
#[derive(Args, Debug)]
pub struct ExtendArguments {
    /// The workload, as `status` names it: shop/Deployment/checkout/api
    pub workload: String,

    /// For how long at least, from now on [default: as it did at first]
    #[arg(long = "for", value_name = "TIME")]
    pub length: Option<Window>,

    /// Print JSON: the workload, and for how long
    #[arg(long)]
    pub json: bool,

    /// The agent to ask.
    #[command(flatten)]
    pub agent: AgentArguments,
}

/// `execwarden run`.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// What the file can say too.
    #[command(flatten)]
    pub settings: Settings,

    /// Configuration file; flags win over it
    /// [default: /etc/execwarden/config.toml, which may be missing]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

/// `execwarden status`.
#[derive(Args, Debug)]
pub struct StatusArguments {
    /// Print JSON, with every name whole and every number exact
    #[arg(long)]
    pub json: bool,

    /// The agent to ask.
    #[command(flatten)]
    pub agent: AgentArguments,
}

/// `execwarden doctor`: of the agent's own flags, those that lead to something
/// on the node.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 fit; 1 fit, with limits; 2 not fit, or the command line is not understood."
)]
pub struct DoctorArguments {
    /// Print JSON, with every name whole
    #[arg(long)]
    pub json: bool,

    /// Configuration file of the agent; flags win over it
    /// [default: /etc/execwarden/config.toml, which may be missing]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// Where alerts would go; may be repeated [default: the file's, else
    /// unix:/dev/log]
    #[arg(long, value_name = "URL")]
    pub syslog: Vec<String>,

    /// Where alerts would go as HTTP requests; may be repeated [default: the file's]
    #[arg(long, value_name = "URL")]
    pub webhook: Vec<String>,

    /// Where the node's own root is, in a container of the agent's own
    /// [default: the file's, else /]
    #[arg(long, value_name = "DIR", value_parser = AbsolutePath::of_flag(), value_hint = ValueHint::DirPath)]
    pub host_root: Option<AbsolutePath>,

    /// Another folder in which runc keeps its containers' state; may be
    /// repeated
    #[arg(long, value_name = "DIR", value_parser = AbsolutePath::of_flag(), value_hint = ValueHint::DirPath)]
    pub runc_root: Vec<AbsolutePath>,

    /// Socket of the runtime that kubelet drives [default: the file's, else
    /// containerd's or CRI-O's, wherever one is]
    #[arg(long, value_name = "PATH", value_parser = SocketPath::of_flag(), value_hint = ValueHint::FilePath)]
    pub cri: Option<SocketPath>,

    /// Socket of docker; off: do not ask
    /// [default: the file's, else /run/docker.sock, where it is]
    #[arg(long, value_name = "PATH", value_parser = EngineSocket::of_flag(), value_hint = ValueHint::FilePath)]
    pub docker: Option<EngineSocket>,

    /// Socket of podman; off: do not ask [default: the file's, else off]
    #[arg(long, value_name = "PATH", value_parser = EngineSocket::of_flag(), value_hint = ValueHint::FilePath)]
    pub podman: Option<EngineSocket>,

    /// Also try the API server [default: the file's, else off]
    #[arg(long)]
    pub kube: bool,

    /// Socket of the agent to ask
    /// [default: the file's, else /run/execwarden/control.sock]
    #[arg(long, value_name = "PATH", value_parser = SocketPath::of_flag(), value_hint = ValueHint::FilePath)]
    pub control: Option<SocketPath>,
}

/// Which agent is asked.
#[derive(Args, Debug)]
pub struct AgentArguments {
    /// Socket of the agent to ask
    #[arg(long, value_name = "PATH", default_value = DEFAULT_CONTROL, value_parser = SocketPath::of_flag(), value_hint = ValueHint::FilePath)]
    pub control: SocketPath,
}

/// `execwarden allowlist`.
#[derive(Subcommand, Debug)]
pub enum AllowlistCommand {
    /// List the allowlists that the running agent has
    List {
        /// Print JSON, with every name whole
        #[arg(long)]
        json: bool,

        /// The agent to ask.
        #[command(flatten)]
        agent: AgentArguments,
    },
    /// Print a workload's allowlist as YAML: the one in force, or what it has
    /// learned so far
    Show {
        /// The workload, as `status` names it: shop/Deployment/checkout/api
        workload: String,

        /// Print JSON: the workload, where it comes from, and the YAML as text
        #[arg(long)]
        json: bool,

        /// The agent to ask.
        #[command(flatten)]
        agent: AgentArguments,
    },
    /// Print what stands behind each entry that a workload learns or has learned:
    /// when, where, by whom and with what it ran
    Evidence {
        /// The workload, as `status` names it: shop/Deployment/checkout/api
        workload: String,

        /// Print JSON, with every name whole
        #[arg(long)]
        json: bool,

        /// The agent to ask.
        #[command(flatten)]
        agent: AgentArguments,
    },
    /// Take something out of what is in force, and never learn it again
    Remove(RemoveArguments),
    /// Take an accept or a remove back
    Restore(RestoreArguments),
    /// Edit a document as a person's own: that of a workload, through the agent, or
    /// a file
    Edit(EditArguments),
    /// Check documents, without an agent; exit status 1 if one has an error
    Validate {
        /// ProcessAllowlist documents
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,

        /// File of minisign's public keys; each document has to be signed with one of
        /// them, as with the agent's --allowlist-keys. May be repeated
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        keys: Vec<PathBuf>,

        /// Print JSON: each file, who has signed it, and what is wrong with it
        #[arg(long)]
        json: bool,
    },
    /// Compare two documents by what they mean, without an agent
    Diff(DiffArguments),
    /// Make one document of several of one workload, without an agent
    Merge(MergeArguments),
    /// Write documents as another product has them, without an agent
    Export(ExportArguments),
    /// Make documents of what another product has, without an agent
    Import(ImportArguments),
}

/// `execwarden simulate`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 nothing would have been reported; 1 something would, or it cannot be decided; 2 it could not be done."
)]
pub struct SimulateArguments {
    /// ProcessAllowlist documents, each about another workload; may be repeated
    #[arg(long, required = true, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub allowlist: Vec<PathBuf>,

    /// How far back, such as 12h or 7d, in whole hours [default: as far as the
    /// journal goes]
    #[arg(long, value_name = "TIME")]
    pub since: Option<Window>,

    /// One workload alone, as `status` names it: shop/Deployment/checkout/api
    #[arg(long, value_name = "WORKLOAD")]
    pub workload: Option<String>,

    /// Print JSON, with every name whole
    #[arg(long)]
    pub json: bool,

    /// Read the journal of this state folder, where no agent runs
    #[arg(long, value_name = "DIR", conflicts_with = "control", value_parser = AbsolutePath::of_flag(), value_hint = ValueHint::DirPath)]
    pub state: Option<AbsolutePath>,

    /// The agent to ask.
    #[command(flatten)]
    pub agent: AgentArguments,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn check_refused(line: &str, expected: &str) {
        let error = Arguments::try_parse_from(line.split(' ')).expect_err(line);

        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(expected), "{line} gave: {error}");
    }

    #[test]
    fn the_description_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, expected) in [
            ("execwarden run --learn --enforce", "'--enforce'"),
            ("execwarden run --learn --automatic", "'--automatic"),
            ("execwarden run --enforce --automatic", "'--automatic"),
            ("execwarden run --learn 1w", "\"1w\" is not a duration"),
            ("execwarden run --log-level loud", "'loud'"),
            ("execwarden run --sylog x", "'--syslog'"),
            ("execwarden doctor --enforce", "'--enforce'"),
            ("execwarden doctor --control=", "'--control"),
            ("execwarden run --state=", "'--state"),
            ("execwarden run --node-name ä", "\"ä\" is no node name"),
            ("execwarden allowlist validate", "<FILE>"),
            ("execwarden allowlist show", "<WORKLOAD>"),
            ("execwarden alerts --since 1w", "\"1w\" is not a duration"),
            ("execwarden alerts --reason odd", "the reasons are breakout"),
            ("execwarden why", "<ID>"),
            ("execwarden allow --workload w", "--for"),
            ("execwarden allow --workload w --for 1h --end", "'--end'"),
            ("execwarden promote --mode off", "<WORKLOAD>"),
            ("execwarden promote w", "--mode"),
            ("execwarden promote --label a --mode off", "KEY=VALUE"),
            (
                "execwarden promote w --mode block",
                "there is no mode \"block\"",
            ),
            (
                "execwarden promote w --action page",
                "there is no action \"page\"; the actions are alert and block",
            ),
            ("execwarden promote w --percent 10 --mode off", "--action"),
            (
                "execwarden promote w --action block --percent 0",
                "0 is not in 1..=100",
            ),
            ("execwarden promote w --clear --action block", "--clear"),
            (
                "execwarden allowlist remove w /a --applet x --script-of /b",
                "'--script-of",
            ),
            ("execwarden allowlist restore w", "<PATH|ID>"),
            ("execwarden simulate", "--allowlist"),
            ("execwarden simulate --allowlist", "<FILE>"),
            (
                "execwarden simulate --allowlist a.yaml --since 1w",
                "\"1w\" is not a duration",
            ),
            (
                "execwarden simulate --allowlist a.yaml --state /s --control /c",
                "'--control",
            ),
        ] {
            check_refused(line, expected);
        }
    }

    #[test]
    fn help_describes_the_command_and_not_its_structs() {
        let mut command = Arguments::command();
        let run = command.find_subcommand_mut("run").expect("run");

        let help = run.render_long_help().to_string();

        assert!(help.starts_with("Run the agent on this node"), "{help}");
        assert!(help.contains("--learn [<WINDOW>]"), "{help}");
    }
}
