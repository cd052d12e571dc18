//! An exec as a baseline takes it in.

use super::clock::time_of;
use super::execs::Seen;
use crate::config::Config;
use crate::containers::Container;
use crate::learn::{Around, Came, Sighting, code_in_arguments};
use crate::model::{ContainerId, Digest, Identity, Inspection, Origin, Role};

/// An exec, and what a [`Sighting`] of it borrows.
pub struct Sighted<'a> {
    seen: &'a Seen<'a>,
    identity: &'a Identity,
    container: ContainerId,
    image: Option<&'a str>,
    code: Option<Vec<String>>,
}

impl<'a> Sighted<'a> {
    /// An exec in a container; in a unit, without one.
    pub fn new(
        container: Option<&'a Container>,
        identity: &'a Identity,
        seen: &'a Seen<'a>,
    ) -> Self {
        let description = container.and_then(|container| container.description.as_ref());
        Self {
            seen,
            identity,
            container: match container {
                Some(container) => container.name.id.clone(),
                // A unit is called by its cgroup.
                None => ContainerId::new(&format!("cgroup-{}", seen.exec.container))
                    .expect("digits and a dash are plain"),
            },
            image: description.and_then(|found| found.image.as_deref()),
            code: code_in_arguments(identity, &seen.exec.args),
        }
    }

    /// What a baseline is told; the arguments where they may be kept.
    pub fn sighting<'b>(&'b self, config: &'b Config) -> Sighting<'b> {
        let exec = self.seen.exec;
        let of_applet = matches!(self.identity.role, Role::Applet(_));
        let parent = exec.ancestors.first();
        Sighting {
            at: time_of(exec.at_ns),
            execs: 1,
            container: &self.container,
            image: self.image,
            around: Around {
                node: Some(config.node_name.as_str()),
                user: Some(exec.uid),
                came: match (exec.origin, exec.from_outside) {
                    (Origin::Injected, true) => Came::PutIn,
                    (Origin::Injected, false) => Came::FromPutIn,
                    (Origin::Init | Origin::Container, _) => Came::FromWithin,
                },
                parent: parent
                    .filter(|parent| !parent.path_cut)
                    .and_then(|parent| parent.path.as_ref()),
                arguments: config
                    .alert_arguments
                    .then(|| exec.args.after_name(of_applet)),
            },
            digest: digest_of(self.identity, self.seen.inspection),
            code: self.code.as_deref(),
        }
    }
}

/// The digest of the file that the identity stands for, where it was read: of a
/// script its own.
fn digest_of(identity: &Identity, inspection: &Inspection) -> Option<Digest> {
    let content = match identity.as_script() {
        Some(_) => inspection.script,
        None => inspection.program,
    };
    content.and_then(|content| content.proven_sha256())
}
