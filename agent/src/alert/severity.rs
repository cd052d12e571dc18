//! How urgent a record is, in syslog's words (RFC 5424 section 6.2.1).

use crate::model::Reason;

/// The severities that alerts use; the number is syslog's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// 2: what is hardly ever innocent.
    Critical = 2,
    /// 3: what no image brought along, or what could not be kept apart.
    Error = 3,
    /// 4: what nobody has listed.
    Warning = 4,
    /// 5: what an operator still has to set up, or to look at.
    Notice = 5,
    /// 6: that the agent is there.
    Info = 6,
}

impl Severity {
    /// The severity of a record, by its reason. docs/ALERTS.md has the table.
    pub fn of(reason: Reason) -> Self {
        match reason {
            Reason::Breakout
            | Reason::Escaped
            | Reason::Fileless
            | Reason::Loader
            | Reason::Tampered => Self::Critical,
            Reason::Drift | Reason::Modified | Reason::Overflow => Self::Error,
            Reason::Unlisted
            | Reason::Script
            | Reason::Applet
            | Reason::Parent
            | Reason::User
            | Reason::Args
            | Reason::Unverified => Self::Warning,
            Reason::NoAllowlist => Self::Notice,
        }
    }

    /// The severity with this word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Critical, Self::Error, Self::Warning, Self::Notice]
            .into_iter()
            .find(|severity| severity.as_str() == word)
    }

    /// The word, as the JSON form has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
        }
    }
}

/// A syslog facility, 0 to 23. The default is 10, `authpriv`: what may hold
/// secrets and is not for everybody's eyes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facility(u8);

impl Facility {
    /// The facility with this number, or `None` above 23.
    pub fn new(number: u8) -> Option<Self> {
        (number <= 23).then_some(Self(number))
    }

    /// PRIVAL of RFC 5424: 0 to 191.
    pub fn prival(self, severity: Severity) -> u8 {
        self.0 * 8 + severity as u8
    }
}

impl Default for Facility {
    fn default() -> Self {
        Self(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prival_joins_facility_and_severity() {
        assert_eq!(Facility::default().prival(Severity::Critical), 82);
        assert_eq!(
            Facility::new(23).map(|f| f.prival(Severity::Notice)),
            Some(189)
        );
        assert_eq!(Facility::new(24), None);
    }

    #[test]
    fn the_documented_severities_are_these() {
        let text = include_str!("../../../docs/ALERTS.md");

        for reason in Reason::ALL {
            let severity = Severity::of(reason);
            let row = format!(
                "| `{reason}` | {} ({}) |",
                severity.as_str(),
                severity as u8
            );
            assert!(text.contains(&row), "docs/ALERTS.md has no row {row:?}");
        }
    }
}
