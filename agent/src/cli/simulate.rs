//! `execwarden simulate`: what allowlists would have reported.

use super::args::SimulateArguments;
use super::output::{self, plain};
use super::progress::Progress;
use super::table::{grouped, shorten};
use super::validate;
use super::{CommandError, Outcome};
use crate::control::client;
use crate::control::protocol::{Answer, Request};
use crate::journal::{Cursor, Hour, Page, Was};
use crate::simulate::{
    Candidate, Executable, Finding, Open, Report, Simulation, Times, Unused, WorkloadReport,
};
use crate::store::{JournalStore, StoreError};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How wide a page is, in columns.
const WIDTH: usize = 80;

pub(super) fn execute(arguments: SimulateArguments) -> Result<Outcome, CommandError> {
    let candidates = arguments.allowlist.iter().map(|file| {
        Ok(Candidate {
            file: validate::name(file),
            document: validate::read(file)?,
        })
    });
    let candidates = candidates.collect::<Result<Vec<_>, validate::Invalid>>()?;
    let mut simulation = Simulation::new(candidates, arguments.workload.as_deref())?;
    let since = arguments.since.map(|back| ago(Duration::from(back)));
    match arguments.state {
        Some(folder) => read_folder(&PathBuf::from(folder), since, &mut simulation)?,
        None => {
            let agent = PathBuf::from(arguments.agent.control);
            read_agent(&agent, since, &mut simulation)?;
        }
    }
    let report = simulation.finish();
    if arguments.json {
        output::print_json(&report)?;
    } else {
        output::print(&render(&report))?;
    }
    Ok(match report.has_findings() {
        true => Outcome::No,
        false => Outcome::Done,
    })
}

fn ago(back: Duration) -> Hour {
    let back = jiff::SignedDuration::try_from(back).unwrap_or(jiff::SignedDuration::MAX);
    let then = Timestamp::now().checked_sub(back);
    then.map_or(Hour(0), Hour::of)
}

fn read_agent(
    agent: &Path,
    since: Option<Hour>,
    simulation: &mut Simulation,
) -> Result<(), CommandError> {
    let mut after = None;
    let mut read = Read::new();
    loop {
        let request = Request::Journal {
            since: since.map(|hour| hour.0),
            after,
        };
        let Answer::Journal(page) = client::ask(agent, &request)? else {
            return Err(client::unexpected(agent).into());
        };
        after = page.next.clone();
        read.add(&page);
        simulation.take(*page)?;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn read_folder(
    folder: &Path,
    since: Option<Hour>,
    simulation: &mut Simulation,
) -> Result<(), CommandError> {
    let journal = JournalStore::of_folder(folder)?;
    let Some(mut journal) = journal else {
        return Err(CommandError::NoJournal(folder.to_owned()));
    };
    let mut next = |after: Option<Cursor>| -> Result<Page, StoreError> {
        journal.page(since.unwrap_or_default(), after)
    };
    let mut after = None;
    let mut read = Read::new();
    loop {
        let page = next(after)?;
        after = page.next.as_deref().and_then(Cursor::parse);
        read.add(&page);
        simulation.take(page)?;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// How much of the journal is read, for whoever waits.
struct Read {
    rows: u64,
    progress: Progress,
}

impl Read {
    fn new() -> Self {
        let progress = Progress::new();
        Self { rows: 0, progress }
    }

    fn add(&mut self, page: &Page) {
        self.rows += page.rows.len() as u64;
        let rows = self.rows;
        let hour = page.rows.last().map(|(hour, ..)| minute(hour.start()));
        self.progress.say(|| {
            let until = hour.map_or_else(String::new, |hour| format!(", until {hour}"));
            format!("reading the journal: {} rows{until}", grouped(rows))
        });
    }
}

/// The page; fits 80 columns. Names that are longer are shortened in the middle,
/// JSON has them whole.
fn render(report: &Report) -> String {
    let mut page = match report.journal_begins {
        Some(begins) => format!("The journal is complete from {} on", minute(begins)),
        None => "The journal has nothing of this time".to_owned(),
    };
    page += match report.gaps.is_empty() {
        true => ".\n",
        false => ", but for this:\n",
    };
    for gap in &report.gaps {
        let (from, to) = (minute(gap.from), minute(gap.to));
        page += &format!("  {from} to {to}  {}\n", gap.because.as_str());
    }
    if report.damaged > 0 {
        page += &format!("Rows of it that cannot be read: {}\n", report.damaged);
    }
    for workload in &report.workloads {
        page += &of_workload(workload);
    }
    if !report.without_candidate.is_empty() {
        page += "\nIn the journal, and without a document here:\n";
        for workload in &report.without_candidate {
            page += &line(2, &plain(workload));
        }
    }
    page
}

fn of_workload(workload: &WorkloadReport) -> String {
    let mut page = format!(
        "\n{}{}",
        line(0, &plain(&workload.workload)),
        line(2, &format!("by {}", plain(&workload.file)))
    );
    if workload.mode == "off" {
        return page + &line(2, "nothing is asked of it: the document has mode off");
    }
    if workload.mode == "learn" {
        page += &line(
            2,
            "the document has mode learn; this is what it is once enforced",
        );
    }
    page += &line(
        2,
        &format!(
            "executables that ran: {}; that would have been reported: {}",
            grouped(workload.executables),
            workload.reported.len()
        ),
    );
    for finding in &workload.reported {
        page += &found(finding);
    }
    if !workload.undecided.is_empty() {
        page += &line(2, "Not decided, as the journal has too little of it:");
        for open in &workload.undecided {
            page += &undecided(open);
        }
    }
    if workload.judged_by_one > 0 {
        let count = grouped(workload.judged_by_one);
        page += &line(2, &format!("Judged by one exec of several: {count}"));
    }
    if !workload.unused.is_empty() {
        page += &line(2, "Entries that nothing used:");
        for entry in &workload.unused {
            page += &line(4, &unused(entry));
        }
    }
    page
}

fn found(finding: &Finding) -> String {
    let mut text = line(
        4,
        &format!("{}  {}", finding.reason, name(&finding.executable)),
    );
    text += &line(6, &times(&finding.times));
    if let Some(nearest) = &finding.nearest {
        let differs = format!(" differs in {}", nearest.differs);
        let room = WIDTH - 6 - "nearest entry ".len() - differs.len();
        let path = shorten(&plain(&nearest.path), room);
        text += &line(6, &format!("nearest entry {path}{differs}"));
    }
    text
}

fn undecided(open: &Open) -> String {
    let mut text = line(4, &name(&open.executable));
    text += &line(6, &times(&open.times));
    let asked = open.asks_for.join(", ");
    text + &line(6, &format!("entries for it ask for {asked}"))
}

fn times(times: &Times) -> String {
    let count = match (times.execs, times.uncounted) {
        (0, _) => "not counted".to_owned(),
        (1, false) => "1 exec".to_owned(),
        (1, true) => "1 exec or more".to_owned(),
        (count, false) => format!("{} execs", grouped(count)),
        (count, true) => format!("{} execs or more", grouped(count)),
    };
    let (first, last) = (hour(times.first_hour), hour(times.last_hour));
    let when = match first == last {
        true => first,
        false => format!("{first} to {last}"),
    };
    let was = match times.was {
        Was::Known => "known".to_owned(),
        Was::Learned => "learned".to_owned(),
        Was::Reported(reason) => format!("reported as {reason}"),
    };
    format!("{count}, {when}; was {was}")
}

fn name(executable: &Executable) -> String {
    with_role(
        &executable.path,
        executable.interpreter.as_deref(),
        executable.applet.as_deref(),
        executable.layer,
    )
}

fn unused(entry: &Unused) -> String {
    with_role(
        &entry.path,
        entry.interpreter.as_deref(),
        entry.applet.as_deref(),
        entry.layer,
    )
}

fn with_role(path: &str, interpreter: Option<&str>, applet: Option<&str>, layer: &str) -> String {
    let mut text = plain(path);
    if let Some(applet) = applet {
        text += &format!(" as {}", plain(applet));
    }
    if let Some(interpreter) = interpreter {
        text += &format!(" by {}", plain(interpreter));
    }
    if layer != "image" {
        text += &format!(" ({layer})");
    }
    text
}

fn line(indent: usize, text: &str) -> String {
    format!("{:indent$}{}\n", "", shorten(text, WIDTH - indent))
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn hour(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:00").to_string()
}

#[cfg(test)]
#[path = "simulate_tests.rs"]
mod tests;
