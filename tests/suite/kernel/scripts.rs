//! `#!`: the script, those between, and the interpreter are one identity, each
//! by its file.

use super::container::{Container, Place};
use super::files::Folder;
use super::watch::{Watch, watching};
use agent_common::wire::{SCRIPT_MAX, mode::ENFORCE};
use anyhow::{Context, Result, ensure};
use execwarden::kernel::Permit;
use execwarden::model::{Identity, Layer, Needs, Role, Script};
use std::fs;
use std::os::unix::fs::symlink;
use testbed::{Image, Rootfs, find_program};

pub fn b04_a_script_and_its_interpreter_are_one_identity() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let run = folder.script("run.sh", &format!("#!{hello}\n"))?;
        let around = folder.script("around.sh", &format!("#!{run}\n"))?;
        let at = folder.path().display();
        let name = folder.path().file_name().unwrap_or_default().display();
        symlink("run.sh", folder.at("link"))?;
        let script = Identity::script(&hello, &run);
        for (line, identity) in [
            (run.clone(), &script),
            (format!("cd {at}; ./run.sh"), &script),
            (format!("cd {at}; ../{name}/./run.sh"), &script),
            (format!("{at}//run.sh"), &script),
            (format!("{at}/link"), &script),
            // A script whose interpreter is one.
            (around.clone(), &chain(&hello, &around, &[&run])),
        ] {
            let mut web = watch.container(ENFORCE)?;

            web.sh(&line, 1)?;

            let seen = watch.only_seen(&web)?;
            ensure!(seen.exec.identity == *identity, "{line}: {:?}", seen.exec);
            watch.allow(&web, &seen.exec.identity)?;
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

pub fn b04_an_interpreters_loader_is_no_script() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let run = folder.script("run.sh", "#!/bin/sh\n:\n")?;
        let shell = fs::canonicalize("/bin/sh")?.display().to_string();
        let mut web = watch.container(ENFORCE)?;

        web.sh(&run, 1)?;

        let seen = watch.only_seen(&web)?;
        let script = Identity::script(&shell, &run);
        ensure!(seen.exec.identity == script, "{:?}", seen.exec);
        Ok(())
    })
}

/// overlayfs maps another file in the place of its own.
pub fn b04_an_interpreters_loader_on_overlayfs_is_no_script() -> Result<()> {
    watching(|watch| {
        let image = Image::busybox()?;
        let env = find_program("env").context("env is not installed")?;
        image.linked_program(&env, "/usr/bin/env")?;
        image.script("/opt/run.sh", "#!/usr/bin/env --version\n")?;
        image.script("/opt/around.sh", "#!/opt/run.sh\n")?;
        let once = Rootfs::over(&image)?;
        let below = Image::at(&once.path());
        let twice = Rootfs::over(&below)?;
        for root in [&once, &twice] {
            let place = Place {
                root: Some(root),
                ..Place::default()
            };
            let mut web = watch.container_at(ENFORCE, &place)?;
            let run = Identity::script("/usr/bin/env", "/opt/run.sh");
            let around = chain("/usr/bin/env", "/opt/around.sh", &["/opt/run.sh"]);

            web.exec(&["/opt/run.sh"])?;
            web.exec(&["/opt/around.sh"])?;

            let seen = watch.rung(&web)?.into_iter().map(|exec| exec.identity);
            let seen: Vec<_> = seen.collect();
            ensure!(seen == [run, around], "{seen:?}");
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
        watch.allow(&web, &Identity::script(&hello, &run))?;

        web.exec(&[&run])?;
        web.exec(&[&run])?;
        web.exec(&[&evil])?;
        web.exec(&[&hello])?;

        let rung = watch.rung(&web)?.into_iter().map(|exec| exec.identity);
        ensure!(rung.eq([Identity::script(&hello, &evil), Identity::image(&hello)]));
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
        ensure!(seen == Identity::script(&hello, &evil), "{seen:?}");
        Ok(())
    })
}

pub fn a_scripts_path_is_kept_up_to_its_bound() -> Result<()> {
    watching(|watch| {
        for (len, whole) in [(SCRIPT_MAX - 1, true), (SCRIPT_MAX, false)] {
            let (folder, hello) = Folder::with_hello()?;
            let deep = format!("{0}/{0}/{0}/{0}", "d".repeat(200));
            fs::create_dir_all(folder.at(&deep))?;
            let rest = len - folder.at(&deep).len() - 1;
            let name = format!("{deep}/{}", "e".repeat(rest));
            let run = folder.script(&name, &format!("#!{hello}\n"))?;
            ensure!(run.len() == len, "the test's name has {} bytes", run.len());
            let mut web = watch.container(ENFORCE)?;
            watch.allow(&web, &Identity::script(&hello, &run))?;
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

pub fn b04_a_chain_of_scripts_is_one_identity_however_long() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let mut scripts = vec![folder.script("script-1", &format!("#!{hello}\n"))?];
        for depth in 2..=5 {
            let inner = scripts[0].clone();
            let outer = folder.script(&format!("script-{depth}"), &format!("#!{inner} -x\n"))?;
            scripts.insert(0, outer);
            let via: Vec<_> = scripts[1..].iter().map(String::as_str).collect();
            let mut web = watch.container(ENFORCE)?;
            // Each alone does not make the chain.
            for script in &scripts {
                watch.allow(&web, &Identity::script(&hello, script))?;
            }

            web.exec(&[&scripts[0]])?;

            let seen = watch.only_seen(&web)?.exec.identity;
            let whole = chain(&hello, &scripts[0], &via);
            ensure!(seen == whole, "{depth} scripts: {seen:?}");
            watch.allow(&web, &whole)?;
            web.exec(&[&scripts[0]])?;
            web.exec(&[&scripts[0]])?;
            // A change of one in the middle is a first sight again, of the same
            // identity.
            fs::write(&scripts[1], fs::read(&scripts[1])?)?;
            web.exec(&[&scripts[0]])?;
            let counts = watch.kernel.accounting(web.slot());
            ensure!((counts.known, counts.deviating) == (3, 1), "{counts:?}");
        }
        Ok(())
    })
}

pub fn b04_a_script_in_the_place_of_a_program_is_told_from_what_it_replaced() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let run = folder.script("run.sh", &format!("#!{hello}\n"))?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image("/usr/bin/env"))?;
        // The file of env, its loader and its libraries are closed as late as
        // the script is.
        web.sh(&format!("/usr/bin/env -S {run} x"), 2)?;

        let seen = watch.only_seen(&web)?.exec;
        ensure!(
            !seen.error && seen.identity == Identity::script(&hello, &run),
            "{seen:?}"
        );
        Ok(())
    })
}

pub fn b04_a_changed_script_is_judged_anew() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let run = folder.script("run.sh", &format!("#!{hello}\n"))?;
        let mut web = watch.container(ENFORCE)?;
        let identity = Identity::script(&hello, &run);
        watch.kernel.allow(
            web.slot(),
            &Permit {
                needs: Needs::CONTENT,
                ..Permit::from(&identity)
            },
        )?;
        let clear = |watch: &mut Watch, web: &Container| -> Result<()> {
            for seen in watch.seen(web) {
                watch.kernel.clear(web.slot(), 1, &seen.key)?;
            }
            Ok(())
        };

        web.exec(&[&run])?;
        clear(watch, &web)?;
        web.exec(&[&run])?;
        web.exec(&[&run])?;
        let counts = watch.kernel.accounting(web.slot());
        ensure!((counts.known, counts.deviating) == (2, 1), "{counts:?}");

        // Of the same size, in place, and back under its name.
        fs::write(&run, format!("#!{hello}\n").replace('h', "h"))?;
        web.exec(&[&run])?;
        let counts = watch.kernel.accounting(web.slot());
        ensure!((counts.known, counts.deviating) == (2, 2), "{counts:?}");
        Ok(())
    })
}

fn chain(interpreter: &str, script: &str, via: &[&str]) -> Identity {
    Identity {
        role: Role::Script(Script {
            path: script.into(),
            via: via.iter().map(|&via| via.into()).collect(),
            layer: Layer::Image,
        }),
        ..Identity::image(interpreter)
    }
}
