//! What a program that runs maps to execute it, as libraries are, and what a program
//! loader that is run by itself has it load: where the kernel has BPF LSM active, and
//! the slot says so, only files of the image, of a volume or of the host, and what the
//! allowlist names.
//!
//! `mmap_file` asks of each mapping of a file. That it is refused its caller is told,
//! and what it does then is its own affair: a program that lacks a library ends.

use crate::exec::{Verdict, count_by, look_up, rules_of};
use crate::flags::Flags;
use crate::identity::File;
use crate::kernel::{Typed, in_memory};
use crate::maps::{add_shared, scratch};
use crate::refuse::{Asked, asked, judged_where};
use crate::sight::Sight;
use crate::stop::execwarden_lets_through;
use agent_common::wire::{fast, stop};

/// `PROT_EXEC` of mman-common.h.
const PROT_EXEC: u64 = 4;
/// In the place of a name in the fast key: it may be loaded.
const LOADED: u64 = u64::MAX;

/// Judges a mapping. One that is refused is counted as an exec would be.
#[inline(always)]
pub fn mapping(file: Typed, protection: u64) -> Option<Verdict> {
    if protection & PROT_EXEC == 0 || file.is_null() {
        return None;
    }
    let mut judged = judged_where(stop::LIBRARIES)?;
    let rules = rules_of(judged.slot);
    let file = File::of(file);
    let mut fast = file.fast_key(judged.slot, rules.generation);
    fast.name_hash = LOADED;
    if look_up(&fast) == fast::YES && !file.is_nameless() {
        return None;
    }
    asked(Asked::Library, || {
        // SAFETY: this CPU's own value, and no other program has this part of it.
        let scratch = unsafe { &mut *scratch()? };
        let flags = Flags::starting_with(scratch, judged.flags);
        scratch.fast = fast;
        if execwarden_lets_through(judged.container_id) != 0 {
            return None;
        }
        // By way of memory: what goes into a function must be a number.
        scratch.typed = file.file as u64;
        let sight = Sight {
            file: &file,
            address: in_memory(&scratch.typed),
            filename: 0,
            is_script: false,
            rules,
        };
        let verdict = sight.refuse_to_load(scratch, &mut judged, flags)?;
        Some(count_by(judged.slot, verdict, add_shared))
    })
}
