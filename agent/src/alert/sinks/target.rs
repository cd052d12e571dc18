//! Where alerts go, as a person writes it.

use super::TargetError;
use super::filter::Filter;
use super::form::FormName;
use super::options::Options;
use super::place::Place;
use super::webhook::{Webhook, hidden};
use std::fmt;
use std::str::FromStr;

/// Where alerts go, which of them, and in what form: a URL, and behind a `#`
/// options.
#[derive(Clone, Debug)]
pub struct Target {
    /// As it was written, but for what goes without saying and what may be secret.
    text: String,
    pub(super) place: Place,
    pub(super) form: Option<FormName>,
    pub(super) filter: Filter,
    /// Whether each record has the digest of the one before.
    pub(super) is_chained: bool,
}

impl Target {
    /// Standard output, as JSON.
    pub fn stdout() -> Self {
        Self {
            text: "stdout".to_owned(),
            place: Place::Stdout,
            form: None,
            filter: Filter::default(),
            is_chained: false,
        }
    }

    /// A receiver of HTTP requests, of its URL.
    pub fn webhook(url: &str) -> Result<Self, TargetError> {
        let shown = hidden(url);
        let (address, mut options) = Options::split_shown(url, &shown)?;
        let webhook = Webhook::parse(address, url, &mut options)?;
        let form = FormName::of_webhook(&mut options)?;
        let filter = Filter::of(&mut options)?;
        options.end()?;
        let place = Place::Webhook(webhook.with_form(form));
        Ok(Self {
            text: place.to_string(),
            place,
            form,
            filter,
            is_chained: false,
        })
    }

    /// The place.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

/// As it is written, with the port.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let (target, mut options) = Options::split(url)?;
        let place = Place::parse(target, &mut options)?;
        let is_sha256 = |word: &str| (word == "sha256").then_some(());
        let (form, chain) = match place {
            // It has a form of its own, and seals its files itself.
            Place::Journal(_) => (None, None),
            _ => (
                FormName::of(&mut options)?,
                options.take_as("chain", "sha256", is_sha256)?,
            ),
        };
        let filter = Filter::of(&mut options)?;
        if chain.is_some() && form == Some(FormName::Rfc3164) {
            return Err(TargetError::NoRoom(url.to_owned()));
        }
        options.end()?;
        let written = url.split_once('#').map(|(_, options)| options);
        let text = match written.filter(|options| !options.is_empty()) {
            Some(options) => format!("{place}#{options}"),
            None => place.to_string(),
        };
        Ok(Self {
            text,
            place,
            form,
            filter,
            is_chained: chain.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (url, shown) in [
            ("unix:/dev/log", "unix:/dev/log"),
            ("unix:///run/x.sock", "unix:/run/x.sock"),
            ("journald:", "journald:/run/systemd/journal/socket"),
            (
                "journald:/run/x#reason=drift",
                "journald:/run/x#reason=drift",
            ),
            ("udp://logs.example", "udp://logs.example:514"),
            ("udp://10.0.0.1:1514", "udp://10.0.0.1:1514"),
            ("tcp://[2001:db8::1]:601", "tcp://[2001:db8::1]:601"),
            ("tcp://[::1]", "tcp://[::1]:514"),
            ("tcp://log_host:514/", "tcp://log_host:514"),
            ("tls://logs.example", "tls://logs.example:6514"),
            ("file:///var/log/x", "file:/var/log/x"),
            ("udp://a#", "udp://a:514"),
            ("udp://a#severity=error", "udp://a:514#severity=error"),
            (
                "tls://a#ca=/x&cert=/y&key=/z&name=b&reason=drift",
                "tls://a:6514#ca=/x&cert=/y&key=/z&name=b&reason=drift",
            ),
            ("tcp://a#framing=newline", "tcp://a:514#framing=newline"),
        ] {
            let target: Target = url.parse().expect(url);
            assert_eq!(target.to_string(), shown);
            let again: Target = shown.parse().expect(shown);
            assert_eq!(again.to_string(), shown);
            assert_eq!(again.place(), target.place());
        }
    }

    #[test]
    fn refuses_the_rest_by_its_kind() {
        let long = format!("unix:/{}", "x".repeat(107));
        let text = |url: &str| url.to_owned();
        for (url, error) in [
            ("", TargetError::Scheme as fn(String) -> TargetError),
            ("/dev/log", TargetError::Scheme),
            ("file:x", TargetError::File),
            ("file:/var/", TargetError::File),
            ("tls://a#cert=/y", TargetError::HalfIdentity),
            ("udp:a:514", TargetError::Scheme),
            ("unix:", TargetError::Path),
            ("unix:/", TargetError::Path),
            ("unix:dev/log", TargetError::Path),
            ("unix:/a\0b", TargetError::Path),
            (&long, TargetError::Path),
            ("journald:run/x", TargetError::Path),
            ("udp://", TargetError::Host),
            ("udp://:514", TargetError::Host),
            ("udp://a b", TargetError::Host),
            ("udp://user@host", TargetError::Host),
            ("udp://host/path", TargetError::Host),
            ("tcp://2001:db8::1", TargetError::Host),
            ("tcp://[::1", TargetError::Host),
            ("tcp://[1.2.3.4]:5", TargetError::Host),
            ("tcp://[::1]514", TargetError::Host),
            ("tcp://a:", TargetError::Port),
            ("tcp://a:0", TargetError::Port),
            ("tcp://a:65536", TargetError::Port),
            ("tcp://a:+5", TargetError::Port),
        ] {
            let refused = url.parse::<Target>().expect_err(url);
            let (shown, _) = url.split_once('#').unwrap_or((url, ""));
            assert_eq!(refused, error(text(shown)), "{url}");
        }
    }

    #[test]
    fn refuses_options_by_name() {
        for (url, expected) in [
            ("journald:#form=json", "there is no option form"),
            ("udp://a#form=falcosidekick", "form=falcosidekick is not"),
            ("udp://a#framing=newline", "there is no option framing"),
            ("tcp://a#framing=lines", "framing=lines is not understood"),
            ("tls://a#ca=x.pem", "ca=x.pem is not understood"),
            ("tls://a#name=a b", "name=a b is not understood"),
            ("unix:/a#form=xml", "form=xml is not understood"),
        ] {
            let error = url.parse::<Target>().expect_err(url).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_webhook_is_no_syslog_url_and_its_token_is_not_shown() {
        let error = "https://a/t0ken".parse::<Target>().expect_err("no syslog");

        assert_eq!(error, TargetError::ForWebhook("https://a/…".to_owned()));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_shown_as_itself(
            url in "(unix:|journald:|udp://|tcp://|tls://|file:)[\\x20-\\x7e]{0,20}"
        ) {
            if let Ok(target) = url.parse::<Target>() {
                let shown = target.to_string();
                let again: Target = shown.parse().expect("it was shown");
                prop_assert_eq!(again.to_string(), shown);
                prop_assert_eq!(again.place(), target.place());
            }
        }
    }
}
