//! A real rsyslogd of one's own: in a temporary folder, on the loopback, with
//! every message as one line of JSON.

use serde_json::Value;
use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = "/usr/sbin/rsyslogd";
/// What every wait ends after.
const DEADLINE: Duration = Duration::from_secs(20);

/// A running rsyslogd; it ends when this is dropped.
pub struct Rsyslogd {
    child: Child,
    dir: TempDir,
    /// For `udp://127.0.0.1:PORT` and `tcp://127.0.0.1:PORT`.
    pub port: u16,
}

impl Rsyslogd {
    /// Starts it and waits until it listens; `None` where it is not installed.
    pub fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            return None;
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let config = dir.path().join("rsyslog.conf");
        fs::write(&config, configuration(dir.path(), port)).expect("the configuration");
        let child = Command::new(PROGRAM)
            .arg("-n")
            .arg("-f")
            .arg(&config)
            .arg("-i")
            .arg(dir.path().join("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.path().join("stderr")).expect("a file for its errors"))
            .spawn()
            .expect("rsyslogd starts");
        let mut server = Self { child, dir, port };
        server.wait_until_it_listens();
        Some(server)
    }

    /// The socket that is set up as docs/ALERTS.md says.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("ours.sock")
    }

    /// The socket that is set up as a stock `/dev/log`.
    pub fn stock_socket(&self) -> PathBuf {
        self.dir.path().join("stock.sock")
    }

    /// Waits for the `count`th message and gives all there are.
    pub fn messages(&mut self, count: usize) -> Vec<Value> {
        let mut found = Vec::new();
        self.wait_for(&format!("{count} messages"), |dir| {
            let text = fs::read(dir.join("out")).unwrap_or_default();
            let text = std::str::from_utf8(&text).expect("rsyslogd writes UTF-8");
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

    fn wait_until_it_listens(&mut self) {
        let port = self.port;
        self.wait_for("it to listen", |dir| {
            let udp = fs::read_to_string("/proc/net/udp").unwrap_or_default();
            dir.join("ours.sock").exists()
                && dir.join("stock.sock").exists()
                && udp.contains(&format!(":{port:04X} "))
                && TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
    }

    fn wait_for(&mut self, what: &str, mut holds: impl FnMut(&Path) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !holds(self.dir.path()) {
            let ended = self.child.try_wait().expect("rsyslogd is our child");
            let errors = || fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default();
            assert!(ended.is_none(), "rsyslogd ended: {}", errors());
            assert!(
                Instant::now() < end,
                "waited {DEADLINE:?} for {what}; rsyslogd says: {}",
                errors()
            );
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Rsyslogd {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to end then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free for UDP and TCP alike. Another process may take it
/// before rsyslogd does: rsyslogd's UDP input cannot choose one itself.
fn free_port() -> u16 {
    let end = Instant::now() + DEADLINE;
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = tcp.local_addr().expect("its address").port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
        assert!(Instant::now() < end, "no port is free for UDP and TCP");
    }
}

/// `fields` are the structured data as rsyslogd's own parser reads them.
fn configuration(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    let text = |name: &str, out: &str| {
        format!(r#"property(name="{name}" outname="{out}" format="jsonf") constant(value=",") "#)
    };
    let properties: String = [
        ("inputname", "input"),
        ("pri", "pri"),
        ("hostname", "hostname"),
        ("app-name", "app"),
        ("procid", "procid"),
        ("msgid", "msgid"),
        ("structured-data", "sd"),
        ("msg", "msg"),
    ]
    .into_iter()
    .map(|(name, out)| text(name, out))
    .collect();
    format!(
        r#"
global(workDirectory="{dir}")
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
module(load="imtcp")
module(load="mmpstrucdata")
template(name="line" type="list") {{
  constant(value="{{") {properties}
  property(name="timereported" outname="time" dateFormat="rfc3339" format="jsonf")
  constant(value=",\"fields\":") property(name="$!rfc5424-sd!execwarden@32473")
  constant(value="}}\n")
}}
template(name="stock" type="list") {{
  constant(value="{{") {properties} constant(value="\"fields\":null}}\n")
}}
ruleset(name="parsed") {{
  action(type="mmpstrucdata")
  action(type="omfile" file="{dir}/out" template="line")
}}
ruleset(name="stock") {{ action(type="omfile" file="{dir}/out" template="stock") }}
input(type="imuxsock" Socket="{dir}/ours.sock" ruleset="parsed"
      UseSpecialParser="off" IgnoreTimestamp="off" UseSysTimeStamp="off")
input(type="imuxsock" Socket="{dir}/stock.sock" ruleset="stock")
input(type="imudp" address="127.0.0.1" port="{port}" ruleset="parsed")
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="parsed")
"#
    )
}
