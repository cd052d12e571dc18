//! `execwarden verify`: whether a file has every record that a target was given.

use super::operator_args::VerifyArguments;
use super::output::{self, plain};
use super::progress::Progress;
use super::table::grouped;
use super::{CommandError, Outcome};
use crate::alert::{Chain, Walked};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};

/// A line that is longer is no record.
const MAX_LINE: u64 = 256 * 1024;

/// What was found. The JSON form is an interface.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
struct Found {
    v: u32,
    /// Records of the chain, each once.
    records: u64,
    /// Records that were there before.
    doubles: u64,
    /// Whether the first one is the first that there ever was.
    from_the_beginning: bool,
    /// Records that tell of others that were lost.
    losses: u64,
    /// Places at which an agent was killed, and the next one went on.
    forks: u64,
    /// Lines that are no records of a chain.
    others: u64,
    /// Where something before a record was removed or changed: its file and line.
    missed: Vec<(String, u64)>,
}

pub(super) fn execute(arguments: &VerifyArguments) -> Result<Outcome, CommandError> {
    let mut chain = Chain::default();
    let mut found = Found {
        v: 1,
        ..Found::default()
    };
    for path in &arguments.files {
        let name = plain(&path.to_string_lossy());
        let walked = match path.as_os_str() == "-" {
            true => walk(io::stdin().lock(), "stdin", &mut chain, &mut found),
            false => File::open(path).and_then(|file| walk(file, &name, &mut chain, &mut found)),
        };
        walked.map_err(|source| CommandError::Verify { file: name, source })?;
    }
    let is_whole = found.missed.is_empty() && found.records > 0;
    match arguments.json {
        true => output::print_json(&found)?,
        false => output::print(&render(&found))?,
    }
    Ok(if is_whole { Outcome::Done } else { Outcome::No })
}

fn walk(file: impl Read, name: &str, chain: &mut Chain, found: &mut Found) -> io::Result<()> {
    let mut file = BufReader::new(file);
    let mut progress = Progress::new();
    for number in 1.. {
        let mut line = Vec::new();
        if (&mut file).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        progress.say(|| format!("{name}: line {}", grouped(number)));
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let walked = chain.walk(line);
        found.records += u64::from(!matches!(
            walked,
            Walked::Double | Walked::NoRecord | Walked::TellsOfLoss
        ));
        match walked {
            Walked::Follows | Walked::BeginsWithin | Walked::FollowsLost => {}
            Walked::Begins => found.from_the_beginning = true,
            Walked::Double => found.doubles += 1,
            Walked::FollowsEarlier => found.forks += 1,
            Walked::TellsOfLoss => found.losses += 1,
            Walked::NoRecord => found.others += 1,
            Walked::Missed => found.missed.push((name.to_owned(), number)),
        }
    }
    Ok(())
}

fn render(found: &Found) -> String {
    let mut out = String::new();
    for (file, line) in &found.missed {
        out += &format!("{file}:{line}: what stood before this record was removed or changed\n");
    }
    let from = match found.from_the_beginning {
        true => "from the very first on",
        false => "and others before them",
    };
    out += &match found.records {
        0 => {
            "There are no records of a chain; has the target the option chain=sha256?\n".to_owned()
        }
        records => format!("{} records, {from}\n", grouped(records)),
    };
    for (count, what) in [
        (found.doubles, "were sent twice"),
        (
            found.losses,
            "tell of records that were lost for want of room",
        ),
        (
            found.forks,
            "follow an earlier one: an agent was killed there",
        ),
        (found.others, "lines are no records of a chain"),
    ] {
        if count > 0 {
            out += &format!("{} {what}\n", grouped(count));
        }
    }
    if found.records > 0 && found.missed.is_empty() {
        out += "Nothing was removed or changed between them.\n";
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_is_missing_first() {
        let found = Found {
            v: 1,
            records: 1234,
            from_the_beginning: true,
            doubles: 2,
            missed: vec![("alerts.log".to_owned(), 57)],
            ..Found::default()
        };

        insta::assert_snapshot!(render(&found), @r"
        alerts.log:57: what stood before this record was removed or changed
        1,234 records, from the very first on
        2 were sent twice
        ");
        let none = render(&Found::default());
        assert!(none.contains("chain=sha256"), "{none}");
    }
}
