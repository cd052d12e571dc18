//! syslog-ng, which has a parser of its own for the whole message, another for
//! each framing, and a formatter of JSON.
//!
//! It tells all of our fields as RFC 5424 has them, empty values too. Names with dots
//! would become objects within objects in its JSON; none of ours has one. It has the
//! time with `+00:00` in place of `Z`.

use crate::check;
use crate::server::{Server, folder_with, free_ports};
use std::path::Path;

struct SyslogNg {
    server: Server,
    /// UDP, and TCP with the length before each message.
    port: u16,
    /// TCP with a line for each message.
    lines: u16,
}

impl SyslogNg {
    /// Starts it and waits until it listens; `None` where there is none.
    fn start() -> Option<Self> {
        let mut command = testbed::syslog_ng::command()?;
        let [port, lines] = free_ports();
        let dir = folder_with("syslog-ng.conf", |dir| configuration(dir, port, lines));
        command.args(["--foreground", "--no-caps", "--stderr"]);
        for (option, file) in [
            ("--cfgfile", "syslog-ng.conf"),
            ("--persist-file", "persist"),
            ("--pidfile", "pid"),
            ("--control", "control"),
        ] {
            command.arg(option).arg(dir.path().join(file));
        }
        let mut server = Server::start(dir, &mut command);
        server.wait_until_it_listens(&[DATAGRAMS, STREAM], port, &[port, lines]);
        Some(Self {
            server,
            port,
            lines,
        })
    }
}

fn with_syslog_ng(test: impl AsyncFnOnce(&mut SyslogNg)) {
    crate::with("syslog-ng", SyslogNg::start(), test);
}

const DATAGRAMS: &str = "datagrams.sock";
const STREAM: &str = "stream.sock";

/// `fields` are the structured data as syslog-ng's own parser reads them.
fn configuration(dir: &Path, port: u16, lines: u16) -> String {
    let dir = dir.display();
    let version = testbed::syslog_ng::VERSION;
    let pairs: String = [
        ("input", "$SOURCE"),
        ("pri", "$PRI"),
        ("hostname", "$HOST"),
        ("app", "$PROGRAM"),
        ("procid", "$PID"),
        ("msgid", "$MSGID"),
        ("msg", "$MSG"),
        ("time", "$ISODATE"),
        ("sequence", "${.SDATA.meta.sequenceId}"),
    ]
    .into_iter()
    .map(|(name, value)| format!("--pair {name}={value} "))
    .collect();
    format!(
        r#"@version: {version}
options {{ keep-hostname(yes); chain-hostnames(no); time-zone("UTC"); frac-digits(6); }};
source datagrams {{ unix-dgram("{dir}/{DATAGRAMS}" flags(syslog-protocol)); }};
source stream {{ unix-stream("{dir}/{STREAM}" flags(syslog-protocol)); }};
source udp {{ syslog(ip("127.0.0.1") port({port}) transport("udp")); }};
source tcp {{ syslog(ip("127.0.0.1") port({port}) transport("tcp")); }};
source lines {{
  network(ip("127.0.0.1") port({lines}) transport("tcp") flags(syslog-protocol));
}};
destination out {{
  file("{dir}/out" template("$(format-json {pairs} \
    --key .SDATA.execwarden@32473.* --rekey .SDATA.execwarden@32473.* \
    --replace-prefix .SDATA.execwarden@32473.=fields.)\n"));
}};
log {{
  source(datagrams); source(stream); source(udp); source(tcp); source(lines);
  destination(out);
}};
"#
    )
}

#[test]
fn b31_every_record_arrives_once_through_a_unix_socket() {
    with_syslog_ng(async |syslog_ng| {
        let url = format!("unix:{}", syslog_ng.server.path(DATAGRAMS).display());
        check(&mut syslog_ng.server, &url, "datagrams").await;
    });
}

#[test]
fn b31_every_record_arrives_once_as_a_line_through_a_unix_socket() {
    with_syslog_ng(async |syslog_ng| {
        let url = format!("unix:{}", syslog_ng.server.path(STREAM).display());
        check(&mut syslog_ng.server, &url, "stream").await;
    });
}

#[test]
fn b31_every_record_arrives_once_over_udp() {
    with_syslog_ng(async |syslog_ng| {
        let url = format!("udp://127.0.0.1:{}", syslog_ng.port);
        check(&mut syslog_ng.server, &url, "udp").await;
    });
}

#[test]
fn b31_every_record_arrives_once_over_tcp() {
    with_syslog_ng(async |syslog_ng| {
        let url = format!("tcp://127.0.0.1:{}", syslog_ng.port);
        check(&mut syslog_ng.server, &url, "tcp").await;
    });
}

#[test]
fn b31_every_record_arrives_once_as_a_line_over_tcp() {
    with_syslog_ng(async |syslog_ng| {
        let url = format!("tcp://127.0.0.1:{}#framing=newline", syslog_ng.lines);
        check(&mut syslog_ng.server, &url, "lines").await;
    });
}
