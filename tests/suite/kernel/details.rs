//! What more than the identity is looked at: content, arguments, parent, user.

use super::container::Container;
use super::files::Folder;
use super::watch::{Watch, watching};
use agent_common::wire::{ARGS_MAX, mode::ENFORCE};
use anyhow::{Result, ensure};
use execwarden::kernel::Permit;
use execwarden::model::{Identity, Needs, Untrusted};
use std::fs;

/// Allows `file` with a look at what it needs.
fn allow(watch: &mut Watch, web: &Container, file: &str, needs: Needs) -> Result<()> {
    let identity = Identity::image(file);
    let permit = Permit {
        needs,
        ..Permit::from(&identity)
    };
    Ok(watch.kernel.allow(web.slot(), &permit)?)
}

/// Clears all that was reported so far.
fn clear(watch: &mut Watch, web: &Container) -> Result<()> {
    for seen in watch.seen(web) {
        watch.kernel.clear(web.slot(), 1, &seen.key)?;
    }
    Ok(())
}

fn check(watch: &Watch, web: &Container, known: u64, deviating: u64) -> Result<()> {
    let counts = watch.kernel.accounting(web.slot());
    ensure!(
        (counts.known, counts.deviating) == (known, deviating),
        "not {known} and {deviating} but {counts:?}"
    );
    Ok(())
}

pub fn arguments_are_looked_at_once_each() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        let needs = Needs::ARGS;
        allow(watch, &web, &hello, needs)?;

        web.exec(&[&hello, "a", "b"])?;
        web.exec(&[&hello, "a b"])?;
        check(watch, &web, 0, 2)?;
        clear(watch, &web)?;
        web.exec(&[&hello, "a", "b"])?;
        web.exec(&[&hello, "a b"])?;
        check(watch, &web, 2, 2)?;
        web.exec(&[&hello, "a", "b", ""])?;
        web.exec(&[&hello])?;
        check(watch, &web, 2, 4)?;

        // Another generation has to be looked at anew.
        clear(watch, &web)?;
        watch.raise_generation(&web)?;
        web.exec(&[&hello])?;
        check(watch, &web, 2, 5)
    })
}

pub fn arguments_are_kept_up_to_their_bound_and_marked() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        for (len, cut) in [(1, false), (400, false), (ARGS_MAX, true), (100_000, true)] {
            let mut web = watch.container(ENFORCE)?;
            let long = "x".repeat(len);

            web.exec(&[&hello, &long, ""])?;

            let rung = watch.rung(&web)?;
            let args = &rung[0].args;
            ensure!((args.cut, args.unread) == (cut, false), "{len}: {args:?}");
            ensure!(args.list[0] == hello.as_str().into(), "{args:?}");
            if !cut {
                let rest: [Untrusted; 2] = [long.as_str().into(), "".into()];
                ensure!(args.list[1..] == rest, "{args:?}");
            }
        }
        Ok(())
    })
}

pub fn content_is_looked_at_once_for_each_state_of_the_file() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        let needs = Needs::CONTENT;
        allow(watch, &web, &hello, needs)?;

        web.exec(&[&hello, "1"])?;
        clear(watch, &web)?;
        web.exec(&[&hello, "2"])?;
        web.exec(&[&hello, "3"])?;
        check(watch, &web, 2, 1)?;
        let bytes = fs::read(&hello)?;
        fs::write(&hello, bytes)?;
        web.exec(&[&hello, "4"])?;
        check(watch, &web, 2, 2)
    })
}

pub fn everything_is_looked_at_before_anybody_knows_the_container() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut early = watch.unnamed()?;

        for args in ["1", "2", "1"] {
            early.exec(&[&hello, args])?;
        }
        let bytes = fs::read(&hello)?;
        fs::write(&hello, bytes)?;
        early.exec(&[&hello, "1"])?;

        let mut counts: Vec<_> = watch.seen(&early).iter().map(|seen| seen.count).collect();
        counts.sort_unstable();
        ensure!(counts == [1, 1, 2], "{counts:?}");
        Ok(())
    })
}

pub fn users_and_parents_are_looked_at() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let other = folder.at("other-shell");
        fs::copy("/usr/bin/dash", &other)?;
        for (needs, line) in [
            (
                Needs::USERS,
                format!("setpriv --reuid 1000 --clear-groups {hello}"),
            ),
            (Needs::PARENTS, format!("{other} -c '{hello}; :'")),
        ] {
            let mut web = watch.container(ENFORCE)?;
            allow(watch, &web, &hello, needs)?;
            watch.allow(&web, &Identity::image("/usr/bin/setpriv"))?;
            watch.allow(&web, &Identity::image(&other))?;

            web.exec(&[&hello])?;
            clear(watch, &web)?;
            web.exec(&[&hello])?;
            check(watch, &web, 1, 1)?;
            web.sh(&line, 2)?;
            check(watch, &web, 2, 2)?;
        }
        Ok(())
    })
}
