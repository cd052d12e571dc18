//! What the encoders take: a record, a notice, or that records were lost.

use super::{About, Beat, Gone, Notice, Record, Severity};
use jiff::Timestamp;

/// The notice a sink puts in place of records that it had to throw away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// When it was seen that they are.
    pub time: Timestamp,
    /// The node's name.
    pub node: String,
    /// Which.
    pub gone: Gone,
}

/// One thing to be encoded.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// An alert.
    Record(&'a Record),
    /// What else is told of a workload.
    Notice(&'a Notice),
    /// What the agent tells of itself.
    Beat(&'a Beat),
    /// Records that never went out.
    Lost(&'a Lost),
}

impl Message<'_> {
    /// When it happened.
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Record(record) => record.time,
            Self::Notice(notice) => notice.time,
            Self::Beat(beat) => beat.time,
            Self::Lost(lost) => lost.time,
        }
    }

    /// The node it happened on, as configured: not yet fit for a header.
    pub fn node(&self) -> &str {
        match self {
            Self::Record(record) => &record.node,
            Self::Notice(notice) => &notice.node,
            Self::Beat(beat) => &beat.node,
            Self::Lost(lost) => &lost.node,
        }
    }

    /// Its place in the node's sequence.
    pub fn number(&self) -> u64 {
        match self {
            Self::Record(record) => record.number,
            Self::Notice(notice) => notice.number,
            Self::Beat(beat) => beat.number,
            Self::Lost(lost) => lost.gone.last,
        }
    }

    /// How urgent it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Record(record) => record.severity,
            Self::Notice(notice) => match notice.about {
                About::Allowed { .. } | About::AllowEnded { .. } => Severity::Warning,
                About::Upgrade(_) => Severity::Notice,
                About::SteppedBack { .. } => Severity::Error,
            },
            Self::Beat(beat) => beat.severity(),
            Self::Lost(_) => Severity::Error,
        }
    }

    /// The word to filter by: the reason's code, the notice's, or `lost`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Record(record) => record.reason.as_str(),
            Self::Notice(notice) => notice.about.as_str(),
            Self::Beat(beat) => beat.cause.as_str(),
            Self::Lost(_) => "lost",
        }
    }

    /// Names this one message among all of its node, however often it is sent:
    /// the repeats of a deviation have its id, but each a name of its own.
    pub fn uid(&self) -> String {
        let what = match self {
            Self::Record(record) => record.id.to_string(),
            Self::Notice(_) | Self::Beat(_) | Self::Lost(_) => self.code().to_owned(),
        };
        format!("{what}-{}-{}", self.number(), self.time().as_microsecond())
    }
}
