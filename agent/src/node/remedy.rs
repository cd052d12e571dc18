//! What entry would make a deviating exec known, or why none can. Pure.
//!
//! The entry is as narrow as the exec: one identity, and what the closest entry
//! asks for where that is why it deviates. What is proposed is judged before:
//! only what the judge then calls known is a remedy.

use crate::allowlist::{
    Allowlist, ArgsPattern, Conditions, Contents, Coverage, Digests, Document, ExactPath, Observed,
    Parent, Process, render,
};
use crate::history::Remedy;
use crate::judge::{Policy, Scope, Verdict, judge, role_of};
use crate::learn::is_code_in_arguments;
use crate::model::{Exec, Identity, Inspection, Origin, Reason, Role, WorkloadId, last_component};

/// A deviating exec, with what it was judged by.
pub struct Deviation<'a> {
    /// Whose.
    pub workload: &'a WorkloadId,
    /// What its workload may run.
    pub allowlist: Option<&'a Allowlist>,
    /// Where it ran.
    pub scope: Scope,
    /// What ran.
    pub exec: &'a Exec,
    /// What its files contained.
    pub inspection: &'a Inspection,
    /// Whether arguments may be kept at all.
    pub keeps_arguments: bool,
}

/// An entry as far as it can be written.
struct Proposal {
    process: Process,
    any_args_because: Option<String>,
}

/// What would allow it.
pub fn remedy(deviation: &Deviation<'_>) -> Remedy {
    let proposal = match propose(deviation) {
        Ok(proposal) => proposal,
        Err(why) => return Remedy::Nothing(why),
    };
    let mut document = Document::of_decisions(deviation.workload.clone());
    document.spec.processes.insert(proposal.process);
    let allowlist = match Allowlist::new(&document) {
        Ok(allowlist) => allowlist,
        Err(error) => return Remedy::Nothing(error.to_string()),
    };
    let policy = Policy::Enforcing {
        allowlist: &allowlist,
    };
    let next_time = Exec {
        stopped: None,
        ..deviation.exec.clone()
    };
    match judge(policy, deviation.scope, &next_time, deviation.inspection) {
        Verdict::Known => Remedy::Entry {
            document: render(&document),
            any_args_because: proposal.any_args_because,
        },
        Verdict::Deviates { reason, .. } => {
            Remedy::Nothing(in_spite_of_an_entry(reason).to_owned())
        }
        Verdict::Learn(_) | Verdict::RuntimeStage => {
            Remedy::Nothing("it is nothing that an entry is about".to_owned())
        }
    }
}

/// Why an alert has no entry that is not about one exec, or about one that may run.
pub fn without_exec(reason: Reason) -> Remedy {
    let why = match reason {
        Reason::NoAllowlist => {
            "the workload has no allowlist: write one, or let it learn by \
             `execwarden promote WORKLOAD --mode learn`"
        }
        Reason::Unverified => {
            "it may run, and will the next time: it was stopped because nobody had looked at it yet"
        }
        Reason::Overflow => "it counts execs that were not kept apart",
        Reason::Tampered => {
            "somebody with the rights of root on the node wrote to the kernel's maps; look for who"
        }
        _ => "a process left its container, and no entry allows that",
    };
    Remedy::Nothing(why.to_owned())
}

/// Why it deviates although an entry names it.
fn in_spite_of_an_entry(reason: Reason) -> &'static str {
    match reason {
        Reason::Breakout => {
            "it reached outside its container (its file, its working directory or itself), and no \
             entry allows that"
        }
        Reason::Escaped => "it had left its container, and no entry allows that",
        _ => {
            "the kernel could not tell in full what it was, and what is not known is never allowed"
        }
    }
}

fn propose(deviation: &Deviation<'_>) -> Result<Proposal, String> {
    let Deviation {
        exec, inspection, ..
    } = *deviation;
    if exec.error || exec.path_cut {
        return Err(in_spite_of_an_entry(Reason::Unlisted).to_owned());
    }
    let identity = role_of(exec, inspection);
    let process = Process::of(&identity).map_err(|error| error.to_string())?;
    let observed = Observed {
        identity: &identity,
        exec,
        inspection,
    };
    let coverage = deviation
        .allowlist
        .map_or(Coverage::None, |allowlist| allowlist.covers(&observed));
    let mut any_args_because = None;
    let conditions = match coverage {
        Coverage::Fails(entry, failing) => {
            let digests = deviation.allowlist.and_then(Allowlist::digests);
            let entry = entry.clone().with_digests_of(digests);
            let mut conditions = entry.conditions().clone();
            if failing.content() {
                conditions.contents = Some(contents(&identity, inspection)?);
            }
            if failing.parents() {
                conditions.parents = [parent(exec)?].into();
            }
            if failing.users() {
                conditions.users = [exec.uid].into();
            }
            if failing.args() {
                conditions.args = arguments(deviation, &identity)
                    .map_err(|why| any_args_because = Some(why))
                    .ok();
            }
            conditions
        }
        Coverage::By(_) | Coverage::None => Conditions {
            args: match is_given_code(exec, &identity) {
                true => arguments(deviation, &identity)
                    .map_err(|why| any_args_because = Some(why))
                    .ok(),
                false => None,
            },
            ..Conditions::default()
        },
    };
    Ok(Proposal {
        process: process.under(conditions),
        any_args_because,
    })
}

fn contents(identity: &Identity, inspection: &Inspection) -> Result<Contents, String> {
    let content = match &identity.role {
        Role::Script(_) => inspection.script,
        Role::Program | Role::Applet(_) => inspection.program,
    };
    content
        .and_then(|content| content.proven_sha256())
        .and_then(|digest| Contents::new([digest].into(), Some(Digests::Verify)))
        .ok_or_else(|| {
            "its content could not be read, and the entry for it asks for a certain one".to_owned()
        })
}

fn parent(exec: &Exec) -> Result<Parent, String> {
    if exec.from_outside && exec.origin == Origin::Injected {
        return Ok(Parent::Injected);
    }
    let parent = exec.ancestors.first();
    if exec.origin == Origin::Init || parent.is_some_and(|parent| parent.init) {
        return Ok(Parent::ContainerInit);
    }
    let unknown = || "who started it is not known, and the entry for it asks for that".to_owned();
    let parent = parent.filter(|parent| !parent.path_cut);
    let path = parent.and_then(|parent| parent.path.as_ref());
    let path = ExactPath::of(path.ok_or_else(unknown)?);
    path.map(Parent::Path).map_err(|error| error.to_string())
}

fn is_given_code(exec: &Exec, identity: &Identity) -> bool {
    let (name, of_applet) = match &identity.role {
        Role::Program => (last_component(identity.file.as_bytes()), false),
        Role::Applet(name) => (name.as_bytes(), true),
        Role::Script(_) => return false,
    };
    is_code_in_arguments(name, exec.args.after_name(of_applet))
}

/// Its arguments and no others; or why they cannot be said.
fn arguments(deviation: &Deviation<'_>, identity: &Identity) -> Result<ArgsPattern, String> {
    let args = &deviation.exec.args;
    if !deviation.keeps_arguments {
        return Err("alert-arguments is off, so its arguments are not kept".to_owned());
    }
    if args.unread {
        return Err("the kernel could not read its arguments".to_owned());
    }
    if args.cut {
        return Err("it had more arguments than are kept".to_owned());
    }
    let of_applet = matches!(identity.role, Role::Applet(_));
    let texts = args.after_name(of_applet).iter();
    let texts: Option<Vec<String>> = texts
        .map(|text| text.as_plain_lines().map(str::to_owned))
        .collect();
    let texts = texts.ok_or_else(|| {
        "its arguments have control characters or invisible characters".to_owned()
    })?;
    ArgsPattern::exactly(&texts).map_err(|error| error.to_string())
}

#[cfg(test)]
#[path = "remedy_tests.rs"]
mod tests;
