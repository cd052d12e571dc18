//! Builds the programs for the kernel and tells the agent where the object is:
//! `EXECWARDEN_EBPF`, for `include_bytes_aligned!`.
//!
//! They have another target, another compiler and a lock file of their own, so
//! they are built by a cargo of their own, in a target folder below `OUT_DIR`.

#[path = "../xtask/src/toolchain.rs"]
mod toolchain;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use toolchain::{Compiler, TARGET};

/// What cargo set for the build of the agent, and what its user set for that
/// build: none of it fits the other compiler and target.
const NOT_INHERITED: [&str; 11] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

fn main() -> ExitCode {
    let programs = folder("CARGO_MANIFEST_DIR").join("../agent-ebpf");
    for watched in [
        "src",
        "Cargo.toml",
        "Cargo.lock",
        "../agent-common/src",
        "../agent-common/Cargo.toml",
    ] {
        println!(
            "cargo::rerun-if-changed={}",
            programs.join(watched).display()
        );
    }
    println!("cargo::rerun-if-env-changed={}", toolchain::RUSTC_VAR);

    let (compiler, linker) = match find_tools() {
        Ok(tools) => tools,
        Err(missing) => {
            // Cargo prints this as one line, and fails; an exit status of
            // failure would add everything that this script has printed.
            println!("cargo::error={missing}");
            return ExitCode::SUCCESS;
        }
    };
    let target_folder = folder("OUT_DIR").join("agent-ebpf");
    let built = command(&compiler, &linker, &programs, &target_folder).status();
    if !built.is_ok_and(|status| status.success()) {
        println!(
            "cargo::error=the kernel's programs could not be built with {compiler:?} and {}; {} names another compiler",
            linker.display(),
            toolchain::RUSTC_VAR
        );
        return ExitCode::FAILURE;
    }
    println!(
        "cargo::rustc-env=EXECWARDEN_EBPF={}",
        target_folder
            .join(TARGET)
            .join("release/execwarden")
            .display()
    );
    ExitCode::SUCCESS
}

fn find_tools() -> Result<(Compiler, PathBuf), String> {
    let compiler = Compiler::find().map_err(|missing| missing.to_string())?;
    let linker = toolchain::find_linker().ok_or(
        "bpf-linker, which links the kernel's programs, was not found; run `cargo xtask setup`",
    )?;
    Ok((compiler, linker))
}

/// Always the release profile, because the verifier refuses what an
/// unoptimised program does; diagnostics are in debug builds of the agent only.
fn command(compiler: &Compiler, linker: &Path, programs: &Path, target_folder: &Path) -> Command {
    let mut cargo = match compiler {
        Compiler::Nightly => {
            let mut rustup = Command::new("rustup");
            rustup.args(["run", "nightly", "cargo", "build", "-Zbuild-std=core"]);
            rustup
        }
        Compiler::Ready(_) => {
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
            cargo.arg("build");
            cargo
        }
    };
    cargo
        .current_dir(programs)
        .args(["--release", "--target", TARGET, "--target-dir"])
        .arg(target_folder);
    if env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
        cargo.args(["--features", "log"]);
    }
    for name in NOT_INHERITED {
        cargo.env_remove(name);
    }
    if let Compiler::Ready(rustc) = compiler {
        // aya-ebpf uses assembly that only nightly admits to.
        cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
    }
    // Encoded, because the linker's path may hold a space.
    let linker = format!("linker={}", linker.display());
    let flags = ["-C", &linker, "-C", "debuginfo=2", "-C", "link-arg=--btf"];
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    cargo
}

fn folder(name: &str) -> PathBuf {
    env::var_os(name)
        .expect("cargo sets it for every build script")
        .into()
}
