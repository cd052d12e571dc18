//! Paths as documents have them.

use crate::model::Untrusted;
use std::fmt;

/// The longest path a document may name, in bytes: the longest the kernel side
/// reads, and so the longest that could ever match.
pub const MAX_BYTES: usize = agent_common::wire::PATH_MAX;

/// Why a text is no path that a document can name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("the path {0:?} is relative; write it from the root, beginning with /")]
    Relative(String),
    /// It has `.`, `..`, `//` or a `/` at its end.
    #[error(
        "the path {0:?} is not normalised; write it as the kernel resolves it: \
         without ., .., // and without / at its end"
    )]
    NotNormalised(String),
    /// Longer than [`MAX_BYTES`].
    #[error("the path has {0} bytes; the longest that can match has {MAX_BYTES}")]
    TooLong(usize),
    /// Not UTF-8, or with control characters or characters that an editor
    /// hides or reorders: a reviewer would not see what is allowed.
    #[error(
        "the path '{0}' has control characters, invisible characters or bytes \
         that are no UTF-8, and cannot be named in a document"
    )]
    NotPlain(String),
    /// `**`.
    #[error("the path {0:?} has **; * stands for one path segment or a part of it")]
    CrossingWildcard(String),
    /// `*` where only one file can be meant.
    #[error("the path {0:?} has a *; one exact file must be named here")]
    Wildcard(String),
}

/// One file: absolute, normalised, plain text, no wildcard.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ExactPath(String);

impl ExactPath {
    /// Checks `text`.
    ///
    /// # Errors
    /// Any [`PathError`]; a `*` is one, too.
    pub fn new(text: &str) -> Result<Self, PathError> {
        let pattern = PathPattern::new(text)?;
        match pattern.has_wildcard() {
            true => Err(PathError::Wildcard(pattern.0)),
            false => Ok(Self(pattern.0)),
        }
    }

    /// A path as the kernel saw it.
    ///
    /// # Errors
    /// It cannot be named in a document: a container may call a file anything.
    pub fn of(path: &Untrusted) -> Result<Self, PathError> {
        let text = path.as_plain_str();
        Self::new(text.ok_or_else(|| PathError::NotPlain(path.escaped(256)))?)
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One file, or with `*` in a segment the files that differ only there. `*`
/// never crosses a `/`. Every other character stands for itself, `[`, `{`, `?`
/// and backslash too: `/usr/bin/[` is a program.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PathPattern(String);

impl PathPattern {
    /// Checks `text`.
    ///
    /// # Errors
    /// Any [`PathError`] but [`PathError::Wildcard`].
    pub fn new(text: &str) -> Result<Self, PathError> {
        if text.len() > MAX_BYTES {
            return Err(PathError::TooLong(text.len()));
        }
        let untrusted = Untrusted::from(text);
        if untrusted.as_plain_str().is_none() {
            return Err(PathError::NotPlain(untrusted.escaped(256)));
        }
        let Some(below_root) = text.strip_prefix('/') else {
            return Err(PathError::Relative(text.to_owned()));
        };
        if below_root.split('/').any(|s| matches!(s, "" | "." | "..")) {
            return Err(PathError::NotNormalised(text.to_owned()));
        }
        if text.contains("**") {
            return Err(PathError::CrossingWildcard(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has a `*`.
    pub fn has_wildcard(&self) -> bool {
        self.0.contains('*')
    }

    /// Its last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl From<ExactPath> for PathPattern {
    fn from(path: ExactPath) -> Self {
        Self(path.0)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &str) {
        assert_eq!(PathPattern::new(text).expect(text).as_str(), text);
    }

    fn refuses(text: &str, expected: impl Fn(String) -> PathError) {
        assert_eq!(PathPattern::new(text), Err(expected(text.to_owned())));
    }

    #[test]
    fn takes_paths_as_the_kernel_writes_them() {
        accepts("/usr/sbin/nginx");
        accepts("/usr/bin/[");
        accepts("/opt/{a,b}/what?/back\\slash");
        accepts("/opt/ä b/..c/d.");
        accepts("/opt/releases/*/bin/run-*");
    }

    #[test]
    fn refuses_what_could_never_match_or_could_mislead_a_reader() {
        refuses("", PathError::Relative);
        refuses("usr/bin/x", PathError::Relative);
        refuses("/", PathError::NotNormalised);
        refuses("/usr//bin", PathError::NotNormalised);
        refuses("/usr/./bin", PathError::NotNormalised);
        refuses("/usr/../bin", PathError::NotNormalised);
        refuses("/usr/bin/", PathError::NotNormalised);
        refuses("/usr/**/x", PathError::CrossingWildcard);
        refuses("/a\nb", |_| PathError::NotPlain("/a\\x0ab".to_owned()));
        refuses("/a\u{202e}b", |_| {
            PathError::NotPlain("/a\\u{202e}b".to_owned())
        });
        refuses(&format!("/{}", "a".repeat(MAX_BYTES)), |_| {
            PathError::TooLong(MAX_BYTES + 1)
        });
    }

    #[test]
    fn an_exact_path_has_no_wildcard() {
        assert!(ExactPath::new("/bin/dash").is_ok());
        assert_eq!(
            ExactPath::new("/bin/*"),
            Err(PathError::Wildcard("/bin/*".to_owned()))
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_no_path() {
        let path = Untrusted::new(*b"/tmp/\xff");

        assert_eq!(
            ExactPath::of(&path),
            Err(PathError::NotPlain("/tmp/\\xff".to_owned()))
        );
    }
}
