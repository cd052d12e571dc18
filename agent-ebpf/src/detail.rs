//! What more than the identity decides an exec: its content, its arguments,
//! its parent, its user. The agent looks at it once; what it found is in
//! `CLEARED`.

use crate::identity::execwarden_hash_args;
use crate::kernel::{hash_key, in_memory};
use crate::maps::{CLEARED, scratch};
use crate::origin;
use crate::report::Scratch;
use crate::task;
use agent_common::siphash::State;
use agent_common::wire::{ClearedKey, FileFacts, flag, need};

/// All ones where `bit` is among `bits`, else zero.
#[inline(always)]
fn mask(bits: u32, bit: u32) -> u64 {
    ((bits & bit != 0) as u64).wrapping_neg()
}

/// SipHash of what `needs` names, each of which tells two execs of a file
/// apart, and of whether it was put into the container, itself or by what was, and
/// from a terminal: what a person does there may be judged otherwise than what the
/// container does. The arguments and the origin are in the record already.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_detail(needs: u64) -> u64 {
    let Some(scratch) = scratch() else {
        return 0;
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    let scratch = unsafe { &mut *scratch };
    let needs = needs as u32;
    let mut parent = 0;
    if needs & need::PARENT != 0 {
        parent = origin::parent_hash(scratch, task::current());
    }
    let mut arguments = 0;
    if needs & need::ARGS != 0 {
        arguments = execwarden_hash_args(scratch.record.facts.args_len as u64);
    }
    let facts = &scratch.record.facts;
    let content: &FileFacts = if facts.flags & flag::SCRIPT != 0 {
        &facts.script
    } else {
        &facts.program
    };
    let of_content = mask(needs, need::CONTENT);
    let of_parent = mask(needs, need::PARENT);
    // The first process may run the same file as others of the container.
    let of_origin = flag::INIT | flag::OF_INIT | flag::INJECTED | flag::FROM_OUTSIDE;
    let origin = (facts.flags & of_origin) as u64 & of_parent;
    // Put in itself, or by what was.
    let of_put_in = mask(facts.flags, flag::INJECTED) & flag::FROM_OUTSIDE as u64;
    let put_in = facts.flags as u64 & (of_put_in | (flag::INJECTED | flag::TTY) as u64);

    let mut state = State::new(hash_key());
    state.word(needs as u64);
    state.word(content.ino & of_content);
    state.word(content.size & of_content);
    state.word(content.ctime & of_content);
    state.word((((content.dev as u64) << 32) | content.generation as u64) & of_content);
    state.word(arguments);
    state.word(facts.args_total as u64 & mask(needs, need::ARGS));
    state.word(parent);
    state.word(origin | put_in);
    state.word(facts.uid as u64 & mask(needs, need::USER));
    // 0 says that nothing was looked at.
    state.finish(0, 80) | 1
}

/// What the agent found when it looked at this very combination: see
/// [`agent_common::wire::cleared`]; 0 if it has not.
#[inline(always)]
pub fn cleared(scratch: &mut Scratch, slot: u32, slot_generation: u32) -> u32 {
    let key = in_memory(&scratch.record.key);
    scratch.cleared = ClearedKey {
        path_hash: key.path_hash,
        name_hash: key.name_hash,
        detail: key.detail,
        slot,
        slot_generation,
        layer: key.layer,
        pad: 0,
    };
    match CLEARED.get_ptr(&scratch.cleared) {
        // SAFETY: a value of a map, valid while the program runs.
        Some(value) => unsafe { *value },
        None => 0,
    }
}
