//! Cgroups below a container's, and names that come from above it.

use super::expect::{brief, is_of};
use super::scene::{ELEMENT, Scene, exec};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use testbed::{find_busybox, intruders, unique_name};

const LISTED: &str = "  processes:\n    - path: /bin/busybox\n    - path: /app/worker\n";

/// A first process that waits until it stands in another cgroup.
const WAIT: &str =
    "until [ -e /go ]; do sleep 0.02; done; /app/worker; /opt/intruders/hello; exec sleep 1000";

pub fn b16_a_child_cgroup_belongs_to_its_container() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.container(&["sh", "-c", WAIT]).run()?;

    let child = container.cgroup().join("deep/er");
    fs::create_dir_all(&child)?;
    fs::write(child.join("cgroup.procs"), container.pid()?.to_string())
        .context("cannot move it into the child")?;
    fs::write(container.rootfs().inside("/go"), "")?;
    testbed::until("its last word", super::scene::PATIENCE, || {
        Ok(container
            .printed()
            .contains("hello from /opt")
            .then_some(()))
    })?;

    let status = scene.wait_for_mode(&agent, "enforce")?;
    let workload = scene.of_status(&status).context("the workload")?;
    ensure!(workload["containers"] == 1, "{workload:#}");
    scene.finish(agent, &[(&container, &["unlisted /opt/intruders/hello"])])
}

pub fn b16_a_container_in_a_container_belongs_to_the_outer() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let agent = scene.agent(&["--enforce"])?;
    let outer = scene.idle()?;

    // As a runtime inside the outer one would: below its cgroup, with a name
    // and a root of its own.
    let inner = scene
        .container_of(&unique_name(), &["sleep", "1000"])
        .cgroups_path(&format!("/{}/inner", outer.id()))
        .run()?;
    exec(&inner, &["/app/worker"])?;
    exec(&outer, &["/app/worker"])?;
    let status = agent.status()?;
    drop(inner);

    let names: Vec<_> = status["workloads"]
        .as_array()
        .context("workloads")?
        .iter()
        .filter_map(|workload| workload["workload"].as_str())
        .filter(|name| name.split('/').any(testbed::is_ours))
        .collect();
    ensure!(names == [scene.workload()], "{names:?}");
    // Its files are not those of the outer one's image, whatever their paths.
    scene.finish(
        agent,
        &[(&outer, &["unlisted /bin/busybox", "unlisted /app/worker"])],
    )
}

/// The bundle that a runtime inside a container runs; its first process prints
/// where it stands.
fn inner(cgroup: &str) -> serde_json::Value {
    let namespaces = ["pid", "ipc", "uts", "mount"].map(|kind| json!({ "type": kind }));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "args": ["/busybox", "sh", "-c", "/busybox cat /proc/self/cgroup; /hello"],
            "cwd": "/",
        },
        "root": { "path": "rootfs" },
        "mounts": [{ "type": "proc", "source": "proc", "destination": "/proc" }],
        "linux": { "namespaces": namespaces, "cgroupsPath": cgroup },
    })
}

pub fn b16_runc_inside_a_container_belongs_to_the_outer() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(
        "  processes:\n    - path: /bin/busybox\n    - path: /usr/sbin/runc\n      layer: volume\n",
    )?;
    // Were it taken for a container of its own, its records would be seen.
    let name = unique_name();
    let cgroup = format!("/{name}");
    let hello = intruders::build("hello")?;
    let busybox = find_busybox().context("a static busybox")?;
    scene.image.program(&hello, "/inner/rootfs/hello")?;
    scene.image.program(&busybox, "/inner/rootfs/busybox")?;
    scene
        .image
        .text("/inner/config.json", &inner(&cgroup).to_string())?;
    let agent = scene.agent(&["--enforce"])?;
    let outer = scene
        .container(&["/bin/sleep", "1000"])
        .for_a_runtime()
        .volume(Path::new("/usr"), "/usr")
        .volume(Path::new("/usr/lib"), "/lib")
        .volume(Path::new("/usr/lib64"), "/lib64")
        .tmpfs("/run")
        .run()?;

    let output = exec(
        &outer,
        &["/usr/sbin/runc", "run", "--bundle", "/inner", &name],
    )?;
    let status = agent.status()?;

    let printed = String::from_utf8(output.stdout)?;
    ensure!(printed.ends_with("hello from /hello\n"), "{printed}");
    // Below the outer one's cgroup, which is the root of what it sees.
    let stands_in = format!("0::{cgroup}");
    ensure!(printed.lines().any(|line| line == stands_in), "{printed}");
    let workload = scene.of_status(&status).context("the workload")?;
    ensure!(workload["containers"] == 1, "{workload:#}");
    // The inner runtime is a program of the outer container like any other: its
    // copy of itself, on a mount it has taken away, has no name.
    let inner = [
        "unlisted /busybox",
        "unlisted /busybox +1",
        "unlisted /hello",
    ];
    scene.finish_with(agent, |records| {
        let briefs: BTreeSet<String> = records.iter().map(brief).collect();
        ensure!(
            records.iter().all(|record| is_of(record, &outer))
                && inner.iter().all(|brief| briefs.contains(*brief))
                && briefs
                    .iter()
                    .all(|brief| inner.contains(&brief.as_str()) || brief.starts_with("fileless ")),
            "{briefs:#?}"
        );
        Ok(())
    })
}

pub fn a_pods_container_is_named_by_its_controller() -> Result<()> {
    let scene = Scene::new()?;
    let namespace = unique_name();
    let id = format!("{:0>64x}", std::process::id());
    let agent = scene.agent(&["--enforce"])?;

    let container = scene
        .container(&["/app/worker"])
        .id(&id)
        .annotation("io.kubernetes.cri.container-type", "container")
        .annotation("io.kubernetes.cri.sandbox-namespace", &namespace)
        .annotation("io.kubernetes.cri.sandbox-name", "shop-5d4f8c7b9d-x2x7k")
        .annotation("io.kubernetes.cri.container-name", "api")
        .cgroups_path(&format!(
            "/kubepods/burstable/pod0b5bd48f-1111-2222-3333-{:012x}/{id}",
            std::process::id()
        ))
        .run()?;

    scene.finish_with(agent, |records| {
        let [record] = records else {
            anyhow::bail!("not one record: {records:#?}");
        };
        for (field, expected) in [
            ("reason", "no-allowlist"),
            ("workload", &format!("{namespace}/Deployment/shop/api")),
            ("namespace", &namespace),
            ("pod", "shop-5d4f8c7b9d-x2x7k"),
            ("container", container.id()),
            ("attributed", "true"),
        ] {
            let found = record.parameter(ELEMENT, field);
            ensure!(found == Some(expected), "{field} is {found:?}");
        }
        Ok(())
    })
}
