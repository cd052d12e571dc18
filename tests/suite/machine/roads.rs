//! Other roads to an exec than a 64-bit program that calls for it.

use crate::kernel::files::{Folder, file};
use crate::kernel::watch::{Watch, watching};
use agent_common::wire::{self, SLOT_FIRST, mode::ENFORCE};
use anyhow::{Context, Result, ensure};
use execwarden::model::{CgroupId, Exec, Identity, Layer, Slot};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;
use testbed::node::CGROUP_ROOT;
use testbed::until;

/// The kernel starts its helpers from a thread of its own.
const DEADLINE: Duration = Duration::from_secs(10);

pub fn b34_a_32_bit_program_and_what_it_runs_are_seen() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let other = folder.hello("other")?;
        let small = folder.at("small");
        fs::write(&small, ia32_program())?;
        fs::set_permissions(&small, fs::Permissions::from_mode(0o755))?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&small))?;
        watch.allow(&web, &Identity::image(&hello))?;

        // It runs what it is given by the 32-bit system call.
        web.sh(&format!("{small} {hello}"), 2)?;
        web.sh(&format!("{small} {other}"), 2)?;

        let seen = watch.only_seen(&web)?.exec.identity;
        ensure!(seen == Identity::image(&other), "{seen:?}");
        let counts = watch.kernel.accounting(web.slot());
        ensure!((counts.known, counts.deviating) == (3, 1), "{counts:?}");
        Ok(())
    })
}

pub fn b34_a_handler_of_core_dumps_is_seen_on_the_host() -> Result<()> {
    const SETTING: &str = "/proc/sys/kernel/core_pattern";
    watching(|watch| {
        let (_folder, handler) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        let root = watch_the_root(watch)?;
        let before = fs::read_to_string(SETTING)?;
        fs::write(SETTING, format!("|{handler}"))?;

        web.sh("(exec /bin/sh -c 'kill -SEGV $$') || true", 1)?;
        let seen = only_exec_of(watch, root);
        fs::write(SETTING, before)?;

        is_of_the_host(&seen?, &handler)
    })
}

pub fn b34_a_helper_of_the_kernels_is_seen_on_the_host() -> Result<()> {
    const SETTING: &str = "/proc/sys/kernel/modprobe";
    watching(|watch| {
        let (folder, helper) = Folder::with_hello()?;
        let root = watch_the_root(watch)?;
        let before = fs::read_to_string(SETTING)?;
        fs::write(SETTING, &helper)?;

        // The kernel looks for a module that would know it.
        let unknown = mount("none", folder.path(), "nosuchfs", MountFlags::empty(), None);
        let seen = only_exec_of(watch, root);
        fs::write(SETTING, before.trim())?;

        ensure!(unknown.is_err(), "there is a file system nosuchfs");
        is_of_the_host(&seen?, &helper)
    })
}

pub fn b04_a_registered_format_is_its_file_and_its_interpreter() -> Result<()> {
    watching(|watch| {
        let formats = Formats::mount()?;
        let (folder, interpreter) = Folder::with_hello()?;
        let own = folder.script("own", TEXT)?;
        let evil = folder.script("evil", TEXT)?;
        for flags in ["", "P", "O", "C"] {
            let mut web = watch.container(ENFORCE)?;
            let identity = |script: &String| Identity::script(&interpreter, script);
            watch.allow(&web, &identity(&own))?;

            formats.with(&interpreter, flags, || {
                web.exec(&[&own])?;
                web.exec(&[&evil])
            })?;

            let seen = watch.seen(&web).into_iter().map(|one| one.exec.identity);
            let seen: Vec<_> = seen.collect();
            ensure!(seen == [identity(&evil)], "flags {flags:?}: {seen:?}");
        }
        Ok(())
    })
}

/// The interpreter was opened when the format was registered: by another exec
/// than this one's, for all that can be told.
pub fn b04_a_format_with_its_interpreter_open_is_an_error() -> Result<()> {
    watching(|watch| {
        let formats = Formats::mount()?;
        let (folder, interpreter) = Folder::with_hello()?;
        let own = folder.script("own", TEXT)?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::script(&interpreter, &own))?;
        watch.allow(&web, &Identity::image(&interpreter))?;

        formats.with(&interpreter, "F", || {
            web.exec(&[&own])?;
            web.exec(&[&own])
        })?;

        let seen = watch.only_seen(&web)?;
        ensure!(seen.exec.error && seen.count == 2, "{:?}", seen.exec);
        Ok(())
    })
}

/// What files of the tests' own format begin with.
const TEXT: &str = "execwarden's own format\n";

/// binfmt_misc.
struct Formats(Folder);

impl Formats {
    fn mount() -> Result<Self> {
        let at = Folder::new()?;
        mount("none", at.path(), "binfmt_misc", MountFlags::empty(), None)
            .context("cannot mount binfmt_misc")?;
        Ok(Self(at))
    }

    /// Does something while the format is registered with this interpreter.
    fn with<T>(
        &self,
        interpreter: &str,
        flags: &str,
        run: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        fs::write(
            self.0.at("register"),
            format!(":execwarden:M::execwarden::{interpreter}:{flags}"),
        )?;
        let ran = run();
        fs::write(self.0.at("execwarden"), "-1")?;
        ran
    }
}

impl Drop for Formats {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

/// Judges what runs at the root of the hierarchy, as nobody does on a node: the
/// kernel starts its helpers there.
fn watch_the_root(watch: &mut Watch) -> Result<CgroupId> {
    let root = CgroupId(fs::metadata(CGROUP_ROOT)?.ino());
    let slot = Slot(SLOT_FIRST + 100);
    let state = wire::Slot {
        mode: ENFORCE,
        generation: 1,
        detail: 0,
        stops: 0,
        quota: 100,
        released: 0,
    };
    watch.kernel.set_slot(slot, state)?;
    watch.kernel.set_container(root, root, slot, None, false)?;
    Ok(root)
}

fn only_exec_of(watch: &Watch, container: CgroupId) -> Result<Exec> {
    let mut seen = until("an exec on the host", DEADLINE, || {
        let seen = watch.kernel.seen().into_iter().map(|entry| entry.exec);
        let seen: Vec<_> = seen.filter(|exec| exec.container == container).collect();
        Ok((!seen.is_empty()).then_some(seen))
    })?;
    ensure!(seen.len() == 1, "not one exec but {seen:?}");
    Ok(seen.remove(0))
}

fn is_of_the_host(exec: &Exec, path: &str) -> Result<()> {
    ensure!(exec.identity == file(path, Layer::Host), "{exec:?}");
    ensure!(exec.host_mntns, "{exec:?}");
    Ok(())
}

/// An ELF file for i386: runs its argument, if it has one, and else ends well.
fn ia32_program() -> Vec<u8> {
    const AT: u32 = 0x0804_8000;
    const HEADERS: u32 = 52 + 32;
    const CODE: [u8; 33] = [
        0x58, // pop eax: argc
        0x59, // pop ecx: argv[0]
        0x31, 0xdb, // xor ebx, ebx
        0x48, // dec eax
        0x74, 0x13, // jz end
        0x8b, 0x1c, 0x24, // mov ebx, [esp]: argv[1]
        0x89, 0xe1, // mov ecx, esp
        0x31, 0xd2, // xor edx, edx
        0xb8, 11, 0, 0, 0, // mov eax, execve
        0xcd, 0x80, // int 0x80
        0xbb, 1, 0, 0, 0, // mov ebx, 1
        0xb8, 1, 0, 0, 0, // end: mov eax, exit
        0xcd, 0x80, // int 0x80
    ];
    let size = HEADERS + CODE.len() as u32;
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    let halves = |file: &mut Vec<u8>, values: &[u16]| {
        values
            .iter()
            .for_each(|value| file.extend(value.to_le_bytes()));
    };
    let words = |file: &mut Vec<u8>, values: &[u32]| {
        values
            .iter()
            .for_each(|value| file.extend(value.to_le_bytes()));
    };
    halves(&mut file, &[2, 3]); // an executable for i386
    words(&mut file, &[1, AT + HEADERS, 52, 0, 0]);
    halves(&mut file, &[52, 32, 1, 0, 0, 0]);
    words(&mut file, &[1, 0, AT, AT, size, size, 5, 0x1000]); // PT_LOAD, r-x
    file.extend(CODE);
    file
}
