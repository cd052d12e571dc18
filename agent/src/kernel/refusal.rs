//! The programs that the kernel asks before an exec, and before a file is mapped, where
//! BPF LSM is active: see the object's `refuse` and `library`.
//!
//! Without it what is to be stopped dies at the tracepoint, so nothing here has to
//! succeed. Where the kernel has BPF LSM and it is not active, the programs are taken
//! and never asked.

use super::{Kernel, KernelError};
use crate::model::Libraries;
use aya::programs::links::FdLink;
use aya::programs::{Lsm, ProgramError};
use aya::{Btf, Ebpf};
use procfs::KernelVersion;
use std::fs;
use std::io;

/// The program that is asked before an exec, and where it hangs.
pub(super) const EXEC: (&str, &str) = ("execwarden_refuse", "bprm_check_security");
/// The one that is asked before a file is mapped.
pub(super) const LIBRARY: (&str, &str) = ("execwarden_library", "mmap_file");
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

/// What the kernel says when it is to ask one of them.
type Taken = Result<(), KernelError>;

/// Whether the kernel asks each of them.
pub(super) struct Refusals {
    pub(super) exec: Taken,
    /// `None` where it is not to be asked.
    pub(super) library: Option<Taken>,
}

impl Refusals {
    /// Those of the object, loaded.
    pub(super) fn load(ebpf: &mut Ebpf, btf: &Btf, libraries: Libraries) -> Self {
        let mut taken = |of: (&str, &'static str)| load(ebpf, btf, of).map_err(refused(of.1));
        Self {
            exec: taken(EXEC),
            library: (libraries == Libraries::Image).then(|| taken(LIBRARY)),
        }
    }

    /// Those that the kernel asks, with their hooks.
    pub(super) fn asked(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let exec = self.exec.is_ok().then_some(EXEC);
        let library = matches!(self.library, Some(Ok(()))).then_some(LIBRARY);
        exec.into_iter().chain(library)
    }
}

pub(super) fn load(
    ebpf: &mut Ebpf,
    btf: &Btf,
    (name, hook): (&str, &str),
) -> Result<(), ProgramError> {
    if machines() == 0 {
        let needs = io::Error::other("it needs Linux 5.15, on x86-64 or aarch64");
        return Err(ProgramError::IOError(needs));
    }
    program(ebpf, name).load(hook, btf)
}

pub(super) fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut Lsm {
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .expect("the object has these programs as an LSM's")
}

impl Kernel {
    /// Why no exec can be refused before it runs, and what is to be stopped dies
    /// instead. Where BPF LSM is not active there is no error, and nobody is asked.
    pub fn without_refusal(&self) -> Option<&KernelError> {
        self.refusals.exec.as_ref().err()
    }

    /// The same of what is to be mapped, and is then, if that is not what was wanted.
    pub fn without_libraries(&self) -> Option<&KernelError> {
        self.refusals.library.as_ref()?.as_ref().err()
    }

    /// Has the kernel ask those that were taken.
    pub(super) fn attach_refusals(&mut self) {
        if self.refusals.exec.is_ok() {
            self.refusals.exec = self.attach_refusal(EXEC);
        }
        if let Some(Ok(())) = self.refusals.library {
            self.refusals.library = Some(self.attach_refusal(LIBRARY));
        }
    }

    fn attach_refusal(&mut self, (name, hook): (&str, &'static str)) -> Taken {
        let program = program(&mut self.ebpf, name);
        let link = program.attach().map_err(refused(hook))?;
        if let Some(pins) = &self.pins {
            let link = program.take_link(link).map_err(refused(hook))?;
            let pinned = pins.link(&pins.of_own(hook), FdLink::from(link))?;
            self.links.push(pinned);
        }
        Ok(())
    }
}

fn refused(hook: &'static str) -> impl Fn(ProgramError) -> KernelError {
    move |source| KernelError::Program {
        tracepoint: hook,
        source,
    }
}
