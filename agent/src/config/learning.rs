//! When learning ends, for all workloads and for some.

use super::{InvalidValue, Window};
use crate::learn::Ending;
use crate::model::{Untrusted, WorkloadId};
use clap::ValueEnum;
use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// What is done with a workload that has learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Promotion {
    /// It is enforced as soon as learning ends.
    #[default]
    Automatic,
    /// It goes on to learn until a person says that it is to be enforced.
    ByHand,
}

/// What is said of when learning ends; what is left out follows from the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// The minimum time.
    pub window: Option<Window>,
    /// How long nothing new was seen.
    pub quiet: Option<Window>,
    /// How many containers were seen from their start.
    pub starts: Option<u32>,
    /// The maximum time.
    pub max: Option<Window>,
}

impl Terms {
    fn over(self, weaker: Self) -> Self {
        Self {
            window: self.window.or(weaker.window),
            quiet: self.quiet.or(weaker.quiet),
            starts: self.starts.or(weaker.starts),
            max: self.max.or(weaker.max),
        }
    }

    fn is_said(self) -> bool {
        self != Self::default()
    }
}

/// What is said of some workloads: `PATTERN:KEY=VALUE,…` as a flag.
#[derive(Clone, Debug)]
pub struct LearnFor {
    pattern: String,
    matcher: GlobMatcher,
    terms: Terms,
}

impl PartialEq for LearnFor {
    fn eq(&self, other: &Self) -> bool {
        (&self.pattern, self.terms) == (&other.pattern, other.terms)
    }
}

impl Eq for LearnFor {}

impl LearnFor {
    fn new(pattern: &str, terms: Terms) -> Result<Self, InvalidValue> {
        let refuse = |why: &str| {
            let pattern = Untrusted::from(pattern).escaped(256);
            InvalidValue::new(format!("\"{pattern}\" {why}"))
        };
        let glob = GlobBuilder::new(pattern).build().map_err(|error| {
            refuse(&format!(
                "is no pattern of workloads' names ({}); such a one is shop/*",
                error.kind()
            ))
        })?;
        if pattern.is_empty() {
            return Err(refuse(
                "is no pattern of workloads' names; such a one is shop/*",
            ));
        }
        if !terms.is_said() {
            return Err(refuse(
                "is followed by nothing; say one or more of window, quiet, starts and max",
            ));
        }
        if let (Some(window), Some(max)) = (terms.window, terms.max) {
            check_max(window, max)?;
        }
        Ok(Self {
            pattern: pattern.to_owned(),
            matcher: glob.compile_matcher(),
            terms,
        })
    }
}

impl FromStr for LearnFor {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = || {
            let text = Untrusted::from(text).escaped(256);
            InvalidValue::new(format!(
                "\"{text}\" is not PATTERN:KEY=VALUE,…; such a one is shop/*:window=1h,starts=3, with the keys window, quiet, starts and max"
            ))
        };
        let (pattern, rest) = text.rsplit_once(':').ok_or_else(refuse)?;
        let mut terms = Terms::default();
        for pair in rest.split(',') {
            let (key, value) = pair.split_once('=').ok_or_else(refuse)?;
            match key {
                "window" => terms.window = Some(value.parse()?),
                "quiet" => terms.quiet = Some(value.parse()?),
                "max" => terms.max = Some(value.parse()?),
                "starts" => terms.starts = Some(value.parse().map_err(|_| refuse())?),
                _ => return Err(refuse()),
            }
        }
        Self::new(pattern, terms)
    }
}

/// The file has a table: `[learn-for."shop/*"]`.
pub(super) fn from_table<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<LearnFor>, D::Error> {
    let table = BTreeMap::<String, Terms>::deserialize(from)?;
    table
        .into_iter()
        .map(|(pattern, terms)| LearnFor::new(&pattern, terms).map_err(de::Error::custom))
        .collect()
}

/// When learning ends, and what follows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Learning {
    /// For every workload of which nothing else is said. Its `window` is the
    /// mode's.
    pub(super) usual: Terms,
    /// For some; the longest pattern last, whose word counts.
    pub(super) some: Vec<LearnFor>,
    /// What follows.
    pub promotion: Promotion,
}

impl Learning {
    pub(super) fn new(
        usual: Terms,
        mut some: Vec<LearnFor>,
        promotion: Promotion,
    ) -> Result<Self, InvalidValue> {
        if let (Some(window), Some(max)) = (usual.window, usual.max) {
            check_max(window, max)?;
        }
        some.sort_by(|a, b| (a.pattern.len(), &a.pattern).cmp(&(b.pattern.len(), &b.pattern)));
        Ok(Self {
            usual,
            some,
            promotion,
        })
    }

    /// What has to hold before learning ends, for a workload.
    pub fn ending(&self, id: &WorkloadId) -> Ending {
        let name = id.to_string();
        let of_some = self.some.iter().filter(|some| some.matcher.is_match(&name));
        let said = of_some.fold(self.usual, |weaker, some| some.terms.over(weaker));
        let usual = Ending::after(said.window.unwrap_or_default().into());
        let starts = match id {
            // A unit is no container: nobody sees it start.
            WorkloadId::Unit { .. } => 0,
            WorkloadId::Kubernetes { .. } | WorkloadId::Runtime { .. } => {
                said.starts.unwrap_or(usual.starts)
            }
        };
        Ending {
            quiet: said.quiet.map(Duration::from),
            starts,
            maximum: said.max.map(Duration::from),
            ..usual
        }
    }
}

fn check_max(window: Window, max: Window) -> Result<(), InvalidValue> {
    match Duration::from(max) < Duration::from(window) {
        false => Ok(()),
        true => Err(InvalidValue::new(format!(
            "a workload cannot learn for {max} at the most and {window} at least; raise the first or lower the second"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(namespace: &str) -> WorkloadId {
        WorkloadId::Kubernetes {
            namespace: namespace.to_owned(),
            kind: "Deployment".to_owned(),
            name: "checkout".to_owned(),
            container: "api".to_owned(),
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_longest_pattern_that_fits_counts_and_the_rest_is_filled_in() {
        let some = [
            "*:quiet=2m",
            "shop/Deployment/checkout/*:starts=5",
            "shop/*:window=1h,starts=3",
        ];
        let some = some.map(|rule| rule.parse().expect(rule)).to_vec();
        let usual = Terms {
            window: Some("10m".parse().expect("a time")),
            max: Some("1h".parse().expect("a time")),
            ..Terms::default()
        };
        let learning = Learning::new(usual, some, Promotion::Automatic).expect("valid");

        assert_eq!(
            learning.ending(&workload("shop")),
            Ending {
                minimum: seconds(3600),
                quiet: Some(seconds(120)),
                starts: 5,
                maximum: Some(seconds(3600)),
            }
        );
        assert_eq!(
            learning.ending(&workload("other")),
            Ending {
                minimum: seconds(600),
                quiet: Some(seconds(120)),
                starts: 1,
                maximum: Some(seconds(3600)),
            }
        );
    }

    #[test]
    fn no_start_is_asked_of_a_unit() {
        let unit = WorkloadId::Unit {
            unit: "a.service".to_owned(),
        };
        let some = vec!["*:starts=3".parse().expect("a rule")];
        let learning = Learning::new(Terms::default(), some, Promotion::Automatic).expect("valid");

        assert_eq!(learning.ending(&unit).starts, 0);
    }

    fn check_refused(text: &str, expected: &str) {
        let error = text.parse::<LearnFor>().expect_err(text).to_string();

        assert!(error.contains(expected), "{text} gave {error}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        check_refused("shop/*", "is not PATTERN:KEY=VALUE");
        check_refused("shop/*:", "is not PATTERN:KEY=VALUE");
        check_refused("shop/*:loud=1", "is not PATTERN:KEY=VALUE");
        check_refused("shop/*:starts=-1", "is not PATTERN:KEY=VALUE");
        check_refused("shop/*:window=1w", "\"1w\" is not a duration");
        check_refused("shop/[:starts=1", "is no pattern of workloads' names");
        check_refused(":starts=1", "is no pattern of workloads' names");
        check_refused(
            "a:window=2h,max=1h",
            "cannot learn for 1h at the most and 2h",
        );
    }
}
