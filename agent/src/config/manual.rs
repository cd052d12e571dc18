//! docs/CONFIGURATION.md says what the code says.

use super::{Config, Environment, Settings, file};
use crate::cli::args::Arguments;
use clap::CommandFactory;
use std::collections::BTreeSet;
use std::path::Path;

const MANUAL: &str = include_str!("../../../docs/CONFIGURATION.md");

/// The long flags of a command, without those that every command has.
fn flags(command: &str) -> BTreeSet<String> {
    let arguments = Arguments::command();
    let command = command.split(' ').fold(&arguments, |command, name| {
        command.find_subcommand(name).expect("such a command")
    });
    let flags = command.get_arguments().filter_map(|a| a.get_long());
    flags.map(|flag| format!("--{flag}")).collect()
}

/// The first code word of each row of the table below a heading, up to the
/// first space.
fn documented(heading: &str) -> BTreeSet<String> {
    let (_, section) = MANUAL
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("the manual has no heading {heading:?}"));
    let section = section.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        row.split(['`', ' ', '['])
            .next()
            .unwrap_or_default()
            .to_owned()
    })
    .collect()
}

/// The keys that the file knows, as its error about another one lists them.
fn keys() -> BTreeSet<String> {
    let error = file::parse(Path::new("c.toml"), "no-such-key = 1")
        .expect_err("unknown")
        .to_string();
    let (_, expected) = error.split_once("expected one of").expect("the known keys");
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn check(heading: &str, command: &str) {
    assert_eq!(documented(heading), flags(command), "{heading}");
}

#[test]
fn every_flag_is_in_the_manual_and_nothing_else() {
    check("## `execwarden run`", "run");
    check("## `execwarden status`", "status");
    check("## `execwarden doctor`", "doctor");
    check("## `execwarden extend WORKLOAD`", "extend");
    check("## `execwarden simulate`", "simulate");
    check("### `execwarden allowlist list`", "allowlist list");
    check("### `execwarden allowlist show WORKLOAD`", "allowlist show");
    check(
        "### `execwarden allowlist evidence WORKLOAD`",
        "allowlist evidence",
    );
    check(
        "### `execwarden allowlist remove WORKLOAD PATH`",
        "allowlist remove",
    );
    check(
        "### `execwarden allowlist restore WORKLOAD PATH|ID…`",
        "allowlist restore",
    );
    check("## `execwarden alerts`", "alerts");
    check("## `execwarden why ID`", "why");
    check("## `execwarden accept ID`", "accept");
    check("## `execwarden allow`", "allow");
    check("## `execwarden promote [WORKLOAD]`", "promote");
    check("## `execwarden log`", "log");
    check("### `execwarden allowlist edit WORKLOAD`", "allowlist edit");
    check(
        "### `execwarden allowlist validate FILE…`",
        "allowlist validate",
    );
}

#[test]
fn every_key_is_a_flag_of_run_and_the_other_way_round() {
    let mut flags: BTreeSet<String> = flags("run")
        .iter()
        .map(|flag| flag.trim_start_matches("--").to_owned())
        .collect();

    assert!(flags.remove("config"), "the file cannot name itself");
    assert_eq!(keys(), flags);
}

#[test]
fn the_manuals_file_has_every_key_at_its_default() {
    let (_, block) = MANUAL.split_once("```toml\n").expect("a TOML block");
    let (block, _) = block.split_once("```").expect("its end");
    let environment = Environment {
        node_name: None,
        hostname: "node-1".to_owned(),
    };
    let resolve =
        |settings| Config::resolve(Settings::default(), settings, &environment).expect("valid");

    let documented = file::parse(Path::new("manual.toml"), block).expect("a valid file");

    assert_eq!(resolve(documented), resolve(Settings::default()));
    for key in keys() {
        let named = |line: &str| {
            line.trim_start_matches("# ")
                .starts_with(&format!("{key} = "))
        };
        assert!(
            block.lines().any(named),
            "the file in the manual lacks {key}"
        );
    }
}
