//! One hook: whether its selectors make a list of programs, and which.

use super::Filter;
use crate::allowlist::document::MAX_ENTRIES;
use crate::exchange::Losses;
use crate::exchange::manifest::null_is_empty;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where the kernel asks whether a program may run.
const ASKED: [&str; 6] = [
    "security_bprm_check",
    "security_bprm_creds_for_exec",
    "security_bprm_creds_from_file",
    "bprm_check_security",
    "bprm_creds_for_exec",
    "bprm_creds_from_file",
];

#[derive(Deserialize, Default)]
pub(super) struct Hook {
    call: Option<String>,
    hook: Option<String>,
    subsystem: Option<String>,
    event: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    args: Vec<Arg>,
    #[serde(default, deserialize_with = "null_is_empty")]
    selectors: Vec<Selector>,
}

#[derive(Deserialize)]
struct Arg {
    #[serde(default)]
    index: u32,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Selector {
    #[serde(default, deserialize_with = "null_is_empty")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    match_args: Vec<Filter>,
    #[serde(default, deserialize_with = "null_is_empty")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    match_binaries: Vec<Filter>,
    #[serde(default, deserialize_with = "null_is_empty")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    match_actions: Vec<Action>,
    /// Filters that narrow it further.
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Action {
    action: String,
}

impl Selector {
    /// Reports every program but those at `paths`.
    pub(super) fn all_but(paths: BTreeSet<String>) -> Self {
        Self {
            match_args: vec![Filter {
                index: Some(0),
                operator: "NotEqual".to_owned(),
                values: paths.into_iter().collect(),
            }],
            match_actions: vec![Action {
                action: "Post".to_owned(),
            }],
            ..Self::default()
        }
    }
}

impl Selector {
    /// How many values its filters have.
    fn values(&self) -> usize {
        let filters = self.match_args.iter().chain(&self.match_binaries);
        filters.map(|filter| filter.values.len()).sum()
    }
}

impl Hook {
    /// The programs that none of its selectors matches, as far as they are
    /// listed; `None` if it makes no list.
    ///
    /// # Errors
    /// It does, in a way that is not read.
    pub(super) fn allowed(
        &self,
        place: &str,
        losses: &mut Losses,
    ) -> Result<Option<BTreeSet<String>>, String> {
        let name = self.call.as_deref().or(self.hook.as_deref());
        let at_exec = self.subsystem.as_deref() == Some("sched")
            && self.event.as_deref() == Some("sched_process_exec");
        if !at_exec && !name.is_some_and(|name| ASKED.contains(&name)) {
            return Ok(None);
        }
        let values: usize = self.selectors.iter().map(Selector::values).sum();
        if values > MAX_ENTRIES {
            return Err(format!(
                "its selectors have {values} values; an allowlist has at most {MAX_ENTRIES} entries"
            ));
        }
        let mut allowed: Option<BTreeSet<String>> = None;
        let mut denied = Vec::new();
        for selector in &self.selectors {
            if selector.match_actions.iter().any(|a| a.action == "NoPost") {
                return Err("a selector with NoPost says what is not reported".to_owned());
            }
            let filters = self.filters(selector, at_exec)?;
            let listed = filters
                .iter()
                .find(|f| matches!(f.operator.as_str(), "NotEqual" | "NotIn"));
            match listed {
                Some(listed) => {
                    self.note(place, selector, &filters, losses);
                    let values: BTreeSet<String> = listed.values.iter().cloned().collect();
                    allowed = Some(match allowed {
                        None => values,
                        Some(before) => before.intersection(&values).cloned().collect(),
                    });
                }
                None => denied.extend(filters),
            }
        }
        let Some(mut allowed) = allowed else {
            return Ok(None);
        };
        for filter in denied {
            for value in &filter.values {
                losses.not_carried_of(
                    "selectors of what must not run, which are no allowlist: it deviates here",
                    value,
                );
            }
            allowed.retain(|path| !filter.matches(path));
        }
        Ok(Some(allowed))
    }

    /// The filters of a selector by the program that is to run.
    fn filters<'a>(
        &self,
        selector: &'a Selector,
        at_exec: bool,
    ) -> Result<Vec<&'a Filter>, String> {
        let program = self
            .args
            .iter()
            .find(|arg| matches!(arg.kind.as_deref(), Some("linux_binprm" | "file" | "path")));
        let mut filters: Vec<&Filter> = Vec::new();
        for filter in &selector.match_args {
            if program.map(|arg| arg.index) != filter.index {
                continue;
            }
            filters.push(filter);
        }
        if at_exec {
            filters.extend(&selector.match_binaries);
        } else if filters.is_empty()
            && selector
                .match_binaries
                .iter()
                .any(|f| f.operator == "NotIn")
        {
            return Err(
                "matchBinaries is here about the program that calls, not about the one that is to run"
                    .to_owned(),
            );
        }
        Ok(filters)
    }

    /// What is lost of a selector that makes a list.
    fn note(&self, place: &str, selector: &Selector, filters: &[&Filter], losses: &mut Losses) {
        let wider = |filter: &&&Filter| !matches!(filter.operator.as_str(), "NotEqual" | "NotIn");
        for filter in filters.iter().filter(wider) {
            for value in &filter.values {
                losses.leave_out(
                    format!("{place}: {} {value}", filter.operator),
                    "programs of the image are allowed by their exact path",
                );
            }
        }
        let others = selector.match_args.len() + selector.match_binaries.len() - filters.len();
        if others > 0 || !selector.other.is_empty() {
            losses.not_carried_of("filters that watch only some execs: here all are", place);
        }
        let acts = |action: &&Action| action.action != "Post";
        if let Some(action) = selector.match_actions.iter().find(acts) {
            losses.not_carried_of(
                format!("action {}: here it is reported", action.action),
                place,
            );
        }
    }
}

impl Filter {
    /// Whether it matches a path; if in doubt, it does.
    fn matches(&self, path: &str) -> bool {
        let any = |matches: fn(&str, &str) -> bool| {
            self.values
                .iter()
                .any(|value| matches(path, value.as_str()))
        };
        match self.operator.as_str() {
            "Equal" | "In" => any(|path, value| path == value),
            "Prefix" => any(|path, value| path.starts_with(value)),
            "Postfix" => any(|path, value| path.ends_with(value)),
            "NotPrefix" => !any(|path, value| path.starts_with(value)),
            "NotPostfix" => !any(|path, value| path.ends_with(value)),
            _ => true,
        }
    }
}
