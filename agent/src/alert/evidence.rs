//! What an alert says of the process: the kernel's evidence, kept small.
//!
//! Thousands of records may wait for a receiver, so what is kept of one is
//! bounded by bytes, not by how many pieces they come in.

use crate::model::{Ancestor, Args, Digest, Exec, Origin, Untrusted};

/// The evidence of one exec; see [`Exec`] for the units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExecEvidence {
    /// The process id in the initial pid namespace.
    pub pid: u32,
    /// The process id in the process's own pid namespace.
    pub ns_pid: u32,
    /// The parent's process id in the initial pid namespace.
    pub ppid: u32,
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// The user who logged in, if anybody did.
    pub loginuid: Option<u32>,
    /// Effective capabilities that the parent does not have, a bit each.
    pub gained: u64,
    /// The process's name after the exec.
    pub comm: Untrusted,
    /// The parent's name.
    pub parent_comm: Untrusted,
    /// Whether it has a controlling terminal.
    pub tty: bool,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether its parent is outside the container.
    pub from_outside: bool,
    /// Nanoseconds since boot at which the process began.
    pub start_ns: u64,
    /// Whether it stands in the host's mount namespace.
    pub host_mntns: bool,
    /// Whether its file lies in a mount namespace that is none of the
    /// container's.
    pub outside_file: bool,
    /// Whether its working directory does.
    pub outside_cwd: bool,
    /// Whether the identity is only a part: the path was cut, or the kernel
    /// could not read all of it.
    pub partial: bool,
    /// The last component of the name that was given to execve.
    pub called: Untrusted,
    /// How many hard links the file has.
    pub links: u32,
    /// The arguments.
    pub arguments: Arguments,
    /// The working directory, where it was kept.
    pub cwd: Option<Untrusted>,
    /// The processes above it, its parent first.
    pub ancestors: Vec<Ancestor>,
    /// What the file contained, where it was read.
    pub sha256: Option<Digest>,
    /// What the script contained, where there is one and it was read.
    pub script_sha256: Option<Digest>,
}

impl From<&Exec> for ExecEvidence {
    fn from(exec: &Exec) -> Self {
        Self {
            pid: exec.pid,
            ns_pid: exec.ns_pid,
            ppid: exec.ppid,
            uid: exec.uid,
            euid: exec.euid,
            loginuid: exec.loginuid,
            gained: exec.gained,
            comm: exec.comm.clone(),
            parent_comm: exec.parent_comm.clone(),
            tty: exec.tty,
            origin: exec.origin,
            from_outside: exec.from_outside,
            start_ns: exec.start_ns,
            host_mntns: exec.host_mntns,
            outside_file: exec.outside_file,
            outside_cwd: exec.outside_cwd,
            partial: exec.error || exec.path_cut,
            called: exec.called.filename.clone(),
            links: exec.called.links,
            arguments: Arguments::from(&exec.args),
            cwd: exec.cwd.clone(),
            ancestors: exec.ancestors.clone(),
            sha256: None,
            script_sha256: None,
        }
    }
}

impl ExecEvidence {
    /// With what reading the file and the script told.
    #[must_use]
    pub fn with_digests(self, file: Option<Digest>, script: Option<Digest>) -> Self {
        Self {
            sha256: file,
            script_sha256: script,
            ..self
        }
    }

    /// Without the arguments: they may hold secrets.
    #[must_use]
    pub fn without_arguments(self) -> Self {
        Self {
            arguments: Arguments::Withheld,
            ..self
        }
    }
}

/// The arguments, as an alert has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arguments {
    /// Left out: the operator wants none in alerts.
    Withheld,
    /// The kernel could not read them.
    Unread,
    /// From argv 0 on.
    Read {
        /// All of them in one piece.
        packed: Packed,
        /// Whether there are more, or more of the last.
        cut: bool,
    },
}

impl Arguments {
    /// Each argument; `None` where they are not there.
    pub fn list(&self) -> Option<Vec<Untrusted>> {
        match self {
            Self::Withheld | Self::Unread => None,
            Self::Read { packed, .. } => Some(packed.list()),
        }
    }

    /// What of them is there, as alerts have it.
    pub fn state(&self) -> &'static str {
        match self {
            Self::Withheld => "withheld",
            Self::Unread => "unread",
            Self::Read { cut: true, .. } => "cut",
            Self::Read { cut: false, .. } => "whole",
        }
    }
}

impl From<&Args> for Arguments {
    fn from(args: &Args) -> Self {
        if args.unread {
            return Self::Unread;
        }
        Self::Read {
            packed: Packed::new(&args.list),
            cut: args.cut,
        }
    }
}

/// Arguments in one piece, each with a NUL behind it as in /proc/PID/cmdline:
/// none holds a NUL, and a thousand empty ones take a thousand bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packed(Untrusted);

impl Packed {
    fn new(list: &[Untrusted]) -> Self {
        let mut bytes = Vec::with_capacity(list.iter().map(|arg| arg.as_bytes().len() + 1).sum());
        for arg in list {
            bytes.extend_from_slice(arg.as_bytes());
            bytes.push(0);
        }
        Self(Untrusted::new(bytes))
    }

    fn list(&self) -> Vec<Untrusted> {
        let bytes = self.0.as_bytes();
        bytes
            .split_inclusive(|byte| *byte == 0)
            .map(|arg| Untrusted::new(arg.strip_suffix(&[0]).unwrap_or(arg)))
            .collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{Called, CgroupId, Identity, Layer};

    /// A program in the writable layer that a shell of the container started.
    pub(in crate::alert) fn exec() -> Exec {
        let ancestor = |pid, path: &str, inside, init| Ancestor {
            pid,
            start_ns: u64::from(pid) * 1_000_000,
            path: Some(path.into()),
            path_cut: false,
            inside,
            init,
        };
        let identity = Identity {
            layer: Layer::Upper,
            ..Identity::image("/tmp/evil")
        };
        Exec {
            container: CgroupId(42),
            cgroup: CgroupId(42),
            at_ns: 6_000_000_000,
            pid: 4711,
            ns_pid: 12,
            start_ns: 5_000_000_000,
            ppid: 4700,
            comm: "evil".into(),
            parent_comm: "sh".into(),
            args: Args {
                list: ["/tmp/evil", "--pool", "a,b"].map(Untrusted::from).into(),
                ..Args::default()
            },
            cwd: Some("/tmp".into()),
            ancestors: vec![
                ancestor(4700, "/bin/sh", true, false),
                ancestor(4650, "/usr/sbin/nginx", true, true),
                ancestor(4600, "/usr/bin/containerd-shim-runc-v2", false, false),
            ],
            ..Exec::plain(identity)
        }
    }

    /// The evidence of [`exec`], its file read.
    pub(in crate::alert) fn evidence() -> ExecEvidence {
        ExecEvidence::from(&exec()).with_digests(Some(Digest([0xa5; 32])), None)
    }

    /// No argument holds a NUL.
    pub(in crate::alert) fn without_nul(hostile: &[u8]) -> Vec<u8> {
        hostile.iter().copied().filter(|byte| *byte != 0).collect()
    }

    /// The most evidence that there can be, with `hostile` in every text.
    pub(in crate::alert) fn hostile_evidence(hostile: &[u8]) -> ExecEvidence {
        let text = || Untrusted::new(hostile);
        let mut argument = without_nul(hostile);
        argument.truncate(1024);
        let ancestor = Ancestor {
            pid: u32::MAX,
            start_ns: u64::MAX,
            path: Some(text()),
            path_cut: true,
            inside: false,
            init: false,
        };
        let exec = Exec {
            called: Called {
                applet: text(),
                filename: Untrusted::new([b"x", hostile].concat()),
                links: u32::MAX,
            },
            start_ns: u64::MAX,
            ns_pid: u32::MAX,
            ppid: u32::MAX,
            uid: u32::MAX,
            euid: u32::MAX,
            loginuid: Some(u32::MAX),
            gained: u64::MAX,
            comm: text(),
            parent_comm: text(),
            args: Args {
                list: vec![Untrusted::new(argument); 3],
                cut: true,
                unread: false,
            },
            cwd: Some(text()),
            ancestors: vec![ancestor; 8],
            ..exec()
        };
        ExecEvidence::from(&exec).with_digests(Some(Digest([7; 32])), Some(Digest([8; 32])))
    }

    #[test]
    fn arguments_are_unpacked_as_they_were_packed() {
        for list in [
            &[][..],
            &[""],
            &["", ""],
            &["a"],
            &["", "a", ""],
            &["a b", "c\n"],
        ] {
            let list: Vec<_> = list.iter().copied().map(Untrusted::from).collect();

            assert_eq!(Packed::new(&list).list(), list);
        }
    }

    #[test]
    fn what_of_the_arguments_is_there_is_told() {
        let with = |cut, unread| {
            let mut exec = exec();
            (exec.args.cut, exec.args.unread) = (cut, unread);
            ExecEvidence::from(&exec)
        };

        assert_eq!(with(false, false).arguments.state(), "whole");
        assert_eq!(with(true, false).arguments.state(), "cut");
        assert_eq!(with(false, true).arguments.state(), "unread");
        let withheld = with(true, false).without_arguments().arguments;
        assert_eq!((withheld.state(), withheld.list()), ("withheld", None));
    }
}
