//! The entry that comes closest to an exec that none covers: what a person
//! compares it with first.

use super::compiled::{Allowlist, interpreter};
use super::process::Process;
use crate::model::Identity;
use std::fmt;

/// The field in which an exec and the nearest entry differ; the closest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Difference {
    /// The same path, from another layer.
    Layer,
    /// The same path, run by another interpreter or by none.
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
            Self::Layer => "layer",
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
    /// The entry.
    pub process: Process,
    /// Where it differs.
    pub differs: Difference,
}

impl Allowlist {
    /// The entry that comes closest to `identity`, which it does not cover. Of
    /// several, the first in the document's order.
    ///
    /// A scan over all entries; deviations come here once per kind, and are
    /// limited per workload.
    pub fn nearest(&self, identity: &Identity) -> Option<Nearest> {
        self.processes
            .iter()
            .filter_map(|process| Some((difference(process, identity)?, process)))
            .min_by_key(|(differs, _)| *differs)
            .map(|(differs, process)| Nearest {
                process: process.clone(),
                differs,
            })
    }
}

fn difference(process: &Process, identity: &Identity) -> Option<Difference> {
    let wanted = process.interpreter().map(|i| i.as_str().as_bytes());
    let same_interpreter = wanted == interpreter(identity);

    if process.path().as_str().as_bytes() == identity.path().as_bytes() {
        return Some(match same_interpreter {
            true => Difference::Layer,
            false => Difference::Interpreter,
        });
    }
    let name = identity.path().as_bytes().rsplit(|b| *b == b'/').next();
    if name == Some(process.path().file_name().as_bytes()) {
        return Some(Difference::Folder);
    }
    (same_interpreter && wanted.is_some()).then_some(Difference::Script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::{Document, ExactPath, PathPattern};
    use crate::model::{Layer, WorkloadId};

    fn process(path: &str, interpreter: Option<&str>) -> Process {
        let interpreter = interpreter.map(|i| ExactPath::new(i).expect("a path"));
        Process::new(
            PathPattern::new(path).expect("a path"),
            interpreter,
            Layer::Image,
        )
        .expect("an entry")
    }

    fn list() -> Allowlist {
        let processes = [
            process("/run.sh", Some("/bin/dash")),
            process("/a.sh", Some("/bin/dash")),
            process("/usr/bin/nginx", None),
            process("/opt/*/bin/app", None),
        ];
        let unit = "x.service".to_owned();
        let document = Document::by_agent(WorkloadId::Unit { unit }, processes.into(), None);
        Allowlist::new(&document).expect("compiles")
    }

    fn check(identity: &Identity, expected: Option<(&str, Difference)>) {
        let found = list().nearest(identity);

        let found = found
            .as_ref()
            .map(|n| (n.process.path().as_str(), n.differs));
        assert_eq!(found, expected, "{identity:?}");
    }

    #[test]
    fn names_the_closest_entry_and_where_it_differs() {
        let nginx = Identity::image("/usr/bin/nginx");
        let upper = Identity {
            layer: Layer::Upper,
            ..nginx.clone()
        };
        let script = |interpreter: &str, script: &str| Identity {
            script: Some(script.into()),
            ..Identity::image(interpreter)
        };

        check(&upper, Some(("/usr/bin/nginx", Difference::Layer)));
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
            &Identity::image("/tmp/app"),
            Some(("/opt/*/bin/app", Difference::Folder)),
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
