//! The program that the kernel asks before an exec, where BPF LSM is active: see the
//! object's `refuse`.
//!
//! Without it what is to be stopped dies at the tracepoint, so nothing here has to
//! succeed. Where the kernel has BPF LSM and it is not active, the program is taken
//! and never asked.

use super::{Kernel, KernelError};
use aya::programs::links::FdLink;
use aya::programs::{Lsm, ProgramError};
use aya::{Btf, Ebpf};
use procfs::KernelVersion;
use std::fs;
use std::io;

/// The program.
pub(super) const PROGRAM: &str = "execwarden_refuse";
/// Where it hangs.
pub(super) const HOOK: &str = "bprm_check_security";
/// The security modules that are active, where securityfs is to be seen.
const ACTIVE: &str = "/sys/kernel/security/lsm";

/// The machines (`e_machine` of an ELF file) whose programs this kernel runs itself,
/// one in each half; 0 where it asks nobody before an exec. Only since Linux 5.15 a
/// program finds what the caller gave to the system call.
pub(super) fn machines() -> u32 {
    const X86_64: u32 = 62;
    const I386: u32 = 3;
    const AARCH64: u32 = 183;
    const ARM: u32 = 40;

    match KernelVersion::current() {
        Ok(version) if version < KernelVersion::new(5, 15, 0) => 0,
        _ if cfg!(target_arch = "x86_64") => X86_64 | I386 << 16,
        _ if cfg!(target_arch = "aarch64") => AARCH64 | ARM << 16,
        _ => 0,
    }
}

/// Whether BPF LSM is active; `None` where that cannot be seen.
pub fn bpf_lsm_is_active() -> Option<bool> {
    let active = fs::read_to_string(ACTIVE).ok()?;
    Some(active.trim().split(',').any(|module| module == "bpf"))
}

pub(super) fn load(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), ProgramError> {
    if machines() == 0 {
        let needs = io::Error::other("it needs Linux 5.15, on x86-64 or aarch64");
        return Err(ProgramError::IOError(needs));
    }
    program(ebpf).load(HOOK, btf)
}

pub(super) fn program(ebpf: &mut Ebpf) -> &mut Lsm {
    ebpf.program_mut(PROGRAM)
        .and_then(|program| program.try_into().ok())
        .expect("the object has this program as an LSM's")
}

impl Kernel {
    /// Why nothing can be refused before it runs, and what is to be stopped dies
    /// instead. Where BPF LSM is not active there is no error, and nobody is asked.
    pub fn without_refusal(&self) -> Option<&KernelError> {
        self.without_refusal.as_ref()
    }

    /// Has the kernel ask, if the program was taken.
    pub(super) fn attach_refusal(&mut self) {
        if self.without_refusal.is_none() {
            self.without_refusal = self.attached_refusal().err();
        }
    }

    fn attached_refusal(&mut self) -> Result<(), KernelError> {
        let program = program(&mut self.ebpf);
        let link = program.attach().map_err(refused)?;
        if let Some(pins) = &self.pins {
            let link = program.take_link(link).map_err(refused)?;
            let pinned = pins.link(&pins.of_own(HOOK), FdLink::from(link))?;
            self.links.push(pinned);
        }
        Ok(())
    }
}

pub(super) fn refused(source: ProgramError) -> KernelError {
    KernelError::Program {
        tracepoint: HOOK,
        source,
    }
}
