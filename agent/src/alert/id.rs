//! The stable name of a deviation.

use crate::model::{CgroupId, Digest, Exec, Identity, Reason, Role};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Names one deviation for good: the same boot, container, reason and identity
/// give the same id, and of the reasons that are about more than the identity,
/// the same content, parent, user or arguments. Sixteen hexadecimal digits as
/// text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AlertId([u8; 8]);

impl AlertId {
    /// The id of what a container or (for an escape) one of its processes did;
    /// with `what`, of what this identity did.
    ///
    /// `boot` is the kernel's boot id: cgroup ids are unique within a boot only.
    pub fn new(boot: &str, container: CgroupId, reason: Reason, what: Option<&Identity>) -> Self {
        Parts::of(boot, container, reason, what).id()
    }

    /// The id of an exec that deviates for `reason`, and for `also` behind it.
    /// `content` is the digest of the file that ran, where it is known.
    ///
    /// The same program with other arguments is another deviation where the
    /// arguments are why: nothing hides in the sum of an innocent one. The
    /// arguments are hashed together with `boot`, which no alert tells.
    pub fn of_exec(
        boot: &str,
        exec: &Exec,
        identity: &Identity,
        reason: Reason,
        also: &[Reason],
        content: Option<Digest>,
    ) -> Self {
        let mut parts = Parts::of(boot, exec.container, reason, Some(identity));
        // What ran and what was stopped, in each way, are counted apart.
        if let Some(how) = exec.stopped {
            parts.add(how.as_str().as_bytes());
        }
        for reason in std::iter::once(&reason).chain(also) {
            match reason {
                Reason::Modified => {
                    parts.add(content.as_ref().map_or(&[], |digest| &digest.0[..]));
                }
                Reason::Parent => {
                    let parent = exec.ancestors.first();
                    let path = parent.and_then(|parent| parent.path.as_ref());
                    parts.add(path.map_or(&[], |path| path.as_bytes()));
                }
                Reason::User => {
                    parts.add(&exec.uid.to_le_bytes());
                    parts.add(&exec.euid.to_le_bytes());
                }
                Reason::Args => {
                    parts.add(&(exec.args.list.len() as u64).to_le_bytes());
                    exec.args
                        .list
                        .iter()
                        .for_each(|arg| parts.add(arg.as_bytes()));
                    parts.add(&[exec.args.cut.into(), exec.args.unread.into()]);
                }
                _ => {}
            }
        }
        parts.id()
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What an id is made of.
struct Parts(Sha256);

impl Parts {
    fn of(boot: &str, container: CgroupId, reason: Reason, what: Option<&Identity>) -> Self {
        let mut parts = Self(Sha256::new());
        parts.add(boot.as_bytes());
        parts.add(&container.0.to_le_bytes());
        parts.add(reason.as_str().as_bytes());
        if let Some(identity) = what {
            parts.add(identity.file.as_bytes());
            parts.add(identity.layer.as_str().as_bytes());
            match &identity.role {
                Role::Program => parts.add(b"program"),
                Role::Applet(name) => {
                    parts.add(b"applet");
                    parts.add(name.as_bytes());
                }
                Role::Script(script) => {
                    parts.add(b"script");
                    parts.add(script.path.as_bytes());
                    parts.add(script.layer.as_str().as_bytes());
                    parts.add(&(script.via.len() as u64).to_le_bytes());
                    script.via.iter().for_each(|via| parts.add(via.as_bytes()));
                }
            }
        }
        parts
    }

    fn add(&mut self, bytes: &[u8]) {
        // The length in front keeps "ab"+"c" apart from "a"+"bc".
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn id(self) -> AlertId {
        let digest = self.0.finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        AlertId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::evidence::tests::exec;
    use crate::model::{Ancestor, Layer, Untrusted};
    use std::collections::HashSet;

    fn id(boot: &str, cgroup: u64, reason: Reason, what: Option<&Identity>) -> String {
        AlertId::new(boot, CgroupId(cgroup), reason, what).to_string()
    }

    #[test]
    fn an_id_is_sixteen_stable_digits() {
        let sh = Identity::image("/bin/sh");

        assert_eq!(
            id("boot", 1, Reason::Drift, Some(&sh)),
            id("boot", 1, Reason::Drift, Some(&sh.clone()))
        );
        assert_eq!(id("boot", 1, Reason::Drift, Some(&sh)).len(), 16);
    }

    #[test]
    fn every_part_of_a_deviation_changes_its_id() {
        let sh = Identity::image("/bin/sh");
        let upper = Identity {
            layer: Layer::Upper,
            ..sh.clone()
        };
        let script = Identity::script("/bin/sh", "/x");
        let applet = Identity::applet("/bin/sh", "/x");
        let all = [
            id("boot", 1, Reason::Drift, Some(&sh)),
            id("other", 1, Reason::Drift, Some(&sh)),
            id("boot", 2, Reason::Drift, Some(&sh)),
            id("boot", 1, Reason::Unlisted, Some(&sh)),
            id("boot", 1, Reason::Drift, Some(&upper)),
            id("boot", 1, Reason::Drift, Some(&script)),
            id("boot", 1, Reason::Drift, Some(&applet)),
            id("boot", 1, Reason::Drift, None),
        ];

        let distinct: HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
    }

    fn of_exec(exec: &Exec, reason: Reason, also: &[Reason], content: u8) -> AlertId {
        let sh = Identity::image("/bin/sh");
        AlertId::of_exec("boot", exec, &sh, reason, also, Some(Digest([content; 32])))
    }

    /// The ids of the same deviation after each of these changes.
    fn ids(reason: Reason, also: &[Reason]) -> usize {
        let changed = |change: &dyn Fn(&mut Exec)| {
            let mut exec = exec();
            change(&mut exec);
            of_exec(&exec, reason, also, 1)
        };
        let parent = |ancestor: &mut Ancestor| ancestor.path = Some("/bin/other".into());
        [
            of_exec(&exec(), reason, also, 1),
            of_exec(&exec(), reason, also, 2),
            changed(&|exec| exec.args.list.push(Untrusted::from("x"))),
            changed(&|exec| exec.args.cut = true),
            changed(&|exec| parent(&mut exec.ancestors[0])),
            changed(&|exec| exec.ancestors.clear()),
            changed(&|exec| exec.uid = 7),
            changed(&|exec| exec.euid = 7),
        ]
        .into_iter()
        .collect::<HashSet<_>>()
        .len()
    }

    #[test]
    fn what_a_reason_is_about_makes_another_deviation_and_nothing_else_does() {
        for (reason, also, expected) in [
            (Reason::Unlisted, &[][..], 1),
            (Reason::Modified, &[], 2),
            (Reason::Args, &[], 3),
            (Reason::Parent, &[], 3),
            (Reason::User, &[], 3),
            (Reason::Parent, &[Reason::Args], 5),
            (Reason::Drift, &[Reason::Unlisted], 1),
        ] {
            assert_eq!(ids(reason, also), expected, "{reason} {also:?}");
        }
    }
}
