//! The two ways out: data on stdout, everything else on stderr.

use crate::model::Untrusted;
use std::io::{self, Write};

/// Prints a command's data. A reader that has gone away (`| head`) is no
/// error.
pub(super) fn print(data: &str) -> io::Result<()> {
    write(io::stdout().lock(), data)
}

/// Prints a command's data as JSON.
pub(super) fn print_json(data: &impl serde::Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(data)?;
    print(&(text + "\n"))
}

fn write(mut out: impl Write, data: &str) -> io::Result<()> {
    let written = out.write_all(data.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Tells the person what went wrong. Where stderr cannot be written there is
/// nobody to tell.
pub(super) fn complain(problem: &impl std::fmt::Display) {
    let problem = plain(&problem.to_string());
    let _ = writeln!(io::stderr().lock(), "execwarden: {problem}");
}

/// Tells the person something beside the result.
pub(super) fn tell(line: &impl std::fmt::Display) {
    let line = plain(&line.to_string());
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// One line that no terminal acts on: the text may repeat what a container
/// chose. A backslash stays as it is, because most of the text is ours, and
/// what was escaped once stays readable.
pub(super) fn plain(text: &str) -> String {
    let pieces = text.split('\\');
    let escaped: Vec<_> = pieces
        .map(|piece| Untrusted::from(piece).escaped(usize::MAX))
        .collect();
    escaped.join("\\")
}

/// The same for text of several lines, such as a document: its line breaks
/// stay.
pub(super) fn plain_lines(text: &str) -> String {
    text.lines().map(|line| plain(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gone(io::ErrorKind);

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        assert!(write(Gone(io::ErrorKind::BrokenPipe), "x").is_ok());
        assert!(write(Gone(io::ErrorKind::StorageFull), "x").is_err());
    }

    #[test]
    fn what_was_escaped_once_is_not_escaped_again() {
        assert_eq!(plain("a\n\"\\x1b\""), "a\\x0a\"\\x1b\"");
    }

    #[test]
    fn a_document_keeps_its_lines_and_nothing_that_a_terminal_acts_on() {
        assert_eq!(plain_lines("a: 1\nb: \x1b[2J\n"), "a: 1\nb: \\x1b[2J\n");
    }
}
