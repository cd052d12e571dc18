//! The program loader run by itself: what it loads, the kernel does not see.

use super::blocking::{does, in_it, obedient};
use super::expect::only;
use super::scene::{ELEMENT, Scene, exec, shell, window};
use anyhow::{Context, Result, ensure};
use std::fs;
use testbed::{find_program, node};

/// musl's, which is not on every machine.
#[cfg(target_arch = "x86_64")]
const MUSL: &str = "/lib/ld-musl-x86_64.so.1";
#[cfg(target_arch = "aarch64")]
const MUSL: &str = "/lib/ld-musl-aarch64.so.1";

/// `/app/listed` and `/app/unlisted`, a program that needs a loader; gives the
/// loaders' paths, glibc's first. The last has a name that says nothing.
fn scene() -> Result<(Scene, Vec<String>)> {
    let scene = Scene::new()?;
    let program = find_program("true").context("true is not installed")?;
    let glibc = scene.image.linked_program(&program, "/app/listed")?;
    scene.image.linked_program(&program, "/app/unlisted")?;
    let harmless = "/app/harmless".to_owned();
    scene
        .image
        .program(&scene.image.inside(&glibc), &harmless)?;
    let mut loaders = vec![glibc];
    match fs::canonicalize(MUSL) {
        Ok(file) => {
            scene.image.program(&file, MUSL)?;
            loaders.push(MUSL.to_owned());
        }
        Err(_) => println!("{MUSL} is not installed: only glibc's loader was tried"),
    }
    loaders.push(harmless);
    Ok((scene, loaders))
}

pub fn b06_a_loader_run_directly() -> Result<()> {
    let (scene, loaders) = scene()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n    - path: /app/listed\n")?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    exec(&container, &["/app/listed"])?;
    for loader in &loaders {
        for target in ["/app/listed", "/app/unlisted"] {
            // musl's refuses a program of glibc's, after the exec.
            let output = container.exec([loader.as_str(), target])?;
            ensure!(output.status.success() || loader == MUSL, "{output:?}");
        }
    }
    let glibc = &loaders[0];
    shell(
        &container,
        &format!("cp {glibc} /tmp/copy; /tmp/copy /app/listed"),
    )?;

    scene.wait_for_records(&container, loaders.len() + 1)?;

    let mut expected = vec!["loader /tmp/copy".to_owned()];
    for loader in &loaders {
        expected.push(format!("loader {loader}"));
        expected.push(format!("loader {loader} +1"));
    }
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    scene.finish(agent, &[(&container, &expected)])
}

pub fn b06_a_loader_is_never_learned() -> Result<()> {
    let (scene, loaders) = scene()?;
    let agent = scene.agent(&["--automatic", &window(4)])?;
    let container = scene.idle()?;

    exec(&container, &["/app/listed"])?;
    let run = || -> Result<()> {
        for loader in &loaders {
            container.exec([loader.as_str(), "/app/listed"])?;
        }
        Ok(())
    };
    run()?;
    scene.wait_for_mode(&agent, "enforce")?;
    let document = scene.learned()?;
    exec(&container, &["/app/listed"])?;
    run()?;

    ensure!(document.contains("path: /app/listed"), "{document}");
    // One while it learned, and one that is reported anew: enforced.
    let mut expected = Vec::new();
    for loader in &loaders {
        let entry = format!("path: {loader}\n");
        ensure!(!document.contains(&entry), "{loader} is in {document}");
        expected.extend([format!("loader {loader}"), format!("loader {loader}")]);
    }
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    scene.finish(agent, &[(&container, &expected)])
}

/// Where it is on the list, and so may run with anything.
pub fn b06_a_listed_loader_loads_nothing_that_was_written_later_where_the_kernel_asks() -> Result<()>
{
    let scene = Scene::new()?;
    let echo = find_program("echo").context("echo is not installed")?;
    let loader = scene.image.linked_program(&echo, "/app/echo")?;
    scene.write_document(&format!(
        "  action: block\n  processes:\n    - path: /bin/busybox\n    - path: {loader}\n"
    ))?;
    let agent = scene.agent(&["--enforce", "--libraries", "image"])?;
    let container = obedient(&scene)?;
    scene.wait_for_mode(&agent, "enforce")?;
    does(&container, "cp /app/echo /tmp/dropped")?;
    let told = |line: &str| -> Result<String> {
        does(&container, line)?;
        Ok(fs::read_to_string(in_it(&container, "/tmp/told"))?)
    };

    let image = told(&format!("{loader} /app/echo it ran"))?;
    let dropped = told(&format!("{loader} /tmp/dropped it ran"))?;

    let is_asked = node::asks_before_execs();
    ensure!(image == "it ran\n", "{image}");
    ensure!(dropped.contains("it ran") != is_asked, "{dropped}");
    if is_asked {
        scene.wait_for_records(&container, 1)?;
    }
    scene.finish_with(agent, |records| {
        if is_asked {
            let record = only(records, &container, "drift /tmp/dropped")?;
            let stopped = record.parameter(ELEMENT, "stopped");
            ensure!(stopped == Some("not-loaded"), "{record:?}");
            let words = "was kept from loading /tmp/dropped";
            ensure!(record.message.contains(words), "{record:?}");
        }
        ensure!(records.len() == usize::from(is_asked), "{records:#?}");
        Ok(())
    })
}
