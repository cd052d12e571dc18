//! Where the execs happen: a real container, and a cgroup of this node.

use crate::pacer::Pacer;
use anyhow::{Context, Result};
use execwarden::model::{CgroupId, Identity, Layer};
use rustix::process::getppid;
use std::fs;
use std::process::Command;
use testbed::{Cgroup, Container, Image, intruders};

/// Files that are the same program under other names, for first sights.
pub const NAMES: u64 = 100;

/// What stands for the runtime's own choice of a name.
const TITLE: (&str, &str) = ("org.opencontainers.image.title", "bench");

/// A container made by runc, on overlayfs.
pub struct InContainer {
    container: Container,
    // The container's lower layer: it goes last.
    _image: Image,
}

impl InContainer {
    /// The program that does nothing.
    pub const NOTHING: &str = "/bin/nothing";
    /// The same, followed by a number below [`NAMES`].
    pub const NAMED: &str = "/names/";

    /// Starts it.
    pub fn new() -> Result<Self> {
        let image = Image::busybox()?;
        image.program(&intruders::build("pace")?, "/bin/pace")?;
        let nothing = intruders::build("nothing")?;
        image.program(&nothing, Self::NOTHING)?;
        image.program(&nothing, &format!("{}0", Self::NAMED))?;
        let first = image.inside(Self::NAMED).join("0");
        for n in 1..NAMES {
            fs::hard_link(&first, image.inside(Self::NAMED).join(n.to_string()))
                .context("cannot give a file another name")?;
        }
        let container = Container::builder(&image, &["/bin/sleep", "1000000"])
            .annotation(TITLE.0, TITLE.1)
            .run()?;
        Ok(Self {
            container,
            _image: image,
        })
    }

    /// Its cgroup.
    pub fn cgroup(&self) -> Result<CgroupId> {
        Ok(CgroupId(self.container.cgroup_id()?))
    }

    /// Starts a pacer in it.
    pub fn pacer(&self, cpu: usize) -> Result<Pacer> {
        Pacer::start(self.container.exec_command(["/bin/pace", &cpu.to_string()]))
    }
}

/// A cgroup whose processes are in the host's mount namespace.
pub struct OnHost {
    cgroup: Cgroup,
    nothing: String,
}

impl OnHost {
    /// Makes it.
    pub fn new() -> Result<Self> {
        let nothing = fs::canonicalize(intruders::build("nothing")?)?;
        Ok(Self {
            cgroup: Cgroup::new()?,
            nothing: nothing.display().to_string(),
        })
    }

    /// The cgroup.
    pub fn cgroup(&self) -> Result<CgroupId> {
        Ok(CgroupId(self.cgroup.id()?))
    }

    /// The program that does nothing.
    pub fn nothing(&self) -> &str {
        &self.nothing
    }

    /// The same as the kernel identifies it.
    pub fn identity(&self) -> Identity {
        Identity {
            layer: Layer::Host,
            ..Identity::image(&self.nothing)
        }
    }

    /// Starts a pacer in it.
    pub fn pacer(&self, cpu: usize) -> Result<Pacer> {
        // This program has mounts of its own since `node::enter`; who waits for
        // it out there has the host's.
        let outside = getppid().context("nobody waits for this program")?;
        let mut command: Command = self.cgroup.command("nsenter");
        command
            .arg(format!("--mount=/proc/{outside}/ns/mnt"))
            .arg("--")
            .arg(fs::canonicalize(intruders::build("pace")?)?)
            .arg(cpu.to_string());
        Pacer::start(command)
    }
}
