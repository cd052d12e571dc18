//! A script's name: the kernel's own copy of what was executed, made absolute.
//! The script's file itself is released before the tracepoint.

use crate::flags::Flags;
use crate::identity::execwarden_hash_script;
use crate::kernel::{Typed, copy, layout, load};
use crate::path;
use crate::report::Scratch;
use agent_common::wire::{SCRIPT_MAX, flag};
use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;

/// The hash of the script's absolute name, which is left in `scratch.script`;
/// 0, and an error among the flags, where it cannot be read.
#[inline(always)]
pub fn name_hash(task: Typed, name: u64, scratch: &mut Scratch, flags: Flags) -> u64 {
    flags.set(flag::SCRIPT);
    let mut first = 0u8;
    if !copy(&raw mut first, 1, name) {
        flags.set(flag::ERROR);
        return 0;
    }
    let mut at = 0u32;
    if first != b'/' {
        // Relative to the working directory.
        let fs: Typed = load(task, layout!(task_fs));
        let Ok(found) = path::walk(fs, layout!(fs_pwd_dentry), layout!(fs_pwd_mnt), scratch) else {
            flags.set(flag::ERROR);
            return 0;
        };
        at = found.len;
        if at >= SCRIPT_MAX as u32 / 2 {
            flags.set(flag::ERROR | flag::SCRIPT_CUT);
            return 0;
        }
        let to = scratch.script.as_mut_ptr().cast::<u8>();
        path::take(scratch, &found, to, SCRIPT_MAX as u32 / 2);
        // SAFETY: `at` is less than half of the room.
        unsafe { *to.add(at as usize & 0xff) = b'/' };
        at += 1;
    }
    // SAFETY: a string of the kernel's into room that is left: `at` is at most
    // 257, and the room behind it is half of `SCRIPT_MAX` at least.
    let len = unsafe {
        let to = scratch
            .script
            .as_mut_ptr()
            .cast::<u8>()
            .add(at as usize & 0x1ff);
        let room = if at == 0 {
            SCRIPT_MAX
        } else {
            SCRIPT_MAX / 2 - 2
        };
        bpf_probe_read_kernel_str(to.cast(), room as u32, name as *const _)
    };
    let room = if at == 0 {
        SCRIPT_MAX
    } else {
        SCRIPT_MAX / 2 - 2
    };
    if len <= 1 || len as usize >= room {
        flags.set(flag::ERROR | flag::SCRIPT_CUT);
        return 0;
    }
    let len = at + len as u32 - 1;
    scratch.record.facts.script_len = len;
    execwarden_hash_script(len as u64)
}
