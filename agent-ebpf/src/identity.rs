//! What was run: the fast key, the script's name, the layer.

use crate::kernel::{Typed, hash_key, host_mntns, layout, load, peek};
use crate::maps::SCRATCH;
use crate::report::PATH_WORDS;
use agent_common::layout::ABSENT;
use agent_common::siphash::State;
use agent_common::wire::{Cgroup, FastKey, SCRIPT_MAX, layer};

const OVERLAYFS: u64 = 0x794c_7630;
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;
const HUGETLBFS: u64 = 0x9584_58f6;

/// The bits of an inode's nanoseconds that are nanoseconds. Since Linux 6.13
/// the highest bit (`I_CTIME_QUERIED`) tells that somebody asked for the time.
const NANOSECONDS: u32 = (1 << 30) - 1;

/// The file the kernel is about to run, with what the verifier lets us read
/// of it without a helper.
pub struct File {
    pub file: Typed,
    pub dentry: Typed,
    pub vfsmount: Typed,
    pub inode: Typed,
    pub superblock: Typed,
}

impl File {
    /// The last file of the chain: the program, or a script's interpreter.
    #[inline(always)]
    pub fn of(bprm: Typed) -> Self {
        let file: Typed = load(bprm, layout!(bprm_file));
        let inode: Typed = load(file, layout!(file_inode));
        Self {
            file,
            dentry: load(file, layout!(file_dentry)),
            vfsmount: load(file, layout!(file_mnt)),
            inode,
            superblock: load(inode, layout!(inode_sb)),
        }
    }

    /// Everything that changes when the file, its name or its content does.
    #[inline(always)]
    pub fn fast_key(&self, slot: u32, slot_generation: u32, script_hash: u64) -> FastKey {
        let seconds: u64 = load(self.inode, layout!(inode_ctime_sec));
        let nanoseconds: u32 = load(self.inode, layout!(inode_ctime_nsec));
        FastKey {
            ino: load(self.inode, layout!(inode_ino)),
            size: load(self.inode, layout!(inode_size)),
            ctime: (seconds << 30) | (nanoseconds & NANOSECONDS) as u64,
            mount: self.vfsmount as u64,
            name: load(self.dentry, layout!(dentry_hash_len)),
            script_hash,
            dev: load(self.superblock, layout!(sb_dev)),
            generation: load(self.inode, layout!(inode_generation)),
            slot,
            slot_generation,
        }
    }

    /// Whether no directory has a name for it: memfd, deleted, `O_TMPFILE`.
    #[inline(always)]
    pub fn is_nameless(&self) -> bool {
        let links: u32 = load(self.inode, layout!(inode_nlink));
        let hashed: u64 = load(self.dentry, layout!(dentry_pprev));
        links == 0 || hashed == 0
    }

    /// The layer, given the mounts that the path went through.
    #[inline(always)]
    pub fn layer(&self, container: &Cgroup, file_mount: u64, root_mount: u64) -> u32 {
        if self.is_nameless() {
            return layer::MEMORY;
        }
        let Some(namespace) = peek::<u64>(file_mount, layout!(mount_ns)) else {
            return layer::UNKNOWN;
        };
        if namespace == 0 {
            // Taken away, or never put anywhere: no path leads to the file.
            return layer::MEMORY;
        }
        let Some(inum) = peek::<u32>(namespace, layout!(mntns_inum)) else {
            return layer::UNKNOWN;
        };
        if inum == host_mntns() {
            return layer::HOST;
        }
        let magic: u64 = load(self.superblock, layout!(sb_magic));
        if magic == TMPFS || magic == RAMFS || magic == HUGETLBFS {
            return layer::TMPFS;
        }
        // An overlay that the container mounted itself is no image of its.
        let dev: u32 = load(self.superblock, layout!(sb_dev));
        if file_mount != root_mount || dev != container.root_dev {
            return layer::VOLUME;
        }
        if magic == OVERLAYFS {
            self.overlay_layer()
        } else {
            layer::IMAGE
        }
    }

    #[inline(always)]
    fn overlay_layer(&self) -> u32 {
        if layout!(ovl_upper) as u32 == ABSENT {
            return layer::UNKNOWN;
        }
        let overlay = (self.inode as u64).wrapping_sub(layout!(ovl_inode) as u64);
        match peek::<u64>(overlay, layout!(ovl_upper)) {
            None => layer::UNKNOWN,
            Some(0) => layer::IMAGE,
            Some(_) => layer::UPPER,
        }
    }
}

/// The device of the mount's file system.
#[inline(always)]
pub fn mount_dev(mount: u64) -> Option<u32> {
    let root: u64 = peek(mount, layout!(mount_mnt) + layout!(vfsmount_root))?;
    // Every dentry of a mount is of its superblock; the root's inode has it.
    let inode: u64 = peek(root, layout!(dentry_inode))?;
    let superblock: u64 = peek(inode, layout!(inode_sb))?;
    peek(superblock, layout!(sb_dev))
}

/// SipHash of the first `len` bytes of `scratch.path`.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_hash_path(len: u64) -> u64 {
    match SCRATCH.get_ptr(0) {
        // SAFETY: this CPU's own value, valid while the program runs.
        Some(scratch) => hash::<PATH_WORDS>(unsafe { &(*scratch).path }, len),
        None => 0,
    }
}

/// SipHash of the first `len` bytes of `scratch.script`, likewise.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_hash_script(len: u64) -> u64 {
    match SCRATCH.get_ptr(0) {
        // SAFETY: as above.
        Some(scratch) => hash::<SCRIPT_WORDS>(unsafe { &(*scratch).script }, len),
        None => 0,
    }
}

/// SipHash of the first `len` bytes of `words`; what lies behind is masked
/// away.
#[inline(always)]
fn hash<const WORDS: usize>(words: &[u64; WORDS], len: u64) -> u64 {
    let mut state = State::new(hash_key());
    let full = (len >> 3) as usize;
    for i in 0..WORDS {
        if i >= full {
            break;
        }
        state.word(words[i]);
    }
    let rest = len & 7;
    let mut tail = 0;
    if rest != 0 {
        tail = words[full & (WORDS - 1)] & ((1u64 << (rest * 8)) - 1);
    }
    state.finish(tail, len)
}

/// Words in a script's name.
pub const SCRIPT_WORDS: usize = SCRIPT_MAX / 8;
