//! `allowlist edit`, with an editor that needs nobody.

use super::alerts::ask;
use super::scene::{PATIENCE, Scene, exec, window};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::process::{Command, Output};
use testbed::agent::binary;

const TWO: &str = "  processes: # ours\n    - path: /bin/busybox\n    - path: /app/worker\n";

fn edit(scene: &Scene, editor: &str, what: &[&str]) -> Result<Output> {
    Command::new(binary()?)
        .args(["allowlist", "edit", "--yes", "--reason", "a test"])
        .args(what)
        .arg("--control")
        .arg(scene.home.control())
        .env("EDITOR", editor)
        .env_remove("VISUAL")
        .output()
        .context("cannot start execwarden")
}

fn text(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

pub fn an_edited_document_counts_at_once() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(TWO)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    scene.wait_for_count(&agent, "processes", 2)?;
    let workload = scene.workload();
    let file = scene.home.allowlists().join(scene.document_name());
    let before = fs::read_to_string(&file)?;
    let hidden = || -> Result<usize> {
        let names = fs::read_dir(scene.home.allowlists())?;
        Ok(names
            .filter_map(|entry| entry.ok())
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."))
            .count())
    };

    // Nothing, or nothing that could count.
    let same = edit(&scene, "true", &[&workload])?;
    ensure!(same.status.success() && hidden()? == 0, "{}", text(&same));
    let failed = edit(&scene, "false", &[&workload])?;
    ensure!(failed.status.code() == Some(2), "{}", text(&failed));
    let broken = edit(&scene, "sed -i s/path:/pth:/", &[&workload])?;
    ensure!(
        broken.status.code() == Some(2) && text(&broken).contains("unknown field \"pth\""),
        "{}",
        text(&broken)
    );
    let other = edit(&scene, "sed -i s,name:.*,name:\\ other,", &[&workload])?;
    ensure!(!other.status.success(), "{}", text(&other));
    let at_once = format!("echo '# late' >> {}; sed -i s/ours/mine/", file.display());
    let late = edit(&scene, &at_once, &[&workload])?;
    ensure!(
        late.status.code() == Some(1) && text(&late).contains("has changed since"),
        "{}",
        text(&late)
    );
    fs::write(&file, &before)?;
    exec(&container, &["/app/worker"])?;

    let done = edit(&scene, "sed -i /worker/d", &[&workload])?;

    ensure!(done.status.success(), "{}", text(&done));
    let shown = text(&done);
    ensure!(shown.contains("-   - path: /app/worker"), "{shown}");
    let after = fs::read_to_string(&file)?;
    ensure!(
        after == before.replace("    - path: /app/worker\n", ""),
        "{after}"
    );
    exec(&container, &["/app/worker"])?;
    let rows = ask(&agent, &["log", "--json"], 0)?;
    let rows: serde_json::Value = serde_json::from_str(&rows)?;
    let row = rows.as_array().and_then(|rows| rows.last());
    let row = row.context("the journal is empty")?;
    ensure!(
        row["what"] == "edit" && row["reason"] == "a test" && row["who"]["uid"] == 0,
        "{row:#}"
    );
    scene.finish(agent, &[(&container, &["unlisted /app/worker"])])
}

pub fn what_was_learned_is_edited_into_a_persons_document() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--automatic", &window(2)])?;
    let container = scene.idle()?;
    exec(&container, &["/app/worker"])?;
    scene.wait_for_mode(&agent, "enforce")?;
    let workload = scene.workload();

    let done = edit(&scene, "sed -i s,/app/worker,/app/helper,", &[&workload])?;

    ensure!(done.status.success(), "{}", text(&done));
    let shown = text(&done);
    ensure!(
        shown.contains("+   - path: /app/helper") && shown.contains("a person's document"),
        "{shown}"
    );
    let file = fs::read_dir(scene.home.allowlists())?
        .next()
        .context("there is no document")??
        .path();
    let document = fs::read_to_string(&file)?;
    ensure!(!document.contains("written-by"), "{document}");
    exec(&container, &["/app/worker"])?;
    scene.wait_for_count(&agent, "deviations", 1)?;

    // And again, as the file that it is now.
    let path = file.display().to_string();
    let again = edit(
        &scene,
        "sed -i s,/app/helper,/app/worker,",
        &["--file", &path],
    )?;
    ensure!(again.status.success(), "{}", text(&again));
    agent.wait_for("the file to count", PATIENCE, |_| {
        agent.log().matches("allowlists read").count() > 1
    })?;
    exec(&container, &["/app/worker"])?;
    scene.finish(agent, &[(&container, &["unlisted /app/worker"])])
}
