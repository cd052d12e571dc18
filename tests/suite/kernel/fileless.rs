//! Files without a name in any directory.

use super::container::Container;
use super::files::{Folder, file};
use super::watch::{Watch, watching};
use agent_common::wire::mode::ENFORCE;
use anyhow::{Result, ensure};
use execwarden::kernel::SeenEntry;
use execwarden::model::Layer;
use std::fs;
use testbed::intruders;

pub fn b07_memfd_is_memory_whatever_its_name() -> Result<()> {
    watching(|watch| {
        for name in ["x", "runc_cloned:/proc/self/exe", "/usr/sbin/nginx", ""] {
            check(watch, |_, hello| {
                intruder("memfd", &format!("'{name}' {hello} x"))
            })?;
        }
        Ok(())
    })
}

pub fn b08_a_deleted_file_is_memory() -> Result<()> {
    watching(|watch| {
        check(watch, |_, hello| intruder("deleted", &format!("{hello} x")))?;
        check(watch, |folder, _| {
            let gone = folder.hello("gone")?;
            Ok(format!("exec 6<{gone}; rm {gone}; /proc/self/fd/6"))
        })
    })
}

pub fn b08_a_deleted_name_is_memory_though_the_file_has_another() -> Result<()> {
    watching(|watch| {
        check(watch, |folder, hello| {
            let gone = folder.at("gone");
            fs::hard_link(hello, &gone)?;
            Ok(format!("exec 6<{gone}; rm {gone}; /proc/self/fd/6"))
        })
    })
}

pub fn b08_o_tmpfile_is_memory_on_a_disk_and_on_a_tmpfs() -> Result<()> {
    watching(|watch| {
        for folder in ["/tmp", "/dev/shm"] {
            check(watch, |_, hello| {
                intruder("tmpfile", &format!("{folder} {hello} x"))
            })?;
        }
        Ok(())
    })
}

/// `road` makes a line of two execs, the second of a file without a name. That
/// is `memory`, and deviates even where its name is on the list.
fn check(watch: &mut Watch, road: impl Fn(&Folder, &str) -> Result<String>) -> Result<()> {
    let (folder, hello) = Folder::with_hello()?;
    let mut web = watch.container(ENFORCE)?;
    let line = road(&folder, &hello)?;
    web.sh(&line, 2)?;
    let first = nameless(watch, &web);
    ensure!(first.len() == 1, "{line}: {} without a name", first.len());

    let path = first[0].exec.identity.file.as_plain_str().unwrap_or("");
    for layer in [Layer::Image, Layer::Upper, Layer::Volume, Layer::Tmpfs] {
        watch.allow(&web, &file(path, layer))?;
    }
    watch.raise_generation(&web)?;
    let line = road(&folder, &hello)?;
    web.sh(&line, 2)?;

    let counts = watch.kernel.accounting(web.slot());
    ensure!(counts.known == 0, "{line}: {counts:?}");
    let times: u64 = nameless(watch, &web).iter().map(|entry| entry.count).sum();
    ensure!(times == 2, "{line}: {times} times");
    Ok(())
}

fn nameless(watch: &Watch, container: &Container) -> Vec<SeenEntry> {
    let mut seen = watch.seen(container);
    seen.retain(|entry| entry.exec.identity.layer == Layer::Memory);
    seen
}

fn intruder(name: &str, args: &str) -> Result<String> {
    Ok(format!("{} {args}", intruders::build(name)?.display()))
}
