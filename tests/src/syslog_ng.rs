//! A real syslog-ng: the machine's own, or the one that `cargo xtask setup` unpacked.
//! As a package it cannot be installed beside rsyslog.

use crate::places;
use std::path::PathBuf;
use std::process::Command;

/// The folder below `target/setup` in which `cargo xtask setup` unpacks it.
pub const UNPACKED: &str = "syslog-ng";

/// Debian's, for `@version` in its configuration. Newer ones read it as this one does.
pub const VERSION: &str = "3.38";

/// Where syslog-ng is.
struct Installed {
    program: PathBuf,
    /// Of the unpacked one: its libraries and modules are nowhere else.
    folder: Option<PathBuf>,
}

/// Whether there is one.
pub fn is_there() -> bool {
    installed().is_some()
}

/// What starts it, and ends it with the thread that did; `None` where there is none.
pub fn command() -> Option<Command> {
    let installed = installed()?;
    let mut command = places::dying_with_us(&installed.program);
    if let Some(folder) = installed.folder {
        let architecture = format!("{}-linux-gnu", std::env::consts::ARCH);
        let own = folder.join("usr/lib/syslog-ng");
        let libraries = [
            own.clone(),
            folder.join("usr/lib").join(&architecture),
            folder.join("lib").join(&architecture),
        ];
        let libraries = std::env::join_paths(libraries).ok()?;
        command.env("LD_LIBRARY_PATH", libraries);
        command.arg("--module-path").arg(own.join(VERSION));
    }
    Some(command)
}

fn installed() -> Option<Installed> {
    if let Some(program) = places::find_program("syslog-ng") {
        return Some(Installed {
            program,
            folder: None,
        });
    }
    let folder = places::target_folder().ok()?.join("setup").join(UNPACKED);
    let program = folder.join("usr/sbin/syslog-ng");
    program.is_file().then_some(Installed {
        program,
        folder: Some(folder),
    })
}
