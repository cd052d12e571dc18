//! The filters of system calls, as the kernel takes them.

use super::calls::{FAMILIES, NAMESPACES, NEVER, NEVER_HERE, OF_BPF};
use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// One filter.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) program: BpfProgram,
    /// Whether the kernel's log has what it refuses.
    pub(super) is_logged: bool,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    /// It is not written for this architecture.
    #[error("there is no filter for {}", std::env::consts::ARCH)]
    Architecture,
    /// The rules are none.
    #[error(transparent)]
    Rules(#[from] BackendError),
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// The filters for this architecture.
pub(super) fn filters() -> Result<[Filter; 2], FilterError> {
    let arch = std::env::consts::ARCH;
    let arch = TargetArch::try_from(arch).map_err(|_| FilterError::Architecture)?;
    let refusing = Filter {
        program: past_x32(compile(refused()?, libc::EPERM, arch)?),
        is_logged: true,
    };
    // Its flags are in memory, where no filter sees them. A C library that is told
    // that there is no such call makes the older one, all the time: not logged.
    let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let older_clone = Filter {
        program: compile(clone3, libc::ENOSYS, arch)?,
        is_logged: false,
    };
    Ok([refusing, older_clone])
}

fn refused() -> Result<Rules, BackendError> {
    let mut rules: Rules = { NEVER.iter().chain(NEVER_HERE) }
        .map(|call| (*call, Vec::new()))
        .collect();
    rules.insert(libc::SYS_bpf, vec![first_is_none_of(&OF_BPF)?]);
    let families = FAMILIES.map(|family| family as u64);
    rules.insert(libc::SYS_socket, vec![first_is_none_of(&families)?]);
    let namespaces = NAMESPACES.iter().map(|flag| {
        let flag = *flag as u64;
        let is_set = SeccompCmpOp::MaskedEq(flag);
        let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, is_set, flag)?;
        SeccompRule::new(vec![condition])
    });
    rules.insert(libc::SYS_clone, namespaces.collect::<Result<_, _>>()?);
    Ok(rules)
}

/// Holds where the first argument, an int, is none of these.
fn first_is_none_of(values: &[u64]) -> Result<SeccompRule, BackendError> {
    let other =
        |value: &u64| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, *value);
    SeccompRule::new(values.iter().map(other).collect::<Result<_, _>>()?)
}

/// A program that answers these with an error, and lets all others through. One
/// of another architecture, as a 32-bit program makes it, ends the process.
fn compile(rules: Rules, error: i32, arch: TargetArch) -> Result<BpfProgram, BackendError> {
    let refused = SeccompAction::Errno(error.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?.try_into()
}

/// Refuses the calls of x32 before anything else: they have the architecture of
/// x86-64 and other numbers than those that are compared.
#[cfg(target_arch = "x86_64")]
fn past_x32(program: BpfProgram) -> BpfProgram {
    use libc::{BPF_ABS, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
    use seccompiler::sock_filter;

    /// `__X32_SYSCALL_BIT` of asm/unistd.h.
    const X32: u32 = 0x4000_0000;
    let instruction = |code: u32, (jt, jf), k| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    // The call's number comes first in what is looked at.
    let prologue = [
        instruction(BPF_LD | BPF_W | BPF_ABS, (0, 0), 0),
        instruction(BPF_JMP | BPF_JGE | BPF_K, (0, 1), X32),
        instruction(BPF_RET | BPF_K, (0, 0), refused),
    ];
    prologue.into_iter().chain(program).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn past_x32(program: BpfProgram) -> BpfProgram {
    program
}
