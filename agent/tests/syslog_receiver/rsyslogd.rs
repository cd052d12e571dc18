//! rsyslogd, which parses structured data with `mmpstrucdata`.

use crate::server::{Server, folder_with, free_ports};
use crate::{check, records, start, wait_until_sent};
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = "/usr/sbin/rsyslogd";

struct Rsyslogd {
    server: Server,
    /// UDP and TCP.
    port: u16,
}

impl Rsyslogd {
    /// Starts it and waits until it listens; `None` where it is not installed.
    fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            return None;
        }
        let [port] = free_ports();
        let dir = folder_with("rsyslog.conf", |dir| configuration(dir, port));
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", PROGRAM, "-n", "-f"])
            .arg(dir.path().join("rsyslog.conf"))
            .arg("-i")
            .arg(dir.path().join("pid"));
        let mut server = Server::start(dir, &mut command);
        server.wait_until_it_listens(&[OURS, STOCK], port, &[port]);
        Some(Self { server, port })
    }
}

fn with_rsyslogd(test: impl AsyncFnOnce(&mut Rsyslogd)) {
    crate::with("rsyslogd", Rsyslogd::start(), test);
}

/// The socket that is set up as docs/ALERTS.md says.
const OURS: &str = "ours.sock";
/// The socket that is set up as a stock `/dev/log`.
const STOCK: &str = "stock.sock";

/// `fields` are the structured data as rsyslogd's own parser reads them; it takes
/// the names of parameters in small letters.
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
    let sequence = text("$!rfc5424-sd!meta!sequenceid", "sequence");
    format!(
        r#"
global(workDirectory="{dir}")
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
module(load="imtcp")
module(load="mmpstrucdata")
template(name="line" type="list") {{
  constant(value="{{") {properties} {sequence}
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
input(type="imuxsock" Socket="{dir}/{OURS}" ruleset="parsed"
      UseSpecialParser="off" IgnoreTimestamp="off" UseSysTimeStamp="off")
input(type="imuxsock" Socket="{dir}/{STOCK}" ruleset="stock")
input(type="imudp" address="127.0.0.1" port="{port}" ruleset="parsed")
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="parsed")
"#
    )
}

#[test]
fn b31_every_record_arrives_once_through_a_unix_socket() {
    with_rsyslogd(async |rsyslogd| {
        let url = format!("unix:{}", rsyslogd.server.path(OURS).display());
        check(&mut rsyslogd.server, &url, "imuxsock").await;
    });
}

#[test]
fn b31_every_record_arrives_once_over_udp() {
    with_rsyslogd(async |rsyslogd| {
        let url = format!("udp://127.0.0.1:{}", rsyslogd.port);
        check(&mut rsyslogd.server, &url, "imudp").await;
    });
}

#[test]
fn b31_every_record_arrives_once_over_tcp() {
    with_rsyslogd(async |rsyslogd| {
        let url = format!("tcp://127.0.0.1:{}", rsyslogd.port);
        check(&mut rsyslogd.server, &url, "imtcp").await;
    });
}

#[test]
fn b31_every_record_arrives_once_as_a_line_over_tcp() {
    with_rsyslogd(async |rsyslogd| {
        let url = format!("tcp://127.0.0.1:{}#framing=newline", rsyslogd.port);
        check(&mut rsyslogd.server, &url, "imtcp").await;
    });
}

/// What docs/ALERTS.md says of `/dev/log` as Debian sets it up.
#[test]
fn a_stock_log_socket_keeps_the_record_whole_but_unparsed() {
    with_rsyslogd(async |rsyslogd| {
        let server = &mut rsyslogd.server;
        let sinks = start(&format!("unix:{}", server.path(STOCK).display()));

        sinks.send(&records::record(1, b"/tmp/\nevil"));
        wait_until_sent(&sinks, 1).await;

        let messages = server.messages(1);
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0]["pri"], "83");
        assert_eq!(messages[0]["app"], "1");
        assert_eq!(messages[0]["sd"], "-");
        let text = messages[0]["msg"].as_str().expect("is text");
        assert!(text.contains(r#" path="/tmp/\\x0aevil" "#), "{text}");
    });
}
