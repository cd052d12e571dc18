//! The entry that comes closest to an exec that none covers: what a person
//! compares it with first.

use super::compiled::{Allowlist, Coverage};
use super::observed::Observed;
use super::process::{Process, RunAs};
use crate::model::{Identity, Needs, Role, last_component};
use std::fmt;

/// The field in which an exec and the nearest entry differ; the closest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Difference {
    /// The same executable with other arguments.
    Args,
    /// The same executable, run by another user.
    Users,
    /// The same executable, started by another process.
    Parents,
    /// The same executable with another content.
    Content,
    /// The same path, from another layer.
    Layer,
    /// The same multi-call binary as another of its programs.
    Applet,
    /// The same path, run by another interpreter or by none, or by way of
    /// other scripts.
    Interpreter,
    /// The same file name in another folder.
    Folder,
    /// The same interpreter with another script.
    Script,
}

impl Difference {
    /// The word, as alerts have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Args => "args",
            Self::Users => "users",
            Self::Parents => "parents",
            Self::Content => "content",
            Self::Layer => "layer",
            Self::Applet => "applet",
            Self::Interpreter => "interpreter",
            Self::Folder => "folder",
            Self::Script => "script",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The entry that comes closest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nearest {
    /// The entry; apart, because most execs have none.
    pub process: Box<Process>,
    /// Where it differs.
    pub differs: Difference,
}

impl Allowlist {
    /// The entry that comes closest to an exec that it does not cover. Of
    /// several, the first in the document's order.
    ///
    /// A scan over all entries; deviations come here once per kind, and are
    /// limited per workload.
    pub fn nearest(&self, observed: &Observed<'_>) -> Option<Nearest> {
        let (process, differs) = match self.covers(observed) {
            Coverage::Fails(process, failing) => (process, weightiest(failing)),
            Coverage::By(_) | Coverage::None => self
                .processes
                .iter()
                .filter_map(|process| Some((process, difference(process, observed.identity)?)))
                .min_by_key(|(_, differs)| *differs)?,
        };
        Some(Nearest {
            process: Box::new(process.clone()),
            differs,
        })
    }
}

/// Of the conditions that fail, the one that gives the reason.
fn weightiest(failing: Needs) -> Difference {
    match failing {
        needs if needs.content() => Difference::Content,
        needs if needs.parents() => Difference::Parents,
        needs if needs.users() => Difference::Users,
        _ => Difference::Args,
    }
}

fn difference(process: &Process, identity: &Identity) -> Option<Difference> {
    let path = identity.path().as_bytes();
    if process.path().as_str().as_bytes() == path {
        return Some(match (process.run_as(), &identity.role) {
            _ if process.fits_but_for_layers(identity) => Difference::Layer,
            (RunAs::Program | RunAs::Applet(_), Role::Program | Role::Applet(_)) => {
                Difference::Applet
            }
            _ => Difference::Interpreter,
        });
    }
    if last_component(path) == process.path().file_name().as_bytes() {
        return Some(Difference::Folder);
    }
    let interpreter = process.interpreter().map(|file| file.as_str().as_bytes());
    let same_interpreter =
        identity.as_script().is_some() && interpreter == Some(identity.file.as_bytes());
    same_interpreter.then_some(Difference::Script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::{Conditions, Document};
    use crate::model::{Exec, Inspection, Layer, WorkloadId};

    fn list() -> Allowlist {
        let root_only = Conditions {
            users: [0].into(),
            ..Conditions::default()
        };
        let entries = [
            Identity::script("/bin/dash", "/run.sh"),
            Identity::script("/bin/dash", "/a.sh"),
            Identity::image("/usr/bin/nginx"),
            Identity::image("/opt/bin/app"),
            Identity::applet("/bin/busybox", "sh"),
        ];
        let entries = entries
            .iter()
            .map(|identity| Process::of(identity).expect("plain"));
        let root_only = Process::of(&Identity::image("/sbin/reboot"))
            .expect("plain")
            .under(root_only);
        let unit = "x.service".to_owned();
        let processes = entries.chain([root_only]).collect();
        let document = Document::by_agent(WorkloadId::Unit { unit }, processes, None);
        Allowlist::new(&document).expect("compiles")
    }

    fn check(identity: &Identity, expected: Option<(&str, Difference)>) {
        let mut exec = Exec::plain(identity.clone());
        exec.uid = 33;

        let list = list();
        let found = list.nearest(&Observed {
            identity,
            exec: &exec,
            inspection: &Inspection::default(),
        });

        let found = found
            .as_ref()
            .map(|n| (n.process.path().as_str(), n.differs));
        assert_eq!(found, expected, "{identity:?}");
    }

    #[test]
    fn names_the_closest_entry_and_where_it_differs() {
        let upper = Identity {
            layer: Layer::Upper,
            ..Identity::image("/usr/bin/nginx")
        };
        let interpreter_on_a_volume = Identity {
            layer: Layer::Volume,
            ..Identity::script("/bin/dash", "/run.sh")
        };
        let script = Identity::script;

        check(
            &Identity::image("/sbin/reboot"),
            Some(("/sbin/reboot", Difference::Users)),
        );
        check(&upper, Some(("/usr/bin/nginx", Difference::Layer)));
        check(
            &interpreter_on_a_volume,
            Some(("/run.sh", Difference::Layer)),
        );
        check(
            &Identity::applet("/bin/busybox", "wget"),
            Some(("/bin/busybox", Difference::Applet)),
        );
        check(
            &Identity::image("/bin/busybox"),
            Some(("/bin/busybox", Difference::Applet)),
        );
        check(
            &script("/bin/bash", "/run.sh"),
            Some(("/run.sh", Difference::Interpreter)),
        );
        check(
            &Identity::image("/run.sh"),
            Some(("/run.sh", Difference::Interpreter)),
        );
        check(
            &Identity::image("/tmp/nginx"),
            Some(("/usr/bin/nginx", Difference::Folder)),
        );
        check(
            &script("/bin/dash", "/evil.sh"),
            Some(("/a.sh", Difference::Script)),
        );
        check(
            &script("/bin/dash", "/tmp/run.sh"),
            Some(("/run.sh", Difference::Folder)),
        );
        check(&Identity::image("/tmp/evil"), None);
    }
}
