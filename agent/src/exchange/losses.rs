//! What a translation could not carry over.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// The most names that a summary gives for one loss.
const MAX_NAMES: usize = 8;

/// What was lost of one file. As JSON it has all places of each loss, none if it
/// is of the whole file.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Losses {
    allows_more: BTreeMap<String, BTreeSet<String>>,
    not_carried: BTreeMap<String, BTreeSet<String>>,
    left_out: Vec<LeftOut>,
}

/// Something that may run by the source, and not by the result.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LeftOut {
    /// Which rule or entry.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Losses {
    /// The result allows more than the source, for want of `what`; at `place`.
    pub(super) fn allows_more(&mut self, what: impl Into<String>, place: impl Into<String>) {
        let places = self.allows_more.entry(what.into()).or_default();
        places.insert(place.into());
    }

    /// The result does not have `what`, and allows no more by that.
    pub(super) fn not_carried(&mut self, what: impl Into<String>) {
        self.not_carried.entry(what.into()).or_default();
    }

    /// The same, at `place`.
    pub(super) fn not_carried_of(&mut self, what: impl Into<String>, place: impl Into<String>) {
        let places = self.not_carried.entry(what.into()).or_default();
        places.insert(place.into());
    }

    /// The result does not allow `what`, because it could not say it.
    pub(super) fn leave_out(&mut self, what: impl Into<String>, why: impl Display) {
        self.left_out.push(LeftOut {
            what: what.into(),
            why: why.to_string(),
        });
    }

    /// Takes in what was lost of a part.
    pub(super) fn take(&mut self, part: Self) {
        for (what, places) in part.allows_more {
            self.allows_more.entry(what).or_default().extend(places);
        }
        for (what, places) in part.not_carried {
            self.not_carried.entry(what).or_default().extend(places);
        }
        self.left_out.extend(part.left_out);
    }

    /// What the source allows and the result does not, in its order.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// All but that in one line; `None` if nothing was lost.
    pub fn summary(&self) -> Option<String> {
        let part = |heading: &str, losses: &BTreeMap<String, BTreeSet<String>>| {
            let all: Vec<String> = losses.iter().map(|(what, of)| loss(what, of)).collect();
            (!all.is_empty()).then(|| format!("{heading}: {}", all.join("; ")))
        };
        let parts: Vec<String> = [
            part("allows more than the source", &self.allows_more),
            part("not carried over", &self.not_carried),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!parts.is_empty()).then(|| parts.join(". "))
    }
}

fn loss(what: &str, of: &BTreeSet<String>) -> String {
    if of.is_empty() {
        return what.to_owned();
    }
    let names: Vec<&str> = of.iter().take(MAX_NAMES).map(String::as_str).collect();
    let names = names.join(", ");
    match of.len() - of.len().min(MAX_NAMES) {
        0 => format!("{what} ({names})"),
        more => format!("{what} ({names} and {more} more)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_line_that_begins_with_what_is_worse() {
        let mut losses = Losses::default();
        assert_eq!(losses.summary(), None);

        losses.not_carried("status");
        losses.allows_more("args", "/bin/sh");
        losses.allows_more("args", "/bin/dash");
        for n in 0..10 {
            losses.not_carried_of("removed", format!("/{n}"));
        }

        assert_eq!(
            losses.summary().as_deref(),
            Some(
                "allows more than the source: args (/bin/dash, /bin/sh). not carried over: \
                 removed (/0, /1, /2, /3, /4, /5, /6, /7 and 2 more); status"
            )
        );
    }
}
