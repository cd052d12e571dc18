//! Small static programs that do what an intruder would. Their sources are
//! `tests/intruders/*.rs`, one file each, without any crate: they are built by
//! plain `rustc`, because cargo cannot link one program of a package
//! statically and the next one not.

use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

/// Builds the intruder of this name, if it is older than its source, and gives
/// its file: static, stripped, for any image.
pub fn build(name: &str) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("intruders")
        .join(name)
        .with_extension("rs");
    let folder = crate::target_folder()?.join("intruders");
    let program = folder.join(name);
    if is_fresh(&program, &source)? {
        return Ok(program);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Two test processes may build it at once: the last one's wins, whole.
    let unfinished = folder.join(format!("{name}.{}", process::id()));
    let status = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args(["--edition", "2024", "-O"])
        .args([
            "-C",
            "target-feature=+crt-static",
            "-C",
            "relocation-model=static",
        ])
        .args(["-C", "panic=abort", "-C", "strip=symbols"])
        // Not every program uses all of the calls they share.
        .args(["-A", "dead_code", "-o"])
        .arg(&unfinished)
        .arg(&source)
        .status()
        .context("cannot start rustc")?;
    if !status.success() {
        bail!("rustc could not build {} ({status})", source.display());
    }
    fs::rename(&unfinished, &program)
        .with_context(|| format!("cannot rename {}", unfinished.display()))?;
    Ok(program)
}

fn is_fresh(program: &Path, source: &Path) -> Result<bool> {
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    let own =
        modified(source).with_context(|| format!("there is no intruder {}", source.display()))?;
    let shared = source.with_file_name("libc/mod.rs");
    let shared = modified(&shared).with_context(|| format!("cannot find {}", shared.display()))?;
    Ok(modified(program).is_ok_and(|built| built > own && built > shared))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, args: &[&str], expected: &str) {
        let output = Command::new(build(name).unwrap())
            .args(args)
            .output()
            .unwrap();

        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{name} {args:?}: {} {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(printed.trim_end(), expected, "{name} {args:?}");
    }

    #[test]
    fn each_runs_what_it_was_given_in_its_own_way() {
        let hello = build("hello").unwrap();
        let hello = hello.to_str().unwrap();

        check("hello", &[], &format!("hello from {hello}"));
        check("memfd", &["runc", hello, "nginx"], "hello from nginx");
        check("deleted", &[hello, "gone"], "hello from gone");
        check(
            "tmpfile",
            &["/tmp", hello, "nameless"],
            "hello from nameless",
        );
        check(
            "argv0",
            &["path", "/usr/sbin/nginx", hello],
            "hello from /usr/sbin/nginx",
        );
        check(
            "argv0",
            &["descriptor", "/usr/sbin/nginx", hello],
            "hello from /usr/sbin/nginx",
        );
        check("storm", &["100", hello], "100");
        check("spellings", &[hello], "22");
    }

    #[test]
    fn an_intruder_that_does_not_exist_is_named() {
        let error = build("nobody").unwrap_err();

        assert!(error.to_string().contains("nobody.rs"), "{error}");
    }
}
