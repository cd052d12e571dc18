//! Processes that come into a container from outside.

use super::expect::only;
use super::scene::{ELEMENT, PATIENCE, Scene, at, exec, window};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::process::{Command, Stdio};
use testbed::{Container, find_program, intruders, until};

const LISTED: &str = "  processes:
    - path: /bin/busybox
    - path: /app/worker
";

/// Files that are not on the list, one for each way in.
const WAYS: [&str; 4] = ["exec", "terminal", "joined", "nsenter"];

fn scene() -> Result<Scene> {
    let scene = Scene::new()?;
    for way in WAYS {
        let hello = intruders::build("hello")?;
        scene.image.program(&hello, &format!("/app/{way}"))?;
    }
    scene.write_document(LISTED)?;
    Ok(scene)
}

pub fn b21_who_comes_from_outside_is_judged_as_the_container() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    for program in ["/app/worker", "/app/exec"] {
        exec(&container, &[program])?;
    }
    for program in ["/app/worker", "/app/terminal"] {
        with_a_terminal(&container, program)?;
    }
    let cgroup = container.cgroup().join("cgroup.procs");
    for program in ["/app/worker", "/app/joined"] {
        // As a debugger does that wants the container's limits as well.
        let join = format!("echo $$ > {} && exec \"$@\"", cgroup.display());
        succeed(
            Command::new("sh")
                .args(["-c", &join, "sh"])
                .args(entering(&container)?)
                .arg(program),
        )?;
    }
    for program in ["/app/worker", "/app/nsenter"] {
        let [nsenter, args @ ..] = &entering(&container)?[..] else {
            bail!("no command");
        };
        succeed(Command::new(nsenter).args(args).arg(program))?;
    }

    scene.finish_with(agent, |records| {
        // What stands in the container's files and not in its cgroup has left
        // it, whatever it runs.
        for (text, terminal) in [
            ("unlisted /app/exec", "false"),
            ("unlisted /app/terminal", "true"),
            ("unlisted /app/joined", "false"),
            ("escaped /app/worker", "false"),
            ("escaped /app/nsenter", "false"),
        ] {
            let record = only(records, &container, text)?;
            let field = |name| record.parameter(ELEMENT, name);
            ensure!(field("origin") == Some("injected"), "{}", record.raw);
            ensure!(field("from_outside") == Some("true"), "{}", record.raw);
            ensure!(field("tty") == Some(terminal), "{}", record.raw);
        }
        ensure!(records.len() == 5, "{records:#?}");
        Ok(())
    })
}

/// A probe is learned as what it is: that the container runs the same by itself is
/// another matter, whichever came first.
pub fn a_probe_is_learned_as_one() -> Result<()> {
    const SERVES: &str = "while true; do for it in both probe; do \
        if [ -e /tmp/$it ]; then /app/$it; rm /tmp/$it; fi; done; sleep 0.1; done";
    let scene = Scene::new()?;
    for program in ["both", "probe"] {
        let hello = intruders::build("hello")?;
        scene.image.program(&hello, &format!("/app/{program}"))?;
    }
    let agent = scene.agent(&["--automatic", &window(4)])?;
    let container = scene.container(&["sh", "-c", SERVES]).run()?;
    let by_itself = |program: &str| {
        let asked = container.rootfs().inside("/tmp").join(program);
        fs::write(&asked, "")?;
        let what = format!("the container to run {program}");
        until(&what, PATIENCE, || Ok((!asked.exists()).then_some(())))
    };
    exec(&container, &["/app/probe"])?;
    exec(&container, &["/app/both"])?;
    by_itself("both")?;
    scene.wait_for_mode(&agent, "enforce")?;
    let learned = scene.learned()?;

    exec(&container, &["/app/probe"])?;
    exec(&container, &["/app/both"])?;
    by_itself("both")?;
    by_itself("probe")?;

    let is_a_probe = |path: &str| {
        let mut entries = learned.split("\n    - path: ");
        let entry = entries.find(|entry| entry.starts_with(path));
        let entry = entry.with_context(|| format!("no {path} in {learned}"))?;
        Ok::<_, anyhow::Error>(entry.contains("parents:\n        - \"*injected*\""))
    };
    ensure!(
        is_a_probe("/app/probe")? && !is_a_probe("/app/both")?,
        "{learned}"
    );
    scene.finish_with(agent, |records| {
        let record = only(records, &container, "parent /app/probe")?;
        let differs = record.parameter(ELEMENT, "differs");
        ensure!(differs == Some("parents"), "{}", record.raw);
        ensure!(records.len() == 1, "{records:#?}");
        Ok(())
    })
}

/// What comes from the same file without a terminal, as a probe does, is another
/// matter, also if the person came first.
pub fn b23_what_a_person_does_at_a_terminal_is_not_learned() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--learn", &window(6)])?;

    let container = scene.idle()?;
    for program in ["/app/worker", &at("hello")] {
        with_a_terminal(&container, program)?;
    }
    exec(&container, &["/app/worker"])?;
    scene.wait_for_mode(&agent, "enforce")?;
    let learned = scene.learned()?;
    exec(&container, &["/app/worker"])?;

    ensure!(learned.contains("path: /app/worker"), "{learned}");
    let entry = format!("path: {}\n", at("hello"));
    ensure!(!learned.contains(&entry), "{learned}");
    scene.finish_with(agent, |records| {
        for program in ["/app/worker", &at("hello")] {
            let record = only(records, &container, &format!("unlisted {program}"))?;
            for (field, expected) in [("tty", "true"), ("origin", "injected"), ("mode", "learn")] {
                let found = record.parameter(ELEMENT, field);
                ensure!(found == Some(expected), "{field}: {}", record.raw);
            }
        }
        ensure!(records.len() == 2, "{records:#?}");
        Ok(())
    })
}

pub fn a_person_at_a_terminal_is_learned_where_the_operator_says_so() -> Result<()> {
    let scene = Scene::new()?;
    let classes = ["--classes", "session=learn", "--classes", "probe=enforce"];
    let window = window(6);
    let agent = scene.agent(&[&["--learn", window.as_str()], &classes[..]].concat())?;

    let container = scene.idle()?;
    with_a_terminal(&container, "/app/worker")?;
    exec(&container, &[&at("hello")])?;
    scene.wait_for_mode(&agent, "enforce")?;

    let learned = scene.learned()?;
    ensure!(learned.contains("path: /app/worker"), "{learned}");
    let entry = format!("path: {}\n", at("hello"));
    ensure!(!learned.contains(&entry), "{learned}");
    let hello = format!("unlisted {}", at("hello"));
    scene.finish(agent, &[(&container, &[&hello])])
}

pub fn b21_who_shares_its_processes_is_judged_as_itself() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    let beside = scene
        .container(&["sleep", "1000"])
        .with_the_processes_of(&container)?
        .run()?;

    // Through the other's root its files are none of one's own, even where they
    // have a listed name.
    for program in [
        "/app/worker",
        "/proc/1/root/app/worker",
        "/proc/1/root/app/exec",
    ] {
        exec(&beside, &[program])?;
    }
    exec(&container, &["/app/worker"])?;

    scene.finish(
        agent,
        &[(&beside, &["breakout /app/worker", "breakout /app/exec"])],
    )
}

/// `nsenter` to the container's files, in a cgroup of one's own.
fn entering(container: &Container) -> Result<Vec<String>> {
    let nsenter = find_program("nsenter").context("nsenter is not installed")?;
    Ok(vec![
        nsenter.display().to_string(),
        "--target".to_owned(),
        container.pid()?.to_string(),
        "--mount".to_owned(),
    ])
}

/// Runs a program in the container as a person at a terminal does: `script` of
/// util-linux is the terminal.
/// Runs a program as a person does who looks in at a terminal.
pub fn with_a_terminal(container: &Container, program: &str) -> Result<()> {
    let exec = container.exec_command([program]);
    let mut line = format!("{} exec --tty", exec.get_program().display());
    for arg in exec.get_args().skip(1) {
        line += &format!(" {}", arg.display());
    }
    succeed(Command::new("script").args(["--quiet", "--return", "--command", &line, "/dev/null"]))
}

fn succeed(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {output:?}");
    Ok(())
}
