//! Reads the configuration file: strict, and every complaint has its line.

use super::Settings;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes; ours has a few hundred.
const MAX_BYTES: u64 = 1 << 20;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is larger than 1 MiB.
    #[error("the configuration {} is larger than {MAX_BYTES} bytes; is it the right file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It says something that is not understood.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
        /// What is wrong there, and what would be right.
        message: String,
    },
}

/// Reads a file that must be there.
pub fn read(path: &Path) -> Result<Settings, FileError> {
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
        });
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse(path, text),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            Err(content(path, &valid, valid.len(), "this is not UTF-8 text"))
        }
    }
}

/// Reads a file that may be missing; then nothing is set.
pub fn read_if_there(path: &Path) -> Result<Settings, FileError> {
    match read(path) {
        Err(FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Settings::default())
        }
        result => result,
    }
}

/// Reads the file's text; `path` is for the errors.
pub fn parse(path: &Path, text: &str) -> Result<Settings, FileError> {
    let settings: Settings = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        content(path, text, at, error.message())
    })?;
    let chosen = mode_keys(text, &settings);
    if let [(first, _), (second, span), ..] = chosen.as_slice() {
        let message = format!("`{second}` and `{first}` both choose the mode; keep one of them");
        return Err(content(path, text, span.start, &message));
    }
    Ok(settings)
}

/// The keys that choose a mode, in the order of the file.
fn mode_keys(text: &str, settings: &Settings) -> Vec<(&'static str, Range<usize>)> {
    let Ok(table) = toml::de::DeTable::parse(text) else {
        return Vec::new();
    };
    let mut keys: Vec<_> = table
        .get_ref()
        .iter()
        .filter_map(|(key, _)| {
            let name = Settings::MODE_KEYS
                .into_iter()
                .find(|name| key.get_ref() == name)?;
            Some((name, key.span()))
        })
        .filter(|(name, _)| *name != "enforce" || settings.enforce)
        .collect();
    keys.sort_by_key(|(_, span)| span.start);
    keys
}

fn content(path: &Path, text: &str, at: usize, message: &str) -> FileError {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    FileError::Content {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: message.trim_end().replace('\n', "; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(text: &str, expected: &str) {
        let error = parse(Path::new("c.toml"), text)
            .expect_err(text)
            .to_string();

        assert!(error.starts_with(expected), "{text:?} gave {error:?}");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_known_ones() {
        let text = "json = true\n\n  sylog = ['unix:/dev/log']\n";

        let error = parse(Path::new("c.toml"), text)
            .expect_err("unknown")
            .to_string();

        assert!(
            error.starts_with("c.toml:3:3: unknown field `sylog`"),
            "{error}"
        );
        assert!(error.contains("`syslog`"), "{error}");
    }

    #[test]
    fn complaints_have_line_and_column() {
        for (text, expected) in [
            (
                "json = true\nlearn = '1w'",
                "c.toml:2:9: \"1w\" is not a duration",
            ),
            ("learn = true", "c.toml:1:9: invalid type: boolean"),
            ("state = 'x'", "c.toml:1:9: \"x\" is not an absolute path"),
            ("node-name = 'a b'", "c.toml:1:13: \"a b\" is no node name"),
            ("log-level = 'loud'", "c.toml:1:13: unknown variant `loud`"),
            ("json = true\njson = true", "c.toml:2:1: duplicate key"),
            ("syslog = 'x'", "c.toml:1:10: invalid type"),
            ("alert-arguments = 'no'", "c.toml:1:19: invalid type"),
            (
                "[classes]\nmain = 'off'",
                "c.toml:1:1: \"main=off\" is not CLASS=MODE",
            ),
            (
                "[classes]\ninit = 'loud'",
                "c.toml:2:8: unknown variant `loud`",
            ),
            ("annotations = 'all'", "c.toml:1:15: unknown variant `all`"),
            (
                "generalise-after = 1",
                "c.toml:1:20: \"1\" is no number from 2 to 1000, nor off",
            ),
            (
                "generalise-after = true",
                "c.toml:1:20: invalid type: boolean",
            ),
            (
                "journal-max-size = '64'",
                "c.toml:1:20: \"64\" is no size from 1MiB to 64GiB",
            ),
            ("json", "c.toml:1:"),
            ("# ä\nä = 1", "c.toml:2:1:"),
        ] {
            check_refused(text, expected);
        }
    }

    #[test]
    fn two_modes_are_refused() {
        check_refused(
            "enforce = true\nlearn = '1h'",
            "c.toml:2:1: `learn` and `enforce` both choose the mode",
        );
        check_refused("learn = '1h'\nautomatic = '1h'", "c.toml:2:1:");
        assert!(parse(Path::new("c.toml"), "enforce = false\nlearn = '1h'").is_ok());
    }

    #[test]
    fn only_a_file_that_nobody_named_may_be_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("missing.toml");

        assert!(read_if_there(&missing).is_ok());

        let error = read(&missing).expect_err("missing").to_string();
        assert!(error.contains("missing.toml"), "{error}");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.toml");
        std::fs::write(&path, b"json = true\nhost = \xff").expect("written");

        let error = read(&path).expect_err("no text").to_string();

        assert!(
            error.ends_with("c.toml:2:8: this is not UTF-8 text"),
            "{error}"
        );
    }

    #[test]
    fn an_endless_file_is_refused() {
        let error = read(Path::new("/dev/zero")).expect_err("endless");

        assert!(matches!(error, FileError::TooLarge { .. }), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text: String) {
            let _ = parse(Path::new("c.toml"), &text);
        }
    }
}
