//! Tries whether this kernel takes the programs, and leaves none behind.
//!
//! Everything tried has maps of its own: an agent that runs meanwhile keeps
//! its programs and its counts.

use super::load::{
    KernelError, OVERLAY_BTF, Sizes, layout_of_this_kernel, make_maps, program, random_key,
};
use super::{ExecHooks, exec_hooks, refusal};
use crate::causes::with_causes;
use crate::model::Libraries;
use agent_common::layout::ABSENT;
use aya::Ebpf;
use aya::programs::{ProgramError, ProgramInfo};
use std::path::Path;

/// Where the kernel says how overlayfs is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overlay {
    /// In the kernel's own type information.
    BuiltIn,
    /// In the module's.
    Module,
    /// Nowhere, as for every module before Linux 5.11: taken to be as it has
    /// always been.
    Assumed,
    /// Nowhere: its layers cannot be told apart.
    Unknown,
}

/// One program that was loaded, attached and detached again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trial {
    /// The tracepoint it hangs on.
    pub tracepoint: &'static str,
    /// Whether it only stands in for another, and the agent runs without it.
    pub stands_in: bool,
    /// The instructions that the verifier walked, 0 where the kernel does not
    /// say (before 5.16); or why it is refused, in one bounded line.
    pub outcome: Result<u32, String>,
}

/// All that were tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trials {
    /// Those that see execs and cgroups.
    pub programs: Vec<Trial>,
    /// The one that is asked before an exec, where BPF LSM is active: its outcome.
    pub refusal: Result<u32, String>,
}

/// Looks up every field that the programs read.
pub fn try_layouts() -> Result<Overlay, KernelError> {
    let layout = layout_of_this_kernel()?;
    Ok(if layout.ovl_upper == ABSENT {
        Overlay::Unknown
    } else if Path::new(OVERLAY_BTF).exists() {
        Overlay::Module
    } else if layout.ovl_inode == 0 {
        Overlay::Assumed
    } else {
        Overlay::BuiltIn
    })
}

/// Loads and attaches each program in turn, and detaches it before the next.
/// An error is what keeps them all from being tried.
pub fn try_programs(sizes: Sizes) -> Result<Trials, KernelError> {
    let layout = layout_of_this_kernel()?;
    let btf = aya::Btf::from_sys_fs()?;
    let hooks = ExecHooks::of_this_kernel();
    let mut ebpf = make_maps(
        sizes,
        hooks,
        Libraries::Any,
        random_key(),
        &layout,
        &btf,
        None,
    )?;
    let programs = hooks.all().map(|(name, tracepoint)| {
        let stands_in = (name, tracepoint) == exec_hooks::STAND_IN;
        let tried = if stands_in {
            try_stand_in(&mut ebpf)
        } else {
            try_program(&mut ebpf, name, tracepoint, &btf)
        };
        Trial {
            tracepoint,
            stands_in,
            outcome: tried.map_err(|error| shortened(&error)),
        }
    });
    Ok(Trials {
        programs: programs.collect(),
        refusal: try_refusal(&mut ebpf, &btf).map_err(|error| shortened(&error)),
    })
}

fn try_program(
    ebpf: &mut Ebpf,
    name: &str,
    tracepoint: &str,
    btf: &aya::Btf,
) -> Result<u32, ProgramError> {
    let program = program(ebpf, name);
    program.load(tracepoint, btf)?;
    let verified = verified(program.info());
    let link = program.attach()?;
    program.detach(link)?;
    program.unload()?;
    Ok(verified)
}

fn try_stand_in(ebpf: &mut Ebpf) -> Result<u32, ProgramError> {
    let program = exec_hooks::stand_in(ebpf, exec_hooks::STAND_IN.0);
    program.load()?;
    let verified = verified(program.info());
    let link = exec_hooks::attach(program)?;
    program.detach(link)?;
    program.unload()?;
    Ok(verified)
}

fn try_refusal(ebpf: &mut Ebpf, btf: &aya::Btf) -> Result<u32, ProgramError> {
    refusal::load(ebpf, btf, refusal::EXEC)?;
    let program = refusal::program(ebpf, refusal::EXEC.0);
    let verified = verified(program.info());
    let link = program.attach()?;
    program.detach(link)?;
    program.unload()?;
    Ok(verified)
}

fn verified(info: Result<ProgramInfo, ProgramError>) -> u32 {
    let count = info.ok().and_then(|info| info.verified_instruction_count());
    count.unwrap_or(0)
}

/// The kernel's own words.
fn shortened(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => refused_with(&io_error.to_string(), &verifier_log.to_string()),
        other => bounded(&with_causes(other)),
    }
}

/// The error with the one sentence of the verifier's log that counts.
fn refused_with(error: &str, log: &str) -> String {
    match last_words(log) {
        Some(words) => bounded(&format!("{error}: {words}")),
        None => bounded(error),
    }
}

/// What the verifier ends with: the lines after the sentence that refuses are
/// its statistics.
fn last_words(log: &str) -> Option<&str> {
    const STATISTICS: [&str; 3] = ["processed ", "verification time ", "stack depth "];

    log.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !STATISTICS.iter().any(|word| line.starts_with(word)))
}

fn bounded(text: &str) -> String {
    const CHARACTERS: usize = 200;

    if text.chars().count() <= CHARACTERS {
        return text.to_owned();
    }
    text.chars().take(CHARACTERS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifiers_sentence_is_kept_and_its_statistics_are_not() {
        for (error, log, expected) in [
            (
                "Permission denied",
                "0: R1=ctx() R10=fp0\n1: (79) r2 = *(u64 *)(r1 +8)\n\
                 R2 invalid mem access 'scalar'\nverification time 12 usec\n\
                 stack depth 0+0\nprocessed 2 insns (limit 1000000)\n",
                "Permission denied: R2 invalid mem access 'scalar'",
            ),
            (
                "Argument list too long",
                "BPF program is too large. Processed 1000001 insn\nprocessed 1000001 insns\n\n",
                "Argument list too long: BPF program is too large. Processed 1000001 insn",
            ),
            ("Operation not permitted", "", "Operation not permitted"),
            ("Operation not permitted", "\n", "Operation not permitted"),
        ] {
            assert_eq!(refused_with(error, log), expected);
        }
    }

    #[test]
    fn words_without_an_end_are_cut() {
        let told = refused_with("Invalid argument", &"x".repeat(100_000));

        assert_eq!(told.chars().count(), 201, "{told}");
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let cause = std::io::Error::other("no such tracepoint");
        let error = ProgramError::IOError(cause);

        assert!(with_causes(&error).contains("no such tracepoint"));
    }
}
