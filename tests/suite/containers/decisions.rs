//! What people decide on the running agent: what an alert is about may run,
//! something may not, and both can be taken back.

use super::alerts::{alert_about, ask, drop_program, listed};
use super::scene::{PATIENCE, Scene, at, exec, until_known, window};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use testbed::Agent;

const LISTED: &str = "  processes:\n    - path: /bin/busybox\n    - path: /app/worker\n";

/// The journal, as JSON.
pub fn journal(agent: &Agent<'_>) -> Result<Vec<Value>> {
    let text = ask(agent, &["log", "--json"], 0)?;
    serde_json::from_str(&text).context("`log --json` is no JSON")
}

fn id_of(scene: &Scene, agent: &Agent<'_>, path: &str) -> Result<String> {
    let row = alert_about(scene, agent, path)?;
    Ok(row["id"].as_str().context("an id")?.to_owned())
}

pub fn an_accepted_alert_is_known_until_that_is_taken_back() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let file = scene.home.allowlists().join(scene.document_name());
    let written = fs::read(&file)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    let dropped = "/tmp/dropped";
    drop_program(&container, dropped)?;
    exec(&container, &[dropped])?;
    let id = id_of(&scene, &agent, dropped)?;

    // Nobody was asked, so nothing is done, but shown.
    let shown = ask(&agent, &["accept", &id[..10]], 2)?;
    ensure!(
        shown.contains("+   - path: /tmp/dropped\n+     layer: upper\n"),
        "{shown}"
    );
    ensure!(shown.contains("--yes"), "{shown}");
    exec(&container, &[dropped])?;
    scene.wait_for_count(&agent, "deviations", 2)?;

    let why = ["--reason", "it is ours", "--by", "Alice", "--yes"];
    ask(&agent, &[&["accept", &id[..10]], &why[..]].concat(), 0)?;
    // In the kernel too: it wakes nobody.
    until_known(&agent, || exec(&container, &[dropped]).map(drop))?;
    ensure!(ask(&agent, &["accept", &id, "--yes"], 0)?.contains("so already"));
    let workload = scene.workload();
    let show = ask(&agent, &["allowlist", "show", &workload], 0)?;
    ensure!(show.contains("#   accepted /tmp/dropped (upper)"), "{show}");
    ensure!(
        show.contains("path: /tmp/dropped") && show.contains("path: /app/worker"),
        "{show}"
    );
    ensure!(
        fs::read(&file)? == written,
        "a person's document was written to"
    );

    agent.crash()?;
    let agent = scene.agent(&["--enforce"])?;
    scene.wait_for_mode(&agent, "enforce")?;
    until_known(&agent, || exec(&container, &[dropped]).map(drop))?;

    ask(
        &agent,
        &["allowlist", "restore", &workload, &id, "--yes"],
        0,
    )?;
    exec(&container, &[dropped])?;
    scene.wait_for_count(&agent, "deviations", 1)?;
    ask(
        &agent,
        &["allowlist", "restore", &workload, &id, "--yes"],
        1,
    )?;

    let journal = journal(&agent)?;
    let whats: Vec<&Value> = journal.iter().map(|row| &row["what"]).collect();
    ensure!(whats == ["accept", "restore"], "{journal:#?}");
    let accept = &journal[0];
    ensure!(
        accept["who"]["uid"] == 0 && accept["who"]["by"] == "Alice",
        "{accept:#}"
    );
    ensure!(
        accept["reason"] == "it is ours" && accept["workload"] == workload,
        "{accept:#}"
    );
    ensure!(
        accept
            .to_string()
            .contains("path: /tmp/dropped layer: upper"),
        "{accept:#}"
    );
    let page = ask(&agent, &["log", "--workload", &workload], 0)?;
    ensure!(page.contains("because it is ours"), "{page}");

    let record = "drift /tmp/dropped";
    scene.finish(
        agent,
        &[(&container, &[record, "drift /tmp/dropped +1", record])],
    )
}

/// What is never learned may be allowed by name, under the conditions that it was
/// seen with; what has left its container may not.
pub fn what_is_accepted_is_as_narrow_as_what_ran() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n      applet: sleep\n")?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    let run = |code: &str| exec(&container, &["sh", "-c", code]).map(drop);

    run("true")?;
    let id = id_of(&scene, &agent, "/bin/busybox")?;
    let shown = ask(&agent, &["accept", &id, "--yes"], 0)?;
    ensure!(
        shown.contains("applet: sh") && shown.contains("args:"),
        "{shown}"
    );
    until_known(&agent, || run("true"))?;
    // With other arguments it is another deviation, which any would be.
    run("exit 0")?;
    let other = testbed::until("an alert about arguments", PATIENCE, || {
        let rows = listed(&scene, &agent, &["--reason", "args"])?;
        let id = rows.first().and_then(|row| row["id"].as_str());
        Ok(id.map(str::to_owned))
    })?;
    let shown = ask(&agent, &["accept", &other, "--any-args", "--yes"], 0)?;
    ensure!(!shown.contains("args:"), "{shown}");
    until_known(&agent, || run("exit 0; :"))?;

    // A pattern has to cover what ran, and to be one that a document may have.
    drop_program(&container, "/tmp/a1")?;
    exec(&container, &["/tmp/a1"])?;
    let id = id_of(&scene, &agent, "/tmp/a1")?;
    ask(&agent, &["accept", &id, "--glob", "/opt/*", "--yes"], 2)?;
    ask(&agent, &["accept", &id, "--glob", "/**", "--yes"], 2)?;
    ask(&agent, &["accept", &id, "--glob", "/tmp/a*", "--yes"], 0)?;
    drop_program(&container, "/tmp/a2")?;
    until_known(&agent, || exec(&container, &["/tmp/a2"]).map(drop))?;

    scene.finish_with(agent, |_| Ok(()))
}

pub fn what_was_removed_is_not_learned_and_taken_away() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--automatic", &window(12)])?;
    let container = scene.idle()?;
    let workload = scene.workload();
    exec(&container, &["/app/worker"])?;
    scene.wait_for_count(&agent, "processes", 2)?;
    // What is never learned may be allowed while it learns, too.
    drop_program(&container, "/tmp/dropped")?;
    exec(&container, &["/tmp/dropped"])?;
    let id = id_of(&scene, &agent, "/tmp/dropped")?;
    ask(&agent, &["accept", &id, "--yes"], 0)?;
    until_known(&agent, || exec(&container, &["/tmp/dropped"]).map(drop))?;

    let remove = ["allowlist", "remove", &workload, "/app/worker", "--yes"];
    let shown = ask(&agent, &remove, 0)?;
    ensure!(shown.contains("-   - path: /app/worker"), "{shown}");
    exec(&container, &["/app/worker"])?;
    alert_about(&scene, &agent, "/app/worker")?;
    scene.wait_for_mode(&agent, "enforce")?;
    exec(&container, &["/app/worker"])?;
    scene.wait_for_count(&agent, "deviations", 3)?;

    // Its own word about it counts, and the one before is gone.
    ask(
        &agent,
        &["allowlist", "restore", &workload, "/app/worker", "--yes"],
        0,
    )?;
    until_known(&agent, || exec(&container, &["/app/worker"]).map(drop))?;
    let both = ["allowlist", "restore", &workload, "/tmp/dropped", "--yes"];
    ask(&agent, &both, 0)?;
    let left = fs::read_dir(scene.home.state().join("decided"))?.count();
    ensure!(left == 0, "{left} documents of decisions are left");
    ask(
        &agent,
        &["allowlist", "remove", "runc/nobody", "/a", "--yes"],
        1,
    )?;
    ask(&agent, &["allowlist", "remove", &workload, "a", "--yes"], 2)?;

    scene.finish_with(agent, |records| {
        let of = |msgid| {
            records
                .iter()
                .filter(|record| record.msgid == msgid)
                .count()
        };
        ensure!(of("unlisted") == 2 && of("drift") == 1, "{records:#?}");
        ensure!(records.len() == 3, "{records:#?}");
        Ok(())
    })
}

pub fn a_persons_document_is_held_to_what_was_removed_and_not_written() -> Result<()> {
    let scene = Scene::new()?;
    let struck = format!("{LISTED}  removed:\n    - path: {}\n", at("hello"));
    scene.write_document(&struck)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    let workload = scene.workload();
    until_known(&agent, || exec(&container, &["/app/worker"]).map(drop))?;

    ask(
        &agent,
        &["allowlist", "remove", &workload, "/app/worker", "--yes"],
        0,
    )?;
    exec(&container, &["/app/worker"])?;
    alert_about(&scene, &agent, "/app/worker")?;
    // What the person struck, they have to take out themselves.
    exec(&container, &[&at("hello")])?;
    let id = id_of(&scene, &agent, &at("hello"))?;
    let refused = ask(&agent, &["accept", &id, "--yes"], 1)?;
    ensure!(refused.contains(&scene.document_name()), "{refused}");

    let file = scene.home.allowlists().join(scene.document_name());
    ensure!(fs::read_to_string(&file)? == scene.document(&struck));
    scene.finish(
        agent,
        &[(
            &container,
            &["unlisted /app/worker", "unlisted /opt/intruders/hello"],
        )],
    )
}
