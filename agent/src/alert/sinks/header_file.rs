//! Headers that stand in a file, because they hold what nobody else is to know.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// The headers of a file: `Name: value`, one a line. Empty lines, and those that
/// begin with `#`, say nothing.
pub(super) fn read(file: &Path) -> io::Result<HeaderMap> {
    let named = |why: String| io::Error::other(format!("header-file {}: {why}", file.display()));
    let mut text = String::new();
    File::open(file)
        .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
        .map_err(|error| named(error.to_string()))?;
    parse(&text).map_err(named)
}

/// What is wrong is said by its line's number, never by what stands there.
fn parse(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = i + 1;
        let Some((name, value)) = header(line) else {
            return Err(format!("line {number} is no header; write Name: value"));
        };
        if [CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
            return Err(format!(
                "line {number} has a header that belongs to HTTP itself; remove it"
            ));
        }
        headers.insert(name, value);
    }
    Ok(headers)
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim().parse().ok()?;
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_headers() {
        let headers = parse("# of the SIEM\n\nAuthorization: Bearer a:b\r\nx-tenant:7\n").unwrap();

        assert_eq!(headers.len(), 2);
        assert_eq!(headers["authorization"], "Bearer a:b");
        assert!(headers["authorization"].is_sensitive());
        assert_eq!(headers["x-tenant"], "7");
    }

    #[test]
    fn what_is_none_is_said_by_its_line_and_not_shown() {
        for (text, expected) in [
            ("a: b\nhunter2", "line 2 is no header"),
            ("hunter2 x: y", "line 1 is no header"),
            ("a: hunter2\x01", "line 1 is no header"),
            (
                "Content-Length: 3",
                "line 1 has a header that belongs to HTTP",
            ),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let error = read(Path::new("/nowhere/headers")).unwrap_err().to_string();

        assert!(
            error.starts_with("header-file /nowhere/headers: "),
            "{error}"
        );
    }
}
