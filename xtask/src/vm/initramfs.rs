//! What the kernel unpacks into memory: busybox and the modules without which
//! it sees no disk.

use super::kernels::Kernel;
use super::tools::Tools;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// In the order of their dependencies; a kernel may have any of them built in.
/// The first bring the disk, the others are what tests need.
const MODULES: [&str; 9] = [
    "virtio",
    "virtio_ring",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
    "overlay",
    "binfmt_misc",
    "loop",
];

const EARLY: &str = include_str!("guest/early.sh");

/// Makes the archive for a kernel.
pub fn make(tools: &Tools, kernel: &Kernel, below: &Path) -> Result<PathBuf> {
    let stage = below.join("initramfs");
    if stage.exists() {
        fs::remove_dir_all(&stage).with_context(|| format!("cannot remove {}", stage.display()))?;
    }
    for folder in ["bin", "dev", "modules", "root"] {
        fs::create_dir_all(stage.join(folder))
            .with_context(|| format!("cannot make folders in {}", stage.display()))?;
    }
    let busybox =
        testbed::find_busybox().context("no static busybox is installed; run cargo xtask setup")?;
    fs::copy(&busybox, stage.join("bin/busybox")).context("cannot copy busybox")?;
    fs::write(stage.join("init"), EARLY)?;
    fs::set_permissions(stage.join("init"), fs::Permissions::from_mode(0o755))?;

    let mut order = String::new();
    for name in MODULES {
        if let Some(module) = find_module(&kernel.modules, name)? {
            let file = format!("{name}.ko");
            fs::write(stage.join("modules").join(&file), unpacked(tools, &module)?)?;
            order += &format!("{file}\n");
        }
    }
    fs::write(stage.join("modules/order"), order)?;

    let archive = below.join("initramfs.cpio");
    pack(tools, &stage, &archive)?;
    Ok(archive)
}

/// A module's file; without one it is built in, or is none of this kernel's.
fn find_module(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(Result::ok)
    {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if let Some(found) = find_module(&path, name)? {
                return Ok(Some(found));
            }
        } else if is_module(&entry.file_name().to_string_lossy(), name) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Names have dashes or underscores, as their author liked.
fn is_module(file: &str, name: &str) -> bool {
    file.split_once(".ko")
        .is_some_and(|(stem, _)| stem.replace('-', "_") == name)
}

fn unpacked(tools: &Tools, module: &Path) -> Result<Vec<u8>> {
    match module.extension().and_then(|end| end.to_str()) {
        Some("ko") => fs::read(module).with_context(|| format!("cannot read {}", module.display())),
        Some("xz") => {
            let output = tools
                .command("xz")
                .args(["--decompress", "--stdout"])
                .arg(module)
                .output()
                .context("cannot start xz")?;
            ensure!(
                output.status.success(),
                "xz cannot read {}",
                module.display()
            );
            Ok(output.stdout)
        }
        _ => bail!("{} is packed in an unknown way", module.display()),
    }
}

fn pack(tools: &Tools, stage: &Path, archive: &Path) -> Result<()> {
    let mut names = String::from(".\n");
    list(stage, Path::new("."), &mut names)?;
    let mut cpio = tools
        .command("cpio")
        .args(["--create", "--format=newc", "--quiet"])
        .current_dir(stage)
        .stdin(Stdio::piped())
        .stdout(File::create(archive).context("cannot make the initramfs")?)
        .spawn()
        .context("cannot start cpio")?;
    let mut input = cpio.stdin.take().expect("it was piped above");
    input.write_all(names.as_bytes())?;
    drop(input);
    ensure!(cpio.wait()?.success(), "cpio failed");
    Ok(())
}

fn list(stage: &Path, folder: &Path, names: &mut String) -> Result<()> {
    for entry in fs::read_dir(stage.join(folder))?.filter_map(Result::ok) {
        let path = folder.join(entry.file_name());
        *names += &format!("{}\n", path.display());
        if entry.file_type()?.is_dir() {
            list(stage, &path, names)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_module;

    #[test]
    fn a_module_is_found_by_its_name() {
        for (file, name, found) in [
            ("virtio.ko", "virtio", true),
            ("virtio_blk.ko.xz", "virtio_blk", true),
            ("virtio-blk.ko.zst", "virtio_blk", true),
            ("virtio_blk.ko", "virtio", false),
            ("modules.order", "modules", false),
        ] {
            assert_eq!(is_module(file, name), found, "{file}");
        }
    }
}
