//! The guest's root: an ext4 disk with the programs of this machine that the
//! tests use, each at its own path, and the tests themselves. So the guest runs
//! the very files that the tests on this machine run.

use super::tools::Tools;
use crate::{command, setup};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian packages whose programs shell lines of the tests use.
const PACKAGES: [&str; 6] = [
    "bash",
    "bsdutils",
    "coreutils",
    "dash",
    "mount",
    "util-linux",
];
/// Programs that tests start, and the folder of rsyslogd's parts.
const PROGRAMS: [&str; 5] = ["runc", "crun", "minisign", "mke2fs", "rsyslogd"];
const RSYSLOG: &str = "/usr/lib/x86_64-linux-gnu/rsyslog";

/// Room for what the tests write. The file takes what is in use.
const SIZE: &str = "4G";

/// The guest's first program on this disk.
const INIT: &str = include_str!("guest/init.sh");
/// What it runs, or has systemd run as a unit.
const TESTS: &str = include_str!("guest/tests.sh");
const UNIT: &str = include_str!("guest/tests.service");

/// Makes the disk, with `tests` as the command that it is all about. `unpacked`
/// is a folder of packages that this machine does not have and the guest gets.
pub fn make(
    tools: &Tools,
    tests: &Command,
    unpacked: Option<&Path>,
    below: &Path,
) -> Result<PathBuf> {
    let stage = Stage::new(&below.join("root"))?;
    for package in PACKAGES {
        stage.package(package)?;
    }
    for program in PROGRAMS {
        let file = testbed::find_program(program)
            .with_context(|| format!("{program} is not installed; run cargo xtask setup"))?;
        stage.file(&file)?;
    }
    stage.folder(Path::new(RSYSLOG))?;
    stage.file(&setup::other_loader())?;
    let busybox =
        testbed::find_busybox().context("no static busybox is installed; run cargo xtask setup")?;
    stage.file(&busybox)?;
    let prometheus = testbed::prometheus::find("prometheus")
        .context("prometheus is not there; run cargo xtask setup")?;
    stage.file(&prometheus)?;
    stage.built(Path::new(tests.get_program()))?;
    stage.libraries()?;
    if let Some(packages) = unpacked {
        stage.packages(packages, Path::new(""))?;
    }

    stage.script(
        "init",
        &INIT.replace("@BUSYBOX@", &busybox.display().to_string()),
    )?;
    stage.script("tests", &TESTS.replace("@TESTS@", &shell_words(tests)))?;
    for (name, text) in [
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
        ),
        ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
        ("etc/hostname", "guest\n"),
        ("etc/hosts", "127.0.0.1 localhost guest\n"),
        // systemd fills it in; without the file it would take this for the first boot
        // and enable what its packages recommend.
        ("etc/machine-id", ""),
        ("etc/systemd/system/tests.service", UNIT),
        // Nor may it empty /tmp: this workspace may be in there.
        ("etc/tmpfiles.d/tmp.conf", ""),
        // There is nobody to ask.
        ("etc/resolv.conf", ""),
    ] {
        stage.text(name, text)?;
    }

    let disk = below.join("root.ext4");
    let _ = fs::remove_file(&disk);
    command::run(
        tools
            .command("mke2fs")
            .args(["-q", "-t", "ext4", "-L", "execwarden", "-d"])
            .arg(&stage.folder)
            .arg(&disk)
            .arg(SIZE),
    )?;
    Ok(disk)
}

/// The root as a folder. Every file is at the path that it has here.
struct Stage {
    folder: PathBuf,
}

impl Stage {
    fn new(folder: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        let stage = Self {
            folder: folder.to_owned(),
        };
        for name in ["dev", "etc", "proc", "root", "run", "sys", "tmp", "var/tmp"] {
            make_folder(&stage.folder.join(name))?;
        }
        for name in ["tmp", "var/tmp"] {
            set_mode(&stage.folder.join(name), 0o1777)?;
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            make_folder(&stage.folder.join("usr").join(name))?;
            symlink(Path::new("usr").join(name), stage.folder.join(name))
                .with_context(|| format!("cannot link /{name}"))?;
        }
        Ok(stage)
    }

    /// A file of this machine; where it is a link, its target and the link.
    fn file(&self, file: &Path) -> Result<()> {
        let real = file
            .canonicalize()
            .with_context(|| format!("cannot find {}", file.display()))?;
        let into = self.inside(&real);
        if !into.exists() {
            copy(&real, &into)?;
        }
        let folder = file.parent().unwrap_or(Path::new("/")).canonicalize()?;
        let link = folder.join(file.file_name().unwrap_or_default());
        if link != real {
            let link = self.inside(&link);
            make_folder(link.parent().unwrap_or(&self.folder))?;
            if link.symlink_metadata().is_err() {
                symlink(&real, &link).with_context(|| format!("cannot link {}", link.display()))?;
            }
        }
        Ok(())
    }

    /// Every file below a folder.
    fn folder(&self, folder: &Path) -> Result<()> {
        let entries = fs::read_dir(folder)
            .with_context(|| format!("cannot read the folder {}", folder.display()))?;
        for entry in entries.filter_map(Result::ok) {
            if entry.path().is_dir() {
                self.folder(&entry.path())?;
            } else {
                self.file(&entry.path())?;
            }
        }
        Ok(())
    }

    /// The programs of an installed package.
    fn package(&self, name: &str) -> Result<()> {
        let output = Command::new("dpkg")
            .args(["-L", name])
            .output()
            .context("cannot start dpkg")?;
        ensure!(
            output.status.success(),
            "the package {name} is not installed"
        );
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let path = Path::new(line);
            let is_program = path
                .parent()
                .is_some_and(|folder| folder.ends_with("bin") || folder.ends_with("sbin"));
            if is_program && path.is_file() {
                self.file(path)?;
            }
        }
        Ok(())
    }

    /// What unpacked packages have in a folder, where this machine gave nothing.
    fn packages(&self, packages: &Path, folder: &Path) -> Result<()> {
        let from = packages.join(folder);
        let entries = fs::read_dir(&from)
            .with_context(|| format!("cannot read the folder {}", from.display()))?;
        for entry in entries.filter_map(Result::ok) {
            let path = folder.join(entry.file_name());
            let into = self.folder.join(&path);
            if entry.file_type()?.is_dir() {
                make_folder(&into)?;
                self.packages(packages, &path)?;
            } else if into.symlink_metadata().is_ok() {
                // This machine's own.
            } else if entry.file_type()?.is_symlink() {
                symlink(fs::read_link(entry.path())?, &into)
                    .with_context(|| format!("cannot link {}", into.display()))?;
            } else {
                copy(&entry.path(), &into)?;
            }
        }
        Ok(())
    }

    /// What cargo built and the tests look for beside themselves: the agent,
    /// the intruders and their sources.
    fn built(&self, tests: &Path) -> Result<()> {
        self.file(tests)?;
        self.file(&testbed::agent::binary()?)?;
        let target = testbed::target_folder()?;
        self.file(&target.join("CACHEDIR.TAG"))?;
        let sources = command::workspace().join("tests/intruders");
        self.folder(&sources)?;
        for entry in fs::read_dir(&sources)?.filter_map(Result::ok) {
            let source = entry.path();
            if source.extension().is_some_and(|end| end == "rs") {
                let name = source.file_stem().unwrap_or_default().to_string_lossy();
                self.file(&testbed::intruders::build(&name)?)?;
            }
        }
        Ok(())
    }

    /// The shared libraries of all programs so far.
    fn libraries(&self) -> Result<()> {
        let mut programs = Vec::new();
        elf_files(&self.folder, &mut programs)?;
        // Whether one of them is static is no error to us, but is one to ldd.
        let output = Command::new("ldd")
            .args(programs)
            .output()
            .context("cannot start ldd")?;
        for library in libraries(&String::from_utf8_lossy(&output.stdout)) {
            self.file(library)?;
        }
        Ok(())
    }

    fn script(&self, name: &str, text: &str) -> Result<()> {
        self.text(name, text)?;
        set_mode(&self.folder.join(name), 0o755)
    }

    fn text(&self, name: &str, text: &str) -> Result<()> {
        let file = self.folder.join(name);
        make_folder(file.parent().unwrap_or(&self.folder))?;
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    fn inside(&self, path: &Path) -> PathBuf {
        self.folder.join(path.strip_prefix("/").unwrap_or(path))
    }
}

fn elf_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)?.filter_map(Result::ok) {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            elf_files(&path, found)?;
        } else if kind.is_file() && begins_with_elf(&path)? {
            found.push(path);
        }
    }
    Ok(())
}

fn begins_with_elf(file: &Path) -> Result<bool> {
    use std::io::Read as _;
    let mut first = [0; 4];
    let mut open = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    Ok(open.read_exact(&mut first).is_ok() && first == *b"\x7fELF")
}

/// The files that ldd names.
fn libraries(printed: &str) -> BTreeSet<&Path> {
    printed
        .lines()
        .filter_map(|line| line.trim().split_once(" (0x"))
        .map(|(what, _)| what.split_once(" => ").map_or(what, |(_, file)| file))
        .filter(|file| file.starts_with('/'))
        .map(Path::new)
        .collect()
}

/// With its time: an intruder that is older than its source would be built
/// anew.
fn copy(from: &Path, into: &Path) -> Result<()> {
    make_folder(into.parent().unwrap_or(Path::new("/")))?;
    fs::copy(from, into)
        .and_then(|_| from.metadata()?.modified())
        .and_then(|modified| File::open(into)?.set_modified(modified))
        .with_context(|| format!("cannot copy {} to {}", from.display(), into.display()))
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot change the mode of {}", path.display()))
}

fn shell_words(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_libraries_in_what_ldd_prints() {
        let printed = "/usr/bin/x:\n\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f00)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f01)\n/usr/bin/y:\n\tnot a dynamic executable\n";

        let found: Vec<_> = libraries(printed).into_iter().collect();

        assert_eq!(
            found,
            [
                Path::new("/lib/x86_64-linux-gnu/libc.so.6"),
                Path::new("/lib64/ld-linux-x86-64.so.2")
            ]
        );
    }

    #[test]
    fn words_reach_the_shell_as_they_are() {
        let mut command = Command::new("/bin/node");
        command.args(["a b", "it's"]);

        assert_eq!(shell_words(&command), r"'/bin/node' 'a b' 'it'\''s'");
    }
}
