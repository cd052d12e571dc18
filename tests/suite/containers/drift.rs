//! Programs that were written after the container started.

use super::scene::{Scene, shell};
use anyhow::Result;
use testbed::intruders;

/// What is done to programs of the image that may run, and by whom it does not
/// matter: each is the container's own from then on.
pub const TO_LISTED: [(&str, &str); 9] = [
    ("/app/copied", "cp /app/unlisted /app/copied"),
    ("/app/written", "cat /app/unlisted > /app/written"),
    ("/app/moved", "mv /app/second /app/moved"),
    ("/app/linked", "ln -f /app/third /app/linked"),
    // The same path and the same content, even the same times.
    ("/app/same", "cp -p /app/same /tmp/s; mv /tmp/s /app/same"),
    ("/app/edited", "sed -i s/not-in-there/at-all/ /app/edited"),
    ("/app/mode", "chmod 700 /app/mode"),
    ("/app/owner", "chown 1:1 /app/owner"),
    ("/app/times", "touch -d 2001-01-01 /app/times"),
];

/// The same with files that are not on the list, or were not there.
pub const TO_OTHERS: [(&str, &str); 5] = [
    (
        "/tmp/downloaded",
        "cat /app/unlisted > /tmp/downloaded; chmod +x /tmp/downloaded",
    ),
    (
        "/app/new/name",
        "mkdir /app/new; cp /app/copied.old /app/new/name",
    ),
    ("/app/data", "chmod +x /app/data"),
    ("/app/unlisted.too", "chmod 700 /app/unlisted.too"),
    (
        "/unpacked",
        "cd /app; tar c unlisted | tar x -O > /unpacked; chmod +x /unpacked",
    ),
];

pub fn b10_programs_of_the_writable_layer() -> Result<()> {
    let scene = Scene::new()?;
    let hello = intruders::build("hello")?;
    let listed = TO_LISTED.map(|(path, _)| path);
    let unlisted = ["unlisted", "unlisted.too", "second", "third", "copied.old"];
    for path in unlisted.map(|name| format!("/app/{name}")) {
        scene.image.program(&hello, &path)?;
    }
    for path in listed {
        scene.image.program(&hello, path)?;
    }
    scene.image.program(&hello, "/app/data")?;
    scene.image.set_mode("/app/data", 0o644)?;
    let mut document = "  processes:\n    - path: /bin/busybox\n".to_owned();
    for path in listed {
        document += &format!("    - path: {path}\n");
    }
    scene.write_document(&document)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    // Known and on the fast path, as long as they are the image's.
    shell(
        &container,
        &format!("for n in {0}; do $n; $n; done", listed.join(" ")),
    )?;
    let all = || TO_LISTED.iter().chain(&TO_OTHERS);
    let lines: Vec<String> = all()
        .map(|(path, change)| format!("({change}) && {path}"))
        .collect();
    shell(&container, &lines.join(" && "))?;

    let expected: Vec<String> = all().map(|(path, _)| format!("drift {path}")).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    scene.finish(agent, &[(&container, &expected)])
}
