//! A receiver of HTTP requests, as a person writes it.

use super::TargetError;
use super::form::FormName;
use super::options::Options;
use super::place::{Host, Tls, host};
use crate::model::Digest;
use http::uri::PathAndQuery;
use std::fmt;
use std::path::PathBuf;

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
/// So many digits of the URL's digest are shown: enough to tell two apart, too few
/// to find out a secret that can be guessed.
const DIGITS: usize = 6;

/// A receiver of HTTP requests. What stands behind its host is often all that it
/// takes to be let in: it is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The machine.
    pub host: Host,
    /// How its connection is trusted; `None`: it is not encrypted.
    pub tls: Option<Tls>,
    pub(super) path: PathAndQuery,
    /// More headers, read for each request.
    pub(super) header_file: Option<PathBuf>,
    /// Whether a request has a list of records, or one alone.
    pub(super) takes_lists: bool,
    /// The beginning of the whole URL's digest.
    digest: String,
}

impl Webhook {
    /// The receiver at a URL before its `#`; `whole` is all of it.
    pub(super) fn parse(
        url: &str,
        whole: &str,
        options: &mut Options<'_>,
    ) -> Result<Self, TargetError> {
        let shown = hidden(url);
        let (is_encrypted, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(TargetError::NoWebhook(shown)),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(TargetError::Credentials(shown));
        }
        let port = match is_encrypted {
            true => HTTPS_PORT,
            false => HTTP_PORT,
        };
        let host = host(&shown, authority, port)?;
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/{path}"),
        };
        let Ok(path) = PathAndQuery::try_from(path) else {
            return Err(TargetError::WebPath(shown));
        };
        let tls = match is_encrypted {
            true => Some(Tls::of(&shown, options)?),
            false => None,
        };
        let file = "the absolute path of a file of lines Name: value";
        let header_file = options.take_as("header-file", file, |text| {
            text.starts_with('/').then(|| PathBuf::from(text))
        })?;
        let digest = Digest::of(whole.as_bytes()).to_string();
        Ok(Self {
            host,
            tls,
            path,
            header_file,
            takes_lists: true,
            digest: digest.chars().take(DIGITS).collect(),
        })
    }

    /// The same, for records of a form.
    pub(super) fn with_form(self, form: Option<FormName>) -> Self {
        Self {
            takes_lists: form != Some(FormName::Falcosidekick),
            ..self
        }
    }

    /// What its `Host` header says.
    pub(super) fn authority(&self) -> String {
        let port = self.host.port;
        let usual = match self.tls {
            Some(_) => HTTPS_PORT,
            None => HTTP_PORT,
        };
        let whole = self.host.to_string();
        match whole.strip_suffix(&format!(":{port}")) {
            Some(name) if port == usual => name.to_owned(),
            _ => whole,
        }
    }

    fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }
}

/// With the beginning of a digest in place of what stands behind the host.
impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, digest) = (self.scheme(), &self.host, &self.digest);
        write!(f, "{scheme}://{host}/…{digest}")
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({self})")
    }
}

/// What may be shown of text that was to be a webhook's URL, whatever it is: its
/// scheme and its host, and no host if a password may stand before it.
pub(super) fn hidden(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
        _ => ("", url),
    };
    let separator = if scheme.is_empty() { "" } else { "://" };
    let host = match rest.contains('@') {
        true => "",
        false => rest.split(['/', '?', '#']).next().unwrap_or_default(),
    };
    let rest = match host {
        _ if host == rest => "",
        "" => "…",
        _ => "/…",
    };
    format!("{scheme}{separator}{host}{rest}")
}

#[cfg(test)]
mod tests {
    use super::super::Target;
    use super::super::place::Place;
    use super::*;

    fn webhook(url: &str) -> Webhook {
        let target = Target::webhook(url).expect(url);
        match target.place() {
            Place::Webhook(webhook) => webhook.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_url_is_a_host_and_what_it_is_asked_for() {
        for (url, authority, path) in [
            ("http://a", "a", "/"),
            ("http://a:80/x", "a", "/x"),
            ("http://a:443/x", "a:443", "/x"),
            ("https://a:443/x/y?k=v&w=@", "a", "/x/y?k=v&w=@"),
            ("https://a:8088?k=v", "a:8088", "/?k=v"),
            ("https://[::1]/x", "[::1]", "/x"),
            ("https://[::1]:8/", "[::1]:8", "/"),
            ("https://a/x#form=ocsf&header-file=/h&ca=/c", "a", "/x"),
        ] {
            let webhook = webhook(url);
            assert_eq!(webhook.authority(), authority, "{url}");
            assert_eq!(webhook.path, path, "{url}");
        }
    }

    #[test]
    fn two_at_one_host_are_told_apart_and_what_is_behind_it_is_not_shown() {
        let urls = [
            "https://a/t0ken1",
            "https://a/t0ken2",
            "https://a/t0ken2#form=ecs",
        ];
        let shown = urls.map(|url| Target::webhook(url).expect(url).to_string());

        for one in &shown {
            assert!(
                one.starts_with("https://a:443/…") && !one.contains("t0ken"),
                "{one}"
            );
        }
        assert_eq!(std::collections::BTreeSet::from(shown).len(), 3);
        assert!(!format!("{:?}", Target::webhook(urls[0])).contains("t0ken"));
    }

    #[test]
    fn only_falcosidekick_takes_records_one_by_one() {
        assert!(webhook("https://a#form=ocsf").takes_lists);
        assert!(!webhook("https://a#form=falcosidekick").takes_lists);
    }

    #[test]
    fn what_is_no_webhook_is_refused_and_its_secrets_are_not_shown() {
        for (url, expected) in [
            ("tcp://a:1/s3cret", "\"tcp:/…\" is no webhook"),
            ("hooks.example/s3cret", "\"hooks.example/…\" is no webhook"),
            ("HTTPS://u:s3cret@a", "\"…\" is no webhook"),
            (
                "https://u:s3cret@a/x",
                "\"https://…\" has a user or a password",
            ),
            ("https://s3cret@a", "\"https://…\" has a user or a password"),
            ("https://u:s3cret/x@a", "\"https://…\" has no good port"),
            ("https:///s3cret", "\"https://…\" names no host"),
            ("https://a b/s3cret", "\"https://a b/…\" names no host"),
            ("https://a:0/s3cret", "\"https://a:0/…\" has no good port"),
            (
                "https://a/s3cret x",
                "\"https://a/…\" has a path or a query",
            ),
            (
                "https://a/s3cret#form=rfc5424",
                "form=rfc5424 is not understood",
            ),
            (
                "https://a/s3cret#framing=newline",
                "there is no option framing",
            ),
            ("http://a/s3cret#ca=/x", "there is no option ca"),
            ("https://a/s3cret#cert=/x", "has one of cert and key"),
            (
                "https://a/s3cret#header-file=x",
                "header-file=x is not understood",
            ),
            ("https://a/s3cret#severity", "is no option"),
        ] {
            let error = Target::webhook(url).expect_err(url).to_string();
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
