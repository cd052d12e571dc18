//! Which records a target is given.

use super::TargetError;
use super::options::Options;
use crate::alert::{About, Cause, Message, Severity};
use crate::model::{Reason, WorkloadId};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::collections::BTreeSet;

/// Which records a target is given: those for which all of it holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// The least severe.
    severity: Option<Severity>,
    /// The namespaces; others, and what is in none, are left out.
    namespaces: Option<GlobSet>,
    /// The reasons, and the words of notices.
    reasons: Option<BTreeSet<String>>,
}

impl Filter {
    pub(super) fn of(options: &mut Options<'_>) -> Result<Self, TargetError> {
        let severities = "one of critical, error, warning, notice: the least severe that is sent";
        let patterns = "namespaces, joined by commas; * stands for any part of one";
        let words = "reasons of alerts or kinds of notices, joined by commas";
        Ok(Self {
            severity: options.take_as("severity", severities, Severity::of_word)?,
            namespaces: options.take_as("namespace", patterns, namespaces)?,
            reasons: options.take_as("reason", words, reasons)?,
        })
    }

    /// Whether it is sent.
    pub(super) fn holds(&self, message: Message<'_>) -> bool {
        let workload = match message {
            Message::Record(record) => &record.workload,
            Message::Notice(notice) => &notice.workload,
            // A test is for every target, the others for each that does not name
            // what it wants.
            Message::Beat(beat) => {
                let is_named = |reasons: &BTreeSet<String>| reasons.contains(beat.cause.as_str());
                return matches!(beat.cause, Cause::Test { .. }) || { self.reasons.as_ref() }
                    .is_none_or(is_named);
            }
            // It stands for what was to be sent.
            Message::Lost(_) => return true,
        };
        let namespace = match workload {
            WorkloadId::Kubernetes { namespace, .. } => Some(namespace),
            WorkloadId::Runtime { .. } | WorkloadId::Unit { .. } => None,
        };
        let in_namespace = |namespaces: &GlobSet| {
            namespace.is_some_and(|namespace| namespaces.is_match(namespace))
        };
        { self.severity }.is_none_or(|least| message.severity() <= least)
            && { self.namespaces.as_ref() }.is_none_or(in_namespace)
            && { self.reasons.as_ref() }.is_none_or(|reasons| reasons.contains(message.code()))
    }
}

fn namespaces(text: &str) -> Option<GlobSet> {
    let mut globs = GlobSetBuilder::new();
    for pattern in text.split(',') {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-*".contains(c);
        if pattern.is_empty() || !pattern.chars().all(is_plain) {
            return None;
        }
        globs.add(GlobBuilder::new(pattern).build().ok()?);
    }
    globs.build().ok()
}

fn reasons(text: &str) -> Option<BTreeSet<String>> {
    let known: Vec<&str> = Reason::ALL
        .into_iter()
        .map(Reason::as_str)
        .chain(About::WORDS)
        .chain(Cause::WORDS)
        .collect();
    text.split(',')
        .map(|word| known.contains(&word).then(|| word.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::record::tests::record;
    use crate::alert::{Notice, Record};

    fn filter(options: &str) -> Result<Filter, TargetError> {
        let url = format!("stdout#{options}");
        let (_, mut options) = Options::split(&url)?;
        let filter = Filter::of(&mut options)?;
        options.end()?;
        Ok(filter)
    }

    fn in_namespace(namespace: &str) -> Record {
        let workload = WorkloadId::Kubernetes {
            namespace: namespace.to_owned(),
            kind: "Deployment".to_owned(),
            name: "api".to_owned(),
            container: "api".to_owned(),
        };
        Record {
            workload,
            ..record()
        }
    }

    #[test]
    fn what_all_of_it_holds_for_is_sent() {
        // An error of the reason `drift`, in no namespace.
        let (plain, shop, prod) = (record(), in_namespace("shop"), in_namespace("prod-eu"));
        for (options, expected) in [
            ("", [true, true, true]),
            ("severity=error", [true, true, true]),
            ("severity=critical", [false, false, false]),
            ("severity=notice&reason=drift,loader", [true, true, true]),
            ("reason=loader", [false, false, false]),
            ("namespace=shop,prod-*", [false, true, true]),
            ("namespace=prod-*", [false, false, true]),
            ("namespace=*", [false, true, true]),
        ] {
            let filter = filter(options).expect(options);
            let sent = [&plain, &shop, &prod].map(|record| filter.holds(Message::Record(record)));
            assert_eq!(sent, expected, "{options}");
        }
    }

    #[test]
    fn notices_are_told_by_their_word() {
        let notice: Notice = crate::alert::notice::tests::notice();
        for (options, expected) in [
            ("reason=allow-ended", true),
            ("reason=drift", false),
            ("severity=warning", true),
            ("severity=error", false),
        ] {
            let filter = filter(options).expect(options);
            assert_eq!(
                filter.holds(Message::Notice(&notice)),
                expected,
                "{options}"
            );
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_by_name() {
        for (options, expected) in [
            ("severity=info", "severity=info"),
            ("namespace=Shop", "namespace=Shop"),
            ("namespace=", "namespace="),
            ("reason=drift,", "reason=drift,"),
            ("reason=evil", "reason=evil"),
            ("colour=red", "colour"),
            ("severity", "severity"),
            ("severity=error&severity=error", "severity"),
        ] {
            let error = filter(options).expect_err(options).to_string();
            assert!(error.contains(expected), "{options}: {error}");
            assert!(error.contains("stdout#"), "{error}");
        }
    }
}
