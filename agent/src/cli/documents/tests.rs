use super::*;
use crate::cli::args::Arguments;
use crate::cli::execute;
use clap::{CommandFactory, Parser};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const MANUAL: &str = include_str!("../../../../docs/ALLOWLISTS.md");

const BEFORE: &str = "# why
apiVersion: execwarden.dev/v1alpha1
kind: ProcessAllowlist
metadata: {name: x}
spec:
  workload: {namespace: shop, kind: Deployment, name: checkout, container: api}
  processes:
    - path: /usr/bin/dash
      args: [-c, 'curl -fs localhost:*/health']
      users: [1000]
    - path: /usr/bin/busybox
      applet: nc
  removed:
    - path: /usr/bin/curl
";
const AFTER: &str = "
apiVersion: execwarden.dev/v1alpha1
kind: ProcessAllowlist
metadata: {name: x}
spec:
  workload: {namespace: shop, kind: Deployment, name: checkout, container: api}
  mode: learn
  processes:
    - path: /usr/bin/dash
      args: [-c, 'curl -fs localhost:*/ready', and, much, more, that, does, not, fit, on, one, line]
    - path: /usr/bin/curl
      layer: upper
";

fn run(folder: &Path, line: &str) -> u8 {
    let line = line.replace("DIR", folder.to_str().expect("UTF-8"));
    let arguments = Arguments::try_parse_from(line.split(' ')).unwrap_or_else(|e| panic!("{e}"));
    super::super::exit_status(&execute(arguments.command))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.yaml"), BEFORE).expect("written");
    fs::write(folder.path().join("b.yaml"), AFTER).expect("written");
    folder
}

#[test]
fn a_difference_is_a_page_that_fits() {
    let parse = |text: &str| crate::allowlist::parse("x", text.as_bytes()).expect("a document");
    let names = ["a.yaml".to_owned(), "b.yaml".to_owned()];
    let diff = diff(&parse(BEFORE), &parse(AFTER));

    insta::assert_snapshot!(page::render(&names, &diff, Paint::Plain), @r#"
    --- a.yaml
    +++ b.yaml

    spec
    - mode: enforce
    + mode: learn

    processes
    - /usr/bin/busybox
        applet: nc
    + /usr/bin/curl
        layer: upper
    ~ /usr/bin/dash
      - args: ["-c", "curl -fs localhost:*/health"]
      + args: ["-c", "curl -fs localhost:*/ready", and, much, more, that, does,
        not, fit, "on", one, line]
      - users: [1000]
      + users: any

    removed
    - /usr/bin/curl
    "#);
    let colored = page::render(&names, &diff, Paint::Color);
    assert!(colored.contains("\x1b["), "{colored}");
    assert_eq!(page::render(&names, &Diff::default(), Paint::Color), "");
}

#[test]
fn the_status_of_diff_is_that_of_diff() {
    let folder = folder();
    for (line, expected) in [
        ("execwarden allowlist diff DIR/a.yaml DIR/a.yaml", 0),
        ("execwarden allowlist diff DIR/a.yaml DIR/b.yaml", 1),
        ("execwarden allowlist diff --json DIR/a.yaml DIR/b.yaml", 1),
        ("execwarden allowlist diff DIR/a.yaml DIR/none.yaml", 2),
        ("execwarden allowlist diff - -", 2),
    ] {
        assert_eq!(run(folder.path(), line), expected, "{line}");
    }
}

#[test]
fn a_merge_replaces_a_file_as_a_whole() {
    let folder = folder();
    let line = "execwarden allowlist merge DIR/a.yaml DIR/b.yaml -o DIR/b.yaml";

    assert_eq!(run(folder.path(), line), 0);
    let once = fs::read_to_string(folder.path().join("b.yaml")).expect("read");
    assert_eq!(run(folder.path(), line), 0);
    let twice = fs::read_to_string(folder.path().join("b.yaml")).expect("read");

    assert_eq!(once, twice);
    assert!(
        once.contains("  removed:\n    - path: /usr/bin/curl\n"),
        "{once}"
    );
    assert!(!once.contains("layer: upper"), "{once}");
    assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 2);
}

#[test]
fn what_is_no_regular_file_is_not_replaced() {
    let folder = folder();
    let link = folder.path().join("link.yaml");
    std::os::unix::fs::symlink("a.yaml", &link).expect("made");

    for target in ["/dev/null", "DIR/link.yaml", "DIR"] {
        let line = format!("execwarden allowlist merge DIR/a.yaml -o {target}");
        assert_eq!(run(folder.path(), &line), 2, "{target}");
    }
    let kept = fs::read_to_string(folder.path().join("a.yaml")).expect("read");
    assert_eq!(kept, BEFORE);
    assert!(link.symlink_metadata().expect("there").is_symlink());
}

#[test]
fn what_is_exported_is_imported_into_a_folder_where_nothing_is_replaced() {
    let folder = folder();
    let export = "execwarden allowlist export DIR/a.yaml --format kubescape -o DIR/k.yaml";
    let import = "execwarden allowlist import DIR/k.yaml --format kubescape -o DIR/new";
    let written = folder.path().join("new/shop.deployment.checkout.api.yaml");

    assert_eq!(run(folder.path(), export), 0);
    assert_eq!(run(folder.path(), import), 0);
    let text = fs::read_to_string(&written).expect("written");
    assert!(text.contains("- path: /usr/bin/busybox\n"), "{text}");
    assert_eq!(run(folder.path(), import), 0, "the same once more");

    fs::write(&written, BEFORE).expect("written");
    assert_eq!(run(folder.path(), import), 2);
    assert_eq!(fs::read_to_string(&written).expect("read"), BEFORE);
}

#[test]
fn what_was_left_out_is_a_status_of_one() {
    let folder = folder();
    let policy = "apiVersion: security.rancher.io/v1alpha1\nkind: WorkloadPolicy\n\
                  metadata: {name: x, namespace: shop}\nspec: {rulesByContainer: {api: \
                  {executables: {allowed: [/a, '/b*']}}}}\n";
    fs::write(folder.path().join("p.yaml"), policy).expect("written");
    let import = "execwarden allowlist import DIR/p.yaml --format workload-policy";

    let unknown = run(folder.path(), &format!("{import} -o DIR/new"));
    let some = run(
        folder.path(),
        &format!("{import} --workload shop/Deployment/x -o DIR/new"),
    );

    assert_eq!((unknown, some), (2, 1));
    assert!(
        folder
            .path()
            .join("new/shop.deployment.x.api.yaml")
            .exists()
    );
}

/// What `say` prints as JSON.
fn as_json(made: Made, notes: Vec<Note>) -> serde_json::Value {
    serde_json::to_value(Said { v: 1, made, notes }).expect("JSON")
}

#[test]
fn what_is_said_beside_a_result_is_in_its_json() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let inputs = Input::all([path("a.yaml"), path("b.yaml")]).expect("files");
    let mut notes = Vec::new();
    let documents = rewritten(&inputs, &mut notes).expect("documents");
    notes.extend(Note::of_modes(
        documents.iter().map(|document| document.spec.mode),
        crate::allowlist::Mode::Enforce,
    ));
    let names = ["a".to_owned(), "b".to_owned()];
    notes.extend(
        struck(&documents)
            .iter()
            .map(|one| Note::of_struck(one, &names)),
    );
    let exported = exchange::export(Format::Kubescape, &documents[..1]).expect("exported");
    let losses = exported.losses.into_iter().next().expect("of one file");
    notes.extend(Note::of_losses("a".to_owned(), losses));

    let said = as_json(Made::Text("x".to_owned()), notes);

    assert_eq!(said["text"], "x");
    let notes = said["notes"].as_array().expect("notes");
    let kinds: Vec<&str> = notes
        .iter()
        .filter_map(|note| note["note"].as_str())
        .collect();
    assert_eq!(kinds, ["comments", "modes", "struck", "lost"]);
    assert_eq!(notes[1]["holds"], "enforce");
    let struck = serde_json::json!({
        "note": "struck", "entry": {"path": "/usr/bin/curl", "layer": "upper"},
        "allowed_by": ["b"], "removed_by": ["a"],
    });
    assert_eq!(notes[2], struck);
    assert_eq!(notes[3]["file"], "a");
    assert!(notes[3]["allows_more"].is_object(), "{}", notes[3]);
    let files = as_json(Made::Files(vec!["y".to_owned()]), Vec::new());
    assert_eq!(
        files,
        serde_json::json!({"v": 1, "files": ["y"], "notes": []})
    );
}

/// The code words that begin the rows of the table below a heading.
fn documented(heading: &str) -> BTreeSet<String> {
    let (_, section) = MANUAL
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("the manual has no heading {heading:?}"));
    let section = section.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let words = rows.filter_map(|row| row.split(['`', ' ', ',']).next());
    words.map(str::to_owned).collect()
}

#[test]
fn every_flag_and_every_format_is_in_the_manual() {
    let mut command = Arguments::command();
    let allowlist = command.find_subcommand_mut("allowlist").expect("there");
    for name in ["diff", "merge", "export", "import"] {
        let command = allowlist.find_subcommand(name).expect("there");
        let flags = command.get_arguments().filter_map(clap::Arg::get_long);
        let flags: BTreeSet<String> = flags.map(|flag| format!("--{flag}")).collect();

        let heading = format!("## `execwarden allowlist {name}`");
        let mut documented = documented(&heading);
        documented.retain(|word| word.starts_with('-'));
        assert_eq!(documented, flags, "{heading}");
    }
    let formats: BTreeSet<String> = <Format as clap::ValueEnum>::value_variants()
        .iter()
        .filter_map(clap::ValueEnum::to_possible_value)
        .map(|value| value.get_name().to_owned())
        .collect();
    assert_eq!(documented("## Formats"), formats);
}
