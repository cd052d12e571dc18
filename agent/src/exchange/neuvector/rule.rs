//! One process rule: what it matches there, and which entry that is here.

use super::MAX_NAME;
use crate::allowlist::{Applet, Process, RunAs};
use crate::exchange::manifest::Unread;
use crate::exchange::{Losses, entry};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Files of which each program has a name of its own; others are known by the
/// names that rules have for one path.
const MULTI_CALL: [&str; 3] = ["busybox", "toybox", "coreutils"];

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Rule {
    #[serde(default)]
    path: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    allow_update: bool,
    #[serde(flatten, skip_serializing)]
    other: BTreeMap<String, Unread>,
}

impl Rule {
    pub(super) fn allowing(name: &str, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            name: name.to_owned(),
            action: "allow".to_owned(),
            allow_update: false,
            other: BTreeMap::new(),
        }
    }

    pub(super) fn allows(&self) -> bool {
        self.action == "allow"
    }

    fn what(&self) -> String {
        format!("name {:?}, path {:?}", self.name, self.path)
    }

    fn is_any_path(&self) -> bool {
        matches!(self.path.as_str(), "" | "*" | "/*")
    }

    /// Whether it matches a process of this name that runs `path`.
    fn matches(&self, name: &str, path: &str) -> bool {
        if self.name == "*" && matches!(self.path.as_str(), "*" | "/*") {
            return true;
        }
        let Some((folder, file)) = path.rsplit_once('/') else {
            return false;
        };
        let below = self.path.strip_suffix("/*");
        let in_it = below.is_some_and(|below| folder.starts_with(below));
        if file == self.name && (self.is_any_path() || below.is_some()) {
            return self.is_any_path() || in_it;
        }
        if self.name == "*" {
            return in_it || path == self.path;
        }
        if below.is_some() {
            return in_it && self.name == name;
        }
        if let Some((before, _)) = self.path.split_once("/*/") {
            let same_file = self.path.rsplit('/').next() == Some(file);
            return folder.starts_with(before) && self.name == name && same_file;
        }
        (self.is_any_path() || path == self.path) && self.name == name
    }

    /// The entry that allows nothing but what this rule does; `several` says
    /// that rules have other names for the path, too.
    fn entry(&self, several: bool, losses: &mut Losses) -> Result<Process, String> {
        let every = "programs of the image are allowed by name, not by folder";
        let narrower =
            "a * there is any folder below: here the one of the rule, or one of any name";
        if let Some(field) = self.other.keys().next() {
            return Err(format!("{field} is not known, and may narrow it"));
        }
        match (self.name.as_str(), self.path.as_str()) {
            ("", _) => Err("it has no name".to_owned()),
            (name, _) if name.contains('/') => {
                Err("a name with a / is about what the program starts".to_owned())
            }
            ("*", _) if self.is_any_path() => Err("it allows everything".to_owned()),
            (_, _) if self.is_any_path() => {
                Err("it allows a name in every folder, and entries here have a path".to_owned())
            }
            ("*", path) if path.ends_with("/*") => Err(every.to_owned()),
            (name, path) if path.ends_with("/*") => {
                let path = format!("{}/{name}", path.strip_suffix("/*").unwrap_or(path));
                let entry = entry::program(&path)?;
                losses.not_carried_of(narrower, self.what());
                Ok(entry)
            }
            (_, path) => match path.split_once("/*/") {
                Some((before, after))
                    if !before.contains('*') && !file_name(after).contains('*') =>
                {
                    let entry = entry::pattern(path, self.run_as(several, losses)?)?;
                    losses.not_carried_of(narrower, self.what());
                    Ok(entry)
                }
                _ => entry::entry(path, self.run_as(several, losses)?),
            },
        }
    }

    fn run_as(&self, several: bool, losses: &mut Losses) -> Result<RunAs, String> {
        let file = file_name(&self.path);
        let own = comm(file) == comm(&self.name);
        if self.name == "*" || (own && !several && !MULTI_CALL.contains(&file)) {
            if own {
                losses.allows_more(
                    "names: a program may run under any name, and there under its file's",
                    &self.path,
                );
            }
            return Ok(RunAs::Program);
        }
        if !own {
            losses.not_carried_of(
                "scripts: a name that is not the file's is taken for an applet's",
                format!("{} as {}", self.path, self.name),
            );
        }
        // The file's own may have been cut.
        let name = if own { file } else { &self.name };
        let applet = Applet::of(&name.into());
        applet.map(RunAs::Applet).map_err(|error| error.to_string())
    }
}

/// What rules in their order allow.
pub(super) fn allowed(rules: &[(String, Rule)], losses: &mut Losses) -> BTreeSet<Process> {
    let denials = Denials::of(rules);
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, rule) in rules {
        names.entry(&rule.path).or_default().insert(&rule.name);
    }
    let mut processes = BTreeSet::new();
    for (place, rule) in rules {
        match rule.action.as_str() {
            "allow" => {}
            "deny" => {
                losses.not_carried_of(
                    "deny rules, which are no allowlist: what they name deviates here",
                    rule.what(),
                );
                continue;
            }
            action => {
                let why = format!("its action {action:?} is neither allow nor deny");
                losses.leave_out(format!("{place} ({})", rule.what()), why);
                continue;
            }
        }
        let several = names
            .get(rule.path.as_str())
            .is_some_and(|names| names.len() > 1);
        let mut lost = Losses::default();
        let entry =
            rule.entry(several, &mut lost)
                .and_then(|entry| match denials.touch(rule, &entry) {
                    true => Err("a deny rule matches it too".to_owned()),
                    false => Ok(entry),
                });
        match entry {
            Ok(entry) => {
                if rule.allow_update {
                    losses.not_carried_of(
                        "allow_update: an entry is for the image's file",
                        &rule.path,
                    );
                }
                losses.take(lost);
                processes.insert(entry);
            }
            Err(why) => losses.leave_out(format!("{place} ({})", rule.what()), why),
        }
    }
    processes
}

/// Rules that deny, by their name and by their path: a file may have
/// thousands.
struct Denials<'a> {
    by_name: BTreeMap<&'a str, Vec<&'a Rule>>,
    paths: BTreeSet<&'a str>,
}

impl<'a> Denials<'a> {
    fn of(rules: &'a [(String, Rule)]) -> Self {
        let mut by_name: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
        let mut paths = BTreeSet::new();
        for (_, rule) in rules.iter().filter(|(_, rule)| rule.action == "deny") {
            by_name.entry(&rule.name).or_default().push(rule);
            paths.insert(rule.path.as_str());
        }
        Self { by_name, paths }
    }

    /// Whether one of them denies some of what `entry` allows, which was made
    /// of `rule`. In whatever order they stand: some denials come first there.
    fn touch(&self, rule: &Rule, entry: &Process) -> bool {
        let path = entry.path().as_str();
        let file = entry.path().file_name();
        let any_name = matches!(entry.run_as(), RunAs::Program);
        let names = ["*", file, rule.name.as_str()];
        let matches =
            |deny: &&Rule| deny.matches(&rule.name, path) || (any_name && deny.matches(file, path));
        (any_name && self.paths.contains(path))
            || names
                .into_iter()
                .filter_map(|name| self.by_name.get(name))
                .any(|rules| rules.iter().any(&matches))
    }
}

/// A name as a process has it.
pub(super) fn comm(name: &str) -> &str {
    let mut end = name.len().min(MAX_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
