//! What programs map to execute it, where the kernel asks before: libraries, and what a
//! loader loads.

use super::container::Place;
use super::files::file;
use super::watch::watching;
use agent_common::wire::mode::ENFORCE;
use agent_common::wire::stop;
use anyhow::{Result, ensure};
use execwarden::model::{Identity, Layer, Stopped, Untrusted};
use std::fs;
use testbed::{Image, Rootfs, intruders, node};

const MAPS: &str = "/opt/maps";
const DROPPED: &str = "/opt/dropped";

pub fn what_was_written_after_the_start_is_not_loaded_where_the_kernel_asks() -> Result<()> {
    watching(|watch| {
        let image = Image::busybox()?;
        image.program(&intruders::build("maps")?, MAPS)?;
        image.program(&intruders::build("hello")?, "/opt/library")?;
        let rootfs = Rootfs::over(&image)?;
        let place = Place {
            root: Some(&rootfs),
            ..Place::default()
        };
        let mut web = watch.container_at(ENFORCE, &place)?;
        watch.allow(&web, &Identity::image(MAPS))?;
        fs::copy(rootfs.inside("/opt/library"), rootfs.inside(DROPPED))?;
        let is_asked = node::asks_before_execs();
        let lacks = watch.kernel.without_libraries();
        ensure!(lacks.is_none() || !is_asked, "{lacks:?}");

        // Nothing is asked of a container that stops no such thing.
        ensure!(web.exec(&[MAPS, DROPPED])? == "mapped");
        watch.stop(&web, stop::UNLISTED)?;
        ensure!(web.exec(&[MAPS, DROPPED])? == "mapped");
        watch.stop(&web, stop::UNLISTED | stop::LIBRARIES)?;
        for _ in 0..2 {
            ensure!(web.exec(&[MAPS, "/opt/library"])? == "mapped");
            let printed = web.exec(&[MAPS, DROPPED])?;
            ensure!(
                printed.starts_with("not mapped: Op") == is_asked,
                "{printed}"
            );
            // It is counted as an exec would be.
            web.count(is_asked.into());
        }

        let counts = watch.kernel.accounting(web.slot());
        ensure!(counts.known == 6, "{counts:?}");
        if is_asked {
            ensure!(counts.blocked == 2 && counts.deviating == 2, "{counts:?}");
            let entry = watch.only_seen(&web)?;
            let exec = &entry.exec;
            ensure!(entry.count == 2, "{exec:?}");
            ensure!(exec.stopped == Some(Stopped::NotLoaded), "{exec:?}");
            ensure!(exec.identity == file(DROPPED, Layer::Upper), "{exec:?}");
            ensure!(exec.comm == Untrusted::from("maps"), "{exec:?}");
            let arguments = [MAPS, DROPPED].map(Untrusted::from);
            ensure!(exec.args.list == arguments, "{exec:?}");
        }

        watch.allow(&web, &file(DROPPED, Layer::Upper))?;
        watch.raise_generation(&web)?;
        ensure!(web.exec(&[MAPS, DROPPED])? == "mapped");
        Ok(())
    })
}
