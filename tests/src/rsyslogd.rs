//! A real rsyslogd that writes down what it received, field by field.

mod network;

pub use network::{Tls, has_tls};

use crate::places;
use crate::until;
use anyhow::{Context, Result};
use network::Network;
use serde::Deserialize;
use serde_json::Value;
use std::cell::RefCell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// One syslog message as rsyslogd understood it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Record {
    /// Facility, by name.
    pub facility: String,
    /// Severity, by name.
    pub severity: String,
    /// The sender's own time, as it was sent.
    pub timestamp: String,
    /// HOSTNAME.
    pub hostname: String,
    /// APP-NAME.
    pub app_name: String,
    /// PROCID.
    pub procid: String,
    /// MSGID.
    pub msgid: String,
    /// STRUCTURED-DATA as it was sent.
    pub structured_data: String,
    /// STRUCTURED-DATA as rsyslogd's own parser read it: SD-ID, then
    /// parameter. Null if there was none.
    pub parsed: Value,
    /// MSG.
    pub message: String,
    /// Everything, as it was sent.
    pub raw: String,
}

impl Record {
    /// A parameter of an element of structured data, without its escapes.
    pub fn parameter(&self, element: &str, name: &str) -> Option<&str> {
        self.parsed.get(element)?.get(name)?.as_str()
    }
}

/// A receiver on a unix socket of its own; ended when dropped.
#[derive(Debug)]
pub struct Rsyslogd {
    process: RefCell<Child>,
    folder: TempDir,
    network: Option<Network>,
}

impl Rsyslogd {
    /// Starts one and waits until it listens. It touches nothing of the
    /// machine's own rsyslogd.
    pub fn start() -> Result<Self> {
        Self::listening(None)
    }

    /// One that listens on a port of the loopback too, by UDP and TCP.
    pub fn start_with_network() -> Result<Self> {
        Self::listening(Some(Network::new(None)?))
    }

    /// One that listens on a port of the loopback too, by TLS.
    pub fn start_with_tls(tls: Tls) -> Result<Self> {
        Self::listening(Some(Network::new(Some(tls))?))
    }

    fn listening(network: Option<Network>) -> Result<Self> {
        let folder = places::folder("rsyslog")?;
        let process = launch(folder.path(), network.as_ref())?;
        let receiver = Self {
            process: RefCell::new(process),
            folder,
            network,
        };
        receiver.wait_until_it_listens()?;
        Ok(receiver)
    }

    /// Ends it, and takes its socket away. What it has received stays.
    pub fn go_away(&self) -> Result<()> {
        let mut process = self.process.borrow_mut();
        process.kill().context("cannot end rsyslogd")?;
        process.wait().context("cannot wait for rsyslogd")?;
        for file in [SOCKET, PID] {
            fs::remove_file(self.folder.path().join(file))
                .with_context(|| format!("cannot remove rsyslogd's {file}"))?;
        }
        Ok(())
    }

    /// Starts it again after [`Rsyslogd::go_away`], on the same socket.
    pub fn come_back(&self) -> Result<()> {
        *self.process.borrow_mut() = launch(self.folder.path(), self.network.as_ref())?;
        self.wait_until_it_listens()
    }

    /// Its port on the loopback, as the agent's flag has it: `udp`, `tcp` or `tls`.
    pub fn network_url(&self, protocol: &str) -> Result<String> {
        let network = self.network.as_ref();
        let network = network.context("it was started without a network")?;
        Ok(network.url(protocol))
    }

    /// The socket it listens on: datagrams.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// The same as the agent's flag has it.
    pub fn url(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// The file that it writes to: a JSON object a line.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join(RECORDS)
    }

    /// What it has written so far, in the order it came.
    pub fn records(&self) -> Result<Vec<Record>> {
        let file = self.file();
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        // A line without its end is still being written.
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| {
                serde_json::from_str(line)
                    .with_context(|| format!("rsyslogd wrote a line that is no record: {line}"))
            })
            .collect()
    }

    /// Waits until the records satisfy a condition, and gives them.
    pub fn wait_for(
        &self,
        what: &str,
        deadline: Duration,
        mut enough: impl FnMut(&[Record]) -> bool,
    ) -> Result<Vec<Record>> {
        let waited = until(what, deadline, || {
            let records = self.records()?;
            Ok(enough(&records).then_some(records))
        });
        waited.with_context(|| {
            let seen: Vec<_> = self.records().unwrap_or_default();
            let seen: Vec<_> = seen.iter().map(|record| record.message.trim()).collect();
            format!("rsyslogd has {} records: {seen:#?}", seen.len())
        })
    }

    fn wait_until_it_listens(&self) -> Result<()> {
        let (socket, errors) = (self.socket(), self.folder.path().join(ERRORS));
        let network = self.network.as_ref();
        until("rsyslogd to listen", crate::container::PATIENCE, || {
            if let Some(status) = self.process.borrow_mut().try_wait()? {
                anyhow::bail!("rsyslogd ended ({status})");
            }
            Ok((socket.exists() && network.is_none_or(Network::is_open)).then_some(()))
        })
        .with_context(|| fs::read_to_string(errors).unwrap_or_default())
    }
}

impl Drop for Rsyslogd {
    fn drop(&mut self) {
        // It has nothing that a clean end would save: records are written as
        // they come.
        let process = self.process.get_mut();
        let _ = process.kill();
        let _ = process.wait();
    }
}

const SOCKET: &str = "log";
const PID: &str = "pid";
const RECORDS: &str = "records.jsonl";
const ERRORS: &str = "errors.log";

fn launch(folder: &Path, network: Option<&Network>) -> Result<Child> {
    let program = crate::find_program("rsyslogd")
        .context("rsyslogd is not installed; run cargo xtask setup")?;
    let config = folder.join("rsyslog.conf");
    fs::write(&config, configuration(folder, network))
        .with_context(|| format!("cannot write {}", config.display()))?;
    let errors = File::create(folder.join(ERRORS)).context("cannot make a file")?;
    places::dying_with_us(&program)
        .arg("-n")
        .arg("-f")
        .arg(&config)
        .arg("-i")
        .arg(folder.join(PID))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .context("cannot start rsyslogd")
}

/// The socket's own parser reads the old form only; the ordinary parsers, which
/// `UseSpecialParser="off"` asks for, know RFC 5424. No rate limit, and the
/// sender's time instead of the socket's.
fn configuration(folder: &Path, network: Option<&Network>) -> String {
    let folder = folder.display();
    let fields = [
        ("facility", "syslogfacility-text"),
        ("severity", "syslogseverity-text"),
        ("hostname", "hostname"),
        ("app_name", "app-name"),
        ("procid", "procid"),
        ("msgid", "msgid"),
        ("structured_data", "structured-data"),
        ("message", "msg"),
        ("raw", "rawmsg"),
    ]
    .map(|(name, property)| {
        format!("  property(name=\"{property}\" outname=\"{name}\" format=\"jsonf\") constant(value=\",\")\n")
    })
    .concat();
    let network = network.map(|network| network.configuration("received"));
    let network = network.unwrap_or_default();
    format!(
        r#"global(workDirectory="{folder}" maxMessageSize="256k" parser.escapeControlCharactersOnReceive="off")
module(load="imuxsock" SysSock.Use="off")
module(load="mmpstrucdata")
template(name="record" type="list") {{
  constant(value="{{")
{fields}  property(name="timestamp" outname="timestamp" dateFormat="rfc3339" format="jsonf")
  constant(value=",\"parsed\":") property(name="$.parsed") constant(value="}}\n")
}}
ruleset(name="received") {{
  action(type="mmpstrucdata" jsonRoot="$." sd_name.lowercase="off")
  if $.rfc5424-sd != "" then {{ set $.parsed = $.rfc5424-sd; }} else {{ set $.parsed = "null"; }}
  action(type="omfile" file="{folder}/{RECORDS}" template="record")
}}
input(type="imuxsock" socket="{folder}/{SOCKET}" useSpecialParser="off" parseHostname="on"
      useSysTimeStamp="off" ignoreTimestamp="off" rateLimit.interval="0" ruleset="received")
{network}"#
    )
}
