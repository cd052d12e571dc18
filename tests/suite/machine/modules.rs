//! Security modules: BPF's, and others beside us.

use crate::kernel::watch::watching;
use anyhow::{Result, ensure};
use procfs::KernelVersion;
use std::fs;
use testbed::node;

/// What `cargo xtask vm` asks the kernel for.
const WANTED: [&str; 2] = ["selinux", "bpf"];

pub fn they_are_active() -> Result<()> {
    let active = fs::read_to_string("/sys/kernel/security/lsm")?;

    for module in WANTED {
        ensure!(active.split(',').any(|name| name == module), "{active}");
    }
    Ok(())
}

/// Debian's kernels start with it from 6.1 on.
pub fn a_kernel_that_has_bpf_lsm_asks_before_execs() -> Result<()> {
    let has_it = KernelVersion::current()? >= KernelVersion::new(6, 1, 0);
    ensure!(node::asks_before_execs() == has_it);
    watching(|watch| {
        let lacks = watch.kernel.without_refusal();
        ensure!(lacks.is_none() == has_it, "{lacks:?}");
        Ok(())
    })
}
