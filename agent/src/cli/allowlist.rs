//! `execwarden allowlist`: what the agent has.

use super::args::AllowlistCommand;
use super::output::{self, plain, plain_lines};
use super::table::{Column, Table, grouped};
use super::{CommandError, Outcome, decide, documents, edit, validate};
use crate::control::client;
use crate::control::protocol::{AllowlistSource, AllowlistSummary, AllowlistText, Answer, Request};
use std::path::{Path, PathBuf};

pub(super) fn execute(command: AllowlistCommand) -> Result<Outcome, CommandError> {
    match command {
        AllowlistCommand::List { json, agent } => list(json, &PathBuf::from(agent.control)),
        AllowlistCommand::Show {
            workload,
            json,
            agent,
        } => show(workload, json, &PathBuf::from(agent.control)),
        AllowlistCommand::Evidence {
            workload,
            json,
            agent,
        } => evidence(workload, json, &PathBuf::from(agent.control)),
        AllowlistCommand::Remove(arguments) => decide::remove(arguments),
        AllowlistCommand::Restore(arguments) => decide::restore(arguments),
        AllowlistCommand::Edit(arguments) => edit::edit(&arguments),
        AllowlistCommand::Validate { files, keys, json } => validate::execute(&files, &keys, json),
        AllowlistCommand::Diff(arguments) => documents::compare(&arguments),
        AllowlistCommand::Merge(arguments) => documents::unite(&arguments),
        AllowlistCommand::Export(arguments) => documents::export(&arguments),
        AllowlistCommand::Import(arguments) => documents::import(&arguments),
    }
}

fn list(json: bool, agent: &Path) -> Result<Outcome, CommandError> {
    let Answer::AllowlistList(list) = client::ask(agent, &Request::AllowlistList)? else {
        return Err(client::unexpected(agent).into());
    };
    if json {
        output::print_json(&list)?;
    } else {
        output::print(&render_list(&list))?;
    }
    Ok(Outcome::Done)
}

fn show(workload: String, json: bool, agent: &Path) -> Result<Outcome, CommandError> {
    let Answer::AllowlistShow(text) = client::ask(agent, &Request::AllowlistShow { workload })?
    else {
        return Err(client::unexpected(agent).into());
    };
    if json {
        output::print_json(&text)?;
    } else {
        output::print(&plain_lines(&with_decisions(&text)))?;
    }
    Ok(Outcome::Done)
}

fn evidence(workload: String, json: bool, agent: &Path) -> Result<Outcome, CommandError> {
    let request = Request::AllowlistEvidence { workload };
    let Answer::AllowlistEvidence(entries) = client::ask(agent, &request)? else {
        return Err(client::unexpected(agent).into());
    };
    if json {
        output::print_json(&entries)?;
    } else {
        output::print(&super::evidence::render(&entries))?;
    }
    Ok(Outcome::Done)
}

/// The document, below what of it was decided on the running agent: comments,
/// so that it is still a document.
fn with_decisions(text: &AllowlistText) -> String {
    let Some(file) = &text.decided else {
        return text.yaml.clone();
    };
    let base = match &text.source {
        AllowlistSource::File(path) => path,
        AllowlistSource::Learned => "what was learned",
        AllowlistSource::Learning => "what was learned so far",
        AllowlistSource::None => "nothing",
    };
    let comment = |line: &String| format!("#   {}\n", plain(line));
    let decisions: String = text.decisions.iter().map(comment).collect();
    format!(
        "# {}, and laid over it {}:\n{decisions}{}",
        plain(base),
        plain(file),
        text.yaml
    )
}

fn render_list(list: &[AllowlistSummary]) -> String {
    if list.is_empty() {
        return "There is no allowlist.\n".to_owned();
    }
    let mut table = Table::new([
        Column::Shortened("WORKLOAD"),
        Column::Text("MODE"),
        Column::Number("PROCESSES"),
        Column::Number("RUNNING"),
        Column::Shortened("FROM"),
    ]);
    for allowlist in list {
        let source = match &allowlist.source {
            AllowlistSource::File(path) => path,
            AllowlistSource::Learned => "learned",
            AllowlistSource::Learning => "learning",
            AllowlistSource::None => "none",
        };
        table.row([
            allowlist.workload.clone(),
            allowlist.mode.as_str().to_owned(),
            grouped(allowlist.processes),
            grouped(allowlist.containers),
            source.to_owned(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::status::WorkloadMode;

    #[test]
    fn a_list_is_a_table() {
        let row = |workload: &str, mode, processes, source| AllowlistSummary {
            workload: workload.to_owned(),
            mode,
            processes,
            source,
            containers: 3,
        };
        let list = [
            row(
                "shop/Deployment/checkout/api",
                WorkloadMode::Enforce,
                12,
                AllowlistSource::File("/etc/execwarden/allowlists/checkout.yaml".to_owned()),
            ),
            row(
                "runc/web",
                WorkloadMode::Learn,
                1234,
                AllowlistSource::Learning,
            ),
            row(
                "runc/\x1b[2J",
                WorkloadMode::Enforce,
                1,
                AllowlistSource::Learned,
            ),
        ];

        insta::assert_snapshot!(render_list(&list), @r"
        WORKLOAD                  MODE     PROCESSES  RUNNING  FROM
        shop/Deploy…checkout/api  enforce         12        3  /etc/execwar…heckout.yaml
        runc/web                  learn        1,234        3  learning
        runc/\x1b[2J              enforce          1        3  learned
        ");
    }

    #[test]
    fn what_was_decided_stands_above_the_document_as_comments() {
        let mut text = AllowlistText {
            workload: "runc/web".to_owned(),
            source: AllowlistSource::Learned,
            yaml: "spec: {}\n".to_owned(),
            decided: None,
            decisions: vec!["accepted /tmp/\ntool (upper)".to_owned()],
            file: None,
            must_be_signed: false,
        };
        assert_eq!(with_decisions(&text), "spec: {}\n");

        text.decided = Some("/state/decided/x.yaml".to_owned());

        let expected = "# what was learned, and laid over it /state/decided/x.yaml:\n\
                        #   accepted /tmp/\\x0atool (upper)\nspec: {}\n";
        assert_eq!(with_decisions(&text), expected);
    }

    #[test]
    fn an_empty_list_says_so() {
        assert_eq!(render_list(&[]), "There is no allowlist.\n");
    }
}
