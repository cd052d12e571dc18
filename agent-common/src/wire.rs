//! The records that cross the border between kernel and agent.
//!
//! Plain data: `repr(C)`, explicit padding, fixed-width integers, no `bool`,
//! no `enum`. Sizes are asserted at compile time. The agent decodes them with
//! checks (`execwarden::kernel::decode`), never by transmuting.

#[cfg(feature = "user")]
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The version of every record in this module; the agent refuses another.
pub const VERSION: u16 = 3;

/// The longest path that is read, in bytes: the kernel's own `PATH_MAX`.
pub const PATH_MAX: usize = 4096;
/// The longest path of a script that is kept, in bytes. A longer one is an
/// error, never allowed.
pub const SCRIPT_MAX: usize = 1024;
/// How much of the intermediate scripts' paths is kept, in bytes, each with a
/// NUL behind it.
pub const VIA_MAX: usize = 256;
/// How much of the arguments is kept, in bytes, each with its NUL.
pub const ARGS_MAX: usize = 1024;
/// The longest name of an applet, in bytes. A longer one is no name.
pub const APPLET_MAX: usize = 64;
/// How much of the name that was given to execve is kept, in bytes.
pub const FILENAME_MAX: usize = 256;
/// How much of a working directory is kept, in bytes: its end.
pub const CWD_MAX: usize = 256;
/// How many processes above an exec are kept.
pub const ANCESTORS: usize = 8;
/// How much of the path of an ancestor's program is kept, in bytes: its end.
pub const ANCESTOR_PATH_MAX: usize = 160;
/// How much of a record's tail the map of what was seen keeps, in bytes. The
/// ring's record has all of it, and the hashes cover all of it.
pub const SEEN_TAIL_MAX: usize = 1024;
/// How much of a cgroup's path is kept, in bytes with the NUL behind it: twice
/// what Kubernetes' longest take.
pub const CGROUP_PATH_MAX: usize = 512;

/// Slot 0: everything outside containers.
pub const SLOT_HOST: u32 = 0;
/// Slot 1: cgroups that nobody has named yet.
pub const SLOT_PENDING: u32 = 1;
/// Slot 2: the agent's canary.
pub const SLOT_CANARY: u32 = 2;
/// The first slot that belongs to a workload.
pub const SLOT_FIRST: u32 = 3;
/// How many slots there are, and so how many workloads a node can have at once.
pub const SLOTS: u32 = 2048;

/// The mode of a slot, as the kernel acts on it.
pub mod mode {
    /// Nothing is asked of its execs: counted as ignored.
    pub const OFF: u32 = 0;
    /// What is not known is new: counted as learning.
    pub const LEARN: u32 = 1;
    /// What is not known deviates.
    pub const ENFORCE: u32 = 2;
}

/// What a cgroup is, in [`Cgroup::state`].
pub mod cgroup_state {
    /// Not named yet: its execs are kept with their cgroup and judged later.
    pub const PENDING: u32 = 1;
    /// A container, or a child of one.
    pub const CONTAINER: u32 = 2;
    /// Outside containers.
    pub const HOST: u32 = 3;
    /// Outside containers for all that is known, but named as a container's
    /// could be: what runs there in a mount namespace of its own is pending.
    pub const UNVOUCHED: u32 = 4;
}

/// The layer an executable comes from, as the kernel found it.
pub mod layer {
    /// It could not be told; never allowed.
    pub const UNKNOWN: u32 = 0;
    /// The container's root file system, unchanged since the image.
    pub const IMAGE: u32 = 1;
    /// The writable layer over the image.
    pub const UPPER: u32 = 2;
    /// Another mount.
    pub const VOLUME: u32 = 3;
    /// tmpfs, ramfs or hugetlbfs.
    pub const TMPFS: u32 = 4;
    /// No name in any directory: memfd, deleted, `O_TMPFILE`, or in a mount
    /// that is in no namespace.
    pub const MEMORY: u32 = 5;
    /// A mount of the host's own mount namespace.
    pub const HOST: u32 = 6;
}

/// Bits of [`Facts::flags`].
pub mod flag {
    /// A `#!` script (or another format with an interpreter) was executed.
    pub const SCRIPT: u32 = 1 << 0;
    /// The identity could not be read in full; counted as an error.
    pub const ERROR: u32 = 1 << 1;
    /// The process stands in the host's mount namespace.
    pub const HOST_MNTNS: u32 = 1 << 2;
    /// Its parent is outside the container: the runtime's hand, not the
    /// container's own.
    pub const FROM_OUTSIDE: u32 = 1 << 3;
    /// Its cgroup was not named when it ran.
    pub const PENDING: u32 = 1 << 4;
    /// The process has a controlling terminal.
    pub const TTY: u32 = 1 << 5;
    /// The script's path was longer than [`super::SCRIPT_MAX`].
    pub const SCRIPT_CUT: u32 = 1 << 6;
    /// It had left its container's cgroup; judged as the container it left.
    pub const ESCAPED: u32 = 1 << 7;
    /// It still stands in the mount namespace of its parent, which is outside
    /// the container: the runtime's own stage.
    pub const OUTER_MNTNS: u32 = 1 << 8;
    /// The file that runs, or its script's, lies in a mount namespace that is
    /// none of the container's.
    pub const OUTSIDE_FILE: u32 = 1 << 9;
    /// The working directory does.
    pub const OUTSIDE_CWD: u32 = 1 << 10;
    /// It is the container's first process.
    pub const INIT: u32 = 1 << 11;
    /// It does not descend from the container's first process.
    pub const INJECTED: u32 = 1 << 12;
    /// The arguments could not be read.
    pub const ARGS_UNREAD: u32 = 1 << 13;
    /// Its parent is the container's first process.
    pub const OF_INIT: u32 = 1 << 14;
    /// Everybody may write to the folder in which the file that runs is, or one
    /// of its scripts'.
    pub const OPEN_FOLDER: u32 = 1 << 15;
    /// It was stopped before its first instruction: it died, or was [`REFUSED`].
    pub const BLOCKED: u32 = 1 << 16;
    /// Its caller was told that it may not, and is what it was.
    pub const REFUSED: u32 = 1 << 17;
    /// It was to be mapped by a program that runs, and not executed itself.
    pub const MAPPED: u32 = 1 << 18;
}

/// Bits of [`Ancestor::flags`].
pub mod ancestor {
    /// It belongs to the container.
    pub const INSIDE: u16 = 1 << 0;
    /// It is the container's first process.
    pub const INIT: u16 = 1 << 1;
    /// Its path is only the end of a longer one.
    pub const CUT: u16 = 1 << 2;
}

/// What must be looked at to decide an exec: bits of the values of the map of
/// what is allowed, and of [`Slot::detail`]. 0: the identity alone decides.
pub mod need {
    /// The content of the file; of the script's where it is one.
    pub const CONTENT: u32 = 1 << 0;
    /// The arguments.
    pub const ARGS: u32 = 1 << 1;
    /// The parent's program, and where the exec comes from.
    pub const PARENT: u32 = 1 << 2;
    /// The real user id.
    pub const USER: u32 = 1 << 3;
    /// The name that the file is run by. In the map of what is allowed: each has
    /// an entry of its own.
    pub const NAME: u32 = 1 << 4;
    /// All of them: where nobody knows yet what will be asked for.
    pub const ALL: u32 = CONTENT | ARGS | PARENT | USER | NAME;
}

/// What of a slot's execs is stopped, in [`Slot::stops`]. 0: nothing is.
pub mod stop {
    /// What the allowlist does not cover, as far as the kernel can tell.
    pub const UNLISTED: u32 = 1 << 0;
    /// What the agent has to look at first, too, for as long as it has not.
    pub const UNVERIFIED: u32 = 1 << 1;
    /// What the runtime puts into the container without a terminal, as probes
    /// are, is let through.
    pub const BUT_PROBES: u32 = 1 << 2;
    /// Of the slot outside containers: something is stopped in another.
    pub const ELSEWHERE: u32 = 1 << 3;
    /// What was written after the container's start, or is in memory, and no entry
    /// names, is not mapped to execute it either.
    pub const LIBRARIES: u32 = 1 << 4;
    /// For each [`super::layer`] a bit from here on: entries that only the agent
    /// can compare may cover a file of it.
    pub const LAYERS: u32 = 8;
}

/// The values of the map of what the agent looked at.
pub mod cleared {
    /// Allowed.
    pub const YES: u32 = 1;
    /// Not allowed: where what deviates is stopped, it is from now on.
    pub const NO: u32 = 2;
}

/// What a ring record is, in [`Header::kind`].
pub mod kind {
    /// A first exec of its kind: [`super::SeenKey`], [`super::Facts`], path.
    pub const EXEC: u16 = 1;
    /// A cgroup was made or removed: look into the map of newborn cgroups.
    pub const CGROUP: u16 = 2;
    /// A process left its container: [`super::Escape`].
    pub const ESCAPE: u16 = 3;
    /// A slot went over its quota: look at its counters.
    pub const OVERFLOW: u16 = 4;
}

macro_rules! wire {
    ($(#[$doc:meta])* $name:ident, $size:expr, { $($(#[$fdoc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        #[cfg_attr(
            feature = "user",
            derive(PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout)
        )]
        pub struct $name { $($(#[$fdoc])* pub $field: $type,)* }
        const _: () = assert!(core::mem::size_of::<$name>() == $size);
        #[cfg(feature = "user")]
        // SAFETY: `repr(C)` plain integers without padding: `IntoBytes` above
        // does not compile otherwise, and any bytes are a value (`FromBytes`).
        unsafe impl aya::Pod for $name {}
    };
}

wire! {
    /// In front of every ring record.
    Header, 8, {
        /// See [`kind`].
        kind: u16,
        /// [`VERSION`].
        version: u16,
        /// The whole record with this header, in bytes.
        len: u32,
    }
}

wire! {
    /// What one distinct exec is, per container: the key of the map of what
    /// was seen.
    SeenKey, 40, {
        /// The cgroup id of the container (of the cgroup itself while pending).
        container: u64,
        /// SipHash of the path from the mount namespace's root; of device and
        /// inode when the path could not be read.
        path_hash: u64,
        /// For a script: SipHash of its path, or of the hashes of the chain's
        /// paths. For a program: SipHash of the applet that its arguments name.
        name_hash: u64,
        /// SipHash of what had to be looked at beyond the identity; 0 where
        /// nothing had to be.
        detail: u64,
        /// See [`layer`]: the program's in the low byte, the script's in the
        /// one above.
        layer: u32,
        /// Those [`flag`]s that make the same file another matter: escaped,
        /// outside, in another mount namespace than the container's, or stopped.
        circumstances: u32,
    }
}

wire! {
    /// One state of one file.
    FileFacts, 32, {
        /// The inode's number.
        ino: u64,
        /// The file's size in bytes.
        size: u64,
        /// The inode's change time, seconds shifted left by 30, or-ed with
        /// nanoseconds.
        ctime: u64,
        /// The superblock's device, the kernel's encoding (`s_dev`).
        dev: u32,
        /// The inode's generation.
        generation: u32,
    }
}

wire! {
    /// A process above an exec.
    Ancestor, 16, {
        /// `start_boottime` of its thread group's leader.
        start_ns: u64,
        /// Its process id in the initial pid namespace; 0 behind the last one.
        pid: u32,
        /// The length of its program's path in the tail.
        path_len: u16,
        /// See [`ancestor`].
        flags: u16,
    }
}

wire! {
    /// The evidence taken at the first exec of its kind.
    ///
    /// The tail that belongs to it holds, each at the next multiple of 8
    /// bytes: the path; the script's path, or for a program the name given to
    /// execve; the applet; the parent's path; the arguments; the intermediate
    /// scripts; the working directory; the other ancestors' paths.
    Facts, 328, {
        /// The cgroup the process is in: the container's or a child's.
        cgroup: u64,
        /// `ktime_get_ns` (monotonic clock) of the exec.
        at_ns: u64,
        /// `task->start_boottime`: with the pid it names the process for good.
        start_ns: u64,
        /// The file that runs.
        program: FileFacts,
        /// The script's file; zero without one.
        script: FileFacts,
        /// Effective capabilities, a bit each.
        capabilities: u64,
        /// Those of them that the parent does not have.
        gained: u64,
        /// The process id in the initial pid namespace.
        pid: u32,
        /// The parent's process id in the initial pid namespace.
        ppid: u32,
        /// The process id in its own pid namespace.
        ns_pid: u32,
        /// Real user id.
        uid: u32,
        /// Effective user id.
        euid: u32,
        /// The user who logged in; `u32::MAX` for nobody.
        loginuid: u32,
        /// The slot it was judged under.
        slot: u32,
        /// See [`flag`].
        flags: u32,
        /// Hard links of the file that runs.
        links: u32,
        /// The length of the whole path in bytes, or 0 if it was not read.
        path_len: u32,
        /// The length of the script's path, or of the name given to execve.
        name_len: u32,
        /// The length of the applet's name.
        applet_len: u32,
        /// How many bytes of arguments are kept.
        args_len: u32,
        /// How many there are.
        args_total: u32,
        /// The length of the intermediate scripts, with their NULs.
        via_len: u32,
        /// The length of what is kept of the working directory.
        cwd_len: u32,
        /// The processes above it, its parent first.
        ancestors: [Ancestor; 8],
        /// `comm` of the process after the exec: evidence, never a key.
        comm: [u8; 16],
        /// `comm` of the parent.
        parent_comm: [u8; 16],
    }
}

wire! {
    /// One distinct exec with its count: the truth, of which the ring's record
    /// is the doorbell.
    Seen, 1376, {
        /// How often it ran.
        count: u64,
        /// Monotonic clock of the last time.
        last_ns: u64,
        /// The first time.
        facts: Facts,
        /// How many bytes of `tail` are used.
        tail_kept: u32,
        /// Zero.
        pad: u32,
        /// The beginning of the tail.
        tail: [u8; 1024],
    }
}

wire! {
    /// How much of one entry of the map of what was seen is in the records of the
    /// agent.
    Told, 24, {
        /// So many execs were, before the last record that tells of it.
        before: u64,
        /// So many are with that record.
        count: u64,
        /// Its number. Whether the spool has it is the spool's to say.
        number: u64,
    }
}

wire! {
    /// A ring record of kind [`kind::EXEC`]; the tail follows it.
    ExecRecord, 376, {
        /// Kind, version, length.
        header: Header,
        /// Its key in the map of what was seen.
        key: SeenKey,
        /// The evidence.
        facts: Facts,
    }
}

wire! {
    /// A ring record of kind [`kind::CGROUP`] or [`kind::OVERFLOW`]: only a
    /// doorbell.
    Bell, 16, {
        /// Kind, version, length.
        header: Header,
        /// The cgroup id, or the slot.
        subject: u64,
    }
}

wire! {
    /// A process that left its container's cgroup subtree: a ring record of
    /// kind [`kind::ESCAPE`], and the value of the map of escapes.
    Escape, 72, {
        /// Kind, version, length.
        header: Header,
        /// The cgroup id of the container it left.
        container: u64,
        /// The cgroup id it went to.
        to: u64,
        /// Monotonic clock.
        at_ns: u64,
        /// `task->start_boottime`.
        start_ns: u64,
        /// Times the same process was seen leaving.
        count: u64,
        /// The process id in the initial pid namespace.
        pid: u32,
        /// Real user id.
        uid: u32,
        /// `comm` of the process.
        comm: [u8; 16],
    }
}

wire! {
    /// What the kernel knows of a cgroup: the value of the map of cgroups.
    Cgroup, 32, {
        /// The cgroup id of the container it belongs to; its own while pending
        /// or outside containers.
        container: u64,
        /// The slot its execs are counted and judged under.
        slot: u32,
        /// See [`cgroup_state`].
        state: u32,
        /// The device of the container's root file system, set by its first
        /// exec; 0 until then.
        root_dev: u32,
        /// 1 if nothing that it runs is stopped, whatever its slot says; of the
        /// container's own entry.
        spared: u32,
        /// Its mount namespace (an address, compared only), so that the usual
        /// one is told by one comparison; 0
        /// until its first exec.
        mntns: u64,
    }
}

wire! {
    /// A cgroup that came or went since the agent last looked.
    Newborn, 552, {
        /// Monotonic clock of its mkdir; 0 if only its end was seen.
        made_ns: u64,
        /// Monotonic clock of its rmdir; 0 while it lives.
        removed_ns: u64,
        /// When its maker began, in nanoseconds since boot; 0 if only its end
        /// was seen.
        maker_start_ns: u64,
        /// The length of `path` in bytes.
        path_len: u32,
        /// 1 if the path is longer than `path`, which then has its beginning.
        cut: u32,
        /// The process that made it; 0 if only its end was seen.
        maker: u32,
        pad: u32,
        /// Its path below the hierarchy's root.
        path: [u8; 512],
    }
}

wire! {
    /// How a slot is judged: written by the agent alone.
    Slot, 32, {
        /// See [`mode`].
        mode: u32,
        /// Counts changes of the slot's allowlist; a part of the fast key, so
        /// that a change makes every remembered verdict miss.
        generation: u32,
        /// What tells two execs of a file apart that is not allowed; see
        /// [`need`].
        detail: u32,
        /// See [`stop`].
        stops: u32,
        /// How many distinct execs the slot may have in the map of what was
        /// seen.
        quota: u64,
        /// How many of them the agent has taken out again.
        released: u64,
    }
}

wire! {
    /// What a slot has used of its quota: written by the kernel alone.
    Usage, 16, {
        /// Distinct execs put into the map of what was seen.
        inserted: u64,
        /// Execs that found the quota used up.
        overflowed: u64,
    }
}

wire! {
    /// What a slot's allowlist covers: the key of the map of what is allowed.
    AllowKey, 24, {
        /// SipHash of the path.
        path_hash: u64,
        /// As in [`SeenKey`]; 0 for a program under any name.
        name_hash: u64,
        /// The slot.
        slot: u32,
        /// As in [`SeenKey`].
        layer: u32,
    }
}

wire! {
    /// The value of the map of what is allowed.
    Allowed, 8, {
        /// What more must be looked at: see [`need`].
        needs: u32,
        /// The slot's generation when it was last found here and nothing more
        /// was needed: written by the kernel. 0 until then, which no slot has.
        sighted: u32,
    }
}

wire! {
    /// An exec that the agent looked at: the key of the map of those, which
    /// forgets the oldest. Its values are in [`cleared`].
    ClearedKey, 40, {
        /// SipHash of the path.
        path_hash: u64,
        /// As in [`SeenKey`].
        name_hash: u64,
        /// As in [`SeenKey`].
        detail: u64,
        /// The slot.
        slot: u32,
        /// The slot's generation.
        slot_generation: u32,
        /// As in [`SeenKey`].
        layer: u32,
        /// Zero.
        pad: u32,
    }
}

wire! {
    /// A file that was found to be allowed: the key of the fast path. A write
    /// to the file changes its ctime, and so the key.
    FastKey, 64, {
        /// The inode's number.
        ino: u64,
        /// The file's size in bytes.
        size: u64,
        /// As in [`FileFacts::ctime`].
        ctime: u64,
        /// The mount (an address, compared only): the same file through
        /// another mount has another path.
        mount: u64,
        /// `dentry->d_name.hash_len`, salted by the kernel with the parent
        /// directory: another hard link has another.
        name: u64,
        /// For a script: SipHash of the same of all scripts' files. For one
        /// name of a program with several: SipHash of the applet. Else 0.
        name_hash: u64,
        /// The superblock's device.
        dev: u32,
        /// The inode's generation.
        generation: u32,
        /// The slot.
        slot: u32,
        /// The slot's generation.
        slot_generation: u32,
    }
}

/// The values of the fast path's map.
pub mod fast {
    /// Allowed.
    pub const YES: u32 = 1;
    /// Its names are allowed one by one: look the applet up.
    pub const BY_NAME: u32 = 2;
}

wire! {
    /// The first process of a container.
    Init, 16, {
        /// `start_boottime`; 0 where the agent only knows the process id.
        start_ns: u64,
        /// The process id in the initial pid namespace.
        pid: u32,
        /// Zero.
        pad: u32,
    }
}

wire! {
    /// One CPU's counts for one slot. For each: `seen == known + learning +
    /// deviating + ignored + errors`.
    Counters, 56, {
        /// Execs.
        seen: u64,
        /// Covered by the allowlist.
        known: u64,
        /// Not known, in learn mode.
        learning: u64,
        /// Not known, in enforce mode or while pending.
        deviating: u64,
        /// Nothing was asked of them.
        ignored: u64,
        /// Could not be identified; treated as deviating.
        errors: u64,
        /// Those of `deviating` and `errors` that were stopped.
        blocked: u64,
    }
}

wire! {
    /// One CPU's counts of what could not be done, and how near the ring was
    /// to it.
    Losses, 72, {
        /// Doorbells that found the ring full; the map still has the truth.
        ring_full: u64,
        /// Execs that found the map of what was seen full.
        seen_full: u64,
        /// Cgroups that found the map of cgroups or of newborns full.
        cgroups_full: u64,
        /// Execs whose path was longer or deeper than is read.
        path_too_long: u64,
        /// Execs of which a field could not be read.
        read_failed: u64,
        /// Records that reached the ring.
        ring_sent: u64,
        /// Escapes that found their map full.
        escapes_full: u64,
        /// The most bytes that waited in the ring when a record came to it.
        ring_peak: u64,
        /// Execs that were to be stopped, and the kernel did not let us.
        not_stopped: u64,
    }
}
