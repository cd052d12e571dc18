//! Amounts that can also be `off`.

use super::InvalidValue;
use super::values::from_string;
use crate::model::Untrusted;
use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::str::FromStr;

const OFF: &str = "off";

/// After how many different parts in one place of its paths what was learned
/// gets a `*` there: 2 to 1,000, or never.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GeneraliseAfter(Option<u16>);

impl GeneraliseAfter {
    /// The number, for [`crate::learn::generalise`].
    pub fn parts(self) -> usize {
        self.0.map_or(usize::MAX, usize::from)
    }
}

impl Default for GeneraliseAfter {
    fn default() -> Self {
        Self(Some(3))
    }
}

impl FromStr for GeneraliseAfter {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text == OFF {
            return Ok(Self(None));
        }
        match text.parse() {
            Ok(number @ 2..=1000) => Ok(Self(Some(number))),
            _ => Err(InvalidValue::new(format!(
                "{:?} is no number from 2 to 1000, nor off",
                Untrusted::from(text)
            ))),
        }
    }
}

impl<'de> Deserialize<'de> for GeneraliseAfter {
    /// A number, or `"off"`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrOff;

        impl de::Visitor<'_> for NumberOrOff {
            type Value = GeneraliseAfter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 2 to 1000, or \"off\"")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<GeneraliseAfter, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<GeneraliseAfter, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(NumberOrOff)
    }
}

/// How much of the disk something may take: 1 MiB to 64 GiB, or none, and there is
/// no such thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct DiskRoom(Option<u64>);

impl DiskRoom {
    /// Bytes; `None` where nothing is kept.
    pub fn bytes(self) -> Option<u64> {
        self.0
    }
}

impl Default for DiskRoom {
    fn default() -> Self {
        Self(Some(64 << 20))
    }
}

impl FromStr for DiskRoom {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text == OFF {
            return Ok(Self(None));
        }
        let (number, shift) = [("MiB", 20), ("GiB", 30)]
            .iter()
            .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
            .unwrap_or((text, 0));
        let is_number = shift > 0 && number.bytes().all(|byte| byte.is_ascii_digit());
        let bytes = number.parse::<u32>().ok().filter(|_| is_number);
        match bytes.map(|number| u64::from(number) << shift) {
            Some(bytes) if (1 << 20..=64 << 30).contains(&bytes) => Ok(Self(Some(bytes))),
            _ => Err(InvalidValue::new(format!(
                "{:?} is no size from 1MiB to 64GiB, nor off; write a whole number and MiB or GiB",
                Untrusted::from(text)
            ))),
        }
    }
}

from_string!(DiskRoom);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_generalised_after_some_or_never() {
        for (text, expected) in [("2", 2), ("3", 3), ("1000", 1000), ("off", usize::MAX)] {
            let after: GeneraliseAfter = text.parse().expect("a number");
            assert_eq!(after.parts(), expected);
        }
        for text in ["", "0", "1", "1001", "-3", "3.0", "on"] {
            assert!(text.parse::<GeneraliseAfter>().is_err(), "{text}");
        }
    }

    #[test]
    fn there_is_room_or_there_is_none() {
        for (text, expected) in [
            ("1MiB", Some(1 << 20)),
            ("64MiB", DiskRoom::default().bytes()),
            ("64GiB", Some(64 << 30)),
            ("off", None),
        ] {
            let size: DiskRoom = text.parse().expect("a size");
            assert_eq!(size.bytes(), expected, "{text}");
        }
        for text in [
            "", "0MiB", "64", "64M", "65GiB", "+1MiB", "-1MiB", "1.5GiB", "on",
        ] {
            assert!(text.parse::<DiskRoom>().is_err(), "{text}");
        }
    }
}
