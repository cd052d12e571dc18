//! `execwarden allowlist evidence`: what stands behind each entry.

use super::output::plain;
use super::table::{grouped, wrapped};
use crate::control::protocol::EntryEvidence;
use std::fmt::Write as _;

/// One paragraph for each entry.
pub(super) fn render(entries: &[EntryEvidence]) -> String {
    if entries.is_empty() {
        return "Nothing was learned yet.\n".to_owned();
    }
    let paragraphs: Vec<String> = entries.iter().map(paragraph).collect();
    paragraphs.join("\n")
}

fn paragraph(entry: &EntryEvidence) -> String {
    let mut out = plain(&entry.path);
    if let Some(applet) = &entry.applet {
        let _ = write!(out, " as {}", plain(applet));
    }
    if let Some(interpreter) = &entry.interpreter {
        let _ = write!(out, " with {}", plain(interpreter));
    }
    let _ = writeln!(out, " ({})", plain(&entry.layer));
    let seen = match entry.execs {
        0 => "found running".to_owned(),
        execs => format!("ran {} times", grouped(execs)),
    };
    let put_in = match entry.only_put_in {
        true => " as a probe or hook, put in from outside",
        false => "",
    };
    let (first, last) = (entry.first_seen, entry.last_seen);
    let mut line = |name: &str, text: &str| {
        if !text.is_empty() {
            out += &wrapped(&format!("  {name}"), &plain(text));
        }
    };
    line(
        "seen",
        &format!(
            "{seen}{put_in}, in containers: {}, from {first:.0} to {last:.0}",
            grouped(entry.containers)
        ),
    );
    let users: Vec<String> = entry.users.iter().map(u32::to_string).collect();
    line("users", &users.join(", "));
    line("parents", &entry.parents.join(", "));
    line("arguments", &entry.arguments.join("; "));
    line("images", &entry.images.join(", "));
    line("nodes", &entry.nodes.join(", "));
    line("sha256", &entry.sha256.join(", "));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> EntryEvidence {
        let at = |text: &str| text.parse().expect("a time");
        EntryEvidence {
            path: "/usr/sbin/nginx".to_owned(),
            layer: "image".to_owned(),
            applet: None,
            interpreter: None,
            first_seen: at("2026-01-02T03:04:05Z"),
            last_seen: at("2026-01-03T03:04:05Z"),
            execs: 1234,
            only_put_in: false,
            containers: 3,
            nodes: vec!["node-1".to_owned()],
            images: vec!["nginx:1".to_owned()],
            sha256: Vec::new(),
            users: vec![0, 33],
            parents: vec!["/bin/sh".to_owned()],
            arguments: vec!["-g daemon off;".to_owned()],
        }
    }

    #[test]
    fn an_entry_is_a_paragraph() {
        let script = EntryEvidence {
            path: "/run\u{1b}[31m.sh".to_owned(),
            interpreter: Some("/bin/dash".to_owned()),
            execs: 0,
            users: Vec::new(),
            parents: Vec::new(),
            arguments: Vec::new(),
            images: Vec::new(),
            nodes: Vec::new(),
            ..entry()
        };

        insta::assert_snapshot!(render(&[entry(), script]), @r"
        /usr/sbin/nginx (image)
          seen ran 1,234 times, in containers: 3, from 2026-01-02T03:04:05Z to
               2026-01-03T03:04:05Z
          users 0, 33
          parents /bin/sh
          arguments -g daemon off;
          images nginx:1
          nodes node-1

        /run\x1b[31m.sh with /bin/dash (image)
          seen found running, in containers: 3, from 2026-01-02T03:04:05Z to
               2026-01-03T03:04:05Z
        ");
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        assert_eq!(render(&[]), "Nothing was learned yet.\n");
    }
}
