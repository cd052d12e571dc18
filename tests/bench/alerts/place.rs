//! Where the alerts are caused: a real container with many executables that are on no
//! allowlist.

use anyhow::{Context, Result};
use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;
use testbed::{Container, Image, intruders};

/// What stands for the runtime's own choice of a name.
const TITLE: (&str, &str) = ("org.opencontainers.image.title", "bench");

/// A container made by runc, on overlayfs.
pub struct Place {
    container: Container,
    // The container's lower layer: it goes last.
    _image: Image,
}

impl Place {
    /// Starts it, with so many executables that do nothing.
    pub fn new(executables: u64) -> Result<Self> {
        let image = Image::busybox()?;
        image.program(&intruders::build("nothing")?, "/names/0")?;
        let first = image.inside("/names/0");
        for number in 1..executables {
            let name = image.inside("/names").join(number.to_string());
            fs::hard_link(&first, name).context("cannot give a file another name")?;
        }
        let container = Container::builder(&image, &["/bin/sleep", "1000000"])
            .annotation(TITLE.0, TITLE.1)
            .run()?;
        Ok(Self {
            container,
            _image: image,
        })
    }

    /// Runs each of them once, with a pause between two.
    pub fn run(&self, executables: u64, pause: Option<Duration>) -> Result<Child> {
        let pause = pause.map_or_else(String::new, |pause| {
            format!("; sleep {}", pause.as_secs_f64())
        });
        let line =
            format!("i=0; while [ $i -lt {executables} ]; do /names/$i{pause}; i=$((i + 1)); done");
        self.container
            .exec_command(["/bin/sh", "-c", &line])
            .stdin(Stdio::null())
            .spawn()
            .context("cannot run programs in the container")
    }
}
