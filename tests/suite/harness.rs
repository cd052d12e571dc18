//! Runs the tests in a node of their own, or says why they cannot run.

use crate::watchdog::Watchdog;
use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use testbed::{docker, node, podman};

/// What a test is.
pub type Test = fn() -> Result<()>;

/// A test with its name.
pub type Named = (&'static str, Test);

/// A list of tests by the names of their functions: `tests![module: a, b]`.
macro_rules! tests {
    ($($module:ident: $($test:ident),+;)*) => {
        &[$($((stringify!($test), $module::$test as $crate::harness::Test)),+),*]
    };
}
pub(crate) use tests;

/// The same, with nobody but the stand-in to judge execs.
macro_rules! by_stand_in {
    ($($module:ident: $($test:ident),+;)*) => {
        &[$($((
            stringify!($test),
            (|| $crate::kernel::watch::by_stand_in($module::$test)) as $crate::harness::Test,
        )),+),*]
    };
}
pub(crate) use by_stand_in;

/// Tests under one name.
pub type Group = (&'static str, &'static [Named]);

/// Runs every group's tests, one after the other, as the arguments say.
pub fn run(groups: &[Group]) -> ExitCode {
    let args = Arguments::from_args();
    let lacks = node::lacks();
    // To list the tests takes no node.
    if lacks.is_none()
        && !args.list
        && let Err(error) = node::enter()
    {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    run_on(groups, args, lacks)
}

/// The same on a machine that is no node for containers.
pub fn run_as_it_is(groups: &[Group]) -> ExitCode {
    run_on(groups, Arguments::from_args(), None)
}

fn run_on(groups: &[Group], mut args: Arguments, lacks: Option<String>) -> ExitCode {
    args.test_threads = Some(1);
    if let Some(reason) = &lacks {
        println!("skipped: {reason}");
    }
    let without_podman = podman::lacks().is_some();
    // It is not a part of the set-up.
    let without_docker = docker::lacks().is_some();
    // A skip is only for machines that people work on.
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let trials = groups
        .iter()
        .flat_map(|(group, tests)| {
            tests
                .iter()
                .map(move |(name, test)| (*group, format!("{group}::{name}"), *test))
        })
        .map(|(group, name, test)| {
            let lacks = lacks.is_some() || (group == "podman" && without_podman);
            let is_optional = group == "docker" && without_docker;
            Trial::test(name.clone(), move || {
                let _watchdog = Watchdog::watch(&name);
                test().map_err(|error| Failed::from(format!("{error:#}")))
            })
            .with_ignored_flag((lacks && !in_ci) || is_optional)
        })
        .collect();
    libtest_mimic::run(&args, trials).exit_code()
}
