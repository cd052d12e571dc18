//! The entries of a document that a person struck.

use super::path::{ExactPath, PathPattern};
use super::process::{Applet, Process, RunAs, same};
use crate::model::{Identity, Layer, Role};

/// One entry of `spec.removed`: struck by a person, never learned again.
///
/// It matches what a person calls the executable: the script where there is
/// one, else the program. A layer, an interpreter or an applet that is left
/// out matches any, and a wildcard may stand in the file name: striking too
/// much costs an alert, striking too little learns what a person refused.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Removed {
    /// The program, or the script.
    pub path: PathPattern,
    /// What it is run as; `None` for anything.
    pub run_as: Option<StruckAs>,
    /// The layer of the file at the path; `None` for any.
    pub layer: Option<Layer>,
}

/// In which role something was struck.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum StruckAs {
    /// This one program of a multi-call binary.
    Applet(Applet),
    /// A script that this program runs.
    ScriptOf(ExactPath),
}

impl Removed {
    /// Whether role and layer fit; the path is not looked at.
    pub(super) fn fits(&self, identity: &Identity) -> bool {
        let same_role = match (&self.run_as, &identity.role) {
            (None, _) => true,
            (Some(StruckAs::Applet(applet)), Role::Applet(name)) => {
                applet.as_str().as_bytes() == name.as_bytes()
            }
            (Some(StruckAs::ScriptOf(interpreter)), Role::Script(_)) => {
                same(interpreter, &identity.file)
            }
            _ => false,
        };
        same_role
            && self
                .layer
                .is_none_or(|wanted| wanted == identity.path_layer())
    }

    /// Whether what it strikes may be among what `process` allows, as far as role
    /// and layer tell.
    pub(super) fn may_be(&self, process: &Process) -> bool {
        let same_role = match (&self.run_as, process.run_as()) {
            (None, _) | (Some(StruckAs::Applet(_)), RunAs::Program) => true,
            (Some(StruckAs::Applet(struck)), RunAs::Applet(allowed)) => struck == allowed,
            (Some(StruckAs::ScriptOf(struck)), RunAs::Script { interpreter, .. }) => {
                struck == interpreter
            }
            _ => false,
        };
        same_role && self.layer.is_none_or(|wanted| wanted == process.layer())
    }

    /// Whether `process` says the opposite in the same words. An entry for a
    /// program under any name does, of each of its applets.
    pub(super) fn contradicts(&self, process: &Process) -> bool {
        self.path == *process.path() && self.may_be(process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applet(name: &str) -> Applet {
        Applet::of(&name.into()).expect("a name")
    }

    #[test]
    fn struck_without_details_is_struck_in_every_form() {
        let any = Removed {
            path: PathPattern::new("/a").expect("a path"),
            run_as: None,
            layer: None,
        };
        let dash_only = Removed {
            run_as: Some(StruckAs::ScriptOf(
                ExactPath::new("/bin/dash").expect("a path"),
            )),
            ..any.clone()
        };
        let wget_only = Removed {
            run_as: Some(StruckAs::Applet(applet("wget"))),
            ..any.clone()
        };
        let upper = Identity {
            layer: Layer::Upper,
            ..Identity::script("/bin/dash", "/a")
        };

        assert!(any.fits(&Identity::image("/a")));
        assert!(any.fits(&Identity::applet("/a", "wget")));
        assert!(any.fits(&upper));
        assert!(dash_only.fits(&Identity::script("/bin/dash", "/a")));
        assert!(!dash_only.fits(&Identity::script("/bin/bash", "/a")));
        assert!(!dash_only.fits(&Identity::image("/a")));
        assert!(wget_only.fits(&Identity::applet("/a", "wget")));
        assert!(!wget_only.fits(&Identity::applet("/a", "sh")));
        assert!(!wget_only.fits(&Identity::image("/a")));
    }

    #[test]
    fn a_program_under_any_name_contradicts_a_struck_applet() {
        let path = || PathPattern::new("/bin/busybox").expect("a path");
        let wget = || applet("wget");
        let struck = Removed {
            path: path(),
            run_as: Some(StruckAs::Applet(wget())),
            layer: None,
        };
        let allowed = |run_as| Process::new(path(), run_as, Layer::Image).expect("an entry");

        assert!(struck.contradicts(&allowed(RunAs::Program)));
        assert!(struck.contradicts(&allowed(RunAs::Applet(wget()))));
        assert!(!struck.contradicts(&allowed(RunAs::Applet(applet("sh")))));
    }
}
