//! What is missing on this machine.

use crate::toolchain::{self, Compiler};
use std::fmt;
use std::path::{Path, PathBuf};

/// What the machine is to be ready for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Building the agent.
    Build,
    /// Building, the tests with real containers, and the demo.
    Everything,
}

/// The linker's version is the newest that links against [`LLVM_PREFIX`],
/// which is the LLVM of Debian's `rustc-web`.
pub const LINKER_INSTALL: [&str; 6] = [
    "install",
    "--locked",
    "bpf-linker@0.13.0",
    "--no-default-features",
    "--features",
    "llvm-22",
];

/// Where `llvm-22-dev` puts what the linker is built with. Without it the
/// build of the linker ends at `-lLLVM`.
pub const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// What will be installed. Tools are looked for, not packages: what a machine
/// has from elsewhere is left alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// What for.
    pub scope: Scope,
    needs: Vec<Need>,
    /// bpf-linker has to be built.
    pub linker: bool,
    /// A static busybox has to be unpacked.
    pub busybox: bool,
    /// podman has to be unpacked.
    pub podman: bool,
}

/// A reason and the packages that follow from it.
#[derive(Debug, PartialEq, Eq)]
struct Need {
    what_for: &'static str,
    packages: &'static [&'static str],
}

/// Where Debian has a program loader that is not glibc's: musl's.
pub fn other_loader() -> PathBuf {
    format!("/lib/ld-musl-{}.so.1", std::env::consts::ARCH).into()
}

impl Plan {
    /// Looks at this machine; runs `rustc` and `rustup` to ask for their
    /// folders, nothing else.
    pub fn for_this_machine(scope: Scope) -> Self {
        let lacks = |program| toolchain::find_program(program).is_none();
        let linker = toolchain::find_linker().is_none();
        let mut needs = Vec::new();
        let mut need = |missing: bool, what_for, packages| {
            if missing {
                needs.push(Need { what_for, packages });
            }
        };
        need(
            Compiler::find().is_err(),
            "a compiler for the kernel's programs",
            &["rustc-web", "libstd-rust-web-dev-bpf"],
        );
        need(
            linker && !Path::new(LLVM_PREFIX).join("include/llvm").exists(),
            "to build bpf-linker",
            &["llvm-22-dev", "libpolly-22-dev"],
        );
        need(
            linker && lacks("g++"),
            "to build bpf-linker",
            &["g++", "libc6-dev"],
        );
        if scope == Scope::Everything {
            need(lacks("runc"), "real containers", &["runc"]);
            need(lacks("crun"), "real containers", &["crun"]);
            need(lacks("rsyslogd"), "a real syslog receiver", &["rsyslog"]);
            need(!other_loader().exists(), "another loader", &["musl"]);
            need(lacks("mke2fs"), "a disk of the tests' own", &["e2fsprogs"]);
        }
        let busybox = scope == Scope::Everything && testbed::find_busybox().is_none();
        Self {
            scope,
            needs,
            linker,
            busybox,
            podman: scope == Scope::Everything && testbed::podman::lacks().is_some(),
        }
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.needs.is_empty() && !self.linker && !self.unpacks()
    }

    /// Whether packages are unpacked below `target/`.
    pub fn unpacks(&self) -> bool {
        self.busybox || self.podman
    }

    /// Debian packages to install.
    pub fn packages(&self) -> Vec<&'static str> {
        self.needs
            .iter()
            .flat_map(|need| need.packages)
            .copied()
            .collect()
    }

    /// What a user who is not root has to run on a system with apt.
    pub fn by_hand_with_apt(&self) -> String {
        format!(
            "Installing packages needs root. Run this, then the same command again:\n  \
             sudo apt-get update\n  \
             sudo apt-get install --no-install-recommends {}",
            self.packages().join(" ")
        )
    }

    /// What to run on a system without apt: rustup's own way.
    pub fn by_hand_without_apt(&self) -> String {
        let mut text =
            "There is no apt-get here. Run this, then the same command again:".to_owned();
        if Compiler::find().is_err() {
            text += "\n  rustup toolchain install nightly --profile minimal --component rust-src";
        }
        if self.linker {
            text += "\n  cargo install bpf-linker";
        }
        let tools: Vec<_> = [("runc", "runc"), ("crun", "crun"), ("rsyslogd", "rsyslog")]
            .into_iter()
            .filter(|(_, package)| self.packages().contains(package))
            .map(|(_, package)| package)
            .chain(self.busybox.then_some("busybox (a static build, on PATH)"))
            .chain(self.podman.then_some("podman"))
            .collect();
        if !tools.is_empty() {
            text += &format!(
                "\nand install with the system's package manager: {}",
                tools.join(", ")
            );
        }
        text
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The set-up will install:")?;
        for need in &self.needs {
            write!(
                f,
                "\n  with apt-get      {}  ({})",
                need.packages.join(" "),
                need.what_for
            )?;
        }
        if self.linker {
            write!(
                f,
                "\n  with cargo        bpf-linker 0.13.0  (to link the kernel's programs)"
            )?;
        }
        if self.busybox {
            write!(
                f,
                "\n  into target/setup busybox-static  (the containers' programs; the system's own stays)"
            )?;
        }
        if self.podman {
            write!(
                f,
                "\n  into target/setup podman, conmon  (an engine of the tests' own; nothing is started)"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            scope: Scope::Everything,
            needs: vec![Need {
                what_for: "real containers",
                packages: &["runc"],
            }],
            linker: true,
            busybox: true,
            podman: true,
        }
    }

    #[test]
    fn says_all_that_it_will_install() {
        let text = plan().to_string();

        for word in [
            "runc",
            "real containers",
            "bpf-linker",
            "busybox-static",
            "podman",
        ] {
            assert!(text.contains(word), "{word} is missing in: {text}");
        }
    }

    #[test]
    fn names_exact_commands_where_it_cannot_install() {
        assert!(
            plan()
                .by_hand_with_apt()
                .contains("sudo apt-get install --no-install-recommends runc")
        );
        assert!(
            plan()
                .by_hand_without_apt()
                .contains("cargo install bpf-linker")
        );
    }
}
