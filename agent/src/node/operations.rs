//! What an operator asks for over the control socket: alerts, the journal, and
//! changes of what may run.

use super::Node;
use super::decisions::{failed, refused};
use super::promotion::{Care, Word};
use super::workloads::Phase;
use crate::allowlist::{
    Applet, Conditions, DecisionError, ExactPath, PathPattern, Process, Removed, StruckAs, parse,
};
use crate::control::operation::{Alert, How, Operation};
use crate::control::protocol::{Answer, Refusal, RefusalKind, Response};
use crate::control::server::Peer;
use crate::history::{AlertRow, Detail, Remedy, What, Who};
use crate::model::{Layer, Untrusted, WorkloadId};
use jiff::{SignedDuration, Timestamp};

impl Node {
    /// Answers one operation; never fails the agent.
    pub(super) fn operate(&mut self, operation: Operation, peer: Option<Peer>) -> Response {
        match operation {
            Operation::Alerts {
                since_s,
                workload,
                reason,
            } => {
                self.save_history_now();
                let from = since(since_s);
                let mut rows = self.history.get().alerts().map_err(failed)?;
                // Where the disk is full, they are seen all the same.
                self.alerts.pending.lay_over(&mut rows);
                rows.retain(|row| {
                    from.is_none_or(|from| row.last >= from)
                        && workload.as_ref().is_none_or(|name| *name == row.workload)
                        && reason.is_none_or(|reason| reason == row.reason)
                });
                Ok(Answer::Alerts(rows))
            }
            Operation::TestAlert { by } => {
                if by.as_ref().is_some_and(|by| by.len() > How::TEXT) {
                    return Err(bad(format!("a name has at most {} bytes", How::TEXT)));
                }
                let who = self.root_at(peer, by.as_deref())?;
                self.test_alert(&who)
            }
            Operation::Why { id } => {
                let (row, detail) = self.alert_like(&id)?;
                Ok(Answer::Why(Box::new(Alert {
                    row,
                    alert: detail.alert,
                    remedy: detail.remedy,
                })))
            }
            Operation::Log { since_s, workload } => {
                let from = since(since_s);
                let mut rows = self.history.get().decisions().map_err(failed)?;
                rows.retain(|row| {
                    from.is_none_or(|from| row.at >= from)
                        && (workload.is_none() || row.workload == workload)
                });
                Ok(Answer::Log(rows))
            }
            Operation::Accept {
                id,
                any_args,
                glob,
                how,
            } => {
                let who = self.decider(&how, peer)?;
                self.accept(&id, any_args, glob.as_deref(), &how, &who)
            }
            Operation::AllowlistRemove {
                workload,
                path,
                applet,
                script_of,
                layer,
                how,
            } => {
                let who = self.decider(&how, peer)?;
                let removed =
                    removed(&path, applet.as_deref(), script_of.as_deref(), layer).map_err(bad)?;
                self.remove(&workload, removed, &how, &who)
            }
            Operation::AllowlistRestore {
                workload,
                what,
                how,
            } => {
                let who = self.decider(&how, peer)?;
                self.restore(&workload, &what, &how, &who)
            }
            Operation::AllowlistEdit {
                workload,
                edited,
                was,
                how,
            } => {
                let who = self.decider(&how, peer)?;
                self.edit(&workload, &edited, was.as_deref(), &how, &who)
            }
            Operation::Allow {
                workload,
                for_s,
                how,
            } => {
                let who = self.decider(&how, peer)?;
                self.allow(&workload, for_s, &how, &who)
            }
            Operation::Promote {
                workload,
                namespace,
                labels,
                mode,
                action,
                percent,
                quiet_s,
                even_incomplete,
                how,
            } => {
                let who = self.decider(&how, peer)?;
                let of = self.promoted(workload.as_deref(), namespace.as_deref(), &labels)?;
                let word = Word::of(mode, action, percent)?;
                let care = Care::of(even_incomplete, quiet_s);
                self.promote(of, word, &care, &how, &who)
            }
        }
    }

    /// Who decides, if they may, and what they say of it is not too long.
    fn decider(&self, how: &How, peer: Option<Peer>) -> Result<Who, Refusal> {
        for text in [&how.reason, &how.by].into_iter().flatten() {
            if text.len() > How::TEXT {
                let most = How::TEXT;
                return Err(bad(format!(
                    "a reason and a name have at most {most} bytes"
                )));
            }
        }
        self.root_at(peer, how.by.as_deref())
    }

    /// The one alert whose id begins so.
    fn alert_like(&mut self, id: &str) -> Result<(AlertRow, Detail), Refusal> {
        let not_found = |message| Err(Refusal::new(RefusalKind::NotFound, message));
        let shown = Untrusted::from(id).escaped(40);
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad(format!(
                "\"{shown}\" is no alert's id: those are hexadecimal digits, as `execwarden alerts` \
                 lists them"
            )));
        }
        self.save_history_now();
        let mut rows = self
            .history
            .get()
            .alerts_like(&id.to_ascii_lowercase(), 2)
            .map_err(failed)?;
        let Some(row) = rows.pop() else {
            return not_found(format!(
                "there is no alert {shown}; `execwarden alerts` lists those that are kept"
            ));
        };
        if !rows.is_empty() {
            return not_found(format!(
                "more than one alert begins with {shown}; write more of its id"
            ));
        }
        match self.history.get().detail(&row.id).map_err(failed)? {
            Some(detail) => Ok((row, detail)),
            None => Err(failed(format!("the record of alert {} is lost", row.id))),
        }
    }

    fn accept(
        &mut self,
        id: &str,
        any_args: bool,
        glob: Option<&str>,
        how: &How,
        who: &Who,
    ) -> Response {
        let (row, detail) = self.alert_like(id)?;
        let (entry, any_args_because) = match detail.remedy {
            Remedy::Entry {
                document,
                any_args_because,
            } => (document, any_args_because),
            Remedy::Nothing(why) => {
                return Err(refused(format!(
                    "nothing can allow alert {}: {why}",
                    row.id
                )));
            }
        };
        if let Some(why) = any_args_because.filter(|_| !any_args) {
            return Err(refused(format!(
                "{why}; --any-args accepts it with whatever arguments"
            )));
        }
        let exact = entry_of(&row, &entry)?;
        let workload = detail.workload;
        self.check_acceptable(&workload, &exact)?;

        let mut process = exact.clone();
        if any_args {
            let conditions = process.conditions().clone();
            process = process.under(Conditions {
                args: None,
                ..conditions
            });
        }
        if let Some(glob) = glob {
            let pattern = PathPattern::new(glob).map_err(|error| bad(error.to_string()))?;
            let path = Untrusted::from(exact.path().as_str());
            if !pattern.covers(&path).map_err(failed)? {
                return Err(bad(format!("{glob} does not cover {}", exact.path())));
            }
            process = process
                .at(pattern)
                .map_err(|error| bad(error.to_string()))?;
        }
        let mut document = self.decided_document(&workload);
        document.accept(process).map_err(failed)?;
        let note = format!("for alert {} ({})", row.id, row.reason);
        let plan = self.plan(workload, document, vec![note])?;
        self.carry_out(What::Accept, vec![plan], how, who)
    }

    /// Where there is no list, an entry would be one; and what a person struck in
    /// a document of theirs, they have to take out there.
    fn check_acceptable(&self, workload: &WorkloadId, entry: &Process) -> Result<(), Refusal> {
        let phase = self.workloads.get(workload).map(|found| &found.phase);
        if matches!(phase, Some(Phase::NoAllowlist)) {
            return Err(refused(format!(
                "{workload} has no allowlist to which this could be added: write one, or let it \
                 learn by `execwarden promote {workload} --mode learn`"
            )));
        }
        let struck = entry.identity().filter(|identity| {
            let person = self.people.get(workload);
            person.is_some_and(|person| person.allowlist.is_removed(identity))
        });
        let file = self
            .people
            .iter()
            .find(|(_, loaded)| loaded.document.spec.workload == *workload);
        if let (Some(_), Some((file, _))) = (struck, file) {
            return Err(refused(format!(
                "{} strikes {} (removed); take it out there",
                file.display(),
                entry.path()
            )));
        }
        Ok(())
    }

    fn remove(&mut self, workload: &str, removed: Removed, how: &How, who: &Who) -> Response {
        let workload = self.workload_named(workload)?;
        let mut document = self.decided_document(&workload);
        let (in_force, _) = self.in_force(&workload, &document)?;
        document
            .strike(removed, &in_force)
            .map_err(|error| match error {
                DecisionError::Compile(error) => failed(error),
                error => refused(error.to_string()),
            })?;
        let mut plan = self.plan(workload, document, Vec::new())?;
        let goes = plan
            .change
            .changes
            .iter()
            .any(|one| one.part == "processes");
        if !goes {
            let note = "nothing that is in force is about it; it is not learned from now on";
            plan.change.notes.push(note.to_owned());
        }
        self.carry_out(What::Remove, vec![plan], how, who)
    }

    fn restore(&mut self, workload: &str, what: &[String], how: &How, who: &Who) -> Response {
        let workload = self.workload_named(workload)?;
        let mut document = self.decided_document(&workload);
        for one in what {
            let paths = match one.starts_with('/') {
                true => vec![one.clone()],
                false => self.accepted_for(one, &workload, &document)?,
            };
            let restored = paths.iter().filter(|path| document.restore(path)).count();
            if restored == 0 {
                return Err(Refusal::new(
                    RefusalKind::NotFound,
                    format!(
                        "nothing was decided about {}; `execwarden allowlist show {workload}` lists \
                         what was",
                        Untrusted::from(one.as_str()).escaped(256)
                    ),
                ));
            }
        }
        let plan = self.plan(workload, document, Vec::new())?;
        self.carry_out(What::Restore, vec![plan], how, who)
    }

    /// The paths of the accepted entries that let pass what an alert is about.
    fn accepted_for(
        &mut self,
        id: &str,
        workload: &WorkloadId,
        decided: &crate::allowlist::Document,
    ) -> Result<Vec<String>, Refusal> {
        let (row, detail) = self.alert_like(id)?;
        if detail.workload != *workload {
            return Err(refused(format!(
                "alert {} is of {}, not of {workload}",
                row.id, row.workload
            )));
        }
        let Remedy::Entry { document, .. } = &detail.remedy else {
            return Ok(Vec::new());
        };
        let path = entry_of(&row, document)?.path().to_string();
        let path = Untrusted::from(path.as_str());
        let accepted = decided.spec.processes.iter().map(Process::path);
        let covering = accepted.filter(|pattern| pattern.covers(&path).unwrap_or(false));
        Ok(covering.map(ToString::to_string).collect())
    }
}

/// The one entry of a document that was kept with an alert.
fn entry_of(row: &AlertRow, document: &str) -> Result<Process, Refusal> {
    let file = format!("the entry of alert {}", row.id);
    let document = parse(&file, document.as_bytes()).map_err(failed)?;
    let entry = document.spec.processes.into_iter().next();
    entry.ok_or_else(|| failed(format!("{file} is lost")))
}

/// The moment so many seconds ago.
fn since(seconds: Option<u64>) -> Option<Timestamp> {
    let ago = SignedDuration::from_secs(i64::try_from(seconds?).unwrap_or(i64::MAX));
    Some(Timestamp::now().checked_sub(ago).unwrap_or(Timestamp::MIN))
}

fn removed(
    path: &str,
    applet: Option<&str>,
    script_of: Option<&str>,
    layer: Option<Layer>,
) -> Result<Removed, String> {
    let run_as = match (applet, script_of) {
        (Some(_), Some(_)) => {
            return Err("something is an applet or a script, not both".to_owned());
        }
        (Some(name), None) => {
            let applet = Applet::of(&name.into()).map_err(|error| error.to_string())?;
            Some(StruckAs::Applet(applet))
        }
        (None, Some(interpreter)) => {
            let interpreter = ExactPath::new(interpreter).map_err(|error| error.to_string())?;
            Some(StruckAs::ScriptOf(interpreter))
        }
        (None, None) => None,
    };
    Ok(Removed {
        path: PathPattern::new(path).map_err(|error| error.to_string())?,
        run_as,
        layer,
    })
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::BadRequest, message)
}
