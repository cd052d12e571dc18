//! What systemd is told where it asks (`Type=notify`, `WatchdogSec=`).

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;
use testbed::agent::{Home, binary};
use testbed::until;

const DEADLINE: Duration = Duration::from_secs(20);

pub fn systemd_hears_ready_alive_and_stopping() -> Result<()> {
    let home = Home::new()?;
    let folder = tempfile::tempdir()?;
    let socket = UnixDatagram::bind(folder.path().join("notify"))?;
    socket.set_nonblocking(true)?;
    let mut agent = Command::new(binary()?)
        .args([
            "run",
            "--log-level",
            "error",
            "--syslog",
            "udp://127.0.0.1:9",
            "--pins",
            "off",
        ])
        .arg("--state")
        .arg(home.state())
        .arg("--allowlists")
        .arg(home.allowlists())
        .arg("--control")
        .arg(home.control())
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .env("WATCHDOG_USEC", "200000")
        .spawn()?;
    let pid = Pid::from_child(&agent);

    let heard = listen(&socket, "WATCHDOG=1", 3);
    kill_process(pid, Signal::TERM)?;
    let status = agent.wait()?;
    let last = listen(&socket, "STOPPING=1", 1);

    let heard = heard?;
    ensure!(
        heard.first().is_some_and(|first| first == "READY=1"),
        "{heard:?}"
    );
    last?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// What was said until `word` was said so many `times`.
fn listen(socket: &UnixDatagram, word: &str, times: usize) -> Result<Vec<String>> {
    let mut heard = Vec::new();
    until(word, DEADLINE, || {
        let mut room = [0; 256];
        while let Ok(length) = socket.recv(&mut room) {
            let text = std::str::from_utf8(&room[..length]).context("no UTF-8")?;
            heard.push(text.trim_end().to_owned());
        }
        let said = heard.iter().filter(|said| *said == word).count();
        Ok((said >= times).then_some(()))
    })?;
    Ok(heard)
}
