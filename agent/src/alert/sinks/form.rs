//! What a sink's records look like.

use super::Target;
use super::entry::Encoded;
use crate::alert::rfc5424::{LEAST_LIMIT, LOCAL_LIMIT, Settings};
use crate::alert::{Gone, Lost, Message, json};
use jiff::Timestamp;

/// How a message becomes bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// RFC 5424, of so many bytes at most.
    Syslog(Settings, usize),
    /// A line of JSON.
    Json,
}

impl Form {
    /// That of a target's records.
    pub(super) fn of(target: &Target, settings: Settings) -> Self {
        match target {
            Target::Unix(_) | Target::Tcp { .. } => Self::Syslog(settings, LOCAL_LIMIT),
            Target::Udp { .. } => Self::Syslog(settings, LEAST_LIMIT),
            Target::Stdout => Self::Json,
        }
    }

    /// The message as a sink's `sequence`th.
    pub(super) fn encode(self, message: Message<'_>, sequence: u64) -> Encoded {
        let workload = match message {
            Message::Record(record) => record.workload.to_string(),
            Message::Notice(notice) => notice.workload.to_string(),
            Message::Lost(_) => String::new(),
        };
        Encoded {
            sequence,
            number: message.number(),
            workload,
            tells_of_loss: matches!(message, Message::Lost(_)),
            text: match self {
                Self::Syslog(settings, limit) => settings.encode(message, sequence, limit),
                Self::Json => json::encode(message, Some(sequence)),
            },
        }
    }

    /// That records were lost.
    pub(super) fn tell_of_loss(self, node: &str, gone: &Gone, sequence: u64) -> Encoded {
        let lost = Lost {
            time: Timestamp::now(),
            node: node.to_owned(),
            gone: gone.clone(),
        };
        self.encode(Message::Lost(&lost), sequence)
    }
}
