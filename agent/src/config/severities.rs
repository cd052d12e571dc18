//! How urgent alerts are, and under which facility they go out.

use super::InvalidValue;
use super::values::from_string;
use crate::alert::{Facility, Severity};
use crate::model::{Reason, Untrusted};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::str::FromStr;

/// How urgent an alert is, by its reason.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Severities(BTreeMap<Reason, Severity>);

impl Severities {
    /// That of alerts with this reason: what was chosen, else the usual.
    pub fn of(&self, reason: Reason) -> Severity {
        let chosen = self.0.get(&reason).copied();
        chosen.unwrap_or_else(|| Severity::of(reason))
    }

    /// With what somebody chose; of two choices about one reason the last counts.
    pub(super) fn with(mut self, choices: &[SeverityChoice]) -> Self {
        let choices = choices
            .iter()
            .map(|choice| (choice.reason, choice.severity));
        self.0.extend(choices);
        self
    }
}

/// One choice, `REASON=SEVERITY` as a flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SeverityChoice {
    reason: Reason,
    severity: Severity,
}

impl FromStr for SeverityChoice {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let chosen = text.split_once('=').and_then(|(reason, severity)| {
            Some(Self {
                reason: Reason::ALL.into_iter().find(|one| one.as_str() == reason)?,
                severity: Severity::of_word(severity)?,
            })
        });
        chosen.ok_or_else(|| {
            let reasons = Reason::ALL.map(Reason::as_str).join(", ");
            InvalidValue::new(format!(
                "{:?} is not REASON=SEVERITY; reasons are {reasons}, severities critical, error, warning and notice",
                Untrusted::from(text)
            ))
        })
    }
}

/// Reads the file's table.
pub(super) fn from_table<'de, D: Deserializer<'de>>(
    table: D,
) -> Result<Vec<SeverityChoice>, D::Error> {
    let table = BTreeMap::<String, String>::deserialize(table)?;
    let choice = |(reason, severity)| {
        let choice = format!("{reason}={severity}").parse();
        choice.map_err(de::Error::custom)
    };
    table.into_iter().map(choice).collect()
}

/// A facility by its name in syslog.conf(5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct FacilityName(Facility);

/// In the order of their numbers; those of 12 to 15 have no name that is common.
const FACILITIES: [(&str, u8); 20] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

impl From<FacilityName> for Facility {
    fn from(name: FacilityName) -> Self {
        name.0
    }
}

impl FromStr for FacilityName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let named = FACILITIES.iter().find(|(name, _)| *name == text);
        let facility = named.and_then(|(_, number)| Facility::new(*number));
        facility.map(Self).ok_or_else(|| {
            let names = FACILITIES.map(|(name, _)| name).join(", ");
            InvalidValue::new(format!(
                "{:?} is no facility; there are {names}",
                Untrusted::from(text)
            ))
        })
    }
}

from_string!(FacilityName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_counts_and_the_rest_is_as_usual() {
        let choices = ["drift=critical", "args=notice", "drift=warning"];
        let choices = choices.map(|choice| choice.parse().expect("a choice"));

        let severities = Severities::default().with(&choices);

        assert_eq!(severities.of(Reason::Drift), Severity::Warning);
        assert_eq!(severities.of(Reason::Args), Severity::Notice);
        assert_eq!(severities.of(Reason::Loader), Severity::Critical);
        for text in ["", "drift", "drift=", "drift=info", "evil=error", "=error"] {
            assert!(text.parse::<SeverityChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_facility_has_its_number() {
        for (name, prival) in [("kern", 2), ("authpriv", 82), ("local7", 186)] {
            let facility: Facility = name.parse::<FacilityName>().expect(name).into();
            assert_eq!(facility.prival(Severity::Critical), prival, "{name}");
        }
        for text in ["", "AUTH", "10", "local8"] {
            let error = text.parse::<FacilityName>().expect_err(text).to_string();
            assert!(error.contains("local0"), "{error}");
        }
    }
}
