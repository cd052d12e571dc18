//! A container's file system: an image below, a writable layer above.

use crate::places;
use anyhow::{Context, Result, bail};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// An image's content: the lower layer of every container made from it.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    /// Where it is gone when this is dropped.
    _temporary: Option<TempDir>,
}

impl Image {
    /// Nothing but these folders.
    pub fn of_folders(folders: &[&str]) -> Result<Self> {
        let folder = places::folder("image")?;
        let image = Self {
            path: folder.path().to_owned(),
            _temporary: Some(folder),
        };
        for name in folders {
            make_folder(&image.inside(name))?;
        }
        set_mode(image.path(), 0o755)?;
        Ok(image)
    }

    /// What is in a folder, which stays.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            _temporary: None,
        }
    }

    /// busybox under the names of all its applets, a user database, `/tmp`.
    pub fn busybox() -> Result<Self> {
        let image =
            Self::of_folders(&["bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr/bin"])?;
        set_mode(&image.inside("tmp"), 0o1777)?;
        image.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")?;
        image.text("/etc/group", "root:x:0:\n")?;

        let busybox = crate::find_busybox()
            .context("no static busybox is installed; run cargo xtask setup")?;
        image.program(&busybox, "/bin/busybox")?;
        for applet in applets(&busybox)? {
            let link = image.inside("bin").join(&applet);
            if applet != "busybox" {
                symlink("busybox", &link)
                    .with_context(|| format!("cannot link {}", link.display()))?;
            }
        }
        Ok(image)
    }

    /// Adds an executable file of this machine, which must be static.
    pub fn program(&self, file: &Path, path: &str) -> Result<()> {
        let into = self.inside(path);
        make_folder(into.parent().unwrap_or(self.path()))?;
        fs::copy(file, &into)
            .with_context(|| format!("cannot copy {} to {}", file.display(), into.display()))?;
        set_mode(&into, 0o755)
    }

    /// Adds a program of this machine that needs a loader, with its loader and
    /// its libraries at their usual places. Gives the loader's path.
    pub fn linked_program(&self, file: &Path, path: &str) -> Result<String> {
        self.program(file, path)?;
        // The loader tells what it would load, and ends; as ldd has it do.
        let output = Command::new(file)
            .env("LD_TRACE_LOADED_OBJECTS", "1")
            .output()
            .with_context(|| format!("cannot start {}", file.display()))?;
        let list = String::from_utf8_lossy(&output.stdout);
        let mut loader = None;
        for (what, _) in list.lines().filter_map(|line| line.split_once(" (0x")) {
            let what = what.trim();
            let (_, library) = what.split_once(" => ").unwrap_or(("", what));
            // Not the kernel's own, which is in no file.
            if library.starts_with('/') {
                self.program(Path::new(library), library)?;
                if !what.contains(" => ") {
                    loader = Some(library.to_owned());
                }
            }
        }
        loader.with_context(|| format!("{} needs no loader: {list}", file.display()))
    }

    /// Adds an executable script.
    pub fn script(&self, path: &str, text: &str) -> Result<()> {
        self.text(path, text)?;
        set_mode(&self.inside(path), 0o755)
    }

    /// Adds a file that is not executable.
    pub fn text(&self, path: &str, text: &str) -> Result<()> {
        let into = self.inside(path);
        make_folder(into.parent().unwrap_or(self.path()))?;
        fs::write(&into, text).with_context(|| format!("cannot write {}", into.display()))
    }

    /// Writes all of it into an archive that engines import.
    pub fn archive(&self, file: &Path) -> Result<()> {
        let busybox = crate::find_busybox().context("no static busybox is installed")?;
        let mut tar = Command::new(busybox);
        tar.arg("tar")
            .arg("-C")
            .arg(self.path())
            .arg("-cf")
            .arg(file);
        places::succeed(tar.arg(".")).map(drop)
    }

    /// Changes the mode of a file.
    pub fn set_mode(&self, path: &str, mode: u32) -> Result<()> {
        set_mode(&self.inside(path), mode)
    }

    /// The layer's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a path of the container is in the layer's folder.
    pub fn inside(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }
}

/// A mounted overlay; unmounted when dropped.
#[derive(Debug)]
pub struct Rootfs {
    folder: TempDir,
}

impl Rootfs {
    /// Mounts a fresh writable layer over the image, which has to outlive it.
    ///
    /// The layers are in the folder for temporary files, which must not itself
    /// be on overlayfs; TMPDIR moves it.
    pub fn over(image: &Image) -> Result<Self> {
        let folder = places::folder("rootfs")?;
        let rootfs = Self { folder };
        for name in ["upper", "work", "merged"] {
            make_folder(&rootfs.folder.path().join(name))?;
        }
        set_mode(&rootfs.upper(), 0o755)?;
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            image.path().display(),
            rootfs.upper().display(),
            rootfs.folder.path().join("work").display(),
        );
        let options = CString::new(options).context("a folder's name has a zero byte")?;
        mount(
            "overlay",
            rootfs.path(),
            "overlay",
            MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .with_context(|| {
            format!(
                "cannot mount an overlay in {} (set TMPDIR to a folder on a disk or a tmpfs)",
                rootfs.folder.path().display()
            )
        })?;
        Ok(rootfs)
    }

    /// The mounted root.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("merged")
    }

    /// The writable layer's folder.
    pub fn upper(&self) -> PathBuf {
        self.folder.path().join("upper")
    }

    /// Where a path of the container is on this machine.
    pub fn inside(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }
}

impl Drop for Rootfs {
    fn drop(&mut self) {
        if let Err(error) = unmount(self.path(), UnmountFlags::DETACH) {
            eprintln!("cannot unmount {}: {error}", self.path().display());
        }
    }
}

fn applets(busybox: &Path) -> Result<Vec<String>> {
    let output = Command::new(busybox)
        .arg("--list")
        .output()
        .with_context(|| format!("cannot start {}", busybox.display()))?;
    if !output.status.success() {
        bail!("`{} --list` failed", busybox.display());
    }
    let list = String::from_utf8_lossy(&output.stdout);
    Ok(list.lines().map(str::to_owned).collect())
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot change the mode of {}", path.display()))
}
