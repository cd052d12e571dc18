//! What a container does all day, learned and then enforced: no alert.

use super::scene::{PATIENCE, Scene, exec, shell, window};
use anyhow::{Result, ensure};
use testbed::Container;

/// The image's entrypoint becomes the service, which works every tenth of a
/// second, as a service with jobs of its own does.
const ENTRYPOINT: &str = "#!/bin/sh\nset -e\nmkdir -p /var/run\nexec \"$@\"\n";
const SERVICE: &str = r#"#!/bin/sh
round=0
while :; do
    round=$((round + 1))
    /app/worker --round $round > /dev/null
    date | cut -c1-3 > /var/run/beat
    find /tmp -type f | sort | head -n 1 | xargs cat
    /bin/sh /app/rotate.sh
    echo round $round
    /bin/sleep 0.1
done
"#;
const ROTATE: &str = "/bin/busybox mv -f /var/run/beat /var/run/beat.1\n/bin/touch /var/run/beat\n";

fn scene() -> Result<Scene> {
    let scene = Scene::new()?;
    scene.image.script("/entrypoint.sh", ENTRYPOINT)?;
    scene.image.script("/app/serve.sh", SERVICE)?;
    scene.image.text("/app/rotate.sh", ROTATE)?;
    scene.image.text(
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\n",
    )?;
    Ok(scene)
}

fn start(scene: &Scene) -> Result<Container> {
    scene.container(&["/entrypoint.sh", "/app/serve.sh"]).run()
}

/// What an orchestrator, a cron job and a person do with it.
fn ordinary_life(container: &Container, rounds: usize) -> Result<()> {
    let served = container.printed().lines().count();
    testbed::until("it to serve", PATIENCE, || {
        let now = container.printed().lines().count();
        Ok((now >= served + rounds).then_some(()))
    })?;
    for _ in 0..2 {
        shell(container, "test -e /var/run/beat.1 && echo healthy")?;
        exec(container, &["/bin/cat", "/var/run/beat.1"])?;
        exec(container, &["/app/job.sh"])?;
        exec(container, &["su", "app", "-c", "/app/worker --as-app"])?;
    }
    Ok(())
}

pub fn an_ordinary_life_gives_no_alert() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--automatic", &window(6)])?;

    let first = start(&scene)?;
    ordinary_life(&first, 3)?;
    scene.wait_for_mode(&agent, "enforce")?;
    let document = scene.learned()?;
    ordinary_life(&first, 3)?;
    drop(first);
    for _ in 0..3 {
        // The same workload anew, as after an update or a crash; and two at a
        // time.
        let one = start(&scene)?;
        let other = start(&scene)?;
        ordinary_life(&one, 3)?;
        ordinary_life(&other, 3)?;
    }
    // In another order, and by the agent's own restart.
    let last = start(&scene)?;
    ordinary_life(&last, 3)?;
    scene.stop(agent)?;
    let agent = scene.agent(&["--automatic", &window(6)])?;
    scene.wait_for_mode(&agent, "enforce")?;
    ordinary_life(&last, 5)?;

    for entry in [
        "path: /entrypoint.sh\n",
        "path: /app/serve.sh\n",
        "path: /app/worker\n",
        "applet: cat\n",
    ] {
        ensure!(document.contains(entry), "{entry} is not in {document}");
    }
    scene.finish(agent, &[])
}
