//! A syslog server of one's own: in a temporary folder, on the loopback, with
//! every message as one line of JSON.

use serde_json::Value;
use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What every wait ends after.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server's process; it ends when this is dropped.
pub struct Server {
    child: Child,
    dir: TempDir,
}

impl Server {
    /// Starts it in a folder, in which it writes to `out`.
    pub fn start(dir: TempDir, command: &mut Command) -> Self {
        let errors = fs::File::create(dir.path().join("stderr")).expect("a file for its errors");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("the server starts");
        Self { child, dir }
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits for the `count`th message and gives all there are.
    pub fn messages(&mut self, count: usize) -> Vec<Value> {
        let mut found = Vec::new();
        let out = self.path("out");
        self.wait_for(&format!("{count} messages"), || {
            let text = fs::read(&out).unwrap_or_default();
            let text = std::str::from_utf8(&text).expect("it writes UTF-8");
            // The last line may be half written.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            found = whole.lines().map(str::to_owned).collect();
            found.len() >= count
        });
        found
            .iter()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }

    /// Waits until it listens at sockets in its folder and ports of the loopback.
    pub fn wait_until_it_listens(&mut self, sockets: &[&str], udp: u16, tcp: &[u16]) {
        let sockets: Vec<_> = sockets.iter().map(|name| self.path(name)).collect();
        self.wait_for("it to listen", || {
            let bound = fs::read_to_string("/proc/net/udp").unwrap_or_default();
            sockets.iter().all(|socket| socket.exists())
                && bound.contains(&format!(":{udp:04X} "))
                && { tcp.iter() }.all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        });
    }

    fn wait_for(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + DEADLINE;
        while !holds() {
            let ended = self.child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "it ended: {}", self.errors());
            assert!(
                Instant::now() < end,
                "waited {DEADLINE:?} for {what}; it says: {}",
                self.errors()
            );
            sleep(Duration::from_millis(10));
        }
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to end then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ports that are free for UDP and TCP alike. Another process may take one before
/// the server does: rsyslogd's UDP input cannot choose one itself.
pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let held = [(); COUNT].map(|()| free_port());
    held.map(|(tcp, _)| tcp.local_addr().expect("its address").port())
}

fn free_port() -> (TcpListener, UdpSocket) {
    let end = Instant::now() + DEADLINE;
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("its address")) {
            return (tcp, udp);
        }
        assert!(Instant::now() < end, "no port is free for UDP and TCP");
    }
}

/// A temporary folder with this file in it.
pub fn folder_with(name: &str, text: impl FnOnce(&Path) -> String) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join(name), text(dir.path())).expect("the configuration");
    dir
}
