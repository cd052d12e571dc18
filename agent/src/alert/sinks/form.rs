//! What a sink's records look like.

use super::entry::Encoded;
use super::options::Options;
use super::place::Place;
use super::{Target, TargetError};
use crate::alert::rfc5424::{LEAST_LIMIT, LOCAL_LIMIT, Settings};
use crate::alert::{Gone, Link, Lost, Message, ecs, falco, journal, json, ocsf, rfc3164};
use jiff::Timestamp;

/// A form, by the name that a person gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FormName {
    Rfc5424,
    Rfc3164,
    Json,
    Ocsf,
    Ecs,
    Falcosidekick,
    Journal,
}

impl FormName {
    /// The one that a target's options name.
    pub(super) fn of(options: &mut Options<'_>) -> Result<Option<Self>, TargetError> {
        let forms = "one of rfc5424, rfc3164, json, ocsf, ecs";
        options.take_as("form", forms, |word| {
            Self::of_word(word).filter(|form| *form != Self::Falcosidekick)
        })
    }

    /// The one that a webhook's options name.
    pub(super) fn of_webhook(options: &mut Options<'_>) -> Result<Option<Self>, TargetError> {
        let forms = "one of json, ocsf, ecs, falcosidekick";
        options.take_as("form", forms, |word| {
            Self::of_word(word).filter(|form| !matches!(form, Self::Rfc5424 | Self::Rfc3164))
        })
    }

    /// The one with this name; journald's has none, since nothing else takes it.
    fn of_word(word: &str) -> Option<Self> {
        match word {
            "rfc5424" => Some(Self::Rfc5424),
            "rfc3164" => Some(Self::Rfc3164),
            "json" => Some(Self::Json),
            "ocsf" => Some(Self::Ocsf),
            "ecs" => Some(Self::Ecs),
            "falcosidekick" => Some(Self::Falcosidekick),
            _ => None,
        }
    }
}

/// How a message becomes bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Form {
    name: FormName,
    settings: Settings,
    /// The most that a message has, where the form can be cut.
    limit: usize,
}

impl Form {
    /// That of a target's records.
    pub(super) fn of(target: &Target, settings: Settings) -> Self {
        let (usual, limit) = match target.place() {
            Place::Udp(_) => (FormName::Rfc5424, LEAST_LIMIT),
            Place::Unix(_) | Place::Tcp(..) | Place::Tls(..) | Place::File(_) => {
                (FormName::Rfc5424, LOCAL_LIMIT)
            }
            Place::Journal(_) => (FormName::Journal, LOCAL_LIMIT),
            Place::Stdout | Place::Webhook(_) => (FormName::Json, LOCAL_LIMIT),
        };
        Self {
            name: target.form.unwrap_or(usual),
            settings,
            limit,
        }
    }

    /// The message at its place: one line without its end, or the journal's
    /// lines.
    pub(super) fn encode(self, message: Message<'_>, link: Link) -> Encoded {
        let sequence = link.sequence;
        let workload = match message {
            Message::Record(record) => record.workload.to_string(),
            Message::Notice(notice) => notice.workload.to_string(),
            Message::Beat(_) | Message::Lost(_) => String::new(),
        };
        let mut text = match self.name {
            FormName::Rfc5424 => self.settings.encode(message, link, self.limit),
            FormName::Rfc3164 => rfc3164::encode(message, &self.settings, sequence, rfc3164::LIMIT),
            FormName::Json => json::encode(message, Some(link)),
            FormName::Ocsf => ocsf::encode(message, link),
            FormName::Ecs => ecs::encode(message, link),
            FormName::Falcosidekick => falco::encode(message, sequence),
            FormName::Journal => journal::encode(message, &self.settings, sequence),
        };
        // The journal passes over a field whose line does not end.
        if self.name != FormName::Journal {
            text.pop_if(|last| *last == b'\n');
        }
        Encoded {
            sequence,
            number: message.number(),
            workload,
            tells_of_loss: matches!(message, Message::Lost(_)),
            text,
        }
    }

    /// That records were lost.
    pub(super) fn tell_of_loss(self, node: &str, gone: &Gone, sequence: u64) -> Encoded {
        let lost = Lost {
            time: Timestamp::now(),
            node: node.to_owned(),
            gone: gone.clone(),
        };
        self.encode(Message::Lost(&lost), sequence.into())
    }
}
