//! Other security modules beside us.

use anyhow::{Result, ensure};
use std::fs;

/// What `cargo xtask vm` asks the kernel for.
const WANTED: [&str; 2] = ["selinux", "bpf"];

pub fn they_are_active() -> Result<()> {
    let active = fs::read_to_string("/sys/kernel/security/lsm")?;

    for module in WANTED {
        ensure!(active.split(',').any(|name| name == module), "{active}");
    }
    Ok(())
}
