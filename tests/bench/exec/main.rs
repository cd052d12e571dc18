//! What an exec costs, with the agent and without: `cargo xtask bench exec`.
mod agent;
mod clock;
mod count;
mod machine;
mod pacer;
mod pairs;
mod place;
mod program;
mod report;
mod subject;

use anyhow::{Result, bail, ensure};
use clap::Parser;
use place::{InContainer, OnHost};
use report::Report;
use testbed::node;

#[derive(Parser)]
struct Args {
    /// Pairs of runs, with the programs and without, per scenario
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pairs: u64,
    /// Execs in each run
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    execs: u64,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(reason) = node::lacks() {
        bail!("execs cannot be measured here: {reason}");
    }
    node::enter()?;
    let measured = measure(&args);
    let left = node::left_behind()?;
    measured?;
    ensure!(left.is_empty(), "the benchmark has left behind: {left:?}");
    Ok(())
}

fn measure(args: &Args) -> Result<()> {
    ensure!(
        !machine::is_counting()?,
        "the kernel counts the time of bpf programs, which costs time itself; run: sysctl kernel.bpf_stats_enabled=0"
    );
    let cpu = machine::cpu()?;
    println!("{}", machine::line()?);
    println!(
        "{} pairs of {} execs on CPU {cpu}; medians with 95 % intervals.\n",
        args.pairs, args.execs
    );
    let (container, host) = (InContainer::new()?, OnHost::new()?);
    let (mut inside, mut outside) = (container.pacer(cpu)?, host.pacer(cpu)?);

    eprintln!("the time in the kernel …");
    let programs = program::measure((&container, &mut inside), (&host, &mut outside))?;
    eprintln!("the whole exec, with and without …");
    let (bare, pairs) = pairs::measure(&container, &mut inside, args.pairs, args.execs)?;
    eprintln!("the agent …");
    let agent = agent::measure(&container, cpu)?;

    let report = Report {
        programs,
        bare,
        pairs,
        agent,
    };
    println!("{}", report.render());
    println!("In every phase the kernel counted exactly the execs that were made.");
    println!("{}", machine::line()?);
    Ok(())
}
