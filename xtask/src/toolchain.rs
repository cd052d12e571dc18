//! Which compiler and linker build the programs for the kernel.
//!
//! Shared by the build tool and `agent/build.rs`, so that what `cargo xtask
//! setup` calls complete is what a plain `cargo build` finds. Standard library
//! only; it looks and never installs.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names a `rustc` that brings `core` for the kernel's target; it is then used
/// instead of what would be found.
pub const RUSTC_VAR: &str = "EXECWARDEN_BPF_RUSTC";

/// The target the programs are built for.
pub const TARGET: &str = "bpfel-unknown-none";

/// A compiler that can build the programs.
#[derive(Debug, PartialEq, Eq)]
pub enum Compiler {
    /// rustup's nightly with `rust-src`: builds `core` itself.
    Nightly,
    /// A `rustc` whose sysroot has `core` for the target ready.
    Ready(PathBuf),
}

/// There is no such compiler.
#[derive(Debug, PartialEq, Eq)]
pub struct NoCompiler {
    /// What [`RUSTC_VAR`] names, which is not one either.
    pub named: Option<PathBuf>,
}

impl fmt::Display for NoCompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.named {
            Some(named) => write!(
                f,
                "{RUSTC_VAR} names {}, which has no core library for {TARGET}; unset it and run `cargo xtask setup`",
                named.display()
            ),
            None => write!(
                f,
                "no compiler for the kernel's programs ({TARGET}) was found; run `cargo xtask setup`"
            ),
        }
    }
}

impl Compiler {
    /// The compiler that [`RUSTC_VAR`] names, else rustup's nightly, else the
    /// distribution's `/usr/bin/rustc`.
    pub fn find() -> Result<Self, NoCompiler> {
        if let Some(named) = env::var_os(RUSTC_VAR).map(PathBuf::from) {
            return if has_core(&named) {
                Ok(Self::Ready(named))
            } else {
                Err(NoCompiler { named: Some(named) })
            };
        }
        if nightly_has_source() {
            return Ok(Self::Nightly);
        }
        let system = PathBuf::from("/usr/bin/rustc");
        if has_core(&system) {
            return Ok(Self::Ready(system));
        }
        Err(NoCompiler { named: None })
    }
}

/// `bpf-linker` on PATH, or where `cargo install` puts it.
pub fn find_linker() -> Option<PathBuf> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    find_program("bpf-linker").or_else(|| {
        let installed = cargo_home?.join("bin/bpf-linker");
        installed.is_file().then_some(installed)
    })
}

/// The first file of this name in a folder of PATH, or in the two folders of
/// system programs that a user's PATH often lacks.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

fn has_core(rustc: &Path) -> bool {
    sysroot(Command::new(rustc).args(["--print", "sysroot"]))
        .is_some_and(|sysroot| sysroot.join("lib/rustlib").join(TARGET).is_dir())
}

/// `rustup run` never installs what is missing; `rustc +nightly` might.
fn nightly_has_source() -> bool {
    sysroot(Command::new("rustup").args(["run", "nightly", "rustc", "--print", "sysroot"]))
        .is_some_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library/core").is_dir())
}

fn sysroot(command: &mut Command) -> Option<PathBuf> {
    // Under cargo these name the workspace's own compiler.
    let output = command
        .env_remove("RUSTUP_TOOLCHAIN")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !printed.trim().is_empty()).then(|| PathBuf::from(printed.trim()))
}
