//! What an answer says of the records that were sent.

use super::post::Outcome;
use super::webhook::Webhook;
use crate::model::Untrusted;
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use std::collections::BTreeSet;
use std::time::Duration;

/// The longest that a receiver is left alone because it asks for it: a mistake of
/// its own is not to hold back alerts for days.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// So many bytes of what it says are shown.
const SHOWN: usize = 200;
/// The shortest part of a URL or of a header that may be a secret.
const SHORTEST_SECRET: usize = 6;

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub retry_after: Option<HeaderValue>,
    /// The beginning of its body.
    pub said: Vec<u8>,
}

impl Answer {
    /// What it comes to.
    pub(super) fn outcome(&self, secrets: &Secrets) -> Outcome {
        if self.status.is_success() {
            return Outcome::Taken;
        }
        let status = self.status.as_str();
        let said = secrets.hide(&String::from_utf8_lossy(&self.said));
        let why = match said.trim() {
            "" => status.to_owned(),
            said => format!("{status}: {}", Untrusted::from(said).escaped(SHOWN)),
        };
        match self.status {
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY => Outcome::Refused { why },
            _ => Outcome::PutOff {
                why,
                wait: self.wait(Timestamp::now()),
            },
        }
    }

    /// How long the receiver asks to be left alone: a number of seconds, or a time.
    fn wait(&self, now: Timestamp) -> Option<Duration> {
        let text = self.retry_after.as_ref()?.to_str().ok()?.trim();
        let wait = match text.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                let at = rfc2822::parse(text).ok()?.timestamp();
                at.duration_since(now).try_into().unwrap_or_default()
            }
        };
        Some(wait.min(LONGEST_WAIT))
    }
}

/// What is not shown, even if a receiver repeats it: many name in an answer what
/// they were asked for.
#[derive(Debug)]
pub(super) struct Secrets {
    /// The longest first.
    texts: Vec<String>,
}

impl Secrets {
    pub(super) fn of(webhook: &Webhook, headers: &HeaderMap) -> Self {
        let path = webhook.path.as_str();
        let values: Vec<&str> = { headers.values() }
            .filter(|value| value.is_sensitive())
            .filter_map(|value| value.to_str().ok())
            .collect();
        let wholes = [path, webhook.path.path()].into_iter();
        let wholes = wholes.filter(|whole| whole.len() > 1);
        let words = values.iter().flat_map(|value| value.split_whitespace());
        let parts = path.split(['/', '?', '&', '=']);
        let parts = parts.chain(values.iter().copied()).chain(words);
        let parts = parts.filter(|part| part.len() >= SHORTEST_SECRET);
        let texts: BTreeSet<String> = wholes.chain(parts).map(str::to_owned).collect();
        let mut texts: Vec<String> = texts.into_iter().collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self { texts }
    }

    fn hide(&self, said: &str) -> String {
        self.texts
            .iter()
            .fold(said.to_owned(), |said, secret| said.replace(secret, "…"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Target;
    use super::super::place::Place;
    use super::*;

    fn secrets() -> Secrets {
        let target = Target::webhook("https://a/services/T0KEN12?key=hunter2&x=1").unwrap();
        let Place::Webhook(webhook) = target.place() else {
            panic!("is a webhook");
        };
        let mut value = HeaderValue::from_static("Splunk s3cr3t-1");
        value.set_sensitive(true);
        let plain = (http::header::HOST, HeaderValue::from_static("plain-host"));
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value), plain]);
        Secrets::of(webhook, &headers)
    }

    fn answer(status: u16, retry_after: Option<&'static str>, said: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: retry_after.map(HeaderValue::from_static),
            said: said.into(),
        }
    }

    #[test]
    fn the_status_says_what_came_of_it() {
        for status in [200, 202, 204] {
            let outcome = answer(status, None, "x").outcome(&secrets());
            assert_eq!(outcome, Outcome::Taken, "{status}");
        }
        for status in [400, 413, 422] {
            let outcome = answer(status, None, "x").outcome(&secrets());
            let why = format!("{status}: x");
            assert_eq!(outcome, Outcome::Refused { why }, "{status}");
        }
        for status in [301, 307, 401, 403, 404, 408, 429, 500, 503] {
            let outcome = answer(status, None, "").outcome(&secrets());
            let why = status.to_string();
            assert_eq!(outcome, Outcome::PutOff { why, wait: None }, "{status}");
        }
    }

    #[test]
    fn what_it_says_is_escaped_and_cut() {
        let said = format!("\n<b>\x1b[2J{}", "x".repeat(300));

        let Outcome::PutOff { why, .. } = answer(500, None, &said).outcome(&secrets()) else {
            panic!("is put off");
        };

        assert!(why.starts_with("500: <b>\\x1b[2Jxxx"), "{why}");
        assert!(why.ends_with('…') && why.len() <= SHOWN + 5, "{why}");
    }

    #[test]
    fn what_it_repeats_of_the_url_or_of_a_header_is_not_shown() {
        for (said, shown) in [
            (
                "Cannot POST /services/T0KEN12?key=hunter2&x=1",
                "Cannot POST …",
            ),
            ("no /services/T0KEN12 here", "no … here"),
            ("T0KEN12 with key=hunter2&amp;x=1", "… with key=…&amp;x=1"),
            ("Splunk s3cr3t-1 is invalid", "… is invalid"),
            (
                "s3cr3t-1 is not known at plain-host",
                "… is not known at plain-host",
            ),
        ] {
            assert_eq!(secrets().hide(said), shown);
        }
    }

    #[test]
    fn a_receiver_may_ask_to_be_left_alone_for_some_minutes() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        for (asked, expected) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("86400", Some(300)),
            ("Fri, 02 Jan 2026 03:04:15 GMT", Some(10)),
            ("Fri, 02 Jan 2026 03:04:00 GMT", Some(0)),
            ("Fri, 02 Jan 2099 03:04:00 GMT", Some(300)),
            ("soon", None),
            ("-1", None),
        ] {
            let wait = answer(429, Some(asked), "").wait(now);
            assert_eq!(wait, expected.map(Duration::from_secs), "{asked}");
        }
    }
}
