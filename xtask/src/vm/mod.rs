//! `cargo xtask vm`: the node's tests on other kernels, in virtual machines.
//!
//! A machine is made of a kernel of Debian's, an initramfs that finds the disk,
//! and a disk with this machine's own programs and tests. Nothing is installed;
//! all of it is below `target/vm`.
//!
//! - `packages`: Debian packages, unpacked
//! - `kernels`, `tools`: what is fetched, once
//! - `disk`, `initramfs`: what is made, for every run
//! - `machine`: QEMU

mod disk;
mod initramfs;
mod kernels;
mod machine;
mod packages;
mod tools;

use crate::sum::Sum;
use crate::{command, setup};
use anyhow::{Context, Result, bail};
use kernels::{Kernel, Version};
use machine::{End, Machine};
use packages::Suite;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tools::Tools;

/// Arguments of `cargo xtask vm`.
#[derive(clap::Args)]
pub struct Args {
    /// The kernel to boot: 5.10, 6.1, 6.12, 7.x, or all of them
    #[arg(long, default_value = "all", value_parser = chosen)]
    kernel: Kernels,
    /// Ask Debian for newer kernels than those that were fetched before
    #[arg(long)]
    update: bool,
    /// Without real containers and floods, which take an emulated machine minutes
    #[arg(long)]
    short: bool,
    /// Only tests whose name contains this
    filter: Option<String>,
}

/// What a person chose.
#[derive(Clone)]
struct Kernels(Vec<Version>);

fn chosen(text: &str) -> Result<Kernels, String> {
    if text == "all" {
        return Ok(Kernels(Version::ALL.to_vec()));
    }
    match Version::ALL.iter().find(|version| version.name() == text) {
        Some(version) => Ok(Kernels(vec![*version])),
        None => Err("there are 5.10, 6.1, 6.12, 7.x and all".to_owned()),
    }
}

/// One way to start a kernel. The suite has other tests for each.
struct Boot {
    /// What the suite knows it by, in `EXECWARDEN_BOOT`.
    name: &'static str,
    /// For the kernel's command line.
    words: &'static str,
    /// Packages that only its tests need.
    packages: &'static [&'static str],
}

const BOOTS: [Boot; 5] = [
    Boot {
        name: "usual",
        words: "ia32_emulation=1",
        packages: &[],
    },
    Boot {
        name: "modules",
        words: "lsm=lockdown,yama,selinux,bpf",
        packages: &[],
    },
    Boot {
        name: "without_lsm",
        words: "lsm=lockdown,yama",
        packages: &[],
    },
    Boot {
        name: "v1",
        words: "",
        packages: &[],
    },
    Boot {
        name: "kubernetes",
        words: "",
        // systemd is its process 1, and is asked over D-Bus for the cgroups of pods.
        packages: &["containerd", "systemd", "dbus"],
    },
];

impl Boot {
    /// The folder that its packages are in, fetched once, and named by them: with
    /// others it is another.
    fn unpacked(&self, below: &Path) -> Result<Option<PathBuf>> {
        if self.packages.is_empty() {
            return Ok(None);
        }
        let folder = below.join(self.packages.join("+"));
        if !folder.exists() {
            Suite::update(packages::RELEASE, below)?
                .unpack_with_dependencies(self.packages, &folder)?;
        }
        Ok(Some(folder))
    }
}

/// A machine that prints nothing for so long hangs as a whole: the suite itself
/// gives up a test before that, and says what it hung on.
const SILENCE: Duration = Duration::from_secs(25 * 60);

/// Runs the tests on every chosen kernel, and says at the end how each did.
pub fn run(args: Args) -> Result<()> {
    setup::ensure(setup::Scope::Everything)?;
    command::run(optimising_cargo().args(["build", "--package", "execwarden"]))?;
    let mut sums = Vec::new();
    let mut words: Vec<&str> = args.filter.as_deref().into_iter().collect();
    if args.short {
        words.extend(SHORT);
    }
    for version in args.kernel.0 {
        let sum = test(version, &words, args.update, optimising_cargo)?;
        sums.push((version, sum));
    }
    println!();
    for (version, sum) in &sums {
        println!("kernel {:5} {sum}", version.name());
    }
    if !sums.iter().all(|(_, sum)| sum.is_good()) {
        bail!("not every test passed on every kernel");
    }
    Ok(())
}

/// What a short run says to the suite. Its floods are no other on another
/// kernel, and `every_cpu_counts` is one that is left; nor is BPF LSM active on the
/// machine's own.
const SHORT: [&str; 12] = [
    "--skip",
    "without_lsm::",
    "--skip",
    "containers::",
    "--skip",
    "kubernetes::",
    "--skip",
    "b17_",
    "--skip",
    "b24_",
    "--skip",
    "b25_",
];

/// The short run on the kernel of Debian 12.
pub fn test_shortly() -> Result<Sum> {
    test(Version::V6_1, &SHORT, false, command::cargo)
}

/// A whole run is an hour of emulated agent and suite, for which a build that
/// optimises a little is worth its time.
fn optimising_cargo() -> Command {
    let mut cargo = command::cargo();
    cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    cargo
}

/// Runs the tests that these words for the suite choose on one kernel. The
/// agent must have been built, by this cargo.
fn test(version: Version, chosen: &[&str], update: bool, cargo: fn() -> Command) -> Result<Sum> {
    let begun = Instant::now();
    let below = testbed::target_folder()?.join("vm");
    let _alone = alone(&below)?;
    let tools = Tools::get(&below)?;
    let kernel = Kernel::get(version, &below, update)?;
    let suite = suite(cargo)?;
    let mut tests = Command::new(&suite);
    tests.args(["--color", "never"]).args(chosen);
    let initramfs = initramfs::make(&tools, &kernel, &below)?;

    let mut sum = Sum::default();
    let mut boots = 0;
    let mut disk: Option<(&[&str], PathBuf)> = None;
    for boot in &BOOTS {
        if !has_tests(&suite, boot, chosen)? {
            continue;
        }
        boots += 1;
        let disk = match &disk {
            Some((packages, disk)) if *packages == boot.packages => disk,
            _ => {
                let unpacked = boot.unpacked(&below)?;
                let made = disk::make(&tools, &tests, unpacked.as_deref(), &below)?;
                &disk.insert((boot.packages, made)).1
            }
        };
        println!("\nkernel {}, boot {}", kernel.release, boot.name);
        let machine = Machine {
            tools: &tools,
            kernel: &kernel,
            initramfs: &initramfs,
            disk,
            log: below.join(format!("{}-{}.log", version.name(), boot.name)),
        };
        let words = format!("EXECWARDEN_BOOT={} {}", boot.name, boot.words);
        let end = machine.run(&words, SILENCE, |line| {
            println!("{line}");
            sum.add(line);
        })?;
        if end != End::Tests(0) {
            sum.broken = true;
            println!("{}", account(&end, &machine.log));
        }
    }
    if boots == 0 {
        bail!("no test has a name that contains {}", chosen.join(" "));
    }
    sum.duration = begun.elapsed();
    Ok(sum)
}

/// Keeps other runs waiting for as long as the file is open: they would make the
/// same disk.
fn alone(below: &Path) -> Result<File> {
    fs::create_dir_all(below).with_context(|| format!("cannot make {}", below.display()))?;
    let path = below.join("lock");
    let lock = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    if lock.try_lock().is_err() {
        println!(
            "another run is using {}; waiting for its end",
            below.display()
        );
        lock.lock()
            .with_context(|| format!("cannot wait for {}", path.display()))?;
    }
    Ok(lock)
}

/// What to look at where a machine did not end well.
fn account(end: &End, log: &Path) -> String {
    match end {
        End::Tests(status) => format!("the tests ended with status {status}"),
        End::Machine => format!(
            "the machine ended before the tests did; its kernel's last words are in {}",
            log.display()
        ),
        End::Silence => format!(
            "the machine was ended after {} minutes without a word; its kernel's messages are in {}",
            SILENCE.as_secs() / 60,
            log.display()
        ),
    }
}

/// The suite's binary, built. For the whole workspace, so that libraries have the
/// features that they have in a run of all tests, and are not built again.
fn suite(cargo: fn() -> Command) -> Result<PathBuf> {
    let output = cargo()
        .args(["test", "--workspace", "--test", "node", "--no-run"])
        .args(["--message-format", "json"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the suite cannot be built ({})", output.status);
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "node")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo does not say where the suite's binary is")
}

/// Whether a boot is worth its time.
fn has_tests(suite: &Path, boot: &Boot, chosen: &[&str]) -> Result<bool> {
    let output = Command::new(suite)
        .arg("--list")
        .args(chosen)
        .env("EXECWARDEN_BOOT", boot.name)
        .output()
        .context("cannot start the suite")?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .any(|line| line.ends_with(": test")))
}
