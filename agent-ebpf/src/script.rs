//! A script's own file.
//!
//! The kernel opens each file of a `#!` chain, reads its first line, and
//! closes it again; but a file is closed for good only when the task returns
//! to user space, and until then it waits in `task_works`. So at the
//! tracepoint the scripts are there, the innermost first, told from whatever
//! else waits by the flag that only exec opens files with. The program that
//! this exec replaced may wait there too, with its loader; but it was opened
//! under other credentials than this exec's interpreter, since every exec
//! installs new ones. The loader of this exec's interpreter is told by its
//! being mapped, see [`execwarden_mapped`]. A format that wants its file handed
//! over open (binfmt_misc's O and C) has it as a descriptor, [`Hook::descriptor`];
//! it is the last of the chain, since nothing may follow it.

use crate::flags::Flags;
use crate::hook::Hook;
use crate::identity::{
    execwarden_hash_pair, execwarden_hash_path, execwarden_keep_state, has_open_folder, peek_state,
};
use crate::kernel::{
    all_ones_if_zero, copy, either, hash_key, in_memory, layout, peek_or_zero, within,
};
use crate::layer::{self, OUTSIDE, execwarden_layer};
use crate::maps::scratch;
use crate::path;
use crate::report::Scratch;
use crate::tail;
use crate::task;
use agent_common::layout::ABSENT;
use agent_common::siphash::State;
use agent_common::wire::{SCRIPT_MAX, VIA_MAX, flag, layer as layers};

/// `__FMODE_EXEC`: the kernel opens a file with it to execute it, and no
/// system call can ask for it.
const FMODE_EXEC: u64 = 0x20;
/// How much waits in front of a script that is still found. More is an error,
/// never allowed.
const WAITING: usize = 64;
/// The most scripts that the kernel follows before it gives up.
const DEPTH: usize = 5;
const TOO_MANY: u64 = u64::MAX;

/// The scripts of the exec at hand.
#[repr(C)]
pub struct Chain {
    /// Their files, the innermost first.
    files: [u64; 8],
    count: u64,
    /// Where the search stands.
    at: u64,
    /// The credentials that this exec's files were opened with.
    cred: u64,
    /// SipHash of the outermost one's path, and of those that follow.
    pub name_hash: u64,
    /// The layer that is furthest from the image.
    pub layer: u32,
    /// Whether one of them lies outside the container.
    pub outside: u32,
    /// Not 0 if everybody may write to the folder of one of them.
    open_folder: u64,
    /// Bytes in `via`.
    via_len: u64,
    /// The paths of all but the outermost, each with a NUL.
    via: [u8; 2 * VIA_MAX],
}

/// Finds the scripts. SipHash of the state of their files; 0, and an error
/// among the flags, where they cannot be found.
#[inline(always)]
pub fn find(hook: impl Hook, scratch: &mut Scratch, flags: Flags) -> u64 {
    flags.set(flag::SCRIPT);
    let found = execwarden_scripts(task::current(), hook.address(), hook.descriptor());
    if found == 0 || found == TOO_MANY {
        flags.set(flag::ERROR);
        scratch.chain.count = 0;
        return 0;
    }
    execwarden_script_states()
}

/// Puts the scripts into `scratch.chain`: the file of this descriptor, if it
/// was opened for the same exec as `program`, and what waits to be closed and
/// was. How many.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_scripts(task: u64, program: u64, descriptor: u64) -> u64 {
    let Some(scratch) = scratch() else {
        return TOO_MANY;
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    let chain = unsafe { &mut (*scratch).chain };
    chain.cred = peek_or_zero(program, layout!(file_cred));
    let table = peek_or_zero(
        peek_or_zero(task, layout!(task_files)),
        layout!(files_table),
    );
    let open = peek_or_zero(table, layout!(table_files)).wrapping_add(descriptor * 8);
    chain.files[0] = peek_or_zero(open, 0);
    chain.count = opened_for(in_memory(&chain.files[0]), in_memory(&chain.cred)) & 1;
    chain.at = peek_or_zero(task, layout!(task_works));
    for _ in 0..WAITING {
        let at = in_memory(&chain.at);
        if at == 0 {
            break;
        }
        let file = at.wrapping_sub(layout!(file_work) as u64);
        let found = opened_for(file, in_memory(&chain.cred));
        let found = found & !execwarden_mapped(file & found);
        let count = in_memory(&chain.count);
        // Each is written to the next place, which only a script keeps.
        let place = &mut chain.files[count as usize & 7];
        *place = either(found, file, in_memory(place));
        chain.count = count + (found & 1);
        chain.at = peek_or_zero(at, layout!(callback_next));
    }
    let count = in_memory(&chain.count);
    if in_memory(&chain.at) != 0 || count > DEPTH as u64 {
        return TOO_MANY;
    }
    count
}

/// All ones for a file that was opened to be executed, under these credentials;
/// what is no file has no inode that its dentry agrees with.
#[inline(always)]
fn opened_for(file: u64, cred: u64) -> u64 {
    let dentry = peek_or_zero(file, layout!(file_dentry));
    let inode = peek_or_zero(file, layout!(file_inode));
    all_ones_if_zero(peek_or_zero(dentry, layout!(dentry_inode)) ^ inode)
        & !all_ones_if_zero(inode)
        & !all_ones_if_zero(peek_or_zero(file, layout!(file_flags)) & FMODE_EXEC)
        & all_ones_if_zero(peek_or_zero(file, layout!(file_cred)) ^ cred)
}

/// All ones for a closed file whose mapping holds another in its place.
///
/// A mapping holds its file open, so the loader does not wait to be closed. But
/// overlayfs maps the file of a layer instead of its own, and then it does: the
/// layer's file is held by the overlay's and by the mapping. That of a script,
/// which nobody but the kernel ever had open, is held once. The layer may be an
/// overlay itself; the kernel stacks no more than two.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_mapped(file: u64) -> u64 {
    let mut file = file;
    for _ in 0..2 {
        let inode = peek_or_zero(file, layout!(file_inode));
        let superblock = peek_or_zero(inode, layout!(inode_sb));
        if peek_or_zero(superblock, layout!(sb_magic)) != layer::OVERLAYFS {
            return 0;
        }
        let private = peek_or_zero(file, layout!(file_private));
        file = if layout!(ovl_realfile) as u32 == ABSENT {
            private
        } else {
            peek_or_zero(private, layout!(ovl_realfile))
        };
        let more = if layout!(file_more_refs) as u32 == ABSENT {
            peek_or_zero(file, layout!(file_refs)).saturating_sub(1)
        } else {
            peek_or_zero(file, layout!(file_more_refs))
        };
        if more != 0 {
            return u64::MAX;
        }
    }
    0
}

/// SipHash of the state of every script's file, and of the names they were
/// found under.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_script_states() -> u64 {
    let Some(scratch) = scratch() else {
        return 0;
    };
    // SAFETY: as above.
    let chain = unsafe { &(*scratch).chain };
    let mut state = State::new(hash_key());
    let mut len = 0u64;
    for i in 0..DEPTH {
        if i as u64 >= in_memory(&chain.count) {
            break;
        }
        let file = chain.files[i];
        let facts = peek_state(file);
        let dentry = peek_or_zero(file, layout!(file_dentry));
        let inode = peek_or_zero(file, layout!(file_inode));
        state.word(facts.ino);
        state.word(facts.size);
        state.word(facts.ctime);
        state.word(((facts.dev as u64) << 32) | facts.generation as u64);
        state.word(peek_or_zero(file, layout!(file_mnt)));
        state.word(peek_or_zero(dentry, layout!(dentry_hash_len)));
        // A nameless one has the hash of another than itself with a name.
        let links = peek_or_zero(inode, layout!(inode_nlink)) as u32 as u64;
        let hashed = peek_or_zero(dentry, layout!(dentry_pprev));
        state.word(all_ones_if_zero(links) | all_ones_if_zero(hashed));
        len += 56;
    }
    state.finish(0, len)
}

/// Walks the scripts' paths: keeps them in the record, and tells their hash
/// and their layer in `scratch.chain`.
#[inline(always)]
pub fn settle(scratch: &mut Scratch, root_dev: u32, namespace: u64, container: u64, flags: Flags) {
    if execwarden_settle_scripts(root_dev as u64, namespace, container) != 0 {
        flags.set(flag::ERROR | flag::SCRIPT_CUT);
    }
    if in_memory(&scratch.chain.layer) == layers::UNKNOWN {
        flags.set(flag::ERROR);
    }
    if in_memory(&scratch.chain.outside) != 0 {
        flags.set(flag::OUTSIDE_FILE);
    }
    if in_memory(&scratch.chain.open_folder) != 0 {
        flags.set(flag::OPEN_FOLDER);
    }
    let len = within(in_memory(&scratch.chain.via_len) as u32, VIA_MAX as u32);
    scratch.record.facts.via_len = len;
    let from = scratch.chain.via.as_ptr() as u64;
    tail::append(scratch, from, len);
}

/// The loop of [`settle`], from the outermost to the innermost; 0 if all of it
/// could be read.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_settle_scripts(root_dev: u64, namespace: u64, container: u64) -> u64 {
    let Some(scratch) = scratch() else {
        return 1;
    };
    // SAFETY: as above.
    let scratch = unsafe { &mut *scratch };
    scratch.chain.name_hash = 0;
    scratch.chain.layer = layers::UNKNOWN;
    scratch.chain.outside = 0;
    scratch.chain.open_folder = 0;
    scratch.chain.via_len = 0;
    scratch.record.facts.name_len = 0;
    for i in 0..DEPTH {
        let count = in_memory(&scratch.chain.count);
        if i as u64 >= count {
            break;
        }
        let file = scratch.chain.files[(count as usize - 1 - i) & 7];
        let Ok(found) = path::walk(file, layout!(file_dentry), layout!(file_mnt)) else {
            return 1;
        };
        path::take(scratch, &found);
        let hash = execwarden_hash_path(found.len as u64);
        let root_mount = path::execwarden_root_mount();
        let told = execwarden_layer(file, root_mount, root_dev, namespace, container);
        scratch.chain.outside |= (told & OUTSIDE) as u32;
        scratch.chain.open_folder |= has_open_folder(file);
        let own = told as u32 & 0xff;
        if i == 0 {
            if found.len >= SCRIPT_MAX as u32 {
                return 1;
            }
            scratch.chain.name_hash = hash;
            scratch.chain.layer = own;
            execwarden_keep_state(file, 1);
            scratch.record.facts.name_len = found.len;
            let from = scratch.path.as_ptr() as u64;
            tail::append(scratch, from, within(found.len, SCRIPT_MAX as u32));
            continue;
        }
        scratch.chain.name_hash = execwarden_hash_pair(in_memory(&scratch.chain.name_hash), hash);
        scratch.chain.layer = layer::worse(in_memory(&scratch.chain.layer), own);
        let at = in_memory(&scratch.chain.via_len);
        let len = found.len as u64;
        if at + len + 1 >= VIA_MAX as u64 {
            return 1;
        }
        let to = &raw mut scratch.chain.via[within(at as u32, VIA_MAX as u32) as usize];
        let from = scratch.path.as_ptr() as u64;
        copy(to, within(len as u32, VIA_MAX as u32), from);
        scratch.chain.via[within((at + len) as u32, VIA_MAX as u32) as usize] = 0;
        scratch.chain.via_len = at + len + 1;
    }
    0
}
