//! `cargo xtask learn-allowlists`: the documents in `allowlists/`, learned by the
//! agent from real software in real containers.
//!
//! - `root`: a root of Debian's packages for each, below `target/software`
//! - `lesson`: the agent learns, and is then held to what it learned
//! - `document`: what is shipped of a learned document
//!
//! What the software is and does all day is in `testbed::software`.

mod document;
mod lesson;
mod root;

use crate::{command, setup};
use anyhow::{Context, Result, bail, ensure};
use root::Roots;
use std::fs;
use std::path::PathBuf;
use testbed::{Software, node, software};

/// Arguments of `cargo xtask learn-allowlists`.
#[derive(clap::Args)]
pub struct Args {
    /// Which software; all of it, if none is named
    #[arg(value_parser = known)]
    names: Vec<Named>,
}

/// One that there is.
#[derive(Clone, Copy)]
struct Named(&'static Software);

fn known(name: &str) -> Result<Named, String> {
    software::named(name).map(Named).ok_or_else(|| {
        let names = software::ALL.map(|software| software.name);
        format!("there are {}", names.join(", "))
    })
}

/// Learns each and writes its document; ends at the first that fails.
pub fn run(args: Args) -> Result<()> {
    if !node::is_inside() {
        setup::ensure(setup::Scope::Allowlists)?;
        if let Some(reason) = node::lacks() {
            bail!("no container can run here: {reason}");
        }
        command::run(command::cargo().args(["build", "--package", "execwarden"]))?;
    }
    node::enter()?;

    let chosen = match args.names.is_empty() {
        true => software::ALL.to_vec(),
        false => args.names.iter().map(|name| name.0).collect(),
    };
    // Made only where one is needed.
    let mut roots = None;
    for software in chosen {
        learn(&mut roots, software).with_context(|| format!("cannot learn {}", software.name))?;
    }
    let left = node::left_behind()?;
    ensure!(left.is_empty(), "this was left behind: {left:?}");
    Ok(())
}

fn learn(roots: &mut Option<Roots>, software: &'static Software) -> Result<()> {
    println!("== {}", software.name);
    let root = match (software.packages.is_empty(), &mut *roots) {
        (true, _) => root::of_busybox(software)?,
        (false, Some(roots)) => roots.make(software)?,
        (false, none) => none.insert(Roots::new()?).make(software)?,
    };
    let learned = lesson::give(software, &root.image)?;
    let text = document::shipped(software.name, &root.versions, &learned)?;
    let file = file(software);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{}", file.display());
    Ok(())
}

fn file(software: &Software) -> PathBuf {
    let name = format!("allowlists/{}.yaml", software.name);
    command::workspace().join(name)
}
