//! What intruders do in the demo, and what must be reported of it.

use super::ELEMENT;
use super::stage::{self, Stage};
use anyhow::Result;
use testbed::{Container, Record};

/// One thing that should not happen.
pub struct Intrusion<'a> {
    /// What it is, for the person who watches.
    pub story: &'static str,
    /// The records that it must leave.
    pub traces: Vec<Trace>,
    container: &'a Container,
    args: Vec<&'static str>,
}

impl Intrusion<'_> {
    /// Does it.
    pub fn commit(&self) -> Result<()> {
        stage::exec(self.container, &self.args)
    }
}

/// One expected record.
pub struct Trace {
    container: String,
    reason: &'static str,
    /// In the path, or for a script in its name. A file without a name has a
    /// path of the kernel's making, of which only a part is known.
    names: &'static str,
}

impl Trace {
    /// Whether the record is the one.
    pub fn fits(&self, record: &Record) -> bool {
        let field = |name| record.parameter(ELEMENT, name);
        field("container") == Some(self.container.as_str())
            && field("reason") == Some(self.reason)
            && field("script")
                .or(field("path"))
                .is_some_and(|path| path.contains(self.names))
    }

    /// Whether the record is among these.
    pub fn is_in(&self, records: &[Record]) -> bool {
        records.iter().any(|record| self.fits(record))
    }
}

/// All of them, in the order in which they are shown. No container runs the
/// same file twice: each is a record of its own.
pub fn all(stage: &Stage) -> Vec<Intrusion<'_>> {
    let (first, second) = (&stage.first, &stage.second);
    vec![
        intrusion(
            "A program of the image that the workload never used",
            first,
            &["/usr/bin/scanner"],
            &[("unlisted", "/usr/bin/scanner")],
        ),
        intrusion(
            "A program that was copied in after the start",
            first,
            &[
                "sh",
                "-c",
                "cp /usr/bin/scanner /tmp/dropped && /tmp/dropped",
            ],
            // busybox was listed as sleep, and is a shell now.
            &[("applet", "/bin/busybox"), ("drift", "/tmp/dropped")],
        ),
        intrusion(
            "A script of the image, run by the shell that may run",
            first,
            &["/app/backdoor.sh"],
            &[("script", "/app/backdoor.sh")],
        ),
        intrusion(
            "A program in memory that calls itself nginx",
            first,
            &[
                "/opt/attack/memfd",
                "nginx",
                "/usr/bin/scanner",
                "/usr/sbin/nginx",
            ],
            &[
                ("unlisted", "/opt/attack/memfd"),
                ("fileless", "memfd:nginx"),
            ],
        ),
        intrusion(
            "The unused program again, under the worker's name, in the other replica",
            second,
            &[
                "/opt/attack/argv0",
                "descriptor",
                "/app/worker",
                "/usr/bin/scanner",
            ],
            &[
                ("unlisted", "/opt/attack/argv0"),
                ("unlisted", "/usr/bin/scanner"),
            ],
        ),
        intrusion(
            "A program that may run, replaced by another",
            second,
            &[
                "sh",
                "-c",
                "cp /usr/bin/scanner /app/.new && mv /app/.new /app/migrate && /app/migrate",
            ],
            &[("applet", "/bin/busybox"), ("drift", "/app/migrate")],
        ),
    ]
}

fn intrusion<'a>(
    story: &'static str,
    container: &'a Container,
    args: &[&'static str],
    traces: &[(&'static str, &'static str)],
) -> Intrusion<'a> {
    Intrusion {
        story,
        container,
        args: args.to_vec(),
        traces: traces
            .iter()
            .map(|&(reason, names)| Trace {
                container: container.id().to_owned(),
                reason,
                names,
            })
            .collect(),
    }
}
