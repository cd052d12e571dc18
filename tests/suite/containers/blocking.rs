//! What deviates is stopped: the intruder would make a file, and the file is not
//! there.

use super::alerts::ask;
use super::decisions::journal;
use super::expect::only;
use super::scene::{ELEMENT, PATIENCE, Scene, exec, shell, until_known, window};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::thread;
use std::time::Duration;
use testbed::{Agent, Container, Record, node, until};

/// What the containers' own shell runs, line by line.
const LOOP: &str =
    "mkfifo /tmp/lines; while :; do read -r line < /tmp/lines && eval \"$line\"; done";
/// What that takes: the rest are builtins of its.
const SHELL: &str = "  processes:\n    - { path: /bin/busybox, applet: sh }\n";

/// A container that does what it is told, by a process of its own.
pub fn obedient(scene: &Scene) -> Result<Container> {
    let container = scene.container(&["sh", "-c", LOOP]).run()?;
    until("the container to listen", PATIENCE, || {
        Ok(in_it(&container, "/tmp/lines").exists().then_some(()))
    })?;
    Ok(container)
}

/// A path in the container, as the node has it.
pub fn in_it(container: &Container, path: &str) -> std::path::PathBuf {
    let path = Path::new(path).strip_prefix("/").unwrap_or(Path::new(path));
    container.rootfs().path().join(path)
}

/// Has the container run a line, and waits for what it says about that.
pub fn does(container: &Container, line: &str) -> Result<String> {
    let said = in_it(container, "/tmp/said");
    let _ = std::fs::remove_file(&said);
    let line = format!("{{ {line}\n}} > /tmp/told 2>&1; echo $? > /tmp/status; : > /tmp/said");
    std::fs::write(
        in_it(container, "/tmp/lines"),
        line.replace('\n', "; ") + "\n",
    )?;
    until("the container to have done it", PATIENCE, || {
        Ok(said.exists().then_some(()))
    })?;
    let status = std::fs::read_to_string(in_it(container, "/tmp/status"))?;
    Ok(status.trim().to_owned())
}

/// Nothing is promoted to be blocked before that has shown that something can be.
fn canary_has_passed(agent: &Agent<'_>) -> Result<()> {
    let passed = |status: &serde_json::Value| status["canary"]["state"] == "passed";
    agent.wait_for("the canary", PATIENCE, passed).map(drop)
}

fn field<'r>(record: &'r Record, name: &str) -> &'r str {
    record.parameter(ELEMENT, name).unwrap_or_default()
}

fn blocked(agent: &Agent<'_>) -> Result<u64> {
    let counts = &agent.status()?["accounting"];
    counts["blocked"].as_u64().context("a count")
}

pub fn what_deviates_is_stopped_and_told() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(&format!("{SHELL}  action: block\n"))?;
    let agent = scene.agent(&["--enforce"])?;
    let container = obedient(&scene)?;
    let mark = in_it(&container, "/tmp/mark");

    ensure!(does(&container, "/bin/busybox touch /tmp/mark")? == "137");
    ensure!(does(&container, "/bin/busybox touch /tmp/mark")? == "137");
    ensure!(!mark.exists(), "it ran");
    // The container goes on, and what it may run runs.
    ensure!(does(&container, "sh -c ': > /tmp/mark'")? == "0");
    ensure!(mark.exists(), "it did not run");
    let own = |status: &serde_json::Value| {
        let own = scene.of_status(status).cloned();
        own.is_some_and(|own| own["blocks"] == true && own["deviations"] == 2)
    };
    agent.wait_for("two that were stopped", PATIENCE, own)?;
    ensure!(blocked(&agent)? == 2, "{}", blocked(&agent)?);

    scene.finish_with(agent, |records| {
        let first = only(records, &container, "applet /bin/busybox")?;
        ensure!(field(first, "action") == "blocked", "{first:?}");
        ensure!(first.message.contains("was kept from running"), "{first:?}");
        let more = only(records, &container, "applet /bin/busybox +1")?;
        ensure!(field(more, "action") == "blocked", "{more:?}");
        ensure!(records.len() == 2, "{records:#?}");
        Ok(())
    })
}

pub fn what_may_not_run_under_any_name_is_refused_where_the_kernel_asks() -> Result<()> {
    let (status, how, words) = match node::asks_before_execs() {
        true => ("126", "refused", "by EPERM"),
        false => ("137", "killed", "by SIGKILL"),
    };
    let scene = Scene::new()?;
    scene.write_document(&format!("{SHELL}  action: block\n"))?;
    let agent = scene.agent(&["--enforce"])?;
    let container = obedient(&scene)?;
    let program = in_it(&container, "/tmp/evil");
    std::fs::copy(in_it(&container, "/bin/busybox"), &program)?;
    // What was written in the same tick could have been written later.
    thread::sleep(Duration::from_millis(50));

    for _ in 0..2 {
        let ended = does(&container, "/tmp/evil touch /tmp/mark")?;
        ensure!(ended == status, "it ended with {ended}");
    }
    ensure!(!in_it(&container, "/tmp/mark").exists(), "it ran");
    let told = std::fs::read_to_string(in_it(&container, "/tmp/told"))?;
    let is_told = told.contains("Operation not permitted");
    ensure!(is_told == (how == "refused"), "{told}");
    let own = |status: &serde_json::Value| {
        let own = scene.of_status(status).cloned();
        own.is_some_and(|own| own["deviations"] == 2)
    };
    agent.wait_for("two that were stopped", PATIENCE, own)?;
    ensure!(blocked(&agent)? == 2, "{}", blocked(&agent)?);

    scene.finish_with(agent, |records| {
        let record = only(records, &container, "drift /tmp/evil")?;
        ensure!(field(record, "action") == "blocked", "{record:?}");
        ensure!(field(record, "stopped") == how, "{record:?}");
        ensure!(record.message.contains(words), "{record:?}");
        let arguments = field(record, "arguments");
        ensure!(arguments == "/tmp/evil,touch,/tmp/mark", "{record:?}");
        ensure!(field(record, "sha256").len() == 64, "{record:?}");
        let more = only(records, &container, "drift /tmp/evil +1")?;
        ensure!(field(more, "stopped") == how, "{more:?}");
        ensure!(records.len() == 2, "{records:#?}");
        Ok(())
    })
}

pub fn what_the_runtime_puts_in_is_let_through_unless_told_otherwise() -> Result<()> {
    for (flags, is_stopped) in [
        (&["--enforce"][..], false),
        (&["--enforce", "--classes", "probe=enforce"], true),
    ] {
        let scene = Scene::new()?;
        scene.write_document(&format!("{SHELL}  action: block\n"))?;
        let agent = scene.agent(flags)?;
        let container = obedient(&scene)?;

        let ended = container.exec(["touch", "/tmp/mark"])?;
        ensure!(ended.status.success() != is_stopped, "{ended:?}");
        ensure!(in_it(&container, "/tmp/mark").exists() != is_stopped);
        // A container starts, whatever is put in; what is listed runs.
        shell(&container, ":")?;

        scene.finish_with(agent, |records| {
            let record = only(records, &container, "applet /bin/busybox")?;
            let expected = if is_stopped { "blocked" } else { "alerted" };
            ensure!(field(record, "action") == expected, "{record:?}");
            ensure!(records.len() == 1, "{records:#?}");
            Ok(())
        })?;
    }
    Ok(())
}

/// The runtime starts it, and it is not what the runtime puts in.
pub fn an_entrypoint_that_is_not_listed_does_not_live() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(&format!("{SHELL}  action: block\n"))?;
    let agent = scene.agent(&["--enforce"])?;
    // The workload is known; its next container may not be yet when it runs.
    let known = obedient(&scene)?;

    let line = "n=0; while [ $n -lt 400000 ]; do n=$((n + 1)); done; : > /tmp/mark";
    let container = scene.container(&["ash", "-c", line]).run()?;
    container.wait(PATIENCE)?;

    ensure!(
        !in_it(&container, "/tmp/mark").exists(),
        "it ran to its end"
    );
    ensure!(does(&known, ":")? == "0", "another container was disturbed");
    scene.finish_with(agent, |records| {
        let record = only(records, &container, "applet /bin/busybox")?;
        let action = field(record, "action");
        ensure!(["blocked", "ended"].contains(&action), "{record:?}");
        ensure!(records.len() == 1, "{records:#?}");
        Ok(())
    })
}

pub fn what_only_the_agent_can_tell_is_stopped_from_then_on() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(&format!(
        "{SHELL}    - {{ path: /bin/busybox, applet: touch, args: [/tmp/good] }}\n  action: block\n"
    ))?;
    let agent = scene.agent(&["--enforce"])?;
    let container = obedient(&scene)?;
    let evil = in_it(&container, "/tmp/evil");

    ensure!(does(&container, "/bin/busybox touch /tmp/good")? == "0");
    ensure!(does(&container, "/bin/busybox touch /tmp/evil")? == "0");
    scene.wait_for_records(&container, 1)?;
    std::fs::remove_file(&evil)?;
    ensure!(does(&container, "/bin/busybox touch /tmp/evil")? == "137");
    ensure!(!evil.exists(), "it ran");
    ensure!(does(&container, "/bin/busybox touch /tmp/good")? == "0");

    scene.finish_with(agent, |records| {
        let mut actions: Vec<&str> = records.iter().map(|one| field(one, "action")).collect();
        actions.sort_unstable();
        // It may have ended by itself before it was to be.
        let is_right = actions == ["blocked", "ended"] || actions == ["alerted", "blocked"];
        ensure!(is_right, "{records:#?}");
        ensure!(records.iter().all(|one| field(one, "reason") == "args"));
        // What ran is one deviation, and what was stopped another.
        ensure!(field(&records[0], "id") != field(&records[1], "id"));
        Ok(())
    })
}

pub fn what_only_the_agent_can_tell_is_denied_until_it_has() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(&format!(
        "{SHELL}    - {{ path: /bin/busybox, applet: touch, args: [/tmp/good] }}\n  action: block\n  unverified: deny\n"
    ))?;
    let agent = scene.agent(&["--enforce"])?;
    let container = obedient(&scene)?;

    ensure!(does(&container, "/bin/busybox touch /tmp/good")? == "137");
    scene.wait_for_records(&container, 1)?;
    ensure!(!in_it(&container, "/tmp/good").exists(), "it ran");
    ensure!(does(&container, "/bin/busybox touch /tmp/good")? == "0");

    scene.finish_with(agent, |records| {
        let record = only(records, &container, "unverified /bin/busybox")?;
        ensure!(field(record, "action") == "blocked", "{record:?}");
        ensure!(records.len() == 1, "{records:#?}");
        Ok(())
    })
}

pub fn an_operator_blocks_a_workload_that_is_fit_for_it() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--automatic", "1h"])?;
    let container = obedient(&scene)?;
    let workload = scene.workload();
    exec(&container, &["/app/worker"])?;
    scene.wait_for_count(&agent, "processes", 2)?;
    let block = ["promote", &workload, "--action", "block", "--yes"];
    canary_has_passed(&agent)?;

    let refused = ask(&agent, &block, 1)?;
    ensure!(
        refused.contains("learns, and nothing is blocked"),
        "{refused}"
    );
    let both = [&block[..], &["--mode", "enforce"]].concat();
    let shown = ask(&agent, &both, 0)?;
    ensure!(
        shown.contains("+   enforce") && shown.contains("+   block"),
        "{shown}"
    );
    ensure!(does(&container, "/bin/busybox touch /tmp/mark")? == "137");
    scene.wait_for_records(&container, 1)?;

    // It deviated: switched off, it is not switched on again at once.
    ask(
        &agent,
        &["promote", &workload, "--action", "alert", "--yes"],
        0,
    )?;
    ensure!(does(&container, "/bin/busybox touch /tmp/mark")? == "0");
    let refused = ask(&agent, &block, 1)?;
    ensure!(
        refused.contains("deviated") && refused.contains("--quiet"),
        "{refused}"
    );
    let now = [&block[..], &["--quiet", "1s", "--percent", "100"]].concat();
    thread::sleep(Duration::from_secs(3));
    ask(&agent, &now, 0)?;
    ensure!(does(&container, "/bin/busybox touch /tmp/mark")? == "137");
    // The operator's word outlives the agent.
    let agent = {
        agent.crash()?;
        scene.agent(&["--automatic", "1h"])?
    };
    scene.wait_for_mode(&agent, "enforce")?;
    until("what deviates to be stopped again", PATIENCE, || {
        Ok((does(&container, "/bin/busybox touch /tmp/mark")? == "137").then_some(()))
    })?;

    let words: Vec<String> = journal(&agent)?
        .iter()
        .map(|row| row["changes"].to_string())
        .collect();
    ensure!(
        words.iter().any(|row| row.contains("+ action: block")),
        "{words:#?}"
    );
    scene.finish_with(agent, |_| Ok(()))
}

pub fn a_workload_that_does_not_stay_up_is_not_blocked_any_more() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(&format!("{SHELL}  action: block\n"))?;
    let agent = scene.agent(&["--enforce"])?;

    for _ in 0..3 {
        let container = scene
            .container(&[
                "sh",
                "-c",
                "sleep 1; /bin/busybox touch /tmp/mark || exit 1",
            ])
            .run()?;
        container.wait(Duration::from_secs(30))?;
        ensure!(!in_it(&container, "/tmp/mark").exists(), "it ran");
    }
    scene
        .rsyslogd
        .wait_for("that it is not blocked any more", PATIENCE, |records| {
            let of_ours = |record: &&Record| field(record, "workload") == scene.workload();
            let mut records = records.iter().filter(of_ours);
            records
                .any(|record| record.msgid == "notice" || field(record, "notice") == "stepped-back")
        })?;
    let container = obedient(&scene)?;
    ensure!(does(&container, "/bin/busybox touch /tmp/mark")? == "0");
    let last = journal(&agent)?.pop().context("a decision")?;
    ensure!(last["what"] == "step-back", "{last}");

    scene.finish_with(agent, |_| Ok(()))
}

pub fn an_ordinary_life_under_blocking_is_not_disturbed() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--automatic", &window(2)])?;
    let learned = obedient(&scene)?;
    exec(&learned, &["/app/job.sh"])?;
    scene.wait_for_mode(&agent, "enforce")?;
    let workload = scene.workload();
    canary_has_passed(&agent)?;
    ask(
        &agent,
        &["promote", &workload, "--action", "block", "--yes"],
        0,
    )?;

    for _ in 0..20 {
        let container = obedient(&scene)?;
        until_known(&agent, || exec(&container, &["/app/job.sh"]).map(drop))?;
        container.stop("KILL", Duration::from_secs(10))?;
    }

    ensure!(blocked(&agent)? == 0, "{}", blocked(&agent)?);
    scene.finish_with(agent, |records| {
        ensure!(records.is_empty(), "{records:#?}");
        Ok(())
    })
}
