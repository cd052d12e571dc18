//! `#!`: the script enters the identity by its name, the interpreter by its
//! file.

use super::files::{Folder, file};
use super::watch::watching;
use agent_common::wire::mode::ENFORCE;
use anyhow::{Result, ensure};
use execwarden::model::{Identity, Layer};
use std::fs;

pub fn a_script_is_its_absolute_name_and_its_interpreter() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let run = folder.script("run.sh", &format!("#!{hello}\n"))?;
        let around = folder.script("around.sh", &format!("#!{run}\n"))?;
        let at = folder.path().display();
        let name = folder.path().file_name().unwrap_or_default().display();
        for (line, script) in [
            (run.clone(), &run),
            (format!("cd {at}; ./run.sh"), &run),
            (format!("cd {at}; ../{name}/./run.sh"), &run),
            (format!("{at}//run.sh"), &run),
            // A script whose interpreter is one: the first name counts.
            (around.clone(), &around),
        ] {
            let mut web = watch.container(ENFORCE)?;

            web.sh(&line, 1)?;

            let seen = watch.only_seen(&web)?;
            ensure!(
                seen.exec.identity == script_by(&hello, script),
                "{line}: {:?}",
                seen.exec
            );
            // As the kernel spells it.
            watch.kernel.allow_as_seen(web.slot(), &seen.key)?;
            web.sh(&line, 1)?;
            web.sh(&line, 1)?;
            let counts = watch.kernel.accounting(web.slot());
            ensure!(
                (counts.known, counts.deviating) == (2, 1),
                "{line}: {counts:?}"
            );
        }
        Ok(())
    })
}

pub fn an_allowed_script_allows_no_other_and_not_its_interpreter() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let run = folder.script("run.sh", &format!("#!{hello}\n"))?;
        let evil = folder.script("evil.sh", &format!("#!{hello}\n"))?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &script_by(&hello, &run))?;

        web.exec(&[&run])?;
        web.exec(&[&run])?;
        web.exec(&[&evil])?;
        web.exec(&[&hello])?;

        let rung = watch.rung(&web)?.into_iter().map(|exec| exec.identity);
        ensure!(rung.eq([script_by(&hello, &evil), Identity::image(&hello)]));
        let counts = watch.kernel.accounting(web.slot());
        ensure!((counts.known, counts.deviating) == (2, 2), "{counts:?}");
        Ok(())
    })
}

pub fn an_allowed_interpreter_allows_no_script() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let evil = folder.script("evil.sh", &format!("#!{hello}\n"))?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&hello))?;

        web.exec(&[&hello])?;
        web.exec(&[&evil])?;

        let seen = watch.only_seen(&web)?.exec.identity;
        ensure!(seen == script_by(&hello, &evil), "{seen:?}");
        Ok(())
    })
}

pub fn a_scripts_name_is_read_up_to_its_bound() -> Result<()> {
    watching(|watch| {
        // The kernel's copy needs room for its zero byte and one to spare.
        for (len, whole) in [(510, true), (511, false), (600, false)] {
            let (folder, hello) = Folder::with_hello()?;
            let room = len - folder.path().as_os_str().len() - 2;
            let (first, second) = ("d".repeat(room / 3), "e".repeat(room - 2 * (room / 3) - 1));
            fs::create_dir_all(folder.at(&format!("{first}/{first}")))?;
            let run = folder.script(
                &format!("{first}/{first}/{second}"),
                &format!("#!{hello}\n"),
            )?;
            ensure!(run.len() == len, "the test's name has {} bytes", run.len());
            let mut web = watch.container(ENFORCE)?;
            watch.allow(&web, &script_by(&hello, &run))?;
            watch.allow(&web, &Identity::image(&hello))?;

            web.exec(&[&run])?;
            web.exec(&[&run])?;

            let counts = watch.kernel.accounting(web.slot());
            if whole {
                ensure!(counts.known == 2, "{len} bytes: {counts:?}");
            } else {
                ensure!(counts.errors == 2, "{len} bytes: {counts:?}");
                let seen = watch.only_seen(&web)?.exec;
                ensure!(seen.error && seen.identity.file == hello.as_str().into());
            }
        }
        Ok(())
    })
}

fn script_by(interpreter: &str, script: &str) -> Identity {
    Identity {
        script: Some(script.into()),
        ..file(interpreter, Layer::Image)
    }
}
