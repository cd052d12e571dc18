//! A virtual machine, from power-on to its end.

use super::kernels::Kernel;
use super::tools::Tools;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// What a machine is made of.
pub struct Machine<'a> {
    pub tools: &'a Tools,
    pub kernel: &'a Kernel,
    pub initramfs: &'a Path,
    /// The root; what the guest writes is forgotten.
    pub disk: &'a Path,
    /// Where the kernel's own messages go.
    pub log: PathBuf,
}

/// How a run came to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The tests did, with this exit status.
    Tests(i32),
    /// The machine did, and the tests had not.
    Machine,
    /// Neither: nothing was printed any more, and it was ended from outside.
    Silence,
}

/// The guest's CPUs take turns. On threads of their own, one of them sometimes
/// goes on with an instruction that another has just replaced, and a kernel
/// replaces its own all the time: at tracepoints, at static branches.
const ONE_THREAD: &str = "tcg,thread=single";

/// What the guest says after the tests.
const LAST_WORDS: &str = "guest: the tests ended with ";

impl Machine<'_> {
    /// Boots with these words for the kernel, and hands on every line that the
    /// tests print. A machine that prints none for so long is ended.
    pub fn run(&self, words: &str, silence: Duration, mut line: impl FnMut(&str)) -> Result<End> {
        let mut qemu = self.start(words)?;
        let lines = lines_of(&mut qemu);
        let mut end = End::Machine;
        loop {
            match lines.recv_timeout(silence) {
                Ok(printed) => match printed.strip_prefix(LAST_WORDS) {
                    Some(status) => end = End::Tests(status.trim().parse().unwrap_or(-1)),
                    None => line(&printed),
                },
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    end = End::Silence;
                    break;
                }
            }
        }
        // It has ended, unless it was silent.
        let _ = kill_process(Pid::from_child(&qemu), Signal::KILL);
        qemu.wait().context("cannot wait for QEMU")?;
        Ok(end)
    }

    fn start(&self, words: &str) -> Result<Child> {
        let mut qemu = self.tools.command("qemu-system-x86_64");
        for folder in self.tools.firmware() {
            qemu.arg("-L").arg(folder);
        }
        let mut drive = std::ffi::OsString::from("format=raw,if=virtio,snapshot=on,file=");
        drive.push(self.disk);
        let mut log = std::ffi::OsString::from("file:");
        log.push(&self.log);
        qemu.args([
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
        ])
        .args(["-machine", "pc", "-cpu", "max", "-smp", "2", "-m", "3G"])
        .args(["-accel", ONE_THREAD])
        .arg("-serial")
        .arg(log)
        .args(["-serial", "stdio"])
        .arg("-drive")
        .arg(drive)
        .arg("-kernel")
        .arg(&self.kernel.image)
        .arg("-initrd")
        .arg(self.initramfs)
        .arg("-append")
        .arg(format!("console=ttyS0 panic=-1 {words}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start QEMU")
    }
}

/// Lines as they come; a reader of its own, because a deadline cannot be put
/// on a pipe.
fn lines_of(qemu: &mut Child) -> Receiver<String> {
    let output = qemu.stdout.take().expect("it was piped above");
    let (sender, receiver): (Sender<String>, _) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if sender.send(line.trim_end_matches('\r').to_owned()).is_err() {
                break;
            }
        }
    });
    receiver
}
