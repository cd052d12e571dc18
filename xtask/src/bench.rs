//! `cargo xtask bench`: what the agent costs.

use crate::{command, setup};
use anyhow::Result;

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// What an exec costs: with the agent and without, in the kernel, and what
    /// the agent itself takes (root)
    Exec {
        /// Pairs of runs, with the programs and without, per scenario
        #[arg(long, default_value_t = 30)]
        pairs: u64,
        /// Execs in each run
        #[arg(long, default_value_t = 300)]
        execs: u64,
    },
    /// How long an alert takes: from the exec to the receiver's file, on an idle node
    /// and in a storm (root)
    Alerts {
        /// Alerts on an idle node
        #[arg(long, default_value_t = 300)]
        idle: u64,
        /// Alerts in the storm, each of another executable
        #[arg(long, default_value_t = 900)]
        storm: u64,
    },
}

/// Builds the release and measures it. Slow is no failure; a run in which not
/// every exec was counted is.
pub fn run(args: Args) -> Result<()> {
    setup::ensure(setup::Scope::Everything)?;
    // A benchmark of another package starts the agent's binary: cargo does not
    // know.
    command::run(command::cargo().args(["build", "--release", "--package", "execwarden"]))?;
    match args.what {
        What::Exec { pairs, execs } => command::run(
            command::cargo()
                .args(["bench", "--package", "testbed", "--bench", "exec", "--"])
                .args(["--pairs", &pairs.to_string()])
                .args(["--execs", &execs.to_string()]),
        ),
        What::Alerts { idle, storm } => command::run(
            command::cargo()
                .args(["bench", "--package", "testbed", "--bench", "alerts", "--"])
                .args(["--idle", &idle.to_string()])
                .args(["--storm", &storm.to_string()]),
        ),
    }
}
