//! What the kernel sees of a container, without a runtime whose own execs
//! would have to be told from the test's: a cgroup, a mount namespace, and a
//! shell in both that was executed outside of them.

use agent_common::wire::SLOT_PENDING;
use anyhow::{Context, Result, bail, ensure};
use execwarden::model::{CgroupId, Slot};
use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::rc::Rc;
use testbed::{Cgroup, Rootfs, node};

/// Ends what a line of the shell prints.
const MARK: &str = "--- status ";
/// The status of what died by SIGKILL.
const KILLED: &str = "137";
/// The status that a shell has for what it could not execute.
const REFUSED: &str = "126";

/// Where a container stands.
#[derive(Default)]
pub struct Place<'a> {
    /// Its root; without one, the node's.
    pub root: Option<&'a Rootfs>,
    /// Stays in the host's mount namespace.
    pub host_namespace: bool,
    /// A shell's line that prepares its mounts, before it joins its cgroup.
    pub before: &'a str,
    /// A file it has open as descriptor 7, through a mount of the host's.
    pub host_file: Option<&'a Path>,
}

/// A container; its processes end when it is dropped.
pub struct Container {
    shell: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    id: CgroupId,
    slot: Slot,
    execs: Rc<Cell<u64>>,
    cgroup: Cgroup,
}

impl Container {
    pub(super) fn begin(cgroup: Cgroup, place: &Place) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        if place.host_namespace || place.host_file.is_some() {
            command = Command::new("nsenter");
            command.arg(format!("--mount={}", host_namespace()?));
            command.arg("/bin/sh");
        }
        let namespace = if place.host_namespace {
            ""
        } else {
            "unshare --mount --propagation private --"
        };
        let mut shell = command
            .arg("-c")
            .arg(format!(
                "[ -z \"$2\" ] || exec 7<\"$2\"; exec {namespace} /bin/sh -c \"$1\" sh \"$3\" \"$4\" \"$5\""
            ))
            .arg("sh")
            .arg(INSIDE)
            .arg(place.host_file.unwrap_or(Path::new("")))
            .arg(place.root.map(Rootfs::path).unwrap_or_default())
            .arg(place.before)
            .arg(MARK)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a shell")?;
        let to = shell.stdin.take();
        let from = shell.stdout.take().context("the shell has no output")?;
        let mut container = Self {
            shell,
            to,
            from: BufReader::new(from),
            id: CgroupId(cgroup.id()?),
            slot: Slot(SLOT_PENDING),
            execs: Rc::default(),
            cgroup,
        };
        container.line(":")?;
        let pid = container.shell.id().to_string();
        fs::write(container.cgroup.path().join("cgroup.procs"), pid)
            .context("cannot move the shell to its cgroup")?;
        Ok(container)
    }

    /// Its cgroup's id.
    pub fn id(&self) -> CgroupId {
        self.id
    }

    /// The slot its execs are counted under.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    pub(super) fn set_slot(&mut self, slot: Slot) {
        self.slot = slot;
    }

    pub(super) fn execs(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.execs)
    }

    /// Its cgroup.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// The id of its shell, the parent of all that it runs.
    pub fn pid(&self) -> u32 {
        self.shell.id()
    }

    /// Runs a program to its good end; one exec.
    pub fn exec<S: AsRef<str>>(&mut self, command: &[S]) -> Result<String> {
        let words: Vec<String> = command.iter().map(|word| quoted(word.as_ref())).collect();
        self.sh(&words.join(" "), 1)
    }

    /// Runs a line of the shell to its good end; it makes `execs` execs that
    /// succeed.
    pub fn sh(&mut self, line: &str, execs: u64) -> Result<String> {
        let (status, printed) = self.line(line)?;
        ensure!(
            status == "0",
            "`{line:.300}` ended with {status}: {printed:.300}"
        );
        self.execs.set(self.execs.get() + execs);
        Ok(printed)
    }

    /// So many more execs were made than their lines were taken for.
    pub fn count(&self, execs: u64) {
        self.execs.set(self.execs.get() + execs);
    }

    /// Runs a line of the shell in which one exec is stopped, in either way.
    pub fn stopped(&mut self, line: &str) -> Result<()> {
        let may_be_refused = node::asks_before_execs();
        self.ends(line, |status| {
            status == KILLED || (may_be_refused && status != "0")
        })?;
        Ok(())
    }

    /// Runs a line that is one exec, which dies.
    pub fn killed(&mut self, line: &str) -> Result<()> {
        self.ends(line, |status| status == KILLED)?;
        Ok(())
    }

    /// Runs a line that is one exec, which is refused where the kernel asks before,
    /// and else dies; what is printed.
    pub fn refused(&mut self, line: &str) -> Result<String> {
        let expected = match node::asks_before_execs() {
            true => REFUSED,
            false => KILLED,
        };
        self.ends(line, |status| status == expected)
    }

    fn ends(&mut self, line: &str, is_right: impl FnOnce(&str) -> bool) -> Result<String> {
        let (status, printed) = self.line(line)?;
        ensure!(
            is_right(&status),
            "`{line:.300}` was not stopped as it should but ended with {status}: {printed:.300}"
        );
        self.execs.set(self.execs.get() + 1);
        Ok(printed)
    }

    /// Runs a program in it to its good end, by a hand from outside as a
    /// runtime's is; one exec.
    pub fn exec_from_outside(&mut self, program: &str) -> Result<()> {
        let status = self.outside(&["unshare", "--mount", "--propagation", "private"], program)?;
        ensure!(status.success(), "`{program}` ended with {status}");
        Ok(())
    }

    /// Runs a program in its cgroup that stands in the mount namespace of its
    /// parent, which is outside, as a runtime's stage does; one exec.
    pub fn exec_as_stage(&mut self, program: &str) -> Result<()> {
        let status = self.outside(&["env"], program)?;
        ensure!(status.success(), "`{program}` ended with {status}");
        Ok(())
    }

    /// A hand from outside whose exec is stopped.
    pub fn stopped_from_outside(&mut self, program: &str) -> Result<()> {
        let status = self.outside(&["unshare", "--mount", "--propagation", "private"], program)?;
        ensure!(
            status.signal() == Some(9),
            "`{program}` ended with {status}"
        );
        Ok(())
    }

    fn outside(&mut self, before: &[&str], program: &str) -> Result<ExitStatus> {
        let (command, arguments) = before.split_first().context("a command")?;
        let status = Command::new(command)
            .args(arguments)
            .args(["/bin/sh", "-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(self.cgroup.path().join("cgroup.procs"))
            .arg(program)
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("cannot start {command}"))?;
        self.execs.set(self.execs.get() + 1);
        Ok(status)
    }

    /// Ends its processes, wherever its shell has gone.
    pub fn end(&mut self) {
        drop(self.to.take());
        testbed::cgroup::kill(self.cgroup.path());
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }

    fn line(&mut self, line: &str) -> Result<(String, String)> {
        let to = self.to.as_mut().context("the shell has ended")?;
        writeln!(to, "{line}").context("the shell does not listen")?;
        let mut printed = Vec::new();
        loop {
            let begun = printed.len();
            if self.from.read_until(b'\n', &mut printed)? == 0 {
                bail!(
                    "the shell ended at `{line}`: {}",
                    String::from_utf8_lossy(&printed)
                );
            }
            if let Some(status) = printed[begun..].strip_prefix(MARK.as_bytes()) {
                let status = String::from_utf8_lossy(status).trim().to_owned();
                printed.truncate(begun);
                let text = String::from_utf8_lossy(&printed).trim_end().to_owned();
                return Ok((status, text));
            }
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.end();
    }
}

/// $1: a root or nothing. $2: a line that prepares it. $3: what a status
/// follows. Then it runs the lines it reads, each without the shell's own input.
const INSIDE: &str = r#"
exec 8</dev/null
if [ -n "$1" ]; then
    cd "$1" && mkdir .old && pivot_root . .old && cd / && umount -l /.old && rmdir /.old || exit
fi
eval "$2" || exit
while read -r line; do
    eval "{ $line
    } <&8 2>&1"
    status=$?
    echo
    echo "$3$status"
done
"#;

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The host's mount namespace: that of pid 1, or where it may not be looked at,
/// of the kernel's own threads.
fn host_namespace() -> Result<&'static str> {
    ["/proc/1/ns/mnt", "/proc/2/ns/mnt"]
        .into_iter()
        .find(|path| fs::metadata(path).is_ok())
        .context("the host's mount namespace cannot be looked at")
}
