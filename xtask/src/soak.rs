//! `cargo xtask soak`: a day's life of twenty containers.

use crate::{command, setup};
use anyhow::Result;

/// Arguments of `cargo xtask soak`.
#[derive(clap::Args)]
pub struct Args {
    /// How long; the tests do it for two
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=240))]
    minutes: u64,
}

/// Runs the test of that name for so long, and prints what it says.
pub fn run(args: &Args) -> Result<()> {
    setup::ensure(setup::Scope::Everything)?;
    command::run(command::cargo().args(["build", "--package", "execwarden"]))?;
    command::run(
        command::cargo()
            .args(["test", "--package", "testbed", "--test", "node", "--"])
            .arg("containers::a_day_of_twenty_containers")
            .env("EXECWARDEN_SOAK_MINUTES", args.minutes.to_string()),
    )
}
