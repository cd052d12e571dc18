//! Multi-call binaries: one file, many programs.

use super::scene::{Scene, at, exec, shell, window};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;
use testbed::{Agent, Container, Record, find_busybox, unique_name};

/// Names of busybox that are hard links where a test wants them to be.
const NAMES: [&str; 4] = ["sh", "sleep", "ls", "nc"];

/// Learns `sleep`, `sh` with any arguments and `ls` of the scene's image; gives
/// the document.
fn learn(scene: &Scene, agent: &Agent<'_>) -> Result<String> {
    // With their paths: the shell runs what it has itself without an exec.
    let line = "/bin/ls /; /bin/ls; /bin/sh /app/empty; /opt/tool/ls; exec /bin/sleep 1000";
    let _container = scene.container(&["sh", "-c", line]).run()?;
    scene.wait_for_mode(agent, "enforce")?;
    scene.learned()
}

/// What `exec -a NAME FILE ARGS` printed, on both streams.
fn called(container: &Container, line: &str) -> Result<String> {
    let output = shell(container, &format!("(exec -a {line}) 2>&1 || :"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An image with busybox, and with it under a name that tells nothing:
/// `/opt/tool/tool`, and `ls`, a link to it.
fn scene() -> Result<Scene> {
    let scene = Scene::new()?;
    scene.image.text("/app/empty", "")?;
    let busybox = find_busybox().context("there is no static busybox")?;
    scene.image.program(&busybox, "/opt/tool/tool")?;
    symlink("tool", scene.image.inside("/opt/tool/ls"))?;
    Ok(scene)
}

pub fn b22_an_applet_is_learned_and_no_other_by_any_road() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--automatic", &window(4)])?;
    let document = learn(&scene, &agent)?;
    for applet in ["sh", "sleep", "ls"] {
        let entry = format!("path: /bin/busybox\n      applet: {applet}\n");
        ensure!(document.contains(&entry), "{entry} is not in {document}");
    }

    let container = scene.idle()?;
    // It is what is learned, by whatever name it is reached.
    exec(&container, &["busybox", "ls", "/"])?;
    shell(&container, "ls /bin; cd /bin; ./busybox ls ..; ./ls ..")?;
    let printed = called(&container, "ls busybox nc")?;
    ensure!(printed.contains("ls: nc: No such file"), "{printed}");
    called(&container, "-ls /bin/nc /")?;
    called(&container, "busybox /bin/nc ls /")?;
    called(&container, "ls /opt/tool/tool /")?;
    // It is not, by whatever name it is reached.
    for line in [
        "nc --help",
        "busybox nc --help",
        "busybox busybox nc --help",
        "/opt/tool/tool",
        // The shell copies and links by itself, without an exec.
        "cp /bin/busybox /app/worker; exec -a ls /app/worker",
        "ln -s /bin/busybox /tmp/ls; exec -a nc /tmp/ls --help",
    ] {
        shell(&container, &format!("({line}) >/dev/null 2>&1 || :"))?;
    }
    for line in [
        "nc /bin/ls --help",
        "/any/where/nc /bin/busybox --help",
        "busybox /bin/ls nc --help",
        "nc /opt/tool/ls --help",
    ] {
        let printed = called(&container, line)?;
        ensure!(printed.contains("Usage: nc"), "{line}: {printed}");
    }
    // An agent that is told to end tells what it has not read yet without it.
    scene.wait_for_records(&container, 4)?;

    scene.finish_with(agent, |records| {
        let field = |record: &Record, name| {
            let found = record.parameter(super::scene::ELEMENT, name);
            found.unwrap_or_default().to_owned()
        };
        let mut found: Vec<String> = records
            .iter()
            .map(|record| {
                let of = |name| field(record, name);
                let times = super::expect::count(record);
                format!("{} {} {} x{times}", of("reason"), of("path"), of("applet"))
            })
            .collect();
        found.sort();
        let expected = [
            "applet /bin/busybox nc x1",
            "applet /bin/busybox nc x6",
            "applet /opt/tool/tool nc x1",
            "applet /opt/tool/tool tool x1",
            "drift /app/worker ls x1",
        ];
        ensure!(found == expected, "{found:#?}");
        Ok(())
    })
}

pub fn b22_hard_links_are_told_apart_by_path_and_name() -> Result<()> {
    let scene = scene()?;
    for name in NAMES {
        let link = scene.image.inside("/bin").join(name);
        fs::remove_file(&link)?;
        fs::hard_link(scene.image.inside("/bin/busybox"), link)?;
    }
    let agent = scene.agent(&["--automatic", &window(4)])?;
    let document = learn(&scene, &agent)?;
    for applet in ["sh", "sleep", "ls"] {
        let entry = format!("path: /bin/{applet}\n      applet: {applet}\n");
        ensure!(document.contains(&entry), "{entry} is not in {document}");
    }

    let container = scene.idle()?;
    exec(&container, &["ls", "/"])?;
    let printed = called(&container, "ls /bin/ls nc")?;
    ensure!(printed.contains("ls: nc: No such file"), "{printed}");
    for line in ["nc /bin/ls --help", "busybox /bin/ls nc --help"] {
        let printed = called(&container, line)?;
        ensure!(printed.contains("Usage: nc"), "{line}: {printed}");
    }
    // With its path: the shell runs what it has itself by its own file.
    shell(&container, "/bin/nc --help; /bin/busybox nc --help; :")?;
    called(&container, "ls /bin/nc /")?;

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "applet /bin/ls",
                "applet /bin/ls +1",
                "unlisted /bin/nc",
                "unlisted /bin/busybox",
                // Whatever it is called: the file is not on the list.
                "unlisted /bin/nc +1",
            ],
        )],
    )
}

pub fn b22_a_file_of_several_names_is_one_program_for_each() -> Result<()> {
    let scene = Scene::new()?;
    scene.image.text("/app/empty", "")?;
    scene.intruder("many")?;
    for name in ["first", "second"] {
        symlink("many", scene.image.inside(&at(name)))?;
    }
    // The same by hard links, on a volume: overlayfs tells of one link only.
    let volume = TempDir::with_prefix(unique_name())?;
    fs::copy(scene.image.inside(&at("many")), volume.path().join("first"))?;
    fs::hard_link(volume.path().join("first"), volume.path().join("second"))?;
    let start = || {
        let container = scene.container(&["sleep", "1000"]);
        container.volume(volume.path(), "/hard").run()
    };
    let agent = scene.agent(&["--automatic", &window(4)])?;
    let first = start()?;
    for program in ["sh /app/empty", &at("first"), &at("many"), "/hard/first"] {
        exec(&first, &program.split(' ').collect::<Vec<_>>())?;
    }
    scene.wait_for_mode(&agent, "enforce")?;

    let container = start()?;
    for program in [&at("first"), &at("many"), "/hard/first"] {
        exec(&container, &[program])?;
    }
    let path = |name: &str| Path::new("/opt/intruders").join(name).display().to_string();
    for line in [
        format!("second {}", path("second")),
        format!("second {}", path("first")),
        "second /hard/first".to_owned(),
        "second /hard/second".to_owned(),
    ] {
        let printed = called(&container, &line)?;
        ensure!(printed == "the second\n", "{line}: {printed}");
    }

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "applet /opt/intruders/many",
                "applet /opt/intruders/many +1",
                "applet /hard/first",
                "unlisted /hard/second",
            ],
        )],
    )
}
