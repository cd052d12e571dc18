//! The same path, the same inode, another content.

use super::disk::Disk;
use super::scene::{Scene, exec, sha256, shell, until_known};
use anyhow::Result;
use tempfile::TempDir;
use testbed::container::Builder;
use testbed::{intruders, unique_name};

/// The file systems that a container has files on, each with its layer.
const PLACES: [(&str, &str); 4] = [
    ("/disk", "volume"),
    ("/data", "volume"),
    ("/scratch", "tmpfs"),
    ("/root", "upper"),
];

/// A container with a program `listed` in each of [`PLACES`] and in `/app`, and
/// what it stands on.
struct Places {
    scene: Scene,
    /// An ext4 of its own, where the machine can make one.
    disk: Option<Disk>,
    volume: TempDir,
}

impl Places {
    fn new() -> Result<Self> {
        let scene = Scene::new()?;
        let hello = intruders::build("hello")?;
        scene.image.program(&hello, "/app/listed")?;
        let disk = Disk::new()?;
        if disk.is_none() {
            println!("there is no mke2fs or no loop device here: ext4 was not tried");
        }
        Ok(Self {
            scene,
            disk,
            volume: TempDir::with_prefix(unique_name())?,
        })
    }

    /// The programs, with their layers.
    fn programs(&self) -> impl Iterator<Item = (String, &'static str)> {
        let has_disk = self.disk.is_some();
        [("/app", "image")]
            .into_iter()
            .chain(PLACES)
            .filter(move |(folder, _)| *folder != "/disk" || has_disk)
            .map(|(folder, layer)| (format!("{folder}/listed"), layer))
    }

    /// A document that lists each with the content that it has at first.
    fn write_document(&self, digests: &str) -> Result<()> {
        let digest = sha256(&self.scene.image.inside("/app/listed"))?;
        let mut document =
            format!("  digests: {digests}\n  processes:\n    - path: /bin/busybox\n");
        for (path, layer) in self.programs() {
            document +=
                &format!("    - path: {path}\n      layer: {layer}\n      sha256: {digest}\n");
        }
        self.scene.write_document(&document)
    }

    fn container(&self) -> Builder<'_> {
        let container = self
            .scene
            .container(&["sleep", "1000"])
            .volume(self.volume.path(), "/data")
            .tmpfs("/scratch");
        match &self.disk {
            Some(disk) => container.volume(&disk.at(), "/disk"),
            None => container,
        }
    }
}

/// Writes to one byte that no kernel looks at (`EI_PAD`), and gives the file its
/// times back: the inode and the size are the same.
fn overwrite(path: &str, with: &str) -> String {
    format!(
        "cp -p {path} /tmp/times; inode=$(stat -c %i {path}); \
         printf {with} | dd of={path} bs=1 seek=12 conv=notrunc 2>/dev/null; \
         touch -r /tmp/times {path}; [ {path} = /app/listed ] || [ $inode = $(stat -c %i {path}) ]"
    )
}

pub fn b11_another_content_is_modified_at_its_first_exec() -> Result<()> {
    let places = Places::new()?;
    let scene = &places.scene;
    places.write_document("verify")?;
    let agent = scene.agent(&["--enforce"])?;
    let container = places.container().run()?;

    let mut expected = Vec::new();
    for (path, layer) in places.programs() {
        let run = || until_known(&agent, || exec(&container, &[&path]).map(drop));
        if layer != "image" {
            shell(&container, &format!("cp /app/worker {path}"))?;
        }
        run()?;
        shell(&container, &overwrite(&path, "x"))?;
        exec(&container, &[&path])?;
        expected.push(match layer {
            "image" | "upper" => format!("drift {path}"),
            _ => format!("modified {path}"),
        });
        scene.wait_for_records(&container, expected.len())?;
        if layer != "image" {
            // The listed content again, whatever was done to the file.
            shell(&container, &overwrite(&path, "\\\\0"))?;
            run()?;
        }
    }

    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    scene.finish(agent, &[(&container, &expected)])
}

/// The declared limit of `record`: digests are there to be read.
pub fn b11_another_content_is_not_looked_at_where_digests_are_recorded() -> Result<()> {
    let places = Places::new()?;
    let scene = &places.scene;
    places.write_document("record")?;
    let agent = scene.agent(&["--enforce"])?;
    let container = places.container().run()?;

    for (path, layer) in places.programs() {
        if layer != "image" {
            shell(&container, &format!("cp /app/worker {path}"))?;
        }
        exec(&container, &[&path])?;
        shell(&container, &overwrite(&path, "x"))?;
        exec(&container, &[&path])?;
    }

    // Listed as the image's, it is another file now.
    scene.finish(agent, &[(&container, &["drift /app/listed"])])
}
