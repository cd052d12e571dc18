//! Paths as documents have them.

use super::filling::Filling;
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
    /// Not one kind for each `*`.
    #[error("wildcards says what {1} * stand for, and the path {0:?} has {2}; say it of each")]
    FillingCount(String, usize, usize),
    /// Two `*` in one segment: where one ends and the other begins is not said.
    #[error(
        "the path {0:?} has more than one * between two /, and wildcards says what each stands \
         for; write one there, or leave wildcards out"
    )]
    FillingUnclear(String),
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
            true => Err(PathError::Wildcard(pattern.text)),
            false => Ok(Self(pattern.text)),
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
pub struct PathPattern {
    // Sorted by the text first: `process::same_path` depends on it.
    text: String,
    /// What each `*` stands for, in their order; none for any text.
    fillings: Vec<Filling>,
}

impl PathPattern {
    /// Checks `text`.
    ///
    /// # Errors
    /// Any [`PathError`] but [`PathError::Wildcard`] and those of
    /// [`Self::narrowed`].
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
        Ok(Self {
            text: text.to_owned(),
            fillings: Vec::new(),
        })
    }

    /// The same with each `*` standing for text of one kind only.
    ///
    /// # Errors
    /// There are more or fewer kinds than `*`, or two `*` in one segment.
    pub fn narrowed(self, fillings: Vec<Filling>) -> Result<Self, PathError> {
        let stars = |text: &str| text.bytes().filter(|byte| *byte == b'*').count();
        let count = stars(&self.text);
        if fillings.len() != count {
            return Err(PathError::FillingCount(self.text, fillings.len(), count));
        }
        if self.text.split('/').any(|segment| stars(segment) > 1) {
            return Err(PathError::FillingUnclear(self.text));
        }
        Ok(Self { fillings, ..self })
    }

    /// The path as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What each `*` stands for, in their order; none for any text.
    pub fn fillings(&self) -> &[Filling] {
        &self.fillings
    }

    /// Whether it has a `*`.
    pub fn has_wildcard(&self) -> bool {
        self.text.contains('*')
    }

    /// Its last segment.
    pub fn file_name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// Whether `other`, which has no `*`, is one of the paths that this stands
    /// for, where there is no more than one `*` in a segment.
    pub fn matches(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.text.split('/'), other.text.split('/'));
        ours.clone().count() == theirs.clone().count()
            && ours
                .zip(theirs)
                .all(|(ours, theirs)| match ours.split_once('*') {
                    None => ours == theirs,
                    Some((before, behind)) => theirs
                        .strip_prefix(before)
                        .is_some_and(|rest| rest.ends_with(behind)),
                })
            && self.is_filled_by(other.text.as_bytes())
    }

    /// Whether what stands for each `*` in `path`, which matches the text, is of
    /// the kind that is asked for.
    pub(super) fn is_filled_by(&self, path: &[u8]) -> bool {
        let segments = self.text.split('/').zip(path.split(|byte| *byte == b'/'));
        let filled = segments.filter_map(|(pattern, segment)| {
            let (before, behind) = pattern.split_once('*')?;
            let rest = segment.strip_prefix(before.as_bytes());
            Some(rest.and_then(|rest| rest.strip_suffix(behind.as_bytes())))
        });
        filled
            .zip(&self.fillings)
            .all(|(part, filling)| part.is_some_and(|part| filling.fits(part)))
    }

    /// Whether some path may match both. What the `*` stand for is not looked
    /// at, so a yes may be wrong, and a no is not.
    pub(super) fn may_meet(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.text.split('/'), other.text.split('/'));
        ours.clone().count() == theirs.clone().count()
            && ours
                .zip(theirs)
                .all(|(a, b)| segments_meet(a.as_bytes(), b.as_bytes()))
    }
}

/// Whether one text matches two segments with `*`: `row[j]` says it of what was
/// read of `a` and the first `j` bytes of `b`.
fn segments_meet(a: &[u8], b: &[u8]) -> bool {
    let mut row: Vec<bool> = Vec::with_capacity(b.len() + 1);
    row.push(true);
    for byte in b {
        row.push(*byte == b'*' && row[row.len() - 1]);
    }
    for mine in a {
        let mut next = Vec::with_capacity(row.len());
        next.push(*mine == b'*' && row[0]);
        for (j, theirs) in b.iter().enumerate() {
            let meets = match (mine, theirs) {
                // One of the two stands for nothing, or for what the other does.
                (b'*', _) | (_, b'*') => row[j + 1] || next[j] || row[j],
                (mine, theirs) => mine == theirs && row[j],
            };
            next.push(meets);
        }
        row = next;
    }
    row[b.len()]
}

impl From<ExactPath> for PathPattern {
    fn from(path: ExactPath) -> Self {
        Self {
            text: path.0,
            fillings: Vec::new(),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
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

    fn narrowed(text: &str, fillings: &[Filling]) -> Result<PathPattern, PathError> {
        PathPattern::new(text)?.narrowed(fillings.to_vec())
    }

    #[test]
    fn a_star_may_stand_for_one_kind_of_text() {
        let releases = narrowed("/srv/*/bin/run-*", &[Filling::Date, Filling::Version]);
        let releases = releases.expect("one kind each");

        for (path, expected) in [
            ("/srv/20261123/bin/run-1.2", true),
            ("/srv/evil/bin/run-1.2", false),
            ("/srv/20261123/bin/run-x", false),
            ("/srv/20261123/bin/run-", false),
        ] {
            assert_eq!(releases.is_filled_by(path.as_bytes()), expected, "{path}");
        }
        let any = PathPattern::new("/srv/*/x").expect("a pattern");
        assert!(any.is_filled_by(b"/srv/evil/x"));
    }

    #[test]
    fn what_a_star_stands_for_is_said_of_each_or_of_none() {
        assert_eq!(
            narrowed("/a/*/b*", &[Filling::Date]),
            Err(PathError::FillingCount("/a/*/b*".to_owned(), 1, 2))
        );
        assert_eq!(
            narrowed("/a", &[Filling::Date]),
            Err(PathError::FillingCount("/a".to_owned(), 1, 0))
        );
        assert_eq!(
            narrowed("/a/*b*", &[Filling::Date, Filling::Date]),
            Err(PathError::FillingUnclear("/a/*b*".to_owned()))
        );
    }

    #[test]
    fn two_patterns_meet_where_one_path_matches_both() {
        let meet = |a: &str, b: &str| {
            let pattern = |text| PathPattern::new(text).expect("a pattern");
            let (a, b) = (pattern(a), pattern(b));
            assert_eq!(a.may_meet(&b), b.may_meet(&a), "{a} {b}");
            a.may_meet(&b)
        };

        assert!(meet("/a/b", "/a/b"));
        assert!(meet("/a/*/c", "/a/b/c"));
        assert!(meet("/a/x*/c", "/a/*y/c"));
        assert!(meet("/a/*", "/*/b"));
        assert!(meet("/a*b*c", "/a*c"));
        assert!(!meet("/a/x*", "/a/y*"));
        assert!(!meet("/a/*x", "/a/*y"));
        assert!(!meet("/a/*", "/a/b/c"));
        assert!(!meet("/a/ab*", "/a/a"));
    }
}
