//! What stands behind the `#` of a target: `key=value`, joined by `&`.

use super::TargetError;
use std::collections::BTreeMap;

/// The options of one target. Each is taken by who understands it.
#[derive(Debug)]
pub(super) struct Options<'a> {
    /// The whole, as errors show it.
    url: &'a str,
    values: BTreeMap<&'a str, &'a str>,
    /// Those that somebody has asked for.
    known: Vec<&'static str>,
}

impl<'a> Options<'a> {
    /// The target before the `#`, and its options.
    pub(super) fn split(url: &'a str) -> Result<(&'a str, Self), TargetError> {
        Self::split_shown(url, url)
    }

    /// The same, of a target that errors show in another way.
    pub(super) fn split_shown(
        target: &'a str,
        url: &'a str,
    ) -> Result<(&'a str, Self), TargetError> {
        let (target, text) = target.split_once('#').unwrap_or((target, ""));
        let mut values = BTreeMap::new();
        for option in text.split('&').filter(|option| !option.is_empty()) {
            let named = option
                .split_once('=')
                .filter(|(_, value)| !value.is_empty());
            let Some((key, value)) = named else {
                return Err(TargetError::NoValue {
                    url: url.to_owned(),
                    option: option.to_owned(),
                });
            };
            if values.insert(key, value).is_some() {
                return Err(TargetError::Twice {
                    url: url.to_owned(),
                    option: key.to_owned(),
                });
            }
        }
        let known = Vec::new();
        let options = Self { url, values, known };
        Ok((target, options))
    }

    /// The value of one, as it is written.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a str> {
        self.known.push(key);
        self.values.remove(key)
    }

    /// The same, understood; `expected` says what it may be.
    pub(super) fn take_as<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, TargetError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        match parse(value) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(TargetError::Value {
                url: self.url.to_owned(),
                option: format!("{key}={value}"),
                expected,
            }),
        }
    }

    /// All must have been taken.
    pub(super) fn end(self) -> Result<(), TargetError> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(option) => Err(TargetError::Unknown {
                url: self.url.to_owned(),
                option: (*option).to_owned(),
                known: self.known.join(", "),
            }),
        }
    }
}
