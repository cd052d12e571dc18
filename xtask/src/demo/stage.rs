//! The demo's workload: an image and two containers of it.

use anyhow::{Result, ensure};
use std::time::Duration;
use testbed::{Container, Image, intruders};

/// What the containers run: one program at the start, another one for as long
/// as they live; `date` and `sleep` are busybox.
const SERVE: &str = "#!/bin/sh
/app/migrate
while true; do
  date
  /app/worker
  sleep 0.3
done
";

/// Two replicas, running.
pub struct Stage {
    /// The first replica.
    pub first: Container,
    /// The second.
    pub second: Container,
    // The containers' lower layer: it goes last.
    _image: Image,
}

impl Stage {
    /// Builds the image and starts both.
    pub fn set() -> Result<Self> {
        let image = Image::busybox()?;
        image.script("/app/serve.sh", SERVE)?;
        image.script("/app/backdoor.sh", "#!/bin/sh\nid\n")?;
        let hello = intruders::build("hello")?;
        image.program(&hello, "/app/migrate")?;
        image.program(&hello, "/app/worker")?;
        image.program(&hello, "/usr/bin/scanner")?;
        for name in ["memfd", "argv0"] {
            image.program(&intruders::build(name)?, &format!("/opt/attack/{name}"))?;
        }
        let stage = Self {
            first: replica(&image)?,
            second: replica(&image)?,
            _image: image,
        };
        for container in [&stage.first, &stage.second] {
            testbed::until(
                "the workload's first round",
                Duration::from_secs(10),
                || Ok(container.printed().contains("worker").then_some(())),
            )?;
        }
        Ok(stage)
    }

    /// Whether a container is one of the two.
    pub fn has(&self, id: &str) -> bool {
        [&self.first, &self.second]
            .iter()
            .any(|container| container.id() == id)
    }
}

fn replica(image: &Image) -> Result<Container> {
    let container = Container::builder(image, &["/app/serve.sh"])
        .annotation("org.opencontainers.image.title", "web")
        .run()?;
    println!("started {}", container.id());
    Ok(container)
}

/// Runs a command of an intruder's in a container; it has to succeed, or
/// there is nothing to report.
pub fn exec(container: &Container, args: &[&str]) -> Result<()> {
    let output = container.exec(args)?;
    ensure!(
        output.status.success(),
        "{args:?} failed in the container: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
