//! How an exec was seen to start: all that conditions ask for, so that it can be
//! judged again.

use super::{Place, Subject};
use crate::model::{
    Ancestor, Args, Called, CgroupId, Content, Exec, FileState, Identity, Inspection, Origin, Role,
    Untrusted, last_component,
};

/// The circumstances of one exec.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Circumstances {
    /// What a multi-call binary takes as its name.
    pub applet: Untrusted,
    /// The last component of the name that was given to execve.
    pub filename: Untrusted,
    /// How many hard links the file has.
    pub links: u32,
    /// Real user id.
    pub uid: u32,
    /// Whether it is the container's first process.
    pub is_init: bool,
    /// Whether it descends from one that was put into the container.
    pub injected: bool,
    /// Whether its parent is outside the container.
    pub from_outside: bool,
    /// The parent, where it is known.
    pub parent: Option<Parent>,
    /// The arguments.
    pub arguments: Arguments,
    /// What the file contained, as far as it was read.
    pub program: Option<Content>,
    /// What the script contained.
    pub script: Option<Content>,
}

/// The process that started it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parent {
    /// The path of its program, where it is known.
    pub path: Option<Untrusted>,
    /// Whether that is only the end of a longer one.
    pub cut: bool,
    /// Whether it is the container's first process.
    pub is_init: bool,
}

/// The arguments, as the journal has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arguments {
    /// The operator keeps none: they may hold secrets.
    Withheld,
    /// They could not be read.
    Unread,
    /// From argv 0 on, as much as the kernel kept.
    Kept {
        /// Each of them.
        list: Vec<Untrusted>,
        /// Whether there is more.
        cut: bool,
    },
}

impl Subject {
    /// Of an exec that was seen; `with_arguments` as the operator wants it.
    pub fn seen(
        workload: crate::model::WorkloadId,
        identity: Identity,
        exec: &Exec,
        inspection: &Inspection,
        with_arguments: bool,
    ) -> Self {
        Self {
            workload,
            identity,
            place: Place {
                escaped: exec.escaped,
                host_mntns: exec.host_mntns,
                outside_file: exec.outside_file,
                outside_cwd: exec.outside_cwd,
                partial: exec.error || exec.path_cut,
            },
            circumstances: Some(Circumstances {
                applet: exec.called.applet.clone(),
                filename: exec.called.filename.clone(),
                links: exec.called.links,
                uid: exec.uid,
                is_init: exec.origin == Origin::Init,
                injected: exec.origin == Origin::Injected,
                from_outside: exec.from_outside,
                parent: exec.ancestors.first().map(|parent| Parent {
                    path: parent.path.clone(),
                    cut: parent.path_cut,
                    is_init: parent.init,
                }),
                arguments: match (with_arguments, exec.args.unread) {
                    (false, _) => Arguments::Withheld,
                    (true, true) => Arguments::Unread,
                    (true, false) => Arguments::Kept {
                        list: exec.args.list.clone(),
                        cut: exec.args.cut,
                    },
                },
                program: inspection.program,
                script: inspection.script,
            }),
        }
    }

    /// One that the kernel knew at once.
    pub fn known(workload: crate::model::WorkloadId, identity: Identity) -> Self {
        Self {
            workload,
            identity,
            place: Place::default(),
            circumstances: None,
        }
    }

    /// The same without its circumstances.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self {
            circumstances: None,
            workload: self.workload.clone(),
            identity: self.identity.clone(),
            place: self.place,
        }
    }

    /// The exec, to be judged again, with what its files contained. Where its
    /// circumstances are not known it is one by the file's own name, by a process
    /// of the container. What no judge asks for (process ids, times) is empty.
    pub fn exec(&self) -> (Exec, Inspection) {
        let own = Untrusted::new(last_component(self.identity.file.as_bytes()));
        let seen = self.circumstances.as_ref();
        let called = match seen {
            Some(seen) => Called {
                applet: seen.applet.clone(),
                filename: seen.filename.clone(),
                links: seen.links,
            },
            None => Called {
                applet: match &self.identity.role {
                    Role::Applet(name) => name.clone(),
                    Role::Program | Role::Script(_) => own.clone(),
                },
                filename: own,
                links: 1,
            },
        };
        let exec = Exec {
            // Whatever role it had was decided with all that was known then.
            identity: self.identity.clone(),
            called,
            container: CgroupId(0),
            cgroup: CgroupId(0),
            at_ns: 0,
            pid: 0,
            ns_pid: 0,
            start_ns: 0,
            ppid: 0,
            uid: seen.map_or(0, |seen| seen.uid),
            euid: seen.map_or(0, |seen| seen.uid),
            loginuid: None,
            capabilities: 0,
            gained: 0,
            comm: Untrusted::default(),
            parent_comm: Untrusted::default(),
            origin: match seen {
                Some(seen) if seen.is_init => Origin::Init,
                Some(seen) if seen.injected => Origin::Injected,
                _ => Origin::Container,
            },
            // Of use while learning alone.
            open_folder: false,
            // What it is does not depend on what was done about it.
            stopped: None,
            from_outside: seen.is_some_and(|seen| seen.from_outside),
            tty: false,
            pending: false,
            escaped: self.place.escaped,
            host_mntns: self.place.host_mntns,
            outer_mntns: false,
            outside_file: self.place.outside_file,
            outside_cwd: self.place.outside_cwd,
            error: self.place.partial,
            path_cut: false,
            args: args(seen),
            cwd: None,
            ancestors: parent(seen),
            file: FileState::default(),
            script_file: None,
        };
        let inspection = Inspection {
            program: seen.and_then(|seen| seen.program),
            script: seen.and_then(|seen| seen.script),
        };
        (exec, inspection)
    }
}

fn args(seen: Option<&Circumstances>) -> Args {
    match seen.map(|seen| &seen.arguments) {
        Some(Arguments::Kept { list, cut }) => Args {
            list: list.clone(),
            cut: *cut,
            unread: false,
        },
        Some(Arguments::Withheld | Arguments::Unread) | None => Args {
            unread: true,
            ..Args::default()
        },
    }
}

fn parent(seen: Option<&Circumstances>) -> Vec<Ancestor> {
    let parent = seen.and_then(|seen| seen.parent.as_ref());
    let parent = parent.map(|parent| Ancestor {
        pid: 0,
        start_ns: 0,
        path: parent.path.clone(),
        path_cut: parent.cut,
        inside: false,
        init: parent.is_init,
    });
    parent.into_iter().collect()
}
