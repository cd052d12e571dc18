//! The one sentence that a person reads first.

use super::{
    About, Action, Beat, CanaryTold, Cause, ExecEvidence, Kind, Lost, Message, Nearest, Notice,
    Record, Subject, list,
};
use crate::model::{
    CanaryResult, Identity, Meddling, Origin, Reason, Role, Stopped, Untrusted, format_duration,
};
use std::fmt::Write as _;
use std::time::Duration;

/// How much of each text the sentence repeats where there is room, in bytes.
pub(super) const SENTENCE_TEXT: usize = 256;

/// Of how many workloads the sentence says how many alerts were lost.
const MOST_LOST: usize = 3;

/// Says what happened, in ASCII: RFC 5424 section 6.4 wants a byte order mark
/// in front of anything else, and receivers pass that mark on into their
/// files. Each text in it takes at most `bound` bytes before its characters
/// beyond ASCII are escaped too.
pub(super) fn sentence(message: Message<'_>, bound: usize) -> String {
    match message {
        Message::Record(record) => Teller { record, bound }.tell(),
        Message::Notice(notice) => told(notice, bound),
        Message::Beat(beat) => beats(beat, bound),
        Message::Lost(lost) => lost_records(lost, bound),
    }
}

fn beats(beat: &Beat, bound: usize) -> String {
    let mut out = match &beat.cause {
        Cause::Heartbeat { .. } => "execwarden watches this node".to_owned(),
        Cause::Canary(told) => canary(told, bound),
        Cause::Test { by } => format!("a test that {} asked for", ascii(by, bound)),
    };
    let Beat { execs, target, .. } = beat;
    let _ = write!(
        out,
        ": {} execs seen, {} of them deviating; {} records sent here, {} wait, {} lost",
        execs.seen, execs.deviating, target.sent, target.spooled, target.lost
    );
    out
}

fn canary(told: &CanaryTold, bound: usize) -> String {
    let result = told.result.as_str();
    let why = { told.why.as_ref() }.map_or_else(String::new, |why| ascii(why, bound));
    let took = told.took_ms().unwrap_or(0);
    match told.result {
        CanaryResult::Passed if told.why.is_some() => {
            format!("execwarden's canary passes again: {why}, after {took} ms")
        }
        CanaryResult::Passed => {
            format!("execwarden's canary passes again: what it ran was told of after {took} ms")
        }
        CanaryResult::NotDelivered => {
            format!("execwarden's alerts may not arrive: its canary failed [{result}], {why}")
        }
        _ => format!(
            "execwarden may not see what runs on this node: its canary failed [{result}], {why}"
        ),
    }
}

fn lost_records(lost: &Lost, bound: usize) -> String {
    let gone = &lost.gone;
    let mut out = format!(
        "{} alerts were lost (numbers {} to {}): the receiver did not take them, and there was no more room",
        gone.count, gone.first, gone.last
    );
    for (n, (name, count)) in gone.by_count().into_iter().take(MOST_LOST).enumerate() {
        let before = if n == 0 { "; " } else { ", " };
        let _ = write!(out, "{before}{count} of {}", ascii(&name.into(), bound));
    }
    out
}

fn told(notice: &Notice, bound: usize) -> String {
    let text = |text: &Untrusted| ascii(text, bound);
    let mut out = text(&notice.workload.to_string().as_str().into());
    let _ = match &notice.about {
        About::Allowed { until } => write!(
            out,
            " may run anything until {until}: nothing of it is reported one by one"
        ),
        About::AllowEnded {
            until,
            execs,
            executables,
            more,
        } => write!(
            out,
            " is held to its allowlist again: {execs} execs of {}{executables} executables were \
             not reported one by one until {until}",
            if *more { "more than " } else { "" }
        ),
        About::SteppedBack { containers } => write!(
            out,
            " is not blocked any more: {containers} of its containers ended one after the other, \
             and in each something had been stopped; what deviates is reported, and runs"
        ),
        About::Upgrade(upgrade) => write!(
            out,
            " has a new image, which ran {} beyond what was learned{}{}",
            upgrade.new.len(),
            named("new", &upgrade.new, bound),
            named("gone", &upgrade.gone, bound)
        ),
    };
    if let Some(by) = &notice.by {
        let _ = write!(out, "; decided by {}", text(by));
    }
    if let Some(why) = &notice.why {
        let _ = write!(out, "; {}", text(why));
    }
    out
}

/// No more than a few of these paths.
fn named(what: &str, paths: &[Untrusted], bound: usize) -> String {
    const NAMED: usize = 3;

    if paths.is_empty() {
        return String::new();
    }
    let some = paths.iter().take(NAMED).map(|path| ascii(path, bound));
    let some = some.collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(NAMED) {
        0 => format!("; {what}: {some}"),
        more => format!("; {what}: {some} and {more} more"),
    }
}

/// Escaped, in at most `bound` bytes before what is beyond ASCII is escaped too.
fn ascii(text: &Untrusted, bound: usize) -> String {
    let mut out = String::new();
    for c in text.escaped(bound).chars() {
        match c {
            '…' => out.push_str("..."),
            c if c.is_ascii() => out.push(c),
            c => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
        }
    }
    out
}

struct Teller<'a> {
    record: &'a Record,
    bound: usize,
}

impl Teller<'_> {
    fn tell(&self) -> String {
        let record = self.record;
        let mut out = self.who();
        match &record.subject {
            Subject::Exec {
                identity,
                evidence,
                nearest,
            } => {
                self.ran(&mut out, identity);
                let _ = write!(out, ", {} [{}]", why(record.reason), record.reason);
                out.push_str(match record.action {
                    Action::Alerted => "",
                    Action::Ended => ", and was ended",
                    Action::Blocked(Stopped::Killed) => ", by SIGKILL",
                    Action::Blocked(Stopped::Refused | Stopped::NotLoaded) => ", by EPERM",
                });
                if let Some(evidence) = evidence {
                    self.by(&mut out, evidence);
                }
                if let Some(nearest) = nearest {
                    self.nearest(&mut out, nearest);
                }
            }
            Subject::Escape(leaver) => {
                let comm = self.text(&leaver.comm);
                let _ = write!(
                    out,
                    ": a process left the container's cgroup for cgroup {}{} [{}]; {comm}, pid {}, uid {}",
                    leaver.to,
                    self.times(),
                    record.reason,
                    leaver.pid,
                    leaver.uid
                );
            }
            Subject::Overflow => {
                let _ = write!(
                    out,
                    " ran more than is kept apart{} [{}]",
                    self.times(),
                    record.reason
                );
            }
            Subject::HeldBack { alerts } => {
                let _ = write!(
                    out,
                    " deviated{}: that would be {alerts} alerts, too many to be told one by one [{}]",
                    self.times(),
                    record.reason
                );
            }
            Subject::Tampered(done) => {
                let _ = write!(
                    out,
                    ": somebody else changed its rules in the kernel{} ({} added, {} removed, {} changed), and they were put back [{}]",
                    self.times(),
                    done.added,
                    done.removed,
                    done.changed,
                    record.reason
                );
            }
            Subject::Meddled(done) => {
                let times = self.times();
                let _ = match done {
                    Meddling::Turned { is_undone: true } => write!(
                        out,
                        ": somebody else led execs past the agent's programs{times}, and they are led to them again"
                    ),
                    Meddling::Turned { is_undone: false } => write!(
                        out,
                        ": somebody else leads execs past the agent's programs{times}: nothing is seen"
                    ),
                    Meddling::Frozen => write!(
                        out,
                        ": somebody else froze a map of the agent's programs{times}: its rules stay as they are until the agent is started again"
                    ),
                    Meddling::Unpinned { is_undone: true } => write!(
                        out,
                        ": somebody else removed what keeps the agent's programs in the kernel when it ends{times}, and it was put back"
                    ),
                    Meddling::Unpinned { is_undone: false } => write!(
                        out,
                        ": somebody else removed what keeps the agent's programs in the kernel when it ends{times}: they end with it"
                    ),
                };
                let _ = write!(out, " [{}]", record.reason);
            }
            Subject::Container => {
                let _ = write!(
                    out,
                    " runs without an allowlist{} [{}]",
                    self.times(),
                    record.reason
                );
            }
        }
        out
    }

    fn who(&self) -> String {
        let workload = self.text(&self.record.workload.to_string().as_str().into());
        match &self.record.container {
            Some(container) => format!("{} ({workload})", container.id.short()),
            None => workload,
        }
    }

    fn ran(&self, out: &mut String, identity: &Identity) {
        let file = match identity.file.as_bytes() {
            [] => "a file without a path".to_owned(),
            _ => self.text(&identity.file),
        };
        out.push_str(match self.record.action {
            Action::Alerted | Action::Ended => " ran ",
            Action::Blocked(Stopped::NotLoaded) => " was kept from loading ",
            Action::Blocked(_) => " was kept from running ",
        });
        let _ = match &identity.role {
            Role::Script(script) => write!(out, "{} with {file}", self.text(&script.path)),
            Role::Applet(name) => write!(out, "{file} as {}", self.text(name)),
            Role::Program => write!(out, "{file}"),
        };
        out.push_str(&self.times());
    }

    fn by(&self, out: &mut String, evidence: &ExecEvidence) {
        let _ = write!(out, "; pid {}, uid {}", evidence.pid, evidence.uid);
        if evidence.euid != evidence.uid {
            let _ = write!(out, ", euid {}", evidence.euid);
        }
        let mut above = evidence.ancestors.iter();
        let parent = above.next().and_then(list::path);
        let parent = self.text(parent.as_ref().unwrap_or(&evidence.parent_comm));
        let _ = write!(out, ", started by {parent} (pid {})", evidence.ppid);
        if let Some(above) = above.next().filter(|one| one.inside).and_then(list::path) {
            let _ = write!(out, " under {}", self.text(&above));
        }
        out.push_str(match evidence.origin {
            Origin::Init => ", as the container's first process",
            Origin::Container => "",
            Origin::Injected => ", put into the container from outside",
        });
    }

    fn nearest(&self, out: &mut String, nearest: &Nearest) {
        let entry = self.text(&nearest.entry);
        let _ = write!(
            out,
            "; nearest entry {entry} differs in {}",
            nearest.differs
        );
    }

    /// ` 57 more times in 1m`, for repeats.
    fn times(&self) -> String {
        let Kind::Repeats { count, first, last } = self.record.kind else {
            return String::new();
        };
        let span = Duration::try_from(last.duration_since(first)).unwrap_or_default();
        let times = if count == 1 { "time" } else { "times" };
        if span.as_secs() == 0 {
            format!(" {count} more {times}")
        } else {
            format!(" {count} more {times} in {}", format_duration(span))
        }
    }

    fn text(&self, text: &Untrusted) -> String {
        ascii(text, self.bound)
    }
}

fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Breakout => "which reaches outside the container's mount namespace",
        Reason::Escaped => "after it left the container's cgroup",
        Reason::Fileless => "which has no name in any directory",
        Reason::Loader => "which loads any program, unseen",
        Reason::Drift => "which was written after the container started",
        Reason::Modified => "whose content is not the one on the allowlist",
        Reason::Unlisted => "which is not on the allowlist",
        Reason::Script => "whose interpreter may run, but not this script",
        Reason::Applet => "which may run, but not as this applet",
        Reason::Parent => "which may run, but not started by this process",
        Reason::User => "which may run, but not as this user",
        Reason::Args => "which may run, but not with these arguments",
        Reason::Unverified => "which may run, as was found when it had been stopped",
        Reason::NoAllowlist => "but the workload has no allowlist",
        Reason::Overflow => "beyond the number that is kept apart",
        Reason::Tampered => "whose rules in the kernel somebody else changed",
    }
}

#[cfg(test)]
mod tests {
    use super::super::beat::tests::beat;
    use super::super::notice::Upgrade;
    use super::super::notice::tests::notice;
    use super::super::record::tests::record;
    use super::super::{Leaver, Record};
    use super::*;
    use crate::model::{CgroupId, Tampering};

    fn check(change: impl FnOnce(&mut Record), expected: &str) {
        let mut record = record();
        change(&mut record);

        assert_eq!(sentence(Message::Record(&record), 256), expected);
    }

    #[test]
    fn a_deviation_reads_well() {
        check(
            |_| {},
            "web (runc/web) ran /tmp/evil, which was written after the container started [drift]; pid 4711, uid 0, started by /bin/sh (pid 4700) under /usr/sbin/nginx",
        );
    }

    #[test]
    fn what_was_stopped_is_told_with_how() {
        for (action, expected) in [
            (
                Action::Blocked(Stopped::Killed),
                "web (runc/web) was kept from running /tmp/evil, which was written after the container started [drift], by SIGKILL; pid 4711, uid 0, started by /bin/sh (pid 4700) under /usr/sbin/nginx",
            ),
            (
                Action::Blocked(Stopped::Refused),
                "web (runc/web) was kept from running /tmp/evil, which was written after the container started [drift], by EPERM; pid 4711, uid 0, started by /bin/sh (pid 4700) under /usr/sbin/nginx",
            ),
            (
                Action::Blocked(Stopped::NotLoaded),
                "web (runc/web) was kept from loading /tmp/evil, which was written after the container started [drift], by EPERM; pid 4711, uid 0, started by /bin/sh (pid 4700) under /usr/sbin/nginx",
            ),
            (
                Action::Ended,
                "web (runc/web) ran /tmp/evil, which was written after the container started [drift], and was ended; pid 4711, uid 0, started by /bin/sh (pid 4700) under /usr/sbin/nginx",
            ),
        ] {
            check(|record| record.action = action, expected);
        }
    }

    #[test]
    fn a_notice_says_what_passed() {
        let mut notice = notice();
        let mut said = |about, by: Option<&str>| {
            notice.about = about;
            notice.by = by.map(Untrusted::from);
            notice.why = by.map(|_| "a \n fix".into());
            sentence(Message::Notice(&notice), 256)
        };
        let until = "2026-01-02T03:34:05Z".parse().expect("a time");

        assert_eq!(
            said(About::Allowed { until }, Some("root")),
            "runc/web may run anything until 2026-01-02T03:34:05Z: nothing of it is reported one by one; decided by root; a \\x0a fix"
        );
        let ended = About::AllowEnded {
            until,
            execs: 57,
            executables: 4096,
            more: true,
        };
        assert_eq!(
            said(ended, None),
            "runc/web is held to its allowlist again: 57 execs of more than 4096 executables were not reported one by one until 2026-01-02T03:34:05Z"
        );
        assert_eq!(
            said(About::SteppedBack { containers: 3 }, None),
            "runc/web is not blocked any more: 3 of its containers ended one after the other, and in each something had been stopped; what deviates is reported, and runs"
        );
        let upgrade = About::Upgrade(Upgrade {
            images: vec!["sha256:1".into()],
            new: ["/a", "/b x", "/c", "/d"].map(Untrusted::from).to_vec(),
            gone: vec!["/e\n".into()],
        });
        assert_eq!(
            said(upgrade, None),
            "runc/web has a new image, which ran 4 beyond what was learned; new: /a, /b x, /c and 1 more; gone: /e\\x0a"
        );
    }

    #[test]
    fn a_canary_says_what_it_came_to() {
        let mut beat = beat();
        let mut said = |told| {
            beat.cause = Cause::Canary(told);
            sentence(Message::Beat(&beat), 256)
        };
        let counts =
            ": 12345 execs seen, 40 of them deviating; 40 records sent here, 2 wait, 0 lost";

        let failed = CanaryTold::failed(CanaryResult::NotSeen, "it was not seen");
        let expected = "execwarden may not see what runs on this node: its canary failed [not-seen], it was not seen";
        assert_eq!(said(failed), format!("{expected}{counts}"));
        let failed = CanaryTold::failed(CanaryResult::NotDelivered, "x takes nothing");
        let expected = "execwarden's alerts may not arrive: its canary failed [not-delivered], x takes nothing";
        assert_eq!(said(failed), format!("{expected}{counts}"));
        let passed = CanaryTold::passed(Duration::from_micros(2100));
        let expected = "execwarden's canary passes again: what it ran was told of after 3 ms";
        assert_eq!(said(passed), format!("{expected}{counts}"));
    }

    #[test]
    fn repeats_say_how_many_and_how_long() {
        let repeats = |count, last: &str| Kind::Repeats {
            count,
            first: "2026-01-02T03:04:05Z".parse().unwrap(),
            last: last.parse().unwrap(),
        };
        check(
            |r| {
                r.kind = repeats(57, "2026-01-02T03:05:04Z");
                forget_evidence(r);
            },
            "web (runc/web) ran /tmp/evil 57 more times in 59s, which was written after the container started [drift]",
        );
        check(
            |r| {
                r.kind = repeats(1, "2026-01-02T03:04:05Z");
                forget_evidence(r);
            },
            "web (runc/web) ran /tmp/evil 1 more time, which was written after the container started [drift]",
        );
    }

    fn forget_evidence(record: &mut Record) {
        if let Subject::Exec { evidence, .. } = &mut record.subject {
            *evidence = None;
        }
    }

    #[test]
    fn a_script_names_its_interpreter_and_the_nearest_entry() {
        check(
            |r| {
                r.reason = Reason::Script;
                r.subject = Subject::Exec {
                    identity: Identity::script("/bin/dash", "/app/ä.sh"),
                    evidence: None,
                    nearest: Some(Nearest {
                        entry: "/app/a.sh".into(),
                        differs: "path",
                    }),
                };
            },
            "web (runc/web) ran /app/\\u{e4}.sh with /bin/dash, whose interpreter may run, but not this script [script]; nearest entry /app/a.sh differs in path",
        );
    }

    fn check_exec(change: impl FnOnce(&mut Identity, &mut ExecEvidence), expected: &str) {
        check(
            |record| {
                if let Subject::Exec {
                    identity,
                    evidence: Some(evidence),
                    ..
                } = &mut record.subject
                {
                    change(identity, evidence);
                }
            },
            &format!("web (runc/web) ran {expected}"),
        );
    }

    #[test]
    fn who_started_it_is_said_as_far_as_it_is_known() {
        const WHY: &str = "which was written after the container started [drift]; pid 4711";
        check_exec(
            |_, evidence| {
                evidence.ancestors.remove(1);
                evidence.origin = Origin::Injected;
            },
            &format!(
                "/tmp/evil, {WHY}, uid 0, started by /bin/sh (pid 4700), put into the container from outside"
            ),
        );
        check_exec(
            |_, evidence| {
                evidence.ancestors.clear();
                evidence.euid = 5;
                evidence.origin = Origin::Init;
            },
            &format!(
                "/tmp/evil, {WHY}, uid 0, euid 5, started by sh (pid 4700), as the container's first process"
            ),
        );
    }

    #[test]
    fn an_applet_is_named() {
        check_exec(
            |identity, evidence| {
                *identity = Identity::applet("/bin/busybox", "wget");
                evidence.ancestors.clear();
            },
            "/bin/busybox as wget, which was written after the container started [drift]; pid 4711, uid 0, started by sh (pid 4700)",
        );
    }

    #[test]
    fn what_is_about_no_single_exec_reads_well() {
        check(
            |r| {
                r.reason = Reason::Escaped;
                r.subject = Subject::Escape(Leaver {
                    pid: 9,
                    uid: 0,
                    comm: "sh".into(),
                    start_ns: 1,
                    to: CgroupId(5),
                });
            },
            "web (runc/web): a process left the container's cgroup for cgroup 5 [escaped]; sh, pid 9, uid 0",
        );
        check(
            |r| {
                r.reason = Reason::Overflow;
                r.subject = Subject::Overflow;
            },
            "web (runc/web) ran more than is kept apart [overflow]",
        );
        check(
            |r| {
                r.reason = Reason::Overflow;
                r.subject = Subject::HeldBack { alerts: 56 };
                r.container = None;
                r.kind = Kind::Repeats {
                    count: 1234,
                    first: r.time,
                    last: r.time,
                };
            },
            "runc/web deviated 1234 more times: that would be 56 alerts, too many to be told one by one [overflow]",
        );
        check(
            |r| {
                r.reason = Reason::Tampered;
                r.subject = Subject::Tampered(Tampering {
                    added: 1,
                    removed: 0,
                    changed: 2,
                });
                r.container = None;
            },
            "runc/web: somebody else changed its rules in the kernel (1 added, 0 removed, 2 changed), and they were put back [tampered]",
        );
        check(
            |r| {
                r.reason = Reason::Tampered;
                r.subject = Subject::Meddled(Meddling::Turned { is_undone: true });
                r.container = None;
            },
            "runc/web: somebody else led execs past the agent's programs, and they are led to them again [tampered]",
        );
        check(
            |r| {
                r.reason = Reason::NoAllowlist;
                r.subject = Subject::Container;
                r.container = None;
            },
            "runc/web runs without an allowlist [no-allowlist]",
        );
    }
}
