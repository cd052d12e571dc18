//! What a workload's baseline knows of each of its entries, for a person.

use super::Node;
use crate::control::protocol::{Answer, EntryEvidence, Refusal, RefusalKind, Response};
use crate::learn::{Baseline, Came, Evidence, Sample};
use crate::model::{Digest, Identity, Role, Untrusted};

/// The longest text of one path, in bytes.
const PATH: usize = 1024;

impl Node {
    /// The evidence for what a workload learns, or has learned.
    pub(super) fn evidence_of(&self, name: &str) -> Response {
        match self.workloads.baseline_named(name) {
            Some(baseline) => Ok(Answer::AllowlistEvidence(entries(baseline))),
            None => Err(Refusal::new(
                RefusalKind::NotFound,
                format!("nothing was learned of {name:?}; `execwarden status` names what learns"),
            )),
        }
    }
}

fn entries(baseline: &Baseline) -> Vec<EntryEvidence> {
    let entries = baseline.entries().iter();
    entries
        .map(|(identity, evidence)| entry(identity, evidence))
        .collect()
}

fn entry(identity: &Identity, evidence: &Evidence) -> EntryEvidence {
    let (applet, interpreter) = match &identity.role {
        Role::Program => (None, None),
        Role::Applet(name) => (Some(name.escaped(255)), None),
        Role::Script(_) => (None, Some(identity.file.escaped(PATH))),
    };
    EntryEvidence {
        path: identity.path().escaped(PATH),
        layer: identity.path_layer().as_str().to_owned(),
        applet,
        interpreter,
        first_seen: evidence.first_seen(),
        last_seen: evidence.last_seen(),
        execs: evidence.execs(),
        only_put_in: evidence.came() != Came::FromWithin,
        containers: evidence.containers().len() as u64,
        nodes: texts(evidence.nodes(), |node| node.to_string()),
        images: texts(evidence.images(), |image| image.to_string()),
        sha256: texts(evidence.digests(), Digest::to_string),
        users: evidence.users().iter().copied().collect(),
        parents: texts(evidence.parents(), |parent: &Untrusted| {
            parent.escaped(PATH)
        }),
        arguments: texts(evidence.examples(), String::clone),
    }
}

/// With `…` at the end where there were more.
fn texts<T: Ord + Clone, const MAX: usize>(
    sample: &Sample<T, MAX>,
    text: impl Fn(&T) -> String,
) -> Vec<String> {
    let more = sample.has_more().then(|| "…".to_owned());
    sample.iter().map(text).chain(more).collect()
}
