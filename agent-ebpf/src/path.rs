//! The path of a file, from the root of its mount namespace.
//!
//! Dentry by dentry to the root of the mount, then over to where that mount
//! stands in its parent, until there is no parent: `fs->root` is not asked, so
//! a chroot does not shorten the path.

use crate::kernel::{
    all_ones_if_zero, copy, either, in_memory, layout, peek, peek_or_zero, within,
};
use crate::maps::scratch;
use crate::report::Scratch;
use crate::tail;
use agent_common::wire::PATH_MAX;

/// Room for a path that is written from its end to its beginning; the second
/// half is what the verifier needs to see a name of 255 bytes fit at any place.
pub type Buffer = [u8; 2 * PATH_MAX];

/// How many names and mounts are walked. Deeper paths are an error, never
/// allowed; the kernel's `PATH_MAX` fits 2,048 names of one letter.
const STEPS: usize = 192;

/// Why there is no path.
pub enum Failure {
    /// Longer than `PATH_MAX` or deeper than `STEPS`.
    TooLong,
    /// A pointer on the way could not be followed.
    Unreadable,
}

/// A path that was found, in `Scratch::build`.
pub struct Found {
    /// Its length in bytes; it ends at `PATH_MAX`.
    pub len: u32,
}

const TOO_LONG: u64 = 1 << 32;
const UNREADABLE: u64 = 2 << 32;

/// Writes a path into `scratch.build`: of the `struct path` in `holder` whose
/// two fields are at these offsets.
#[inline(always)]
pub fn walk(holder: u64, dentry: usize, vfsmount: usize) -> Result<Found, Failure> {
    // Not `load`: a function of its own takes numbers, not typed pointers.
    let (Some(dentry), Some(vfsmount)) =
        (peek::<u64>(holder, dentry), peek::<u64>(holder, vfsmount))
    else {
        return Err(Failure::Unreadable);
    };
    match execwarden_walk(dentry, vfsmount) {
        TOO_LONG => Err(Failure::TooLong),
        len if len < PATH_MAX as u64 => Ok(Found { len: len as u32 }),
        _ => Err(Failure::Unreadable),
    }
}

/// Copies the path that [`walk`] found to `scratch.path`, which is hashed and
/// kept from there.
#[inline(always)]
pub fn take(scratch: &mut Scratch, found: &Found) {
    let len = within(found.len, PATH_MAX as u32);
    let start = (PATH_MAX - len as usize) & (PATH_MAX - 1);
    let to = scratch.path.as_mut_ptr().cast();
    copy(to, len, &raw const scratch.build[start] as u64);
}

/// Keeps the last bytes of the path that [`walk`] found, at most `max`, which
/// is less than `room`, a power of two; how many.
#[inline(always)]
pub fn keep_end(scratch: &mut Scratch, found: &Found, room: u32, max: u32) -> u32 {
    let len = if found.len < max { found.len } else { max };
    let len = within(len, room);
    let start = (PATH_MAX - len as usize) & (PATH_MAX - 1);
    let from = &raw const scratch.build[start] as u64;
    tail::append(scratch, from, len);
    len
}

/// Where the walk stands. It lives in a map, not in registers: the verifier
/// forgets what it knows of a number that goes through memory, so that one
/// step looks to it like every other.
#[repr(C)]
pub struct Walk {
    dentry: u64,
    mount: u64,
    /// The mount that was left last, on the way to the one below all others.
    left: u64,
    /// The mount that was left before that one.
    left_before: u64,
    /// Where the path begins in the buffer so far.
    at: u64,
}

/// The `mount` at the root of the namespace that was walked to last: the
/// container's root file system for a container.
///
/// Below all mounts of a namespace lies one of the kernel's own: up to Linux 6
/// the initial `rootfs`, since 7.0 an empty `nullfs`, and then `rootfs` may lie
/// between. Nobody else can mount a `rootfs`, so its name can be trusted.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_root_mount() -> u64 {
    const ROOTFS: u64 = u64::from_le_bytes(*b"rootfs\0\0");
    const NAME: u64 = (1 << (7 * 8)) - 1;
    let Some(scratch) = scratch() else {
        return 0;
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    let scratch = unsafe { &*scratch };
    let left = in_memory(&scratch.walk.left);
    let superblock = peek_or_zero(left, layout!(mount_mnt) + layout!(vfsmount_sb));
    let kind = peek_or_zero(superblock, layout!(sb_type));
    let name = peek_or_zero(kind, layout!(fs_type_name));
    if peek_or_zero(name, 0) & NAME == ROOTFS {
        in_memory(&scratch.walk.left_before)
    } else {
        left
    }
}

/// The loop of [`walk`]; the length, or why not. A function of its own to the
/// verifier, which then walks it once and not once for every way that leads
/// to it: only plain numbers may go in and out.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_walk(dentry: u64, vfsmount: u64) -> u64 {
    let Some(scratch) = scratch() else {
        return UNREADABLE;
    };
    // SAFETY: this CPU's own value, valid while the program runs, and the
    // program is not preempted by itself.
    let scratch = unsafe { &mut *scratch };
    let mount = vfsmount.wrapping_sub(layout!(mount_mnt) as u64);
    scratch.walk = Walk {
        dentry,
        mount,
        left: mount,
        left_before: mount,
        at: PATH_MAX as u64,
    };
    for _ in 0..STEPS {
        match step(&mut scratch.walk, &mut scratch.build) {
            Step::On => {}
            Step::Arrived => return PATH_MAX as u64 - in_memory(&scratch.walk.at),
            Step::TooLong => return TOO_LONG,
            Step::Unreadable => return UNREADABLE,
        }
    }
    TOO_LONG
}

enum Step {
    On,
    Arrived,
    TooLong,
    Unreadable,
}

/// One name, or one mount.
///
/// The verifier walks every way through a loop, and forgets most of the states
/// it could recognise one by: so there is one way on from each step, every
/// `if` leads out, and what a name and a mount do differently is masked.
#[inline(always)]
fn step(walk: &mut Walk, buffer: &mut Buffer) -> Step {
    let dentry = in_memory(&walk.dentry);
    let mount = in_memory(&walk.mount);
    let root = peek_or_zero(mount, layout!(mount_mnt) + layout!(vfsmount_root));
    let above = peek_or_zero(mount, layout!(mount_parent));
    let mountpoint = peek_or_zero(mount, layout!(mount_mountpoint));
    let parent = peek_or_zero(dentry, layout!(dentry_parent));
    let hash_len = peek_or_zero(dentry, layout!(dentry_hash_len));
    let name = peek_or_zero(dentry, layout!(dentry_name));
    if root == 0 || parent == 0 || above == 0 {
        return Step::Unreadable;
    }

    // All ones at the root of a mount, else zero.
    let at_root = all_ones_if_zero(dentry ^ root);
    if (above ^ mount) | !at_root == 0 {
        return Step::Arrived;
    }
    let len = (hash_len >> 32) & !at_root;
    let room = in_memory(&walk.at);
    let wanted = (len + 1) & !at_root;
    if len >= 256 || wanted >= room {
        return Step::TooLong;
    }
    let at = room - wanted;
    walk.at = at;
    // At the root of a mount nothing is added: the name has no bytes, and the
    // slash is there already.
    let slash = at as usize & (PATH_MAX - 1);
    buffer[slash] = b'/';
    if !copy(&raw mut buffer[slash + 1], len as u32 & 255, name) {
        return Step::Unreadable;
    }
    if (parent ^ dentry) | at_root == 0 {
        // The root of something that is mounted nowhere: a memfd, a mount
        // that was taken away.
        return Step::Arrived;
    }
    let left = in_memory(&walk.left);
    walk.left_before = either(at_root, left, in_memory(&walk.left_before));
    walk.left = either(at_root, mount, left);
    walk.dentry = either(at_root, mountpoint, parent);
    walk.mount = either(at_root, above, mount);
    Step::On
}
