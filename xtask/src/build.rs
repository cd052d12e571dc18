//! `cargo xtask build`: the agent, ready to be copied to a node.

use crate::{command, setup};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Arguments of `cargo xtask build`.
#[derive(clap::Args)]
pub struct Args {
    /// Optimised, and without diagnostics in the programs
    #[arg(long)]
    release: bool,
}

/// Builds `execwarden` and says where it is.
pub fn run(args: Args) -> Result<()> {
    setup::ensure(setup::Scope::Build)?;
    let mut cargo = command::cargo();
    cargo.args(["build", "--package", "execwarden"]);
    if args.release {
        cargo.arg("--release");
    }
    command::run(&mut cargo)?;

    let profile = if args.release { "release" } else { "debug" };
    let binary = testbed::target_folder()?.join(profile).join("execwarden");
    let bytes = binary
        .metadata()
        .with_context(|| format!("cannot find what was built at {}", binary.display()))?
        .len();
    println!("{} ({:.1} MiB)", binary.display(), bytes as f64 / 1048576.0);
    Ok(())
}

/// Builds `execwarden` as a release that needs no library, for any node and for
/// an image with nothing else in it. Gives its path.
pub fn release_without_libraries() -> Result<PathBuf> {
    setup::ensure(setup::Scope::Build)?;
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    // With a target named, the flags are not those of build scripts and macros,
    // which cannot be static.
    command::run(
        command::cargo()
            .args(["build", "--release", "--package", "execwarden"])
            .args(["--target", &target])
            .env("RUSTFLAGS", "-C target-feature=+crt-static"),
    )?;
    let built = testbed::target_folder()?.join(target);
    Ok(built.join("release/execwarden"))
}
