//! What the path of a cgroup says: runtime, container id and pod, before the
//! first exec and with no I/O.
//!
//! Pure. A name is a container's only if nobody but a runtime gives such names;
//! whatever else could be one is [`Recognised::Bare`], which the runtime's
//! state folder has to confirm (`containers::runtime_state`).

mod segment;

use crate::model::{ContainerId, Runtime};
use segment::{Above, is_hosts_own, likely_ids, pod_uid, runtime_and_id};

/// Who a cgroup belongs to, as its path alone tells.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CgroupName {
    /// Who made it. [`Runtime::Runc`] where the path does not tell.
    pub runtime: Runtime,
    /// The container.
    pub id: ContainerId,
    /// The Kubernetes pod's uid, with `-` as the API has it.
    pub pod_uid: Option<String>,
}

/// What a cgroup path is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recognised {
    /// A container, or below one.
    Container {
        /// The outermost container of the path.
        name: CgroupName,
        /// How many bytes of the path are that container's own: all of them, or
        /// fewer for a cgroup below it.
        at: usize,
    },
    /// Perhaps a container that runc or crun made by itself: only a state
    /// folder tells.
    Bare {
        /// The ids it would have if its name was made of one, likeliest first;
        /// may be empty.
        ids: Vec<ContainerId>,
    },
    /// Not a container.
    Host,
}

/// Reads a cgroup's path below the hierarchy's root. A path that does not begin
/// with `/` has lost its front, and its first name, of which a part may be
/// missing, is passed over.
///
/// Of nested containers the outermost is named: what a container starts inside
/// itself belongs to it.
pub fn recognise(path: &[u8]) -> Recognised {
    let mut above = Above::default();
    let mut last = Recognised::Host;
    for (segment, end) in segments(path) {
        let Ok(segment) = std::str::from_utf8(segment) else {
            above = above.then("");
            last = Recognised::Bare { ids: Vec::new() };
            continue;
        };
        if let Some((runtime, id)) = runtime_and_id(segment, &above) {
            let pod_uid = pod_uid(segment, &above).or(above.pod_uid);
            let name = CgroupName {
                runtime,
                id,
                pod_uid,
            };
            return Recognised::Container { name, at: end };
        }
        last = if is_hosts_own(segment, &above) {
            Recognised::Host
        } else {
            Recognised::Bare {
                ids: likely_ids(segment),
            }
        };
        above = above.then(segment);
    }
    last
}

/// The names of a path, each with the offset at which it ends.
fn segments(path: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let mut end = 0;
    path.split(|byte| *byte == b'/')
        .enumerate()
        .map(move |(n, name)| {
            end += name.len() + usize::from(n > 0);
            (name, end)
        })
        // Before the first slash there is nothing, or what is left of a name.
        .skip(1)
        .filter(|(name, _)| !name.is_empty())
}

#[cfg(test)]
mod tests;
