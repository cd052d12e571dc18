//! Releases, builds and runs whose paths differ by a date or a number: learned
//! as one entry, and enforced by it.

use super::scene::{Scene, accounting_holds, exec, until_known, window};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use testbed::{Container, intruders};

pub fn a_new_release_is_known_and_another_folder_is_not() -> Result<()> {
    let scene = Scene::new()?;
    let volume = tempfile::tempdir()?;
    for release in ["20261121101112", "20261122101112", "20261123101112"] {
        deploy(volume.path(), release, "run")?;
    }
    for version in ["1.1", "1.2", "1.3", "1.4"] {
        let tool = intruders::build("hello")?;
        scene
            .image
            .program(&tool, &format!("/opt/tool-{version}/bin/tool"))?;
    }
    let agent = scene.agent(&["--automatic", &window(6)])?;
    let container = scene
        .container(&["sleep", "1000"])
        .volume(volume.path(), "/srv/releases")
        .run()?;
    for release in ["20261121101112", "20261122101112", "20261123101112"] {
        run(&container, release, "run")?;
    }
    for version in ["1.1", "1.2", "1.3"] {
        exec(&container, &[&format!("/opt/tool-{version}/bin/tool")])?;
    }
    scene.wait_for_mode(&agent, "enforce")?;
    let document = scene.learned()?;
    for expected in [
        "    - path: /opt/tool-*/bin/tool\n      wildcards: [version]\n",
        "    - path: /srv/releases/*/bin/run\n      wildcards: [date]\n      layer: volume\n",
        "        count: 3\n        examples:\n          - /srv/releases/20261121101112/bin/run\n",
    ] {
        ensure!(
            document.contains(expected),
            "{expected} is not in {document}"
        );
    }

    // The next release, on the volume and in the image: the kernel knows it
    // after the agent has looked once.
    deploy(volume.path(), "20261124101112", "run")?;
    until_known(&agent, || {
        run(&container, "20261124101112", "run")?;
        exec(&container, &["/opt/tool-1.4/bin/tool"]).map(drop)
    })?;

    // Another name in the same place, and another program in a release.
    deploy(volume.path(), "evil", "run")?;
    deploy(volume.path(), "20261124101112", "other")?;
    run(&container, "evil", "run")?;
    run(&container, "20261124101112", "other")?;
    accounting_holds(&agent)?;
    scene.finish(
        agent,
        &[(
            &container,
            &[
                "unlisted /srv/releases/evil/bin/run",
                "unlisted /srv/releases/20261124101112/bin/other",
            ],
        )],
    )
}

fn deploy(volume: &Path, release: &str, name: &str) -> Result<()> {
    let folder = volume.join(release).join("bin");
    fs::create_dir_all(&folder)?;
    fs::copy(intruders::build("hello")?, folder.join(name))
        .with_context(|| format!("cannot deploy {release}"))
        .map(drop)
}

fn run(container: &Container, release: &str, name: &str) -> Result<()> {
    exec(container, &[&format!("/srv/releases/{release}/bin/{name}")]).map(drop)
}
