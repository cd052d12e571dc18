//! `cargo xtask setup`: what is missing, said first and then installed.

mod apt;
mod helm;
mod plan;

use crate::command;
use crate::toolchain::{self, Compiler};
use anyhow::{Result, bail};
use plan::Plan;
use std::io::{IsTerminal, Write};
use std::process::Command;

pub use plan::{Scope, other_loader};

/// Arguments of `cargo xtask setup`.
#[derive(clap::Args)]
pub struct Args {
    /// Install without asking
    #[arg(long)]
    yes: bool,
}

/// The exact commands that a person has to run, because this machine has no
/// apt or this user may not install.
#[derive(Debug)]
pub struct ByHand(String);

impl std::fmt::Display for ByHand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ByHand {}

/// Installs all that is missing.
pub fn run(args: Args) -> Result<()> {
    let plan = Plan::for_this_machine(Scope::Everything);
    if plan.is_empty() {
        println!("Everything is set up.");
        return Ok(());
    }
    install(&plan, args.yes)
}

/// Installs what is missing for a task; silent and instant if nothing is.
pub fn ensure(scope: Scope) -> Result<()> {
    let plan = Plan::for_this_machine(scope);
    if plan.is_empty() {
        return Ok(());
    }
    install(&plan, false)
}

fn install(plan: &Plan, yes: bool) -> Result<()> {
    if let Err(missing) = Compiler::find()
        && missing.named.is_some()
    {
        bail!("{missing}");
    }
    println!("{plan}");
    let from_debian = !plan.packages().is_empty() || !plan.unpacked.is_empty();
    if from_debian {
        if toolchain::find_program("apt-get").is_none() {
            return Err(ByHand(plan.by_hand_without_apt()).into());
        }
        if !plan.packages().is_empty() && !rustix::process::geteuid().is_root() {
            return Err(ByHand(plan.by_hand_with_apt()).into());
        }
    }
    if !yes && !may_go_on()? {
        bail!("nothing was installed");
    }
    if from_debian && rustix::process::geteuid().is_root() {
        apt::update()?;
    }
    if !plan.packages().is_empty() {
        apt::install(plan.packages())?;
    }
    for one in &plan.unpacked {
        apt::unpack(one.packages, one.folder)?;
    }
    if plan.helm {
        helm::unpack()?;
    }
    if plan.linker {
        install_linker()?;
    }
    let left = Plan::for_this_machine(plan.scope);
    if !left.is_empty() {
        bail!("this is still missing after the set-up:\n{left}");
    }
    println!("Everything is set up.");
    Ok(())
}

/// A person at a terminal is asked. A script has nobody to ask and was told
/// what comes.
fn may_go_on() -> Result<bool> {
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    if in_ci || !std::io::stdin().is_terminal() {
        return Ok(true);
    }
    print!("Install this now? [Y/n] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(
        answer.trim().to_lowercase().as_str(),
        "" | "y" | "yes"
    ))
}

fn install_linker() -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .args(plan::LINKER_INSTALL)
        .env("LLVM_PREFIX", plan::LLVM_PREFIX);
    command::run(&mut cargo)
}
