//! What was run: the state of a file, the fast key, the hashes.

use crate::kernel::{Typed, hash_key, layout, load, peek_or_zero};
use crate::maps::scratch;
use crate::report::PATH_WORDS;
use agent_common::siphash::State;
use agent_common::wire::{APPLET_MAX, ARGS_MAX, FastKey, FileFacts};

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
    /// The parts of an open file.
    #[inline(always)]
    pub fn of(file: Typed) -> Self {
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
    pub fn fast_key(&self, slot: u32, slot_generation: u32) -> FastKey {
        let seconds: u64 = load(self.inode, layout!(inode_ctime_sec));
        let nanoseconds: u32 = load(self.inode, layout!(inode_ctime_nsec));
        FastKey {
            ino: load(self.inode, layout!(inode_ino)),
            size: load(self.inode, layout!(inode_size)),
            ctime: ctime(seconds, nanoseconds),
            mount: self.vfsmount as u64,
            name: self.name(),
            name_hash: 0,
            dev: load(self.superblock, layout!(sb_dev)),
            generation: load(self.inode, layout!(inode_generation)),
            slot,
            slot_generation,
        }
    }

    /// `hash_len` in its two halves: before Linux 6.2 the verifier does not take
    /// the union for more than its first member.
    #[inline(always)]
    fn name(&self) -> u64 {
        let hash: u32 = load(self.dentry, layout!(dentry_hash_len));
        let len: u32 = load(self.dentry, layout!(dentry_hash_len) + size_of::<u32>());
        hash as u64 | ((len as u64) << 32)
    }

    /// How many names it has in directories.
    #[inline(always)]
    pub fn links(&self) -> u32 {
        load(self.inode, layout!(inode_nlink))
    }

    /// Whether no directory has a name for it: memfd, deleted, `O_TMPFILE`.
    #[inline(always)]
    pub fn is_nameless(&self) -> bool {
        let hashed: u64 = load(self.dentry, layout!(dentry_pprev));
        self.links() == 0 || hashed == 0
    }
}

#[inline(always)]
fn ctime(seconds: u64, nanoseconds: u32) -> u64 {
    (seconds << 30) | (nanoseconds & NANOSECONDS) as u64
}

/// Puts the state of an open file into the record: the script's if it is one,
/// else the program's. Not 0 if everybody may write to its folder.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_keep_state(file: u64, is_script: u64) -> u64 {
    let Some(scratch) = scratch() else {
        return 0;
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    let facts = unsafe { &mut (*scratch).record.facts };
    if is_script != 0 {
        facts.script = peek_state(file);
    } else {
        facts.program = peek_state(file);
    }
    has_open_folder(file)
}

/// The state of an open file, through a plain address.
#[inline(always)]
pub fn peek_state(file: u64) -> FileFacts {
    let inode = peek_or_zero(file, layout!(file_inode));
    let superblock = peek_or_zero(inode, layout!(inode_sb));
    FileFacts {
        ino: peek_or_zero(inode, layout!(inode_ino)),
        size: peek_or_zero(inode, layout!(inode_size)),
        ctime: ctime(
            peek_or_zero(inode, layout!(inode_ctime_sec)),
            peek_or_zero(inode, layout!(inode_ctime_nsec)) as u32,
        ),
        dev: peek_or_zero(superblock, layout!(sb_dev)) as u32,
        generation: peek_or_zero(inode, layout!(inode_generation)) as u32,
    }
}

/// `S_IWOTH`: everybody may write.
const WRITABLE_BY_OTHERS: u64 = 0o002;

/// Not 0 if everybody may write to the folder in which an open file is.
#[inline(always)]
pub fn has_open_folder(file: u64) -> u64 {
    let dentry = peek_or_zero(file, layout!(file_dentry));
    let folder = peek_or_zero(dentry, layout!(dentry_parent));
    let inode = peek_or_zero(folder, layout!(dentry_inode));
    peek_or_zero(inode, layout!(inode_mode)) & WRITABLE_BY_OTHERS
}

/// SipHash of the first `len` bytes of `scratch.path`.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_hash_path(len: u64) -> u64 {
    match scratch() {
        // SAFETY: this CPU's own value, valid while the program runs.
        Some(scratch) => hash::<PATH_WORDS>(unsafe { &(*scratch).path }, len),
        None => 0,
    }
}

/// SipHash of the first `len` bytes of `scratch.args`, likewise.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_hash_args(len: u64) -> u64 {
    match scratch() {
        // SAFETY: as above.
        Some(scratch) => hash::<ARGS_WORDS>(unsafe { &(*scratch).args }, len),
        None => 0,
    }
}

/// SipHash of the first `len` bytes of `scratch.applet`, likewise.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_hash_applet(len: u64) -> u64 {
    match scratch() {
        // SAFETY: as above.
        Some(scratch) => hash::<APPLET_WORDS>(unsafe { &(*scratch).applet }, len),
        None => 0,
    }
}

/// SipHash of two hashes.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_hash_pair(first: u64, second: u64) -> u64 {
    let mut state = State::new(hash_key());
    state.word(first);
    state.word(second);
    state.finish(0, 16)
}

/// SipHash of the first `len` bytes of `words`; what lies behind is masked
/// away. The number of words is a power of two.
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

/// Words in the room for an applet's name.
pub const APPLET_WORDS: usize = APPLET_MAX / 8;
/// Words in the room for arguments: a second half, so that a string can be
/// read from any place in the first.
pub const ARGS_WORDS: usize = 2 * ARGS_MAX / 8;
