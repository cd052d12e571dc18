//! Ways out of the container's cgroup, by a process that has the node's
//! hierarchy.

use super::scene::{Scene, shell};
use anyhow::Result;
use std::path::Path;
use testbed::node::CGROUP_ROOT;
use testbed::{Cgroup, Container, intruders, unique_name};

const LISTED: &str = "  processes:
    - path: /bin/busybox
    - path: /app/worker
";

fn scene() -> Result<Scene> {
    let scene = Scene::new()?;
    let hello = intruders::build("hello")?;
    scene.image.program(&hello, "/app/evil")?;
    scene.write_document(LISTED)?;
    Ok(scene)
}

fn with_the_hierarchy(scene: &Scene) -> Result<Container> {
    scene
        .container(&["sleep", "1000"])
        .volume(Path::new(CGROUP_ROOT), "/host")
        .run()
}

/// Goes to another cgroup, by its path in the hierarchy, and runs what is on
/// the list and what is not.
fn leave(container: &Container, to: &str) -> Result<()> {
    let line = format!("echo $$ > /host/{to}/cgroup.procs; /app/worker; /app/evil");
    shell(container, &line).map(drop)
}

fn in_hierarchy(cgroup: &Cgroup) -> String {
    let path = cgroup.path().strip_prefix(CGROUP_ROOT);
    path.unwrap_or(cgroup.path()).display().to_string()
}

pub fn b15_who_left_is_judged_as_what_it_left() -> Result<()> {
    let scene = scene()?;
    // What no list covers would be learned elsewhere.
    let outside = Cgroup::new()?;
    let agent = scene.agent(&["--automatic", "1h"])?;
    let root = with_the_hierarchy(&scene)?;
    let older = with_the_hierarchy(&scene)?;
    let newer = with_the_hierarchy(&scene)?;
    let deep = with_the_hierarchy(&scene)?;
    let child_alone = with_the_hierarchy(&scene)?;

    leave(&root, "")?;
    leave(&older, &in_hierarchy(&outside))?;
    // Into new ones that could be a container's by their names.
    let made = Cgroup::named(&format!("/{}", unique_name()))?;
    leave(&newer, &in_hierarchy(&made))?;
    let id = format!("{:0>64x}", std::process::id());
    let made = Cgroup::named(&format!("/kubepods/{}/{id}", unique_name()))?;
    leave(&deep, &in_hierarchy(&made))?;
    // The shell that starts it stays.
    let made = Cgroup::named(&format!("/kubepods/{}/{id}", unique_name()))?;
    let procs = format!("/host/{}/cgroup.procs", in_hierarchy(&made));
    let child = format!("sh -c 'echo $$ > {procs}; exec /app/evil'; :");
    shell(&child_alone, &format!("{child}; {child}"))?;

    let expected: &[&str] = &["escaped", "escaped /app/worker", "escaped /app/evil"];
    let of_the_child: &[&str] = &[
        "escaped",
        "escaped +1",
        "escaped /app/evil",
        "escaped /app/evil +1",
    ];
    scene.finish(
        agent,
        &[
            (&root, expected),
            (&older, expected),
            (&newer, expected),
            (&deep, expected),
            (&child_alone, of_the_child),
        ],
    )
}

pub fn b15_who_went_to_a_neighbour_is_not_judged_by_its_list() -> Result<()> {
    let scene = scene()?;
    let other = unique_name();
    scene.write_document_of(&other, &format!("{LISTED}    - path: /app/evil\n"))?;
    let agent = scene.agent(&["--enforce"])?;
    let neighbour = scene.container_of(&other, &["sleep", "1000"]).run()?;
    let container = with_the_hierarchy(&scene)?;

    leave(&container, neighbour.id())?;

    let expected: &[&str] = &["escaped", "escaped /app/worker", "escaped /app/evil"];
    scene.finish(agent, &[(&container, expected)])
}
