//! The values a setting can have. Each is checked where it is read, so that
//! the error names the flag, or the file's line.

use crate::model::{Untrusted, format_duration, parse_duration};
use clap::builder::{PathBufValueParser, TypedValueParser};
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// A value that a setting cannot have: a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(String);

impl InvalidValue {
    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// How long a workload learns: one second to 365 days.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Window(Duration);

impl Window {
    /// The default, as people write it.
    pub const DEFAULT: &str = "24h";
}

impl Default for Window {
    fn default() -> Self {
        Self(Duration::from_secs(24 * 3600))
    }
}

impl From<Window> for Duration {
    fn from(window: Window) -> Self {
        window.0
    }
}

impl From<Duration> for Window {
    fn from(length: Duration) -> Self {
        Self(length)
    }
}

impl FromStr for Window {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        parse_duration(text)
            .map(Self)
            .map_err(|error| InvalidValue::new(error.to_string()))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.0))
    }
}

/// A length of time, or `off`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct WindowOrOff(Option<Window>);

impl WindowOrOff {
    /// How long; `None` for `off`.
    pub fn length(self) -> Option<Duration> {
        self.0.map(Duration::from)
    }
}

impl FromStr for WindowOrOff {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "off" => Ok(Self(None)),
            text => { text.parse().map(|window| Self(Some(window))) }
                .map_err(|InvalidValue(error)| InvalidValue(format!("{error}; or off"))),
        }
    }
}

/// A path from the root. A relative one is refused in the file, where nobody
/// knows from which folder; a flag's is meant from the current folder.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "PathBuf")]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// Reads a flag.
    pub fn of_flag() -> impl TypedValueParser<Value = Self> {
        PathBufValueParser::new().try_map(|typed| from_here(&typed).map(Self))
    }
}

impl TryFrom<PathBuf> for AbsolutePath {
    type Error = InvalidValue;

    fn try_from(path: PathBuf) -> Result<Self, InvalidValue> {
        if !path.is_absolute() {
            let sentence = format!("{} is not an absolute path; begin it with /", quoted(&path));
            return Err(InvalidValue(sentence));
        }
        Ok(Self(path))
    }
}

impl From<AbsolutePath> for PathBuf {
    fn from(path: AbsolutePath) -> Self {
        path.0
    }
}

/// The absolute path of a socket: at most [`SocketPath::MAX`] bytes.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "PathBuf")]
pub struct SocketPath(PathBuf);

impl SocketPath {
    /// `sun_path` has 108 bytes and ends with a zero (unix(7)).
    pub const MAX: usize = 107;

    /// Reads a flag.
    pub fn of_flag() -> impl TypedValueParser<Value = Self> {
        PathBufValueParser::new().try_map(|typed| Self::try_from(from_here(&typed)?))
    }
}

impl TryFrom<PathBuf> for SocketPath {
    type Error = InvalidValue;

    fn try_from(path: PathBuf) -> Result<Self, InvalidValue> {
        let AbsolutePath(path) = path.try_into()?;
        let length = path.as_os_str().len();
        if length > Self::MAX {
            return Err(InvalidValue(format!(
                "a socket's path has at most {} bytes, this one has {length}; choose a shorter one",
                Self::MAX
            )));
        }
        Ok(Self(path))
    }
}

impl From<SocketPath> for PathBuf {
    fn from(path: SocketPath) -> Self {
        path.0
    }
}

/// A place, or that there is to be none.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(
    try_from = "PathBuf",
    bound = "T: TryFrom<PathBuf, Error = InvalidValue>"
)]
pub enum PlaceOrOff<T> {
    /// This one.
    At(T),
    /// `off`: none.
    Off,
}

/// Whether an engine is asked, and where.
pub type EngineSocket = PlaceOrOff<SocketPath>;
/// Whether something is to stay in the kernel when the agent ends, and by which
/// folder.
pub type PinFolder = PlaceOrOff<AbsolutePath>;

const OFF: &str = "off";

impl<T> PlaceOrOff<T>
where
    T: TryFrom<PathBuf, Error = InvalidValue> + Clone + Send + Sync + 'static,
{
    /// Reads a flag.
    pub fn of_flag() -> impl TypedValueParser<Value = Self> {
        PathBufValueParser::new().try_map(|typed| {
            if typed.as_os_str() == OFF {
                return Ok(Self::Off);
            }
            T::try_from(from_here(&typed)?).map(Self::At)
        })
    }
}

impl<T: TryFrom<PathBuf, Error = InvalidValue>> TryFrom<PathBuf> for PlaceOrOff<T> {
    type Error = InvalidValue;

    fn try_from(path: PathBuf) -> Result<Self, InvalidValue> {
        if path.as_os_str() == OFF {
            return Ok(Self::Off);
        }
        path.try_into().map(Self::At)
    }
}

impl<T: Into<PathBuf>> From<PlaceOrOff<T>> for Option<PathBuf> {
    fn from(place: PlaceOrOff<T>) -> Self {
        match place {
            PlaceOrOff::At(path) => Some(path.into()),
            PlaceOrOff::Off => None,
        }
    }
}

fn from_here(typed: &Path) -> Result<PathBuf, InvalidValue> {
    std::path::absolute(typed).map_err(|error| {
        InvalidValue(format!(
            "{} cannot be made absolute: {error}",
            quoted(typed)
        ))
    })
}

fn quoted(path: &Path) -> String {
    format!("{:?}", Untrusted::new(path.as_os_str().as_encoded_bytes()))
}

/// The node's name: 1 to 255 visible ASCII characters, which is what
/// RFC 5424 section 6.2.4 lets a HOSTNAME be.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct NodeName(String);

impl NodeName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for NodeName {
    type Err = InvalidValue;

    fn from_str(name: &str) -> Result<Self, InvalidValue> {
        let fits = (1..=255).contains(&name.len());
        if fits && name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(name.to_owned()));
        }
        Err(InvalidValue(format!(
            "{:?} is no node name; it has 1 to 255 visible ASCII characters and no space",
            Untrusted::from(name)
        )))
    }
}

macro_rules! from_string {
    ($($type:ty),*) => {$(
        impl TryFrom<String> for $type {
            type Error = InvalidValue;

            fn try_from(text: String) -> Result<Self, InvalidValue> {
                text.parse()
            }
        }
    )*};
}
pub(super) use from_string;
from_string!(Window, WindowOrOff, NodeName);

/// The least severe of the agent's own log lines that is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Data was lost, or the operator must act
    Error,
    /// Something does not work as wished; the agent goes on
    Warn,
    /// What an operator wants to have read once
    #[default]
    Info,
    /// Why it did what it did
    Debug,
    /// Every step
    Trace,
}

/// What the annotations that a team sets on its pods may change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AnnotationPolicy {
    /// Nothing: they are not looked at
    Ignore,
    /// What makes it stricter than the agent's own configuration
    #[default]
    Tighten,
    /// Everything
    Any,
}

/// How the agent's own log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_window_reads_as_it_is_written() {
        assert_eq!(Window::DEFAULT.parse(), Ok(Window::default()));
    }

    #[test]
    fn relative_paths_are_refused() {
        for path in ["", "x", "./x", "../x"] {
            assert!(
                AbsolutePath::try_from(PathBuf::from(path)).is_err(),
                "{path}"
            );
        }
    }

    #[test]
    fn a_socket_path_must_fit_the_kernels_address() {
        let of = |length: usize| {
            SocketPath::try_from(PathBuf::from(format!("/{:x<1$}", "", length - 1)))
        };

        assert!(of(107).is_ok());
        assert!(of(108).expect_err("too long").to_string().contains("107"));
    }

    #[test]
    fn an_engine_is_asked_at_a_socket_or_not_at_all() {
        let of = |text: &str| EngineSocket::try_from(PathBuf::from(text)).map(Option::from);

        assert_eq!(
            of("/run/docker.sock"),
            Ok(Some(PathBuf::from("/run/docker.sock")))
        );
        assert_eq!(of("off"), Ok(None::<PathBuf>));
        assert!(of("on").is_err());
    }

    #[test]
    fn node_names_are_visible_ascii() {
        for name in ["a", "node-1.example.org", &"x".repeat(255)] {
            assert!(name.parse::<NodeName>().is_ok(), "{name}");
        }
        for name in ["", "a b", "a\n", "ä", &"x".repeat(256)] {
            assert!(name.parse::<NodeName>().is_err(), "{name}");
        }
    }
}
