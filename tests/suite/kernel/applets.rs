//! Multi-call binaries: one file, many programs, told apart by the name that
//! the binary itself goes by.

use super::container::Container;
use super::files::Folder;
use super::watch::{Watch, watching};
use agent_common::wire::mode::ENFORCE;
use anyhow::{Context, Result, ensure};
use execwarden::kernel::{Names, Permit};
use execwarden::model::Identity;
use std::fs;
use std::os::unix::fs::symlink;
use testbed::find_busybox;

/// A folder with busybox in it, under a name of ours: by its path nobody could
/// tell what it is.
fn with_box(name: &str) -> Result<(Folder, String)> {
    let folder = Folder::new()?;
    let path = folder.at(name);
    fs::copy(find_busybox().context("there is no static busybox")?, &path)?;
    Ok((folder, path))
}

/// Runs `file` with these arguments, argv 0 among them: an exec of bash, which
/// is allowed, and one of the file.
fn run(watch: &mut Watch, web: &mut Container, file: &str, argv: &[&str]) -> Result<String> {
    watch.allow(web, &Identity::image("/usr/bin/bash"))?;
    let quoted: Vec<String> = argv.iter().map(|word| format!("'{word}'")).collect();
    let (name, rest) = quoted.split_first().context("no argv 0")?;
    let rest = rest.join(" ");
    web.sh(
        &format!("bash -c 'exec -a \"$0\" \"$@\"' {name} {file} {rest} || :"),
        2,
    )
}

pub fn b22_an_applet_is_resolved_as_the_binary_does() -> Result<()> {
    watching(|watch| {
        let (folder, multi) = with_box("some-tool")?;
        let link = folder.at("nc");
        symlink(&multi, &link)?;
        let listed = Identity::applet(&multi, "true");
        for (argv, file, applet) in [
            (vec!["true"], &multi, "true"),
            (vec!["/any/where/true", "nc"], &multi, "true"),
            (vec!["-true"], &multi, "true"),
            (vec!["busybox", "true"], &multi, "true"),
            (vec!["/bin/busybox", "/x/true"], &multi, "true"),
            (vec!["busybox", "busybox", "true"], &multi, "true"),
            (vec!["busybox.static", "true"], &multi, "true"),
            (vec!["nc"], &multi, "nc"),
            (vec!["nc"], &link, "nc"),
            (vec!["true"], &link, "true"),
            (vec!["busybox", "nc"], &multi, "nc"),
            (vec!["true/nc"], &multi, "nc"),
            (vec!["busybox"], &multi, "busybox"),
            (vec!["busybox", "--help"], &multi, "busybox"),
            (vec!["", "true"], &multi, ""),
        ] {
            let mut web = watch.container(ENFORCE)?;
            watch.allow(&web, &listed)?;

            let printed = run(watch, &mut web, file, &argv)?;
            run(watch, &mut web, file, &argv)?;

            let counts = watch.kernel.accounting(web.slot());
            if applet == "true" {
                ensure!(counts.known == 4, "{argv:?}: {counts:?}");
                ensure!(printed.is_empty(), "{argv:?} was no true: {printed}");
                continue;
            }
            ensure!(
                (counts.known, counts.deviating) == (2, 2),
                "{argv:?}: {counts:?}"
            );
            let seen = watch.only_seen(&web)?.exec;
            ensure!(seen.called.applet == applet.into(), "{argv:?}: {seen:?}");
            ensure!(seen.identity == Identity::image(&multi), "{seen:?}");
        }
        Ok(())
    })
}

pub fn b22_coreutils_option_names_the_applet() -> Result<()> {
    watching(|watch| {
        let (_folder, multi) = with_box("tool")?;
        for (argv, applet) in [
            (vec!["coreutils", "--coreutils-prog=rm", "x"], "rm"),
            (vec!["any", "--coreutils-prog=rm", "x"], "rm"),
            (vec!["any", "--coreutils-prog-shebang=rm", "x"], "rm"),
            (vec!["any", "--coreutils-program"], "any"),
            (vec!["coreutils", "rm"], "rm"),
            (vec!["toybox", "rm"], "rm"),
        ] {
            let mut web = watch.container(ENFORCE)?;

            run(watch, &mut web, &multi, &argv)?;

            let seen = watch.only_seen(&web)?.exec;
            ensure!(seen.called.applet == applet.into(), "{argv:?}: {seen:?}");
        }
        Ok(())
    })
}

pub fn b22_a_program_is_allowed_under_any_name_but_not_a_hard_link() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let linked = folder.hello("linked")?;
        fs::hard_link(&linked, folder.at("another"))?;
        for (file, known) in [(&hello, 2), (&linked, 1)] {
            let mut web = watch.container(ENFORCE)?;
            watch.allow(&web, &Identity::image(file))?;

            run(watch, &mut web, file, &["other"])?;
            web.exec(&[file])?;

            let counts = watch.kernel.accounting(web.slot());
            ensure!(counts.known == 1 + known, "{file}: {counts:?}");
        }
        Ok(())
    })
}

pub fn each_name_is_told_where_names_are_learned() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        let identity = Identity::image(&hello);
        let permit = Permit {
            names: Names::Own,
            ..Permit::from(&identity)
        };
        watch.kernel.allow(web.slot(), &permit)?;

        web.exec(&[&hello])?;
        web.exec(&[&hello])?;
        run(watch, &mut web, &hello, &["other"])?;
        run(watch, &mut web, &hello, &["third"])?;

        let mut names: Vec<_> = watch
            .seen(&web)
            .into_iter()
            .map(|seen| seen.exec.called.applet)
            .collect();
        names.sort();
        ensure!(names == ["other".into(), "third".into()], "{names:?}");
        Ok(())
    })
}
