//! `execwarden alerts` and `execwarden why`.

use super::operator_args::{AlertsArguments, WhyArguments};
use super::output::{self, plain, plain_lines};
use super::paint::Paint;
use super::table::{Column, Table, compact, facts, grouped};
use super::{CommandError, Outcome};
use crate::control::client;
use crate::control::operation::{Alert, Operation};
use crate::control::protocol::{Answer, Request};
use crate::history::{AlertRow, Remedy};
use jiff::Timestamp;
use serde_json::Value;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

/// The fewest digits of an id that are printed.
const DIGITS: usize = 8;

pub(super) fn list(arguments: AlertsArguments) -> Result<Outcome, CommandError> {
    let agent = PathBuf::from(arguments.agent.control);
    let operation = Operation::Alerts {
        since_s: arguments.since.map(|since| since.as_secs()),
        workload: arguments.workload,
        reason: arguments.reason,
    };
    let Answer::Alerts(rows) = client::ask(&agent, &Request::Operation(operation))? else {
        return Err(client::unexpected(&agent).into());
    };
    match arguments.json {
        true => output::print_json(&rows)?,
        false => output::print(&render_list(&rows))?,
    }
    Ok(Outcome::Done)
}

pub(super) fn why(arguments: WhyArguments) -> Result<Outcome, CommandError> {
    let agent = PathBuf::from(arguments.agent.control);
    let operation = Operation::Why { id: arguments.id };
    let Answer::Why(alert) = client::ask(&agent, &Request::Operation(operation))? else {
        return Err(client::unexpected(&agent).into());
    };
    match arguments.json {
        true => output::print_json(&alert)?,
        false => {
            let paint = Paint::for_terminal(io::stdout().is_terminal());
            output::print(&render_why(&alert, paint))?;
        }
    }
    Ok(Outcome::Done)
}

fn render_list(rows: &[AlertRow]) -> String {
    if rows.is_empty() {
        return "There is no such alert.\n".to_owned();
    }
    let digits = digits(rows);
    let mut table = Table::new([
        Column::Text("ID"),
        Column::Text("LAST (UTC)"),
        Column::Number("COUNT"),
        Column::Shortened("WORKLOAD"),
        Column::Text("REASON"),
        Column::Shortened("PATH"),
    ]);
    for row in rows {
        table.row([
            row.id.chars().take(digits).collect(),
            time(row.last),
            compact(row.count),
            row.workload.clone(),
            row.reason.to_string(),
            row.path.clone(),
        ]);
    }
    table.render()
}

/// How many digits tell all ids apart.
fn digits(rows: &[AlertRow]) -> usize {
    let mut ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    ids.sort_unstable();
    let common = |pair: &[&str]| {
        let both = pair[0].bytes().zip(pair[1].bytes());
        both.take_while(|(a, b)| a == b).count() + 1
    };
    ids.windows(2).map(common).fold(DIGITS, usize::max)
}

/// `11-26 08:52:19`: a list is of days, and JSON has it whole.
fn time(at: Timestamp) -> String {
    at.strftime("%m-%d %H:%M:%S").to_string()
}

fn render_why(alert: &Alert, paint: Paint) -> String {
    let row = &alert.row;
    let record = Record(&alert.alert);
    let mut out = format!(
        "{} {}\n",
        paint.heading(&format!("alert {}", plain(&row.id))),
        paint.bad(row.reason.as_str())
    );
    out += &facts(&record.facts(row));
    out += &format!("\n{}\n", paint.heading("To allow it"));
    out += &remedy(alert);
    out
}

fn remedy(alert: &Alert) -> String {
    let id = plain(&alert.row.id);
    match &alert.remedy {
        Remedy::Nothing(why) => facts(&[("nothing can", plain(why))]),
        Remedy::Entry {
            document,
            any_args_because,
        } => {
            let any_args = match any_args_because {
                Some(_) => " --any-args",
                None => "",
            };
            let note = any_args_because.as_ref().map_or_else(String::new, |why| {
                facts(&[("--any-args", format!("because {}", plain(why)))])
            });
            // The document's entry, as it would stand in one.
            let entry = document.split_once("  processes:\n");
            let entry = entry.map_or("", |(_, entry)| entry);
            format!(
                "execwarden accept {id}{any_args}\n{note}\nwhich lets {} run:\n{}",
                plain(&alert.row.workload),
                plain_lines(entry)
            )
        }
    }
}

/// A record in the form of docs/ALERTS.md.
struct Record<'a>(&'a Value);

impl Record<'_> {
    /// What it says, for a person.
    fn facts(&self, row: &AlertRow) -> Vec<(&'static str, String)> {
        let mut facts = vec![("workload", plain(&row.workload))];
        let mut say = |name, text: Option<String>| facts.extend(text.map(|text| (name, text)));
        say("container", self.container());
        say("pod", self.text("/pod/name"));
        say("image", self.text("/pod/container/image/name"));
        say("digest", self.text("/pod/container/image/id"));
        say("ran", self.ran());
        say("also", self.list("/execwarden/also", ", "));
        say("content", self.text("/execwarden/sha256"));
        say("script", self.text("/execwarden/script_sha256"));
        say("arguments", self.arguments());
        say("folder", self.text("/process/cwd"));
        say("user", self.user());
        say("started by", self.ancestors());
        say("nearest", self.nearest());
        let times = match row.count {
            1 => format!("once, {}", row.first),
            count => format!("{} times, {} to {}", grouped(count), row.first, row.last),
        };
        say("how often", Some(times));
        say("said", self.text("/message"));
        facts
    }

    fn text(&self, place: &str) -> Option<String> {
        self.0.pointer(place)?.as_str().map(plain)
    }

    fn number(&self, place: &str) -> Option<u64> {
        self.0.pointer(place)?.as_u64()
    }

    fn list(&self, place: &str, between: &str) -> Option<String> {
        let list = self.0.pointer(place)?.as_array()?;
        let texts: Vec<String> = list.iter().filter_map(Value::as_str).map(plain).collect();
        (!texts.is_empty()).then(|| texts.join(between))
    }

    fn container(&self) -> Option<String> {
        let id = self.text("/pod/container/id")?;
        let runtime = self.text("/execwarden/runtime");
        Some(runtime.map_or_else(|| id.clone(), |runtime| format!("{id} ({runtime})")))
    }

    fn ran(&self) -> Option<String> {
        let file = self.text("/process/binary")?;
        let layer = self.text("/execwarden/layer").unwrap_or_default();
        let script = self.text("/execwarden/script");
        let script_layer = self.text("/execwarden/script_layer").unwrap_or_default();
        Some(match (script, self.text("/execwarden/applet")) {
            (Some(script), _) => {
                format!("{script} (layer {script_layer}) with {file} (layer {layer})")
            }
            (None, Some(applet)) => format!("{file} (layer {layer}) as {applet}"),
            (None, None) => format!("{file} (layer {layer})"),
        })
    }

    fn arguments(&self) -> Option<String> {
        let state = self.text("/execwarden/arguments_state")?;
        let list = self.list("/process/arguments", " ").unwrap_or_default();
        Some(match state.as_str() {
            "whole" => list,
            "cut" => format!("{list} (and more)"),
            other => format!("({other})"),
        })
    }

    fn user(&self) -> Option<String> {
        let uid = self.number("/process/uid")?;
        let euid = self.number("/process/euid").filter(|euid| *euid != uid);
        let login = self.number("/process/auid");
        let mut text = format!("uid {uid}");
        text.extend(euid.map(|euid| format!(", euid {euid}")));
        text.extend(login.map(|login| format!(", logged in as {login}")));
        text.extend(
            self.text("/execwarden/origin")
                .map(|origin| format!(", {origin}")),
        );
        Some(text)
    }

    fn ancestors(&self) -> Option<String> {
        let list = self.0.pointer("/execwarden/ancestors")?.as_array()?;
        let one = |ancestor: &Value| {
            let ancestor = Record(ancestor);
            let path = ancestor.text("/binary").unwrap_or_else(|| "?".to_owned());
            let pid = ancestor.number("/pid").unwrap_or_default();
            let place = ancestor.text("/place").unwrap_or_default();
            format!("{path} ({place}, pid {pid})")
        };
        let texts: Vec<String> = list.iter().map(one).collect();
        (!texts.is_empty()).then(|| texts.join(", below "))
    }

    fn nearest(&self) -> Option<String> {
        let entry = self.text("/execwarden/nearest")?;
        let differs = self.text("/execwarden/differs").unwrap_or_default();
        Some(format!("{entry}, differs in {differs}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reason;

    fn row(id: &str, path: &str) -> AlertRow {
        AlertRow {
            id: id.to_owned(),
            workload: "shop/Deployment/checkout/api".to_owned(),
            reason: Reason::NoAllowlist,
            path: path.to_owned(),
            count: 1_234_567,
            first: "2026-01-02T03:04:05Z".parse().expect("a time"),
            last: "2026-01-02T04:04:05Z".parse().expect("a time"),
        }
    }

    /// The one that docs/ALERTS.md shows.
    fn documented() -> Value {
        let manual = include_str!("../../../docs/ALERTS.md");
        let line = manual
            .lines()
            .find(|line| line.starts_with("{\"execwarden\""));
        serde_json::from_str(line.expect("an example")).expect("JSON")
    }

    #[test]
    fn a_list_fits_the_page_and_ids_are_told_apart() {
        let rows = [
            row("d78337c9683a945a", "/usr/local/lib/app/bin/worker"),
            row("d78337c96aaaaaaa", "/tmp/\x1b[2J"),
            row("0123456789abcdef", "-"),
        ];

        insta::assert_snapshot!(render_list(&rows), @r"
        ID          LAST (UTC)      COUNT  WORKLOAD        REASON        PATH
        d78337c968  01-02 04:04:05   1.2M  shop/D…out/api  no-allowlist  /usr/lo…/worker
        d78337c96a  01-02 04:04:05   1.2M  shop/D…out/api  no-allowlist  /tmp/\x1b[2J
        0123456789  01-02 04:04:05   1.2M  shop/D…out/api  no-allowlist  -
        ");
        assert_eq!(render_list(&[]), "There is no such alert.\n");
    }

    #[test]
    fn why_says_what_was_sent_and_what_would_allow_it() {
        let alert = Alert {
            row: AlertRow {
                count: 58,
                reason: Reason::Drift,
                workload: "runc/web".to_owned(),
                ..row("81b9473b98a6263a", "/tmp/evil")
            },
            alert: documented(),
            remedy: Remedy::Entry {
                document: "spec:\n  processes:\n    - path: /tmp/evil\n      layer: upper\n"
                    .to_owned(),
                any_args_because: None,
            },
        };

        insta::assert_snapshot!(render_why(&alert, Paint::Plain), @r"
        alert 81b9473b98a6263a drift
        workload    runc/web
        container   web (runc)
        ran         /tmp/evil (layer upper)
        also        unlisted
        content     a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5
        arguments   /tmp/evil --pool a,b
        folder      /tmp
        user        uid 0, container
        started by  /bin/sh (inside, pid 4700), below /usr/sbin/nginx (init, pid
                    4650), below /usr/bin/containerd-shim-runc-v2 (outside, pid 4600)
        how often   58 times, 2026-01-02T03:04:05Z to 2026-01-02T04:04:05Z
        said        web (runc/web) ran /tmp/evil, which was written after the
                    container started [drift]; pid 4711, uid 0, started by /bin/sh
                    (pid 4700) under /usr/sbin/nginx

        To allow it
        execwarden accept 81b9473b98a6263a

        which lets runc/web run:
            - path: /tmp/evil
              layer: upper
        ");
        let never = Alert {
            remedy: Remedy::Nothing("it had left its container".to_owned()),
            ..alert
        };
        let page = render_why(&never, Paint::Plain);
        assert!(
            page.ends_with("nothing can  it had left its container\n"),
            "{page}"
        );
        assert!(
            page.lines().all(|line| line.chars().count() <= 80),
            "{page}"
        );
    }
}
