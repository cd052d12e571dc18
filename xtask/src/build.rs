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

    /// The same, without any library: for other nodes and for images
    #[arg(long = "static")]
    without_libraries: bool,
}

/// Builds `execwarden` and says where it is.
pub fn run(args: Args) -> Result<()> {
    let binary = if args.without_libraries {
        release_without_libraries()?
    } else {
        with_libraries(args.release)?
    };
    let bytes = binary
        .metadata()
        .with_context(|| format!("cannot find what was built at {}", binary.display()))?
        .len();
    println!("{} ({:.1} MiB)", binary.display(), bytes as f64 / 1048576.0);
    Ok(())
}

fn with_libraries(release: bool) -> Result<PathBuf> {
    setup::ensure(setup::Scope::Build)?;
    let mut cargo = command::cargo();
    cargo.args(["build", "--package", "execwarden"]);
    if release {
        cargo.arg("--release");
    }
    command::run(&mut cargo)?;

    let profile = if release { "release" } else { "debug" };
    Ok(testbed::target_folder()?.join(profile).join("execwarden"))
}

/// Builds `execwarden` as a release that needs no library, for any node and for
/// an image with nothing else in it. Gives its path.
pub fn release_without_libraries() -> Result<PathBuf> {
    setup::ensure(setup::Scope::Build)?;
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    // glibc resolves host names by files and by DNS without a library of its own
    // since 2.34; Debian 12 has 2.36.
    //
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
