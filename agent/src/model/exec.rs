//! One observed exec, in the words of the user side.

use super::{CgroupId, Identity, Untrusted, last_component};

/// Where an exec comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// The container's first process: the runtime starts the container.
    Init,
    /// It descends from the container's first process.
    Container,
    /// It descends from a process that somebody put into the container:
    /// `kubectl exec`, `runc exec`, a probe, nsenter.
    Injected,
}

impl Origin {
    /// The word, as alerts have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Container => "container",
            Self::Injected => "injected",
        }
    }
}

/// How an exec was kept from its first instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stopped {
    /// The process died, by SIGKILL: the old program was gone already.
    Killed,
    /// Whoever called for it was told that it may not (EPERM), and goes on.
    Refused,
    /// It was no exec: a program that runs, and is told so (EPERM), was to load it, as
    /// a library is.
    NotLoaded,
}

impl Stopped {
    /// The word, as alerts have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Refused => "refused",
            Self::NotLoaded => "not-loaded",
        }
    }
}

/// One state of one file: written to, it is another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct FileState {
    /// The superblock's device, in the kernel's encoding (`s_dev`: 12 bits
    /// major, 20 bits minor).
    pub dev: u32,
    /// The inode's number.
    pub ino: u64,
    /// The inode's generation: told apart when a number is used again.
    pub generation: u32,
    /// The change time: seconds shifted left by 30, or-ed with nanoseconds.
    pub ctime: u64,
    /// Bytes.
    pub size: u64,
}

/// The arguments, from argv 0 on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Args {
    /// Each argument. If `cut`, the last one may be only the beginning.
    pub list: Vec<Untrusted>,
    /// Whether there are more, or more of the last, than was kept.
    pub cut: bool,
    /// Whether they could not be read; then the list is empty.
    pub unread: bool,
}

impl Args {
    /// The name that a multi-call binary goes by, as the kernel side finds
    /// [`Called::applet`].
    pub fn applet(&self) -> Untrusted {
        let (name, _) = self.split();
        let name = last_component(name);
        Untrusted::new(name)
    }

    /// What comes after the name: after argv 0, and for one program of a
    /// multi-call binary after its name, wherever that stands: `-c x` in
    /// `sh -c x` and in `busybox sh -c x`.
    pub fn after_name(&self, of_applet: bool) -> &[Untrusted] {
        match of_applet {
            true => self.split().1,
            false => self.list.get(1..).unwrap_or_default(),
        }
    }

    /// The argument that names the applet, without what stands before the name
    /// in it, and those behind.
    fn split(&self) -> (&[u8], &[Untrusted]) {
        let Some((first, mut rest)) = self.list.split_first() else {
            return (&[], &[]);
        };
        let first = first.as_bytes();
        let mut name = first.strip_prefix(b"-").unwrap_or(first);
        if let Some((next, others)) = rest.split_first()
            && let Some(given) = coreutils_option(next.as_bytes())
        {
            return (given, others);
        }
        while let Some((next, others)) = rest.split_first()
            && is_multiplexer(name)
            && !next.as_bytes().starts_with(b"-")
        {
            (name, rest) = (next.as_bytes(), others);
        }
        (name, rest)
    }
}

fn coreutils_option(argument: &[u8]) -> Option<&[u8]> {
    let rest = argument.strip_prefix(b"--coreutils-prog")?;
    let rest = rest.strip_prefix(b"-shebang").unwrap_or(rest);
    rest.strip_prefix(b"=")
}

/// Whether a multi-call binary that is called so looks for its name in the
/// next argument.
fn is_multiplexer(called: &[u8]) -> bool {
    let name = last_component(called);
    [&b"busybox"[..], b"toybox", b"coreutils"]
        .iter()
        .any(|multiplexer| name.starts_with(multiplexer))
}

/// The names that a file was run by, which a multi-call binary acts on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Called {
    /// What a multi-call binary takes as its name: see
    /// `agent-ebpf/src/applet.rs`.
    pub applet: Untrusted,
    /// The last component of the name that was given to execve.
    pub filename: Untrusted,
    /// How many hard links the file has.
    pub links: u32,
}

/// A process above an exec, as it was at that moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ancestor {
    /// The process id in the initial pid namespace.
    pub pid: u32,
    /// Nanoseconds since boot at which the process began.
    pub start_ns: u64,
    /// The path of its program; `None` for a kernel thread, and where it could
    /// not be read.
    pub path: Option<Untrusted>,
    /// Whether `path` is only the end of a longer one.
    pub path_cut: bool,
    /// Whether it belongs to the container.
    pub inside: bool,
    /// Whether it is the container's first process.
    pub init: bool,
}

/// The first exec of its kind in a container, with the evidence the kernel
/// took at that moment. Nothing in it was read from /proc.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exec {
    /// What was run. The role is never an applet yet: whether the file is a
    /// multi-call binary is not the kernel's to tell.
    pub identity: Identity,
    /// What the file was called.
    pub called: Called,
    /// The container's cgroup.
    pub container: CgroupId,
    /// The cgroup of the process: the container's or a child's.
    pub cgroup: CgroupId,
    /// Monotonic clock, nanoseconds.
    pub at_ns: u64,
    /// The process id in the initial pid namespace.
    pub pid: u32,
    /// The process id in the process's own pid namespace.
    pub ns_pid: u32,
    /// Nanoseconds since boot at which the process began.
    pub start_ns: u64,
    /// The parent's process id in the initial pid namespace.
    pub ppid: u32,
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// The user who logged in, if anybody did.
    pub loginuid: Option<u32>,
    /// Effective capabilities, a bit each.
    pub capabilities: u64,
    /// Those of them that the parent does not have: setuid, file capabilities.
    pub gained: u64,
    /// The process's name after the exec.
    pub comm: Untrusted,
    /// The parent's name.
    pub parent_comm: Untrusted,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether its parent is outside the container: the runtime's hand.
    pub from_outside: bool,
    /// Whether it has a controlling terminal.
    pub tty: bool,
    /// Whether its container was not named yet when it ran.
    pub pending: bool,
    /// Whether it had left its container's cgroup.
    pub escaped: bool,
    /// Whether it stands in the host's mount namespace.
    pub host_mntns: bool,
    /// Whether it still stands in the mount namespace of its parent, which is
    /// outside the container: the runtime's own stage.
    pub outer_mntns: bool,
    /// Whether the file that runs lies in a mount namespace that is none of
    /// the container's.
    pub outside_file: bool,
    /// Whether the working directory does.
    pub outside_cwd: bool,
    /// Whether everybody may write to the folder of the file, or of its script.
    pub open_folder: bool,
    /// Whether it was stopped before its first instruction, and how. What was refused
    /// is told of with its caller's users and name, which would have changed.
    pub stopped: Option<Stopped>,
    /// Whether the kernel could not read the identity in full.
    pub error: bool,
    /// Whether the path is only the beginning of a longer one.
    pub path_cut: bool,
    /// The arguments, bounded.
    pub args: Args,
    /// The working directory; `None` where it was not kept.
    pub cwd: Option<Untrusted>,
    /// The processes above it, its parent first; at most eight, and none where
    /// only the map of what was seen is left.
    pub ancestors: Vec<Ancestor>,
    /// The state of the file that the kernel runs.
    pub file: FileState,
    /// The state of the script's file.
    pub script_file: Option<FileState>,
}

#[cfg(test)]
impl Exec {
    /// A plain exec of `identity` by a process of the container, called by its
    /// own name and without arguments.
    pub(crate) fn plain(identity: Identity) -> Self {
        use super::Role;

        let name = Untrusted::new(last_component(identity.path().as_bytes()));
        let applet = match &identity.role {
            Role::Applet(applet) => applet.clone(),
            Role::Program | Role::Script(_) => name.clone(),
        };
        Self {
            called: Called {
                applet: applet.clone(),
                filename: name,
                links: 1,
            },
            identity,
            container: CgroupId(1),
            cgroup: CgroupId(1),
            at_ns: 0,
            pid: 1,
            ns_pid: 1,
            start_ns: 0,
            ppid: 1,
            uid: 0,
            euid: 0,
            loginuid: None,
            capabilities: 0,
            gained: 0,
            comm: Untrusted::default(),
            parent_comm: Untrusted::default(),
            origin: Origin::Container,
            from_outside: false,
            tty: false,
            pending: false,
            escaped: false,
            host_mntns: false,
            outer_mntns: false,
            outside_file: false,
            outside_cwd: false,
            open_folder: false,
            stopped: None,
            error: false,
            path_cut: false,
            args: Args {
                list: vec![applet],
                ..Args::default()
            },
            cwd: None,
            ancestors: Vec::new(),
            file: FileState::default(),
            script_file: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, of_applet: bool, expected: &str) {
        let args = Args {
            list: list.split(' ').map(Untrusted::from).collect(),
            ..Args::default()
        };

        let rest: Vec<_> = args
            .after_name(of_applet)
            .iter()
            .map(|a| a.escaped(99))
            .collect();

        assert_eq!(rest.join(" "), expected, "{list}");
    }

    #[test]
    fn the_arguments_begin_behind_the_name() {
        check("sh -c x", false, "-c x");
        check("sh", false, "");
        check("busybox sh -c x", false, "sh -c x");
        check("sh -c x", true, "-c x");
        check("/bin/busybox sh -c x", true, "-c x");
        check("-busybox busybox.1 sh -c x", true, "-c x");
        check("busybox --list", true, "--list");
        check("toybox", true, "");
        check("coreutils ls -l", true, "-l");
        check("coreutils --coreutils-prog=ls -l", true, "-l");
        check("ls --coreutils-prog-shebang=ls -l", true, "-l");
        assert!(Args::default().after_name(true).is_empty());
    }
}
