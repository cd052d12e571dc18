//! The build tool: `cargo xtask setup`, `build`, `test`, `vm`, `demo`, `bench`,
//! `soak`, `flood`, `upgrades`, `fuzz`, `image`, `dist`, `learn-allowlists`.
//!
//! Exit status: 0 done, 1 something failed, 2 this machine lacks something
//! that a person has to bring.

mod allowlists;
mod archive;
mod bench;
mod build;
mod command;
mod demo;
mod digest;
mod dist;
mod fuzz;
mod image;
mod longer;
mod setup;
mod sum;
mod test;
mod toolchain;
mod vm;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Sets up, builds and tests execwarden", long_about = None)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing to build, test and show the agent
    Setup(setup::Args),
    /// Build the agent with its programs for the kernel
    Build(build::Args),
    /// Show the agent at work: real containers, intruders, a real syslog (root)
    Demo,
    /// Check format and lints, then run every test
    Test(test::Args),
    /// Run the node's tests on other kernels, in virtual machines
    Vm(vm::Args),
    /// Build a container image of the agent, for Kubernetes
    Image,
    /// Build a release: a tar file and a Debian package, with their checksums
    Dist,
    /// Run a day's life of twenty containers, compressed: no alert but for what was
    /// planted (root)
    Soak(longer::Soak),
    /// Run an intruder a million times: few records, whose counts add up (root)
    Flood(longer::Flood),
    /// Have a hundred agents take over from each other in a storm of execs: each is
    /// told of once (root)
    Upgrades(longer::Upgrades),
    /// Try what parses or encodes hostile bytes with new ones
    Fuzz(fuzz::Args),
    /// Learn the allowlists of real software anew, from Debian's packages (root)
    LearnAllowlists(allowlists::Args),
    /// Measure what the agent costs
    #[command(disable_help_subcommand = true)]
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Setup(args) => setup::run(args),
        Task::Build(args) => build::run(args),
        Task::Demo => demo::run(),
        Task::Test(args) => test::run(args),
        Task::Vm(args) => vm::run(args),
        Task::Image => image::run(),
        Task::Dist => dist::run(),
        Task::Soak(args) => longer::soak(&args),
        Task::Flood(args) => longer::flood(&args),
        Task::Upgrades(args) => longer::upgrades(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::LearnAllowlists(args) => allowlists::run(args),
        Task::Bench(args) => bench::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<setup::ByHand>() => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
