//! `cargo xtask soak`, `flood`, `upgrades`: three of the tests, for longer than they
//! take among the others.

use crate::{command, setup};
use anyhow::Result;

/// Arguments of `cargo xtask soak`.
#[derive(clap::Args)]
pub struct Soak {
    /// How long; the tests do it for two
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=240))]
    minutes: u64,
}

/// Arguments of `cargo xtask flood`.
#[derive(clap::Args)]
pub struct Flood {
    /// How many; the tests make 100,000, or as many as there are in 20 seconds
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    execs: u64,
}

/// Arguments of `cargo xtask upgrades`.
#[derive(clap::Args)]
pub struct Upgrades {
    /// How many; the tests make 10
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    times: u64,
}

/// A day's life of twenty containers, for so long.
pub fn soak(args: &Soak) -> Result<()> {
    let minutes = ("EXECWARDEN_SOAK_MINUTES", args.minutes);
    test("containers::a_day_of_twenty_containers", minutes)
}

/// So many execs of an intruder, and a single one of another among them.
pub fn flood(args: &Flood) -> Result<()> {
    let execs = ("EXECWARDEN_FLOOD_EXECS", args.execs);
    test("containers::b24_one_exec_in_a_flood", execs)
}

/// So many agents, each taking over from the one before, in a storm of execs.
pub fn upgrades(args: &Upgrades) -> Result<()> {
    let times = ("EXECWARDEN_UPGRADES", args.times);
    test(
        "containers::no_exec_is_missed_or_doubled_by_upgrades",
        times,
    )
}

/// Runs one test, and prints what it says.
fn test(name: &str, (variable, value): (&str, u64)) -> Result<()> {
    setup::ensure(setup::Scope::Everything)?;
    command::run(command::cargo().args(["build", "--package", "execwarden"]))?;
    command::run(
        command::cargo()
            .args(["test", "--package", "testbed", "--test", "node", "--"])
            .arg(name)
            .env(variable, value.to_string()),
    )
}
