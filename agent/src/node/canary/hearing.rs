//! What is heard of the canary: by the kernel, and by its helper.

use crate::allowlist::Allowlist;
use crate::canary::{Told, Word};
use crate::inspect::is_this_program;
use crate::judge::{Policy, Scope, Verdict, judge};
use crate::model::{Exec, Inspection};
use crate::node::Node;
use crate::node::clock::monotonic_ns;
use agent_common::wire::SeenKey;
use std::time::Duration;

impl Node {
    /// Takes in an exec of the canary's slot; `false` if it was none.
    pub(in crate::node) fn took_in_canary(&mut self, key: &SeenKey, exec: &Exec) -> bool {
        let Some(canary) = &mut self.canary else {
            return false;
        };
        // What left a container for the canary's cgroup is that container's.
        let Some(place) = { canary.place.as_ref() }
            .filter(|place| place.cgroup() == exec.cgroup && !exec.escaped)
        else {
            return false;
        };
        // It is told by its parent, never by a name.
        let is_canary = place.parent == Some(exec.ppid);
        if !is_canary {
            let path = exec.identity.path().escaped(512);
            tracing::error!(%path, pid = exec.pid, uid = exec.uid, "somebody else executes something in the canary's cgroup, where it is not judged");
        } else if exec.at_ns >= canary.began_ns {
            canary.watch.told(Told {
                took: Duration::from_nanos(monotonic_ns().saturating_sub(exec.at_ns)),
                deviates: deviates(exec),
            });
        }
        // It comes by the ring and by the map, and has one place to give back.
        if self.kernel.seen_count(key).is_some() {
            let mut told = self.kernel.forget_seen(key);
            match exec.pending {
                true => told = told.and(self.kernel.release_pending()),
                false => canary.released += 1,
            }
            self.told(told);
        }
        self.tend_canary();
        true
    }

    /// What the helper said.
    pub(in crate::node) fn canary_said(&mut self, word: Word) {
        let Some(canary) = &mut self.canary else {
            return;
        };
        match word {
            Word::Ended(run, ended) => canary.watch.ended(run, ended),
            Word::HelperEnded(pid) => {
                if let Some(place) = &mut canary.place
                    && { place.helper.as_ref() }.is_some_and(|helper| helper.pid() == pid)
                {
                    // The next run has another one.
                    place.helper = None;
                    canary.watch.helper_ended();
                }
            }
        }
        self.tend_canary();
    }

    /// Whether an exec is one of the agent's own: its child, from its file. What is
    /// executed for the canary outside of its cgroup is the helper, when the last one
    /// has ended.
    pub(in crate::node) fn is_own_exec(&self, exec: &Exec) -> bool {
        { self.canarys_place() }.is_some_and(|place| place.own == exec.cgroup)
            && exec.ppid == std::process::id()
            && is_this_program(&exec.file)
    }
}

/// Whether it is a deviation where nothing is allowed.
fn deviates(exec: &Exec) -> bool {
    let nothing = Allowlist::default();
    let policy = Policy::Enforcing {
        allowlist: &nothing,
    };
    let verdict = judge(policy, Scope::Container, exec, &Inspection::default());
    matches!(verdict, Verdict::Deviates { .. }) && !exec.pending
}
